#include "cross_entropy.h"

#include <math.h>

typedef struct {
  const float *p, *t;
  float *y;
  long count;
} job;

enum { block = 1 << 14 };

static float loss_of(float p, float t) {
  // fmaxf would hide what is no number: NaN, or a probability outside of 0...1.
  if (!(p >= 0 && p <= 1)) return NAN;
  // Most targets are 0 or 1: a logarithm without weight need not be taken.
  float loss = 0;
  if (t != 0) loss -= t * fmaxf(logf(p), -100.0f);
  if (t != 1) loss -= (1 - t) * fmaxf(log1pf(-p), -100.0f);
  return loss;
}

static void task(void *context, long part, int worker) {
  (void)worker;
  const job *work = context;
  long end = (part + 1) * block < work->count ? (part + 1) * block : work->count;
  for (long i = part * block; i < end; i++) work->y[i] = loss_of(work->p[i], work->t[i]);
}

void lig_binary_cross_entropy(const float *p, const float *t, float *y, long count, lig_pool *pool) {
  job work = {.p = p, .t = t, .y = y, .count = count};
  lig_parallel(pool, (count + block - 1) / block, task, &work);
}
