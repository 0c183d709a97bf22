#include "conv_accurate.h"

#include <stddef.h>

#include "gemm.h"

enum { BLOCK = 64 };  // pixels of a line that are summed up together

typedef struct {
  const lig_conv *forward;
  const lig_conv_transpose *transposed;
  const float *x, *weights, *bias, *residual;
  float *y;
} accurate_job;

/// The smallest index whose multiple by `step` reaches `value`, but not below 0.
static long first_reaching(long value, long step) { return value <= 0 ? 0 : (value + step - 1) / step; }

/// Adds one tap to a block of sums: pixel i reads `row[(from + i) * stride + shift]` where that lies in the row.
static void add_tap(
    double *sums, double weight, const float *row, long width, long from, long count, long stride, long shift) {
  long low = first_reaching(-shift, stride), high = first_reaching(width - shift, stride);
  low = low > from ? low - from : 0;
  high = gemm_min(high - from, count);
  const long start = from * stride + shift;
  if (stride == 1) {
    for (long i = low; i < high; ++i) sums[i] += weight * (double)row[start + i];
  } else {
    for (long i = low; i < high; ++i) sums[i] += weight * (double)row[start + i * stride];
  }
}

static void accurate_plane(void *context, long index, int worker) {
  (void)worker;
  const accurate_job *job = context;
  const lig_conv *p = job->forward;
  const long filter = index % p->filters, in_group = p->channels / p->groups;
  const long group = filter / (p->filters / p->groups), area = p->kernel_h * p->kernel_w;
  const float *image = job->x + (index / p->filters * p->channels + group * in_group) * p->height * p->width;
  const float *weights = job->weights + filter * in_group * area;
  for (long oy = 0; oy < p->out_h; ++oy)
    for (long from = 0; from < p->out_w; from += BLOCK) {
      const long count = gemm_min(BLOCK, p->out_w - from), place = (index * p->out_h + oy) * p->out_w + from;
      double sums[BLOCK];
      for (long i = 0; i < count; ++i) sums[i] = job->bias ? job->bias[filter] : 0;
      for (long c = 0; c < in_group; ++c)
        for (long tap = 0; tap < area; ++tap) {
          const long iy = oy * p->stride_h + tap / p->kernel_w * p->dilation_h - p->pad_top;
          if (iy < 0 || iy >= p->height) continue;
          add_tap(
              sums, weights[c * area + tap], image + (c * p->height + iy) * p->width, p->width, from, count,
              p->stride_w, tap % p->kernel_w * p->dilation_w - p->pad_left);
        }
      for (long i = 0; i < count; ++i)
        job->y[place + i] =
            lig_activate(p->activation, (float)(job->residual ? sums[i] + job->residual[place + i] : sums[i]));
    }
}

void lig_conv_accurate(
    const lig_conv *plan, lig_pool *pool, const float *x, const float *weights, const float *bias,
    const float *residual, float *y) {
  accurate_job job = {plan, NULL, x, weights, bias, residual, y};
  lig_parallel(pool, plan->batch * plan->filters, accurate_plane, &job);
}

static void accurate_transposed_plane(void *context, long index, int worker) {
  (void)worker;
  const accurate_job *job = context;
  const lig_conv_transpose *p = job->transposed;
  const long group_filters = p->filters / p->groups, filter = index % p->filters, in_group = p->channels / p->groups;
  const long area = p->kernel_h * p->kernel_w, channel = filter / group_filters * in_group;
  const float *image = job->x + (index / p->filters * p->channels + channel) * p->height * p->width;
  for (long oy = 0; oy < p->out_h; ++oy)
    for (long ox = 0; ox < p->out_w; ++ox) {
      double sum = job->bias ? job->bias[filter] : 0;
      for (long tap = 0; tap < area; ++tap) {
        const long y = oy + p->pad_top - tap / p->kernel_w * p->dilation_h;
        const long x = ox + p->pad_left - tap % p->kernel_w * p->dilation_w;
        if (y < 0 || x < 0 || y % p->stride_h || x % p->stride_w) continue;
        const long iy = y / p->stride_h, ix = x / p->stride_w;
        if (iy >= p->height || ix >= p->width) continue;
        const float *from = image + iy * p->width + ix;
        const float *weights = job->weights + (channel * group_filters + filter % group_filters) * area + tap;
        for (long c = 0; c < in_group; ++c)
          sum += (double)from[c * p->height * p->width] * (double)weights[c * group_filters * area];
      }
      job->y[(index * p->out_h + oy) * p->out_w + ox] = lig_activate(p->activation, (float)sum);
    }
}

void lig_conv_transpose_accurate(
    const lig_conv_transpose *plan, lig_pool *pool, const float *x, const float *weights, const float *bias, float *y) {
  accurate_job job = {NULL, plan, x, weights, bias, NULL, y};
  lig_parallel(pool, plan->batch * plan->filters, accurate_transposed_plane, &job);
}
