#include "quantize.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks.h"

#pragma STDC FP_CONTRACT OFF

// In the order of ElementType, from LIG_UINT8 on.
#define LIG_NARROW_LIST(T) \
  T(uint8_t, uint8, 0, 255) \
  T(int8_t, int8, -128, 127) \
  T(uint16_t, uint16, 0, 65535) \
  T(int16_t, int16, -32768, 32767)

typedef void (*quantize_loop)(const float *, const float *, const void *, void *, long, int);
typedef void (*dequantize_loop)(const void *, const float *, const void *, float *, long, int);

// The limits are applied before rounding, so that no value overflows an int; NaN becomes the lower limit.
static inline __attribute__((always_inline)) int to_integer(float x, int zero, int lowest, int highest) {
  const float low = (float)(lowest - zero), high = (float)(highest - zero);
  x = x > low ? x : low;
  x = x < high ? x : high;
  return (int)rintf(x) + zero;
}

#define KERNELS "quantize.inc"
#include "each_simd.h"

typedef struct {
  const lig_quantization *plan;
  quantize_loop quantize;
  dequantize_loop dequantize;
  const float *x;
  const void *q;
  const float *scale;
  const char *zero;
  long run, width;
  int varies;
} quantize_job;

static const int widths[] = {1, 1, 2, 2, 4};

/// One run of elements; a run has one scale, or one scale for each element side by side.
static void run_task(void *context, long index, int worker) {
  (void)worker;
  const quantize_job *job = context;
  const lig_quantization *p = job->plan;
  long start, count = job->run, scale = 0;
  if (!p->block) {  // runs are mere slices
    start = index * job->run;
    count = lig_min(count, p->outer * p->axis * p->inner - start);
  } else {
    start = index * job->run;
    if (!p->per_axis) {
      long blocks = (p->axis + p->block - 1) / p->block;
      scale = (index / p->axis * blocks + index % p->axis / p->block) * p->inner;
    } else if (!job->varies) {
      scale = index % p->axis;
    }
  }
  const float *scales = job->scale + scale;
  const void *zeros = job->zero ? job->zero + scale * job->width : NULL;
  const char *q = (const char *)job->q + start * job->width;
  if (job->quantize) job->quantize(job->x + start, scales, zeros, (void *)q, count, job->varies);
  else job->dequantize(q, scales, zeros, (float *)job->x + start, count, job->varies);
}

typedef struct {
  quantize_job *job;
  long runs, each;
} runs_job;

static void some_runs(void *context, long index, int worker) {
  const runs_job *runs = context;
  for (long i = index * runs->each; i < lig_min((index + 1) * runs->each, runs->runs); ++i) {
    run_task(runs->job, i, worker);
  }
}

static void run_all(quantize_job *job, lig_pool *pool) {
  const lig_quantization *p = job->plan;
  long runs;
  if (!p->block) {
    job->run = LIG_GRAIN;
    runs = lig_tiles(p->outer * p->axis * p->inner, LIG_GRAIN);
  } else if (p->per_axis && p->inner == 1) {  // scales side by side along the axis
    job->run = p->axis;
    job->varies = 1;
    runs = p->outer;
  } else {
    job->run = p->inner;
    job->varies = !p->per_axis;
    runs = p->outer * p->axis;
  }
  runs_job all = {job, runs, lig_max(LIG_GRAIN / lig_max(job->run, 1), 1)};
  lig_parallel(pool, lig_tiles(runs, all.each), some_runs, &all);
}

int lig_quantize(
    const lig_quantization *p, lig_pool *pool, const float *x, const float *scale, const void *zero, void *q) {
  if (p->type < LIG_UINT8 || p->type > LIG_INT16) return -1;
  const int type = p->type - LIG_UINT8;
  quantize_job job = {.plan = p, .x = x, .q = q, .scale = scale, .zero = zero, .width = widths[type]};
  job.quantize = BEST(quantize_table)[type];
  run_all(&job, pool);
  return 0;
}

int lig_dequantize(
    const lig_quantization *p, lig_pool *pool, const void *q, const float *scale, const void *zero, float *x) {
  if (p->type < LIG_UINT8 || p->type > LIG_INT32) return -1;
  const int type = p->type - LIG_UINT8;
  quantize_job job = {.plan = p, .x = x, .q = q, .scale = scale, .zero = zero, .width = widths[type]};
  job.dequantize = BEST(dequantize_table)[type];
  run_all(&job, pool);
  return 0;
}

// ── Dynamic quantisation ────────────────────────────────────────────────────
enum { most_slices = 64 };

typedef struct {
  const float *x;
  long count, slice;
  float low[most_slices], high[most_slices];
} range_job;

static void range_task(void *context, long index, int worker) {
  (void)worker;
  range_job *job = context;
  long start = index * job->slice;
  BEST(find_range)(job->x + start, lig_min(job->slice, job->count - start), job->low + index, job->high + index);
}

static lig_dynamic_scale scale_of(float low, float high) {
  lig_dynamic_scale to = {.scale = low == high ? 1.0f : (high - low) / 255.0f};
  float zero = 0.0f - low / to.scale;
  zero = zero > 0 ? zero : 0;
  zero = zero < 255 ? zero : 255;
  to.zero = (unsigned char)rintf(zero);
  return to;
}

lig_dynamic_scale lig_dynamic_range(const float *x, long count, lig_pool *pool) {
  range_job job = {.x = x, .count = count, .slice = lig_max(LIG_GRAIN, lig_tiles(count, most_slices))};
  long slices = lig_tiles(count, job.slice);
  lig_parallel(pool, slices, range_task, &job);
  float low = 0, high = 0;
  for (long i = 0; i < slices; ++i) {
    low = job.low[i] < low ? job.low[i] : low;
    high = job.high[i] > high ? job.high[i] : high;
  }
  return scale_of(low, high);
}

void lig_dynamic_quantize(const float *x, long count, lig_dynamic_scale to, unsigned char *q, lig_pool *pool) {
  lig_quantization plan = {.outer = 1, .axis = 1, .inner = count, .type = LIG_UINT8};
  lig_quantize(&plan, pool, x, &to.scale, &to.zero, q);
}
