#include "winograd.h"

#include <stddef.h>

#include "gemm.h"

#define KERNELS "winograd.inc"
#include "each_simd.h"

enum {
  places = 16,
  tile_floats = 256 * 1024,  // transformed inputs and products of a task: about what the second cache holds
  least_tiles = 96,          // fewer do not pay for reading all weights
  most_tiles = 256,
  wanted_tasks = 4,
  least_channels = 16,
};

int winograd_suits(const lig_conv *p) {
  return p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 &&
         p->dilation_w == 1 && p->groups == 1 && !(p->isa & LIG_ISA_BLAS) && p->channels >= least_channels &&
         p->filters >= least_channels && p->out_h > 1 && p->out_w > 3;
}

// Panels that a product with this many columns computes; half a panel is possible.
static double panels(long columns, long width) {
  long rest = columns % width;
  return (double)(columns / width) + (rest == 0 ? 0 : rest <= width / 2 ? 0.5 : 1);
}

void winograd_prepare(lig_conv *p) {
  lig_winograd *w = &p->winograd;
  w->tiles_h = (p->out_h + 1) / 2;
  w->tiles_w = (p->out_w + 1) / 2;
  long rows = p->batch * w->tiles_h;
  long target = gemm_min(gemm_max(tile_floats / (places * (p->channels + p->filters)), least_tiles), most_tiles);
  long most = gemm_max(gemm_min(target / w->tiles_w, (rows + wanted_tasks - 1) / wanted_tasks), 1);
  // Of the numbers of rows close to that, the one whose tiles fill panels best.
  double best = 0;
  for (long r = most; r >= gemm_max(1, most * 2 / 3); --r) {
    double filled = (double)(r * w->tiles_w) / panels(r * w->tiles_w, p->panel_width);
    if (filled > best * 1.001) best = filled, w->rows_per_task = r;
  }
  w->tasks = (rows + w->rows_per_task - 1) / w->rows_per_task;
  // Rows an odd number of cache lines apart do not fight for the same places of the cache. Whole panels are read.
  w->row_floats = gemm_round_up(w->rows_per_task * w->tiles_w + p->panel_width, 16) | 16;
  w->line_floats = gemm_round_up(2 * w->tiles_w + 2, 16) + 2 * p->panel_width;
}

static long padded_filters(const lig_conv *p) { return gemm_round_up(p->filters, p->panel_height); }
static long input_floats(const lig_conv *p) { return places * p->channels * p->winograd.row_floats; }
static long product_floats(const lig_conv *p) { return places * p->filters * p->winograd.row_floats; }
static long lines_floats(const lig_conv *p) { return (2 * p->winograd.rows_per_task + 2) * p->winograd.line_floats; }

long winograd_packed_count(const lig_conv *p) { return places * padded_filters(p) * p->channels; }

long winograd_worker_floats(const lig_conv *p) {
  return gemm_round_up(input_floats(p) + product_floats(p) + lines_floats(p), 16);
}

typedef struct {
  const lig_conv *plan;
  const float *x, *packed, *bias, *residual;
  float *y, *workspace;
} winograd_job;

typedef struct {
  const lig_conv *plan;
  const float *weights;
  float *packed;
} pack_job;

static void pack_task(void *context, long panel, int worker) {
  (void)worker;
  const pack_job *job = context;
  const lig_conv *p = job->plan;
  long row = panel * p->panel_height, rows = gemm_min(p->panel_height, p->filters - row);
  long step = p->is_adjoint ? 9 : p->channels * 9, channel_step = p->is_adjoint ? p->filters * 9 : 9;
  for (long c = 0; c < p->channels; ++c) {
    long first = c / p->depth * p->depth, depth = gemm_min(p->depth, p->channels - first);
    float *to = job->packed + first * padded_filters(p) + row * depth + (c - first) * p->panel_height;
    VARIANT(p->isa, transform_weights)(
        job->weights + row * step + c * channel_step, step, p->is_adjoint, rows, p->panel_height, to,
        padded_filters(p) * p->channels);
  }
}

void winograd_pack(const lig_conv *p, lig_pool *pool, const float *weights, float *packed) {
  pack_job job = {p, weights, packed};
  lig_parallel(pool, padded_filters(p) / p->panel_height, pack_task, &job);
}

// Planes are read and written a few lines at a time, which no prefetcher follows.
static void fetch(const float *from, long count) {
  for (long i = 0; i < count; i += 16) __builtin_prefetch(from + i, 0, 2);
}
static void fetch_to_write(float *to, long count) {
  for (long i = 0; i < count; i += 16) __builtin_prefetch(to + i, 1, 2);
}

// Rows [row, row + rows) of tiles, all of one image, to columns from `column` on.
static void load_tiles(
    const winograd_job *job, long row, long rows, long column, float *inputs, float *lines) {
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long image = row / w->tiles_h, top = row % w->tiles_h * 2 - p->pad_top, area = p->height * p->width;
  long first = gemm_max(top, 0), last = gemm_min(top + 2 * rows + 2, p->height);
  for (long c = 0; c < p->channels; ++c) {
    const float *plane = job->x + (image * p->channels + c) * area;
    if (c + 2 < p->channels) fetch(plane + 2 * area + first * p->width, (last - first) * p->width);
    for (long i = 0; i < 2 * rows + 2; ++i) {
      const float *from = top + i >= 0 && top + i < p->height ? plane + (top + i) * p->width : NULL;
      VARIANT(p->isa, padded_line)(
          from, -p->pad_left, p->width, w->line_floats - p->panel_width, lines + i * w->line_floats);
    }
    for (long i = 0; i < rows; ++i) {
      VARIANT(p->isa, transform_input)(
          lines + 2 * i * w->line_floats, w->line_floats, w->tiles_w,
          inputs + c * w->row_floats + column + i * w->tiles_w, p->channels * w->row_floats);
    }
  }
}

static void store_tiles(const winograd_job *job, long row, long column, const float *products) {
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long image = row / w->tiles_h, line = row % w->tiles_h * 2;
  long lines = gemm_min(2, p->out_h - line), plain = gemm_keeps(p->activation) && !job->residual;
  for (long f = 0; f < p->filters; ++f) {
    long at = ((image * p->filters + f) * p->out_h + line) * p->out_w;
    float *top = job->y + at;
    if (f + 2 < p->filters) fetch_to_write(top + 2 * p->out_h * p->out_w, lines * p->out_w);
    VARIANT(p->isa, transform_output)(
        products + f * w->row_floats + column, p->filters * w->row_floats, w->tiles_w, job->bias ? job->bias[f] : 0,
        top, lines > 1 ? top + p->out_w : NULL, p->out_w);
    if (plain) continue;
    VARIANT(p->isa, finish_lines)(p->activation, job->residual ? job->residual + at : NULL, top, lines * p->out_w);
  }
}

static void winograd_task(void *context, long index, int worker) {
  const winograd_job *job = context;
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  float *inputs = job->workspace + worker * winograd_worker_floats(p), *products = inputs + input_floats(p);
  long row = index * w->rows_per_task, end = gemm_min(row + w->rows_per_task, p->batch * w->tiles_h);
  long columns = (end - row) * w->tiles_w;
  for (long r = row; r < end;) {
    long rows = gemm_min(end - r, w->tiles_h - r % w->tiles_h);
    load_tiles(job, r, rows, (r - row) * w->tiles_w, inputs, products + product_floats(p));
    r += rows;
  }
  for (long place = 0; place < places; ++place) {
    gemm_block block = {
      .height = p->panel_height,
      .b_panel = p->panel_width,
      .b_row = w->row_floats,
      .c = products + place * p->filters * w->row_floats,
      .c_row = w->row_floats,
      .rows = p->filters,
      .columns = columns,
    };
    for (long k = 0; k < p->channels; k += p->depth) {
      block.depth = gemm_min(p->depth, p->channels - k);
      block.accumulate = k > 0;
      block.a = job->packed + (place * p->channels + k) * padded_filters(p);
      block.b = inputs + (place * p->channels + k) * w->row_floats;
      gemm_run(p->isa, &block);
    }
  }
  for (long r = row; r < end; ++r) store_tiles(job, r, (r - row) * w->tiles_w, products);
}

void winograd_run(
    const lig_conv *p, lig_pool *pool, const float *x, const float *packed, const float *bias,
    const float *residual, float *y, float *workspace) {
  winograd_job job = {p, x, packed, bias, residual, y, workspace};
  lig_parallel(pool, p->winograd.tasks, winograd_task, &job);
}
