#include "requantize.h"

#include <math.h>

#include "tasks.h"

typedef struct {
  const int32_t *x, *bias;
  const float *scale;
  int zero, is_signed;
  long channels, inner, count;
  uint8_t *y;
} requantize_job;

static void requantize_task(void *context, long task, int worker) {
  (void)worker;
  const requantize_job *job = context;
  const long end = lig_min((task + 1) * LIG_GRAIN, job->count);
  const float low = job->is_signed ? -128.0f : 0.0f, high = job->is_signed ? 127.0f : 255.0f;
  for (long i = task * LIG_GRAIN; i < end;) {
    const long channel = i / job->inner % job->channels, stop = lig_min((i / job->inner + 1) * job->inner, end);
    const float scale = job->scale[channel];
    const uint32_t bias = job->bias ? (uint32_t)job->bias[channel] : 0;
    for (; i < stop; ++i) {
      float v = rintf((float)(int32_t)((uint32_t)job->x[i] + bias) * scale) + (float)job->zero;
      v = v < low ? low : v > high ? high : v == v ? v : (float)job->zero;
      job->y[i] = (uint8_t)(int)v;
    }
  }
}

void lig_requantize(
    lig_pool *pool, const int32_t *x, const int32_t *bias, const float *scale, int zero, int is_signed, long outer,
    long channels, long inner, void *y) {
  requantize_job job = {x, bias, scale, zero, is_signed, channels, inner, outer * channels * inner, y};
  if (job.count) lig_parallel(pool, lig_tiles(job.count, LIG_GRAIN), requantize_task, &job);
}
