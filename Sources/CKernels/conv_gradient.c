#include "conv_gradient.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"
#include "winograd.h"

enum { most_area = 49, line_slack = 64 };

// A padded row of x, with room for the vectors that reach beyond.
static long line_floats(const lig_conv_gradient *p) {
  return gemm_round_up(p->out_w * p->stride_w + p->kernel_w * p->dilation_w + line_slack, 16);
}

#define KERNELS "conv_gradient.inc"
#include "each_simd.h"

// w[filter, tap] = sum over images and pixels of g[filter, pixel] * x[tap's place for that pixel]: a matrix product
// whose right side is gathered a block at a time. A task owns a rectangle of w (of one part of the batch) and walks all
// pixels of its images in order, so results do not depend on who does what.
enum { most_taps = 288, most_filters = 264, wanted_tasks = 16, most_part_floats = 1 << 22 };

static long group_filters(const lig_conv_gradient *p) { return p->filters / p->groups; }

void lig_conv_gradient_prepare(lig_conv_gradient *p) {
  p->isa = (int)lig_isa();
  p->panel_width = gemm_width(p->isa);
  p->taps = p->channels / p->groups * p->kernel_h * p->kernel_w;
  p->pixels = p->out_h * p->out_w;
  p->depth = gemm_depth(p->pixels);
  p->is_depthwise = p->groups > 1 && p->groups == p->channels && p->stride_w <= 2 &&
                    p->kernel_h * p->kernel_w <= most_area;
  if (p->is_depthwise) return;
  p->is_winograd = winograd_gradient_suits(p);
  if (p->is_winograd) {
    winograd_gradient_prepare(p);
    return;
  }
  p->pointwise = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_top == 0 &&
                 p->pad_left == 0 && p->out_h == p->height && p->out_w == p->width;
  p->tap_tasks = (p->taps + most_taps - 1) / most_taps;
  p->taps_per_task = gemm_round_up((p->taps + p->tap_tasks - 1) / p->tap_tasks, p->panel_width);
  p->tap_tasks = (p->taps + p->taps_per_task - 1) / p->taps_per_task;
  p->filter_tasks = (group_filters(p) + most_filters - 1) / most_filters;
  p->panel_height = gemm_height(p->isa, (group_filters(p) + p->filter_tasks - 1) / p->filter_tasks);
  p->filters_per_task =
      gemm_round_up((group_filters(p) + p->filter_tasks - 1) / p->filter_tasks, p->panel_height);
  p->filter_tasks = (group_filters(p) + p->filters_per_task - 1) / p->filters_per_task;
  long tasks = p->groups * p->tap_tasks * p->filter_tasks, weights = p->filters * p->taps;
  long parts = gemm_min(p->batch, (wanted_tasks + tasks - 1) / tasks);
  parts = gemm_max(1, gemm_min(parts, most_part_floats / weights));
  p->images_per_part = (p->batch + parts - 1) / parts;
  p->parts = (p->batch + p->images_per_part - 1) / p->images_per_part;
}

static long gathered_floats(const lig_conv_gradient *p) {
  return p->pointwise ? 0 : gemm_round_up(p->taps_per_task * p->depth, 16);
}
static long worker_floats(const lig_conv_gradient *p) {
  return gathered_floats(p) + gemm_round_up((p->taps_per_task + p->filters_per_task) * p->depth, 16);
}
static long parts_floats(const lig_conv_gradient *p) {
  return p->parts > 1 ? gemm_round_up(p->parts * p->filters * p->taps, 16) : 0;
}

long lig_conv_gradient_workspace(const lig_conv_gradient *p, int threads) {
  if (p->is_depthwise) return line_floats(p) * threads * (long)sizeof(float);
  if (p->is_winograd) return winograd_gradient_floats(p, threads) * (long)sizeof(float);
  return (parts_floats(p) + worker_floats(p) * threads) * (long)sizeof(float);
}

typedef struct {
  const lig_conv_gradient *plan;
  const float *x, *g;
  float *w, *sums, *scratch;
} gradient_job;

// What one tap reads of one channel, for `count` pixels from `first` on; zeros in the padding.
static void gather_tap(
    const lig_conv_gradient *p, const float *plane, long ky, long kx, long first, long count, float *to) {
  long oy = first / p->out_w, ox = first % p->out_w;
  long shift = kx * p->dilation_w - p->pad_left;
  // Pixels of a row whose place lies inside: shift + ox * stride in 0..<width.
  long low = shift >= 0 ? 0 : (-shift + p->stride_w - 1) / p->stride_w;
  long high = shift >= p->width ? 0 : gemm_min(p->out_w, (p->width - 1 - shift) / p->stride_w + 1);
  for (; count > 0; ++oy, ox = 0) {
    long end = gemm_min(p->out_w, ox + count), iy = oy * p->stride_h + ky * p->dilation_h - p->pad_top;
    count -= end - ox;
    if (iy < 0 || iy >= p->height) {
      memset(to, 0, (size_t)(end - ox) * sizeof(float));
      to += end - ox;
      continue;
    }
    const float *row = plane + iy * p->width + shift;
    long from = gemm_max(ox, gemm_min(low, end)), until = gemm_max(from, gemm_min(high, end));
    for (; ox < from; ++ox) *to++ = 0;
    if (p->stride_w == 1) {
      memcpy(to, row + ox, (size_t)(until - ox) * sizeof(float));
      to += until - ox;
    } else {
      for (long i = ox; i < until; ++i) *to++ = row[i * p->stride_w];
    }
    for (ox = until; ox < end; ++ox) *to++ = 0;
  }
}

static void gradient_task(void *context, long index, int worker) {
  const gradient_job *job = context;
  const lig_conv_gradient *p = job->plan;
  long tap_task = index % p->tap_tasks, filter_task = index / p->tap_tasks % p->filter_tasks;
  long group = index / (p->tap_tasks * p->filter_tasks) % p->groups;
  long part = index / (p->tap_tasks * p->filter_tasks * p->groups);
  long tap = tap_task * p->taps_per_task, taps = gemm_min(p->taps_per_task, p->taps - tap);
  long filter = filter_task * p->filters_per_task, filters = gemm_min(p->filters_per_task, group_filters(p) - filter);
  long area = p->kernel_h * p->kernel_w, plane = p->height * p->width, in_group = p->channels / p->groups;
  float *gathered = job->scratch + worker * worker_floats(p), *columns = gathered + gathered_floats(p);
  float *rows = columns + p->taps_per_task * p->depth;
  gemm_block block = {
    .a = rows,
    .height = p->panel_height,
    .b = columns,
    .b_row = p->panel_width,
    .c = job->sums + part * p->filters * p->taps + (group * group_filters(p) + filter) * p->taps + tap,
    .c_row = p->taps,
    .rows = filters,
    .columns = taps,
  };
  long first = part * p->images_per_part, last = gemm_min(first + p->images_per_part, p->batch);
  for (long image = first; image < last; ++image) {
    const float *x = job->x + (image * p->channels + group * in_group) * plane;
    const float *g = job->g + (image * p->filters + group * group_filters(p) + filter) * p->pixels;
    for (long pixel = 0; pixel < p->pixels; pixel += p->depth) {
      block.depth = gemm_min(p->depth, p->pixels - pixel);
      block.b_panel = block.depth * p->panel_width;
      gemm_pack_a(rows, g + pixel, p->pixels, 1, filters, block.depth, p->panel_height, 1);
      if (p->pointwise) {
        gemm_pack_b(columns, x + tap * plane + pixel, 1, plane, block.depth, taps, p->panel_width);
      } else {
        for (long t = 0; t < taps; ++t) {
          long k = tap + t;
          gather_tap(p, x + k / area * plane, k / p->kernel_w % p->kernel_h, k % p->kernel_w, pixel, block.depth,
                     gathered + t * block.depth);
        }
        gemm_pack_b(columns, gathered, 1, block.depth, block.depth, taps, p->panel_width);
      }
      gemm_run(p->isa, &block);
      block.accumulate = 1;
    }
  }
}

static void depthwise_task(void *context, long filter, int worker) {
  const gradient_job *job = context;
  const lig_conv_gradient *p = job->plan;
  const float *x = job->x + filter / group_filters(p) * p->height * p->width;
  VARIANT(p->isa, depthwise_gradient)(
      p, x, job->g + filter * p->pixels, job->scratch + worker * line_floats(p), job->w + filter * p->taps);
}

enum { sum_grain = 16384 };

static void sum_task(void *context, long index, int worker) {
  (void)worker;
  const gradient_job *job = context;
  const lig_conv_gradient *p = job->plan;
  long count = p->filters * p->taps, end = gemm_min((index + 1) * sum_grain, count);
  for (long i = index * sum_grain; i < end; ++i) job->w[i] = job->sums[i];
  for (long part = 1; part < p->parts; ++part) {
    const float *from = job->sums + part * count;
    for (long i = index * sum_grain; i < end; ++i) job->w[i] += from[i];
  }
}

void lig_conv_gradient_run(
    const lig_conv_gradient *p, lig_pool *pool, const float *x, const float *g, float *w, void *workspace) {
  if (p->is_winograd) {
    winograd_gradient_run(p, pool, x, g, w, workspace);
    return;
  }
  if (p->is_depthwise) {
    gradient_job job = {.plan = p, .x = x, .g = g, .w = w, .scratch = workspace};
    lig_parallel(pool, p->filters, depthwise_task, &job);
    return;
  }
  float *sums = workspace;
  gradient_job job = {p, x, g, w, p->parts > 1 ? sums : w, sums + parts_floats(p)};
  lig_parallel(pool, p->parts * p->groups * p->filter_tasks * p->tap_tasks, gradient_task, &job);
  if (p->parts > 1) lig_parallel(pool, (p->filters * p->taps + sum_grain - 1) / sum_grain, sum_task, &job);
}

void lig_conv_gradient_reference(const lig_conv_gradient *p, const float *x, const float *g, float *w) {
  long in_group = p->channels / p->groups, filters = group_filters(p);
  for (long f = 0; f < p->filters; ++f)
    for (long c = 0; c < in_group; ++c)
      for (long ky = 0; ky < p->kernel_h; ++ky)
        for (long kx = 0; kx < p->kernel_w; ++kx, ++w) {
          double sum = 0;
          for (long n = 0; n < p->batch; ++n)
            for (long oy = 0; oy < p->out_h; ++oy)
              for (long ox = 0; ox < p->out_w; ++ox) {
                long iy = oy * p->stride_h + ky * p->dilation_h - p->pad_top;
                long ix = ox * p->stride_w + kx * p->dilation_w - p->pad_left;
                if (iy < 0 || iy >= p->height || ix < 0 || ix >= p->width) continue;
                long channel = n * p->channels + f / filters * in_group + c;
                sum += (double)x[(channel * p->height + iy) * p->width + ix] *
                       (double)g[((n * p->filters + f) * p->out_h + oy) * p->out_w + ox];
              }
          *w = (float)sum;
        }
}
