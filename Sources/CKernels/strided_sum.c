#include "strided_sum.h"

#include "tasks.h"

typedef struct {
  const lig_strided_sum *plan;
  const float *x;
  float *y;
  long count;
} sum_job;

static float sum_at(const lig_strided_sum *p, const float *x, int axis) {
  float sum = 0;
  for (long i = 0; i < p->sum_size[axis]; ++i, x += p->sum_step[axis]) {
    sum += axis + 1 < p->sum_rank ? sum_at(p, x, axis + 1) : *x;
  }
  return sum;
}

static void sum_task(void *context, long task, int worker) {
  (void)worker;
  const sum_job *job = context;
  const lig_strided_sum *p = job->plan;
  long at[LIG_STRIDED_RANK] = {0}, first = task * LIG_GRAIN, end = lig_min(first + LIG_GRAIN, job->count);
  const float *x = job->x;
  long rest = first;
  for (int axis = p->rank - 1; axis >= 0; --axis) {
    at[axis] = rest % p->size[axis];
    rest /= p->size[axis];
    x += at[axis] * p->step[axis];
  }
  const long inner = p->rank ? p->size[p->rank - 1] : 1, step = p->rank ? p->step[p->rank - 1] : 0;
  for (long i = first; i < end;) {
    const long run = lig_min(inner - (p->rank ? at[p->rank - 1] : 0), end - i);
    float *y = job->y + i;
    if (p->sum_rank) for (long j = 0; j < run; ++j) y[j] = sum_at(p, x + j * step, 0);
    else if (step == 1) for (long j = 0; j < run; ++j) y[j] = x[j];
    else for (long j = 0; j < run; ++j) y[j] = x[j * step];
    i += run;
    if (!p->rank) return;
    // On to the next inner row.
    x -= at[p->rank - 1] * step;
    at[p->rank - 1] = 0;
    for (int axis = p->rank - 2; axis >= 0; --axis) {
      x += p->step[axis];
      if (++at[axis] < p->size[axis]) break;
      x -= p->size[axis] * p->step[axis];
      at[axis] = 0;
    }
  }
}

void lig_strided_sum_run(const lig_strided_sum *p, lig_pool *pool, const float *x, float *y) {
  sum_job job = {p, x, y, 1};
  for (int axis = 0; axis < p->rank; ++axis) job.count *= p->size[axis];
  lig_parallel(pool, lig_tiles(job.count, LIG_GRAIN), sum_task, &job);
}
