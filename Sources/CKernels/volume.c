#include "volume.h"

#include <math.h>
#include <string.h>

#include "grid_place.h"
#include "resize.h"
#include "tasks.h"

// Written plainly: rows along the width are added up tap by tap, which compilers vectorise for a stride of 1.

static long product(const long v[3]) { return v[0] * v[1] * v[2]; }

// The places i of 0..<count for which 0 <= i * stride + shift < size.
static void reach(long count, long stride, long shift, long size, long *first, long *end) {
  *first = shift >= 0 ? 0 : lig_tiles(-shift, stride);
  *end = shift >= size ? 0 : lig_min(count, (size - 1 - shift) / stride + 1);
}

typedef struct {
  const lig_volume *plan;
  const float *x, *w, *bias, *residual;
  float *y;
  int mode, padding, align;
} volume_job;

// ── Convolution: a task is one plane (depth) of one filter of one image ─────
static void conv_task(void *context, long task, int worker) {
  (void)worker;
  const volume_job *job = context;
  const lig_volume *p = job->plan;
  const long depth = p->output[0], height = p->output[1], width = p->output[2];
  const long plane = task % depth, filter = task / depth % p->filters, image = task / depth / p->filters;
  const long channels = p->channels / p->groups, group = filter / (p->filters / p->groups);
  const long start = task * height * width, taps = product(p->kernel), size = product(p->input);
  for (long i = 0; i < height * width; ++i) job->y[start + i] = job->bias ? job->bias[filter] : 0;
  for (long channel = 0; channel < channels; ++channel) {
    const float *x = job->x + (image * p->channels + group * channels + channel) * size;
    const float *w = job->w + (filter * channels + channel) * taps;
    for (long kd = 0; kd < p->kernel[0]; ++kd) {
      const long d = plane * p->stride[0] + kd * p->dilation[0] - p->pad_begin[0];
      if (d < 0 || d >= p->input[0]) continue;
      for (long row = 0; row < height; ++row) {
        for (long kh = 0; kh < p->kernel[1]; ++kh) {
          const long h = row * p->stride[1] + kh * p->dilation[1] - p->pad_begin[1];
          if (h < 0 || h >= p->input[1]) continue;
          const float *line = x + (d * p->input[1] + h) * p->input[2];
          float *y = job->y + start + row * width;
          for (long kw = 0; kw < p->kernel[2]; ++kw) {
            const float tap = w[(kd * p->kernel[1] + kh) * p->kernel[2] + kw];
            const long shift = kw * p->dilation[2] - p->pad_begin[2], stride = p->stride[2];
            long first, end;
            reach(width, stride, shift, p->input[2], &first, &end);
            if (stride == 1) for (long i = first; i < end; ++i) y[i] += tap * line[i + shift];
            else for (long i = first; i < end; ++i) y[i] += tap * line[i * stride + shift];
          }
        }
      }
    }
  }
  for (long i = start; i < start + height * width; ++i) {
    job->y[i] = lig_activate(p->activation, job->residual ? job->y[i] + job->residual[i] : job->y[i]);
  }
}

void lig_volume_conv(
    const lig_volume *plan, lig_pool *pool, const float *x, const float *w, const float *bias, const float *residual,
    float *y) {
  volume_job job = {.plan = plan, .x = x, .w = w, .bias = bias, .residual = residual, .y = y};
  lig_parallel(pool, plan->batch * plan->filters * plan->output[0], conv_task, &job);
}

// ── Transposed: a task is one filter of one image ───────────────────────────
static void transpose_task(void *context, long task, int worker) {
  (void)worker;
  const volume_job *job = context;
  const lig_volume *p = job->plan;
  const long filter = task % p->filters, image = task / p->filters;
  const long channels = p->channels / p->groups, filters = p->filters / p->groups;
  const long group = filter / filters, taps = product(p->kernel), size = product(p->input), count = product(p->output);
  float *y = job->y + task * count;
  for (long i = 0; i < count; ++i) y[i] = job->bias ? job->bias[filter] : 0;
  for (long channel = group * channels; channel < (group + 1) * channels; ++channel) {
    const float *x = job->x + (image * p->channels + channel) * size;
    const float *w = job->w + (channel * filters + filter % filters) * taps;
    for (long row = 0; row < p->input[0] * p->input[1]; ++row) {
      const float *line = x + row * p->input[2];
      for (long tap = 0; tap < taps; ++tap) {
        const long kd = tap / (p->kernel[1] * p->kernel[2]), kh = tap / p->kernel[2] % p->kernel[1];
        const long kw = tap % p->kernel[2];
        const long d = row / p->input[1] * p->stride[0] + kd * p->dilation[0] - p->pad_begin[0];
        const long h = row % p->input[1] * p->stride[1] + kh * p->dilation[1] - p->pad_begin[1];
        if (d < 0 || d >= p->output[0] || h < 0 || h >= p->output[1]) continue;
        const long shift = kw * p->dilation[2] - p->pad_begin[2], stride = p->stride[2];
        float *target = y + (d * p->output[1] + h) * p->output[2];
        long first, end;
        reach(p->input[2], stride, shift, p->output[2], &first, &end);
        if (stride == 1) for (long i = first; i < end; ++i) target[i + shift] += w[tap] * line[i];
        else for (long i = first; i < end; ++i) target[i * stride + shift] += w[tap] * line[i];
      }
    }
  }
  for (long i = 0; i < count; ++i) y[i] = lig_activate(p->activation, y[i]);
}

void lig_volume_conv_transpose(
    const lig_volume *plan, lig_pool *pool, const float *x, const float *w, const float *bias, float *y) {
  volume_job job = {.plan = plan, .x = x, .w = w, .bias = bias, .y = y};
  lig_parallel(pool, plan->batch * plan->filters, transpose_task, &job);
}

// ── Sampling: a task is one image's row of the result ───────────────────────
static void sample_task(void *context, long task, int worker) {
  (void)worker;
  const volume_job *job = context;
  const lig_volume *p = job->plan;
  const long width = p->output[2], rows = p->output[0] * p->output[1];
  const long image = task / rows, row = task % rows, size = product(p->input);
  for (long column = 0; column < width; ++column) {
    const float *at = job->w + (task * width + column) * 3;
    long places[3][2];
    float weights[3][2];
    for (int axis = 0; axis < 3; ++axis) {
      const long n = p->input[axis];
      float v = denormalize(at[2 - axis], n, job->align);
      if (job->mode == LIG_GRID_NEAREST) {
        places[axis][0] = place(nearbyintf(v), n, job->padding, job->align);
        places[axis][1] = -1;
        weights[axis][0] = 1;
        weights[axis][1] = 0;
        continue;
      }
      if (job->padding == LIG_GRID_BORDER) v = v > 0 ? fminf(v, (float)(n - 1)) : 0;
      else if (job->padding == LIG_GRID_REFLECTION) v = reflect(v, n, job->align);
      const float low = floorf(v);
      places[axis][0] = place(low, n, job->padding, job->align);
      places[axis][1] = place(low + 1, n, job->padding, job->align);
      weights[axis][1] = v - low;
      weights[axis][0] = 1 - weights[axis][1];
    }
    for (long channel = 0; channel < p->channels; ++channel) {
      const float *x = job->x + (image * p->channels + channel) * size;
      float sum = 0;
      for (int corner = 0; corner < 8; ++corner) {
        const int d = corner >> 2, h = corner >> 1 & 1, w = corner & 1;
        if (places[0][d] < 0 || places[1][h] < 0 || places[2][w] < 0) continue;
        const float weight = weights[0][d] * weights[1][h] * weights[2][w];
        if (weight != 0) sum += weight * x[(places[0][d] * p->input[1] + places[1][h]) * p->input[2] + places[2][w]];
      }
      job->y[((image * p->channels + channel) * rows + row) * width + column] = sum;
    }
  }
}

void lig_volume_sample(
    const lig_volume *plan, lig_pool *pool, int mode, int padding, int align, const float *x, const float *grid,
    float *y) {
  volume_job job = {.plan = plan, .x = x, .w = grid, .y = y, .mode = mode, .padding = padding, .align = align};
  lig_parallel(pool, plan->batch * plan->output[0] * plan->output[1], sample_task, &job);
}
