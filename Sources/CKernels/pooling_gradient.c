#include "pooling_gradient.h"

#include <string.h>

#include "gemm.h"
#include "tasks.h"

#define KERNELS "pooling_gradient.inc"
#include "each_simd.h"

// Windows overlap, so a plane belongs to one task: its windows add to it in order.

typedef struct {
  const lig_pooling *spec;
  const float *x, *g;
  float *dx;
  long per_task;
} job;

static long volume(const long *size) { return size[0] * size[1] * size[2]; }

// The places of a window along an axis that lie inside: first, and how many.
static long inside(const lig_pooling *s, int axis, long at, long *first) {
  long start = at * s->stride[axis] - s->pad_begin[axis], step = s->dilation[axis], count = s->kernel[axis];
  if (start < 0) {
    long skipped = lig_min((-start + step - 1) / step, count);
    start += skipped * step;
    count -= skipped;
  }
  *first = start;
  return start >= s->input[axis] ? 0 : lig_min(count, (s->input[axis] - 1 - start) / step + 1);
}

// Outputs [first, end) of a row, one by one.
static void max_some(
    const lig_pooling *s, long od, long oh, long first, long end, const float *x, const float *g, float *dx) {
  long d0, h0, depths = inside(s, 0, od, &d0), heights = inside(s, 1, oh, &h0);
  for (long ow = first; ow < end; ow++) {
    long w0, widths = inside(s, 2, ow, &w0), at = -1;
    float best = 0;
    for (long d = 0; d < depths; d++)
      for (long h = 0; h < heights; h++) {
        long row = ((d0 + d * s->dilation[0]) * s->input[1] + h0 + h * s->dilation[1]) * s->input[2] + w0;
        for (long w = 0; w < widths; w++) {
          long place = row + w * s->dilation[2];
          int better = at < 0 || x[place] > best;
          best = better ? x[place] : best;
          at = better ? place : at;
        }
      }
    if (at >= 0) dx[at] += g[ow];
  }
}

static void max_plane(const lig_pooling *s, const float *x, const float *g, float *dx) {
  long stride = s->stride[2], pad = s->pad_begin[2], width = s->input[2], kernel = s->kernel[2];
  int vectors = s->kernel[0] == 1 && s->dilation[1] == 1 && s->dilation[2] == 1 && stride <= 2 && kernel <= width;
  // Outputs whose windows lie inside the row.
  long low = lig_min((pad + stride - 1) / stride, s->output[2]);
  long high = vectors ? lig_max(low, lig_min((width - kernel + pad) / stride + 1, s->output[2])) : low;
  for (long od = 0; od < s->output[0]; od++)
    for (long oh = 0; oh < s->output[1]; oh++, g += s->output[2]) {
      long done = 0;
      if (vectors) {
        long d0, h0, depths = inside(s, 0, od, &d0), heights = inside(s, 1, oh, &h0);
        max_some(s, od, oh, 0, low, x, g, dx);
        long line = (d0 * s->input[1] + h0) * width;
        done = depths == 0 || heights == 0
                 ? high
                 : BEST(max_row)(x + line, dx + line, width, heights, kernel, stride, low * stride - pad, g, low, high);
      }
      max_some(s, od, oh, done, s->output[2], x, g, dx);
    }
}

static void max_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_pooling *s = work->spec;
  long size = volume(s->input), out = volume(s->output), end = lig_min((index + 1) * work->per_task, s->planes);
  for (long plane = index * work->per_task; plane < end; plane++) {
    float *dx = work->dx + plane * size;
    memset(dx, 0, (size_t)size * sizeof(float));
    max_plane(s, work->x + plane * size, work->g + plane * out, dx);
  }
}

// Elements that an average divides by along one axis.
static long counted(const lig_pooling *s, int axis, long at) {
  long first = at * s->stride[axis] - s->pad_begin[axis], count = 0;
  long low = s->count_include_pad ? -s->pad_begin[axis] : 0;
  long high = s->input[axis] + (s->count_include_pad ? s->pad_end[axis] : 0);
  for (long k = 0; k < s->kernel[axis]; k++) {
    long i = first + k * s->dilation[axis];
    count += i >= low && i < high;
  }
  return count;
}

static void average_plane(const lig_pooling *s, const float *g, float *dx) {
  for (long od = 0; od < s->output[0]; od++)
    for (long oh = 0; oh < s->output[1]; oh++) {
      long d0, h0, depths = inside(s, 0, od, &d0), heights = inside(s, 1, oh, &h0);
      long others = counted(s, 0, od) * counted(s, 1, oh);
      for (long ow = 0; ow < s->output[2]; ow++, g++) {
        long w0, widths = inside(s, 2, ow, &w0), count = others * counted(s, 2, ow);
        if (count == 0) continue;
        float share = *g / (float)count;
        for (long d = 0; d < depths; d++)
          for (long h = 0; h < heights; h++) {
            long row = ((d0 + d * s->dilation[0]) * s->input[1] + h0 + h * s->dilation[1]) * s->input[2] + w0;
            for (long w = 0; w < widths; w++) dx[row + w * s->dilation[2]] += share;
          }
      }
    }
}

static void average_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_pooling *s = work->spec;
  long size = volume(s->input), out = volume(s->output), end = lig_min((index + 1) * work->per_task, s->planes);
  for (long plane = index * work->per_task; plane < end; plane++) {
    memset(work->dx + plane * size, 0, (size_t)size * sizeof(float));
    average_plane(s, work->g + plane * out, work->dx + plane * size);
  }
}

static void share(const lig_pooling *s, job *work, lig_body body, lig_pool *pool) {
  long cost = volume(s->input) + volume(s->output) * volume(s->kernel);
  work->spec = s;
  work->per_task = lig_max(1, 2 * LIG_GRAIN / lig_max(cost, 1));
  lig_parallel(pool, lig_tiles(s->planes, work->per_task), body, work);
}

void lig_max_pool_gradient(const lig_pooling *s, const float *x, const float *g, float *dx, lig_pool *pool) {
  job work = {.x = x, .g = g, .dx = dx};
  share(s, &work, max_task, pool);
}

void lig_average_pool_gradient(const lig_pooling *s, const float *g, float *dx, lig_pool *pool) {
  job work = {.g = g, .dx = dx};
  share(s, &work, average_task, pool);
}
