#include "deform_conv.h"

#include <math.h>
#include <stddef.h>

#include "gemm.h"

enum { most_columns = 128 };

// Where a tap reads for one output pixel: four neighbours in the plane, and what each of them counts.
typedef struct {
  int at[4];
  float weight[4];
} deform_sample;

void lig_deform_conv_prepare(lig_deform_conv *p) {
  lig_conv *c = &p->conv;
  c->k = c->channels / c->groups * c->kernel_h * c->kernel_w;
  c->isa = gemm_isa(c->filters / c->groups, c->out_h * c->out_w, c->k);
  c->panel_width = gemm_width(c->isa);
  c->panel_height = gemm_height(c->isa, c->filters / c->groups);
  c->depth = gemm_depth(c->k);
  // The layout of packed weights is that of any product.
  c->algorithm = LIG_CONV_IM2COL;
  p->columns_per_task = gemm_min(most_columns, gemm_round_up(c->out_h * c->out_w, c->panel_width));
  p->column_tasks = (c->out_h * c->out_w + p->columns_per_task - 1) / p->columns_per_task;
}

static long sample_floats(const lig_deform_conv *p) {
  long count = p->conv.kernel_h * p->conv.kernel_w * p->columns_per_task;
  return gemm_round_up(count * (long)(sizeof(deform_sample) / sizeof(float)), 16);
}
static long worker_floats(const lig_deform_conv *p) {
  return sample_floats(p) + p->columns_per_task * p->conv.depth;
}

long lig_deform_conv_workspace(const lig_deform_conv *p, int threads) {
  return worker_floats(p) * (long)sizeof(float) * threads;
}

typedef struct {
  const lig_deform_conv *plan;
  const float *x, *packed, *offsets, *bias, *mask;
  float *y, *workspace;
} deform_job;

static deform_sample sample_at(const lig_conv *c, float y, float x, float factor) {
  deform_sample s = {{0}, {0}};
  // NaN fails the comparison as well: it reads nothing.
  if (!(y > -1 && y < (float)c->height && x > -1 && x < (float)c->width)) return s;
  long top = (long)floorf(y), left = (long)floorf(x);
  float down = y - (float)top, right = x - (float)left;
  for (int corner = 0; corner < 4; ++corner) {
    long row = top + corner / 2, column = left + corner % 2;
    if (row < 0 || row >= c->height || column < 0 || column >= c->width) continue;
    s.at[corner] = (int)(row * c->width + column);
    s.weight[corner] = factor * (corner / 2 ? down : 1 - down) * (corner % 2 ? right : 1 - right);
  }
  return s;
}

// The samples of all taps of one offset group, for some output pixels.
static void find_samples(
    const deform_job *job, long image, long offset_group, long column, long columns, deform_sample *samples) {
  const lig_conv *c = &job->plan->conv;
  long area = c->kernel_h * c->kernel_w, plane = c->out_h * c->out_w;
  long first = (image * job->plan->offset_groups + offset_group) * area;
  for (long tap = 0; tap < area; ++tap) {
    const float *dy = job->offsets + (first + tap) * 2 * plane + column, *dx = dy + plane;
    const float *mask = job->mask ? job->mask + (first + tap) * plane + column : NULL;
    long ky = tap / c->kernel_w * c->dilation_h - c->pad_top, kx = tap % c->kernel_w * c->dilation_w - c->pad_left;
    for (long j = 0; j < columns; ++j) {
      long oy = (column + j) / c->out_w, ox = (column + j) % c->out_w;
      samples[tap * columns + j] = sample_at(
          c, (float)(oy * c->stride_h + ky) + dy[j], (float)(ox * c->stride_w + kx) + dx[j], mask ? mask[j] : 1);
    }
  }
}

static void deform_task(void *context, long index, int worker) {
  const deform_job *job = context;
  const lig_deform_conv *p = job->plan;
  const lig_conv *c = &p->conv;
  long area = c->kernel_h * c->kernel_w, plane = c->out_h * c->out_w, size = c->height * c->width;
  long column = index % p->column_tasks * p->columns_per_task;
  long group = index / p->column_tasks % c->groups, image = index / (p->column_tasks * c->groups);
  long columns = gemm_min(p->columns_per_task, plane - column);
  long filters = c->filters / c->groups, channels = c->channels / c->groups;
  long channels_per_offset = c->channels / p->offset_groups, known = -1;
  float *memory = job->workspace + worker * worker_floats(p);
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
    for (long row = 0; row < block.depth; ++row) {
      long channel = group * channels + (k + row) / area, tap = (k + row) % area;
      if (channel / channels_per_offset != known) {
        known = channel / channels_per_offset;
        find_samples(job, image, known, column, columns, samples);
      }
      const float *from = job->x + (image * c->channels + channel) * size;
      for (long j = 0; j < gemm_round_up(columns, c->panel_width); ++j) {
        float value = 0;
        if (j < columns) {
          const deform_sample *s = &samples[tap * columns + j];
          for (int corner = 0; corner < 4; ++corner) {
            // What does not count is not read: an infinity there would give NaN.
            if (s->weight[corner] != 0) value += s->weight[corner] * from[s->at[corner]];
          }
        }
        panels[j / width * block.depth * width + row * width + j % width] = value;
      }
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
  lig_parallel(pool, p->conv.batch * p->conv.groups * p->column_tasks, deform_task, &job);
}
