#include "optimizer.h"

#include <math.h>
#include <stddef.h>

#include "tasks.h"

// Written so that NaN falls through.
static inline __attribute__((always_inline)) float clamped(float x, float limit) {
  x = x < -limit ? -limit : x;
  return x > limit ? limit : x;
}

#define KERNELS "optimizer.inc"
#include "each_simd.h"

// At most two moments beside the parameter.
typedef struct {
  const void *rule;
  long count;
  const float *parameter, *gradient, *a, *b;
  float *next, *next_a, *next_b;
  double *partial;
} update_job;

#define AT(p) ((p) ? (p) + start : NULL)
#define STRETCH                                    \
  (void)worker;                                    \
  const update_job *j = context;                   \
  const long start = index * LIG_GRAIN;            \
  const long n = lig_min(LIG_GRAIN, j->count - start)

static void sgd_task(void *context, long index, int worker) {
  STRETCH;
  BEST(sgd)(j->rule, n, AT(j->parameter), AT(j->gradient), AT(j->a), AT(j->next), AT(j->next_a));
}

static void adam_task(void *context, long index, int worker) {
  STRETCH;
  BEST(adam)(
      j->rule, n, AT(j->parameter), AT(j->gradient), AT(j->a), AT(j->b), AT(j->next), AT(j->next_a), AT(j->next_b));
}

static void adadelta_task(void *context, long index, int worker) {
  STRETCH;
  BEST(adadelta)(
      j->rule, n, AT(j->parameter), AT(j->gradient), AT(j->a), AT(j->b), AT(j->next), AT(j->next_a), AT(j->next_b));
}

static void square_sum_task(void *context, long index, int worker) {
  STRETCH;
  j->partial[index] = BEST(square_sum)(AT(j->parameter), n);
}

void lig_sgd(
    lig_pool *pool, const lig_sgd_rule *rule, long count, const float *parameter, const float *gradient,
    const float *buffer, float *next_parameter, float *next_buffer) {
  update_job job = {rule, count, parameter, gradient, buffer, NULL, next_parameter, next_buffer, NULL, NULL};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), sgd_task, &job);
}

void lig_adam(
    lig_pool *pool, const lig_adam_rule *rule, long count, const float *parameter, const float *gradient,
    const float *first, const float *second, float *next_parameter, float *next_first, float *next_second) {
  update_job job = {rule, count, parameter, gradient, first, second, next_parameter, next_first, next_second, NULL};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), adam_task, &job);
}

void lig_adadelta(
    lig_pool *pool, const lig_adadelta_rule *rule, long count, const float *parameter, const float *gradient,
    const float *squares, const float *deltas, float *next_parameter, float *next_squares, float *next_deltas) {
  update_job job = {rule, count, parameter, gradient, squares, deltas, next_parameter, next_squares, next_deltas, NULL};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), adadelta_task, &job);
}

long lig_square_sum_count(long count) { return lig_tiles(count, LIG_GRAIN); }

void lig_square_sums(lig_pool *pool, const float *x, long count, double *partial) {
  update_job job = {NULL, count, x, NULL, NULL, NULL, NULL, NULL, NULL, partial};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), square_sum_task, &job);
}
