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

// ── Batch normalisation in training: a task is a channel ────────────────────
typedef struct {
  int isa;
  const float *x, *g;
  long outer, channels, inner;
  const float *gamma, *beta, *old_mean, *old_variance;
  float epsilon, momentum;
  float *y, *running_mean, *running_variance, *dgamma, *dbeta;
} batch_job;

// Mean and variance of a channel; the rows' sums are added in order, in double precision.
static void channel_moments(const batch_job *j, long channel, float *mean, float *variance) {
  double sum = 0, spread = 0, count = (double)j->outer * (double)j->inner;
  for (long n = 0; n < j->outer; ++n) {
    sum += (double)VARIANT(j->isa, sum_row)(j->x + (n * j->channels + channel) * j->inner, j->inner);
  }
  *mean = (float)(sum / count);
  for (long n = 0; n < j->outer; ++n) {
    spread += (double)VARIANT(j->isa, spread_row)(j->x + (n * j->channels + channel) * j->inner, j->inner, *mean);
  }
  *variance = (float)(spread / count);
}

static void batch_train_task(void *context, long channel, int worker) {
  (void)worker;
  const batch_job *j = context;
  float mean, variance, rest = 1 - j->momentum;
  channel_moments(j, channel, &mean, &variance);
  float scale = j->gamma[channel] / sqrtf(variance + j->epsilon), shift = j->beta[channel] - mean * scale;
  for (long n = 0; n < j->outer; ++n) {
    long at = (n * j->channels + channel) * j->inner;
    VARIANT(j->isa, scale_shift)(j->x + at, j->inner, scale, shift, j->y + at);
  }
  if (j->running_mean) j->running_mean[channel] = j->old_mean[channel] * j->momentum + mean * rest;
  if (j->running_variance) j->running_variance[channel] = j->old_variance[channel] * j->momentum + variance * rest;
}

void lig_batch_norm_train(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *gamma, const float *beta,
    const float *old_mean, const float *old_variance, float epsilon, float momentum, float *y, float *running_mean,
    float *running_variance) {
  batch_job job = {
    .isa = (int)lig_isa(), .x = x, .outer = outer, .channels = channels, .inner = inner, .gamma = gamma, .beta = beta,
    .old_mean = old_mean, .old_variance = old_variance, .epsilon = epsilon, .momentum = momentum, .y = y,
    .running_mean = running_mean, .running_variance = running_variance,
  };
  lig_parallel(pool, channels, batch_train_task, &job);
}

static void batch_gradient_task(void *context, long channel, int worker) {
  (void)worker;
  const batch_job *j = context;
  float mean, variance;
  channel_moments(j, channel, &mean, &variance);
  double of_g = 0, of_product = 0, count = (double)j->outer * (double)j->inner;
  for (long n = 0; n < j->outer; ++n) {
    long at = (n * j->channels + channel) * j->inner;
    VARIANT(j->isa, gradient_sums_row)(j->x + at, j->g + at, j->inner, mean, &of_g, &of_product);
  }
  double inverse = 1 / sqrt((double)variance + (double)j->epsilon), factor = (double)j->gamma[channel] * inverse;
  if (j->dgamma) j->dgamma[channel] = (float)(of_product * inverse);
  if (j->dbeta) j->dbeta[channel] = (float)of_g;
  if (!j->y) return;
  // What lies along the mean and along the result itself has no effect.
  double along = -factor * inverse * inverse * of_product / count;
  float c = (float)(-factor * of_g / count);
  for (long n = 0; n < j->outer; ++n) {
    long at = (n * j->channels + channel) * j->inner;
    VARIANT(j->isa, combine_row)(j->x + at, j->g + at, j->inner, (float)factor, (float)along, mean, c, j->y + at);
  }
}

void lig_batch_norm_gradient(
    lig_pool *pool, const float *x, const float *g, long outer, long channels, long inner, const float *gamma,
    float epsilon, float *dx, float *dgamma, float *dbeta) {
  batch_job job = {
    .isa = (int)lig_isa(), .x = x, .g = g, .outer = outer, .channels = channels, .inner = inner, .gamma = gamma,
    .epsilon = epsilon, .y = dx, .dgamma = dgamma, .dbeta = dbeta,
  };
  lig_parallel(pool, channels, batch_gradient_task, &job);
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
