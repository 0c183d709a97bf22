#include "norm.h"

#include <stddef.h>

#include "gemm.h"

#define KERNELS "norm.inc"
#include "each_simd.h"

enum { task_elements = 16 * 1024 };

/// Rows of `count` elements that make a task.
static long rows_per_task(long count) { return gemm_max(1, task_elements / gemm_max(count, 1)); }

typedef struct {
  int isa;
  const float *x;
  long outer, channels, inner, rows, per_task;
  const float *gamma, *beta;
  float epsilon;
  int logarithm;
  float *y, *mean, *inverse;
} norm_job;

static void share_rows(lig_pool *pool, norm_job *job, long rows, long count, lig_body body) {
  job->isa = (int)lig_isa();
  job->rows = rows;
  job->per_task = rows_per_task(count);
  lig_parallel(pool, (rows + job->per_task - 1) / job->per_task, body, job);
}

static void scale_shift_task(void *context, long index, int worker) {
  (void)worker;
  const norm_job *j = context;
  long end = gemm_min((index + 1) * j->per_task, j->rows);
  for (long row = index * j->per_task; row < end; ++row) {
    long channel = row % j->channels;
    VARIANT(j->isa, scale_shift)(
        j->x + row * j->inner, j->inner, j->gamma[channel], j->beta[channel], j->y + row * j->inner);
  }
}

void lig_scale_shift(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *scale, const float *shift,
    float *y) {
  norm_job job = {.x = x, .channels = channels, .inner = inner, .gamma = scale, .beta = shift, .y = y};
  share_rows(pool, &job, outer * channels, inner, scale_shift_task);
}

void lig_batch_norm_fold(
    const float *gamma, const float *beta, const float *mean, const float *variance, float epsilon, long channels,
    float *scale, float *shift) {
  for (long c = 0; c < channels; ++c) {
    float factor = gamma[c] / sqrtf(variance[c] + epsilon);
    scale[c] = factor;
    shift[c] = beta[c] - mean[c] * factor;
  }
}

static void moments(int isa, const float *x, long count, float epsilon, float *mean, float *inverse) {
  *mean = VARIANT(isa, sum_row)(x, count) / (float)count;
  *inverse = 1 / sqrtf(VARIANT(isa, spread_row)(x, count, *mean) / (float)count + epsilon);
}

static void layer_norm_task(void *context, long index, int worker) {
  (void)worker;
  const norm_job *j = context;
  long end = gemm_min((index + 1) * j->per_task, j->rows);
  for (long row = index * j->per_task; row < end; ++row) {
    float mean, inverse;
    moments(j->isa, j->x + row * j->inner, j->inner, j->epsilon, &mean, &inverse);
    VARIANT(j->isa, layer_norm_row)(
        j->x + row * j->inner, j->inner, j->gamma, j->beta, mean, inverse, j->y + row * j->inner);
    if (j->mean) j->mean[row] = mean;
    if (j->inverse) j->inverse[row] = inverse;
  }
}

void lig_layer_norm(
    lig_pool *pool, const float *x, long rows, long count, const float *gamma, const float *beta, float epsilon,
    float *y, float *mean, float *inverse) {
  norm_job job = {
    .x = x, .inner = count, .gamma = gamma, .beta = beta, .epsilon = epsilon, .y = y, .mean = mean, .inverse = inverse,
  };
  share_rows(pool, &job, rows, count, layer_norm_task);
}

static void instance_norm_task(void *context, long index, int worker) {
  (void)worker;
  const norm_job *j = context;
  long end = gemm_min((index + 1) * j->per_task, j->rows);
  for (long row = index * j->per_task; row < end; ++row) {
    float mean, inverse;
    moments(j->isa, j->x + row * j->inner, j->inner, j->epsilon, &mean, &inverse);
    float scale = j->gamma[row % j->channels] * inverse;
    VARIANT(j->isa, scale_shift)(
        j->x + row * j->inner, j->inner, scale, j->beta[row % j->channels] - mean * scale, j->y + row * j->inner);
  }
}

void lig_instance_norm(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *gamma, const float *beta,
    float epsilon, float *y) {
  norm_job job = {
    .x = x, .channels = channels, .inner = inner, .gamma = gamma, .beta = beta, .epsilon = epsilon, .y = y,
  };
  share_rows(pool, &job, outer * channels, inner, instance_norm_task);
}

static void softmax_row_task(void *context, long index, int worker) {
  (void)worker;
  const norm_job *j = context;
  long end = gemm_min((index + 1) * j->per_task, j->rows);
  for (long row = index * j->per_task; row < end; ++row) {
    VARIANT(j->isa, softmax_row)(j->x + row * j->channels, j->channels, j->logarithm, j->y + row * j->channels);
  }
}

enum { column_block = 16 };  // columns of a task's unit, whatever the instruction set

static void softmax_column_task(void *context, long index, int worker) {
  (void)worker;
  const norm_job *j = context;
  long blocks = (j->inner + column_block - 1) / column_block, lanes = gemm_width(j->isa) / 2;
  long end = gemm_min((index + 1) * j->per_task, j->rows);
  for (long unit = index * j->per_task; unit < end; ++unit) {
    long first = unit % blocks * column_block, last = gemm_min(first + column_block, j->inner);
    long base = unit / blocks * j->channels * j->inner;
    for (long column = first; column < last; column += lanes) {
      VARIANT(j->isa, softmax_columns)(
          j->x + base + column, j->channels, j->inner, gemm_min(lanes, last - column), j->logarithm,
          j->y + base + column);
    }
  }
}

void lig_softmax(lig_pool *pool, const float *x, long outer, long count, long inner, int logarithm, float *y) {
  norm_job job = {.x = x, .channels = count, .inner = inner, .logarithm = logarithm, .y = y};
  if (inner == 1) {
    share_rows(pool, &job, outer, count, softmax_row_task);
  } else {
    long blocks = (inner + column_block - 1) / column_block;
    share_rows(pool, &job, outer * blocks, count * column_block, softmax_column_task);
  }
}
