#include "deform_conv.h"

#include <math.h>
#include <stddef.h>

#include "gemm.h"

// Where a tap reads for one output pixel: four neighbours in the plane, and what each of them counts. A neighbour that
// does not count is the pixel after the last, which is zero: an infinity in the picture would give NaN.
typedef struct {
  int at[4];
  float weight[4];
} deform_sample;

#define KERNELS "deform_conv.inc"
#include "each_simd.h"

enum { most_columns = 128, wanted_depth = 144, most_lanes = 16, pixels_per_task = 256 };

void lig_deform_conv_prepare(lig_deform_conv *p) {
  lig_conv *c = &p->conv;
  long area = c->kernel_h * c->kernel_w, channels = c->channels / c->groups;
  c->k = channels * area;
  c->isa = gemm_isa(c->filters / c->groups, c->out_h * c->out_w, c->k);
  c->panel_width = gemm_width(c->isa);
  c->panel_height = gemm_height(c->isa, c->filters / c->groups);
  // Whole vectors of channels.
  c->depth = gemm_min(channels, gemm_max(wanted_depth / area / most_lanes, 1) * most_lanes) * area;
  // The layout of packed weights is that of any product.
  c->algorithm = LIG_CONV_IM2COL;
  p->columns_per_task = gemm_min(most_columns, gemm_round_up(c->out_h * c->out_w, c->panel_width));
  p->column_tasks = (c->out_h * c->out_w + p->columns_per_task - 1) / p->columns_per_task;
}

static long sample_floats(const lig_deform_conv *p) {
  long count = p->conv.kernel_h * p->conv.kernel_w * gemm_round_up(p->columns_per_task, most_lanes);
  return gemm_round_up(count * (long)(sizeof(deform_sample) / sizeof(float)), 16);
}
static long worker_floats(const lig_deform_conv *p) {
  return sample_floats(p) + gemm_round_up(p->columns_per_task * p->conv.depth, 16);
}

// The pictures with channels innermost, each with a pixel of zeros at its end; whole vectors are read.
static long pixel_floats(const lig_deform_conv *p) { return gemm_round_up(p->conv.channels, most_lanes); }
static long image_floats(const lig_deform_conv *p) {
  return (p->conv.height * p->conv.width + 1) * pixel_floats(p) + most_lanes;
}

long lig_deform_conv_workspace(const lig_deform_conv *p, int threads) {
  return (p->conv.batch * image_floats(p) + worker_floats(p) * threads) * (long)sizeof(float);
}

typedef struct {
  const lig_deform_conv *plan;
  const float *x, *packed, *offsets, *bias, *mask;
  float *y, *workspace;
} deform_job;

// Some pixels of an image, channels innermost.
static void turn_task(void *context, long index, int worker) {
  (void)worker;
  const deform_job *job = context;
  const lig_deform_conv *p = job->plan;
  const lig_conv *c = &p->conv;
  long size = c->height * c->width, tasks = size / pixels_per_task + 1, width = pixel_floats(p);
  long image = index / tasks, pixel = index % tasks * pixels_per_task, end = gemm_min(pixel + pixels_per_task, size);
  float *to = job->workspace + image * image_floats(p);
  const float *from = job->x + image * c->channels * size + pixel;
  for (long channel = 0; channel < c->channels && pixel < end; channel += most_lanes, from += most_lanes * size) {
    VARIANT(c->isa, turn_pixels)(
        from, size, gemm_min(most_lanes, c->channels - channel), end - pixel, to + pixel * width + channel, width);
  }
  if (end < size) return;
  for (long i = 0; i < width + most_lanes; ++i) to[size * width + i] = 0;
}

static void deform_task(void *context, long index, int worker) {
  const deform_job *job = context;
  const lig_deform_conv *p = job->plan;
  const lig_conv *c = &p->conv;
  long area = c->kernel_h * c->kernel_w, plane = c->out_h * c->out_w;
  long column = index % p->column_tasks * p->columns_per_task;
  long group = index / p->column_tasks % c->groups, image = index / (p->column_tasks * c->groups);
  long columns = gemm_min(p->columns_per_task, plane - column);
  long filters = c->filters / c->groups, channels = c->channels / c->groups;
  long channels_per_offset = c->channels / p->offset_groups, known = -1;
  const float *pixels = job->workspace + image * image_floats(p);
  float *memory = job->workspace + c->batch * image_floats(p) + worker * worker_floats(p);
  deform_sample *samples = (deform_sample *)memory;
  float *panels = memory + sample_floats(p);
  // OpenBLAS reads plain rows: one panel as wide as the tile.
  const int bare = (c->isa & LIG_ISA_BLAS) != 0;
  const long width = bare ? p->columns_per_task : c->panel_width;
  gemm_block block = {
    .height = c->panel_height,
    .b = panels,
    .b_row = width,
    .b_is_bare = bare,
    .c = job->y + (image * c->filters + group * filters) * plane + column,
    .c_row = plane,
    .rows = filters,
    .columns = columns,
    .row_bias = job->bias ? job->bias + group * filters : NULL,
  };
  for (long k = 0; k < c->k; k += c->depth) {
    block.depth = gemm_min(c->depth, c->k - k);
    long channel = group * channels + k / area, end = channel + block.depth / area;
    for (float *to = panels; channel < end;) {
      long offset_group = channel / channels_per_offset, some = gemm_min(end, (offset_group + 1) * channels_per_offset);
      if (offset_group != known) {
        long first = (image * p->offset_groups + offset_group) * area;
        const float *offsets = job->offsets + first * 2 * plane, *mask = job->mask ? job->mask + first * plane : NULL;
        VARIANT(c->isa, find_samples)(c, offsets, mask, column, columns, samples);
        known = offset_group;
      }
      VARIANT(c->isa, sample_columns)(
          samples, area, columns, pixels + channel, pixel_floats(p), some - channel, to, width, block.depth * width);
      to += (some - channel) * area * width;
      channel = some;
    }
    block.a = job->packed + group * gemm_round_up(filters, c->panel_height) * c->k +
              k * gemm_round_up(filters, c->panel_height);
    block.b_panel = block.depth * width;
    block.accumulate = k > 0;
    block.last = k + block.depth == c->k;
    if (k > 0) block.row_bias = NULL;
    gemm_run(c->isa, &block);
  }
}

void lig_deform_conv_run(
    const lig_deform_conv *p, lig_pool *pool, const float *x, const float *packed, const float *offsets,
    const float *bias, const float *mask, float *y, void *workspace) {
  deform_job job = {p, x, packed, offsets, bias, mask, y, workspace};
  long pixel_tasks = p->conv.height * p->conv.width / pixels_per_task + 1;
  lig_parallel(pool, p->conv.batch * pixel_tasks, turn_task, &job);
  lig_parallel(pool, p->conv.batch * p->conv.groups * p->column_tasks, deform_task, &job);
}
