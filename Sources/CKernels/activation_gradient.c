#include "activation_gradient.h"

#include "gemm.h"
#include "tasks.h"

#define KERNELS "activation_gradient.inc"
#include "each_simd.h"

typedef struct {
  const float *y, *g;
  float *dx;
  long count;
} job;

static void relu_task(void *context, long index, int worker) {
  (void)worker;
  const job *j = context;
  long first = index * LIG_GRAIN, count = lig_min(LIG_GRAIN, j->count - first);
  BEST(relu_gradient)(j->y + first, j->g + first, j->dx + first, count);
}

void lig_relu_gradient(const float *y, const float *g, float *dx, long count, lig_pool *pool) {
  job work = {y, g, dx, count};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), relu_task, &work);
}

void lig_relu_gradient_f64(const double *y, const double *g, double *dx, long count) {
  for (long i = 0; i < count; ++i) dx[i] = y[i] > 0 ? g[i] : 0;
}
