#include "winograd.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"

// Filters of a panel, rounded up to whole vectors; channels whose weights are transformed at once, and floats from one of
// their places to the next: the last vector of each may reach beyond the last channel.
enum { lines_width = 16, channels_at_once = 16, transformed_floats = channels_at_once * 12 + lines_width };

#define KERNELS "winograd.inc"
#include "each_simd.h"

enum {
  tile_floats = 256 * 1024,  // transformed inputs and products of a task: about what the second cache holds
  least_tiles = 96,          // fewer do not pay for reading all weights
  most_tiles = 256,
  wanted_tasks = 4,
  least_channels = 16,
  planes_per_task = 8,
};

// ── The choice ──────────────────────────────────────────────────────────────
// Panels that a product with this many columns computes; half a panel is possible.
static double panels(long columns, long width) {
  long rest = columns % width;
  return (double)(columns / width) + (rest == 0 ? 0 : rest <= width / 2 ? 0.5 : 1);
}

static long tiles_of(long size, long side) { return (size + side - 1) / side; }

static void settle_tiles(lig_conv *p, long side) {
  lig_winograd *w = &p->winograd;
  w->side = side;
  w->places = (side + 2) * (side + 2);
  w->tiles_h = tiles_of(p->out_h, side);
  w->tiles_w = tiles_of(p->out_w, side);
  long rows = p->batch * w->tiles_h;
  long target = gemm_min(gemm_max(tile_floats / (w->places * (p->channels + p->filters)), least_tiles), most_tiles);
  w->is_staged = rows * w->tiles_w <= target;
  long share = w->is_staged ? rows : (rows + wanted_tasks - 1) / wanted_tasks;
  long most = gemm_max(gemm_min(target / w->tiles_w, share), 1);
  // Of the numbers of rows close to that, the one whose tiles fill panels best.
  double best = 0;
  for (long r = most; r >= (w->is_staged ? most : gemm_max(1, most * 2 / 3)); --r) {
    double filled = (double)(r * w->tiles_w) / panels(r * w->tiles_w, p->panel_width);
    if (filled > best * 1.001) best = filled, w->rows_per_task = r;
  }
  w->tasks = (rows + w->rows_per_task - 1) / w->rows_per_task;
}

// Cycles of a run that a byte of packed weights more must save: filling it once takes about three of them.
static const double least_saving = 0.6;

// About how many cycles it takes: two fused multiply-adds, or eight bytes of weights that no cache holds, are one.
static double winograd_cost(const lig_conv *p) {
  const lig_winograd *w = &p->winograd;
  double planes = (double)(p->channels + p->filters), matrix = (double)(p->channels * p->filters * w->places);
  double products = matrix * panels(w->rows_per_task * w->tiles_w, p->panel_width) * (double)w->tasks;
  long lanes = p->panel_width / 2;
  double vectors = (double)(p->batch * w->tiles_h * ((w->tiles_w + lanes - 1) / lanes));
  double transforms = vectors * planes * (w->side == 2 ? 50 : 150);
  double weights = matrix * 4 / 8 * (double)w->tasks;
  return products * 1.15 + transforms + (matrix > tile_floats ? weights : 0);
}

static double direct_cost(const lig_conv *p) {
  return (double)(p->batch * p->out_h * p->out_w) / (double)p->panel_width * (double)(p->channels * p->filters) * 9 * 1.3;
}

int winograd_suits(lig_conv *p) {
  int suits = p->allows_winograd && p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 &&
              p->dilation_h == 1 && p->dilation_w == 1 && p->groups == 1 && !(p->isa & LIG_ISA_BLAS) &&
              p->channels >= least_channels && p->filters >= least_channels && p->out_h > 1 && p->out_w > 3;
  if (!suits) return 0;
  settle_tiles(p, 2);
  if (p->allows_winograd < 4) return 1;  // what training is recorded with
  double small = winograd_cost(p);
  settle_tiles(p, 4);
  double large = winograd_cost(p);
  // Larger tiles take more than twice the memory for weights, which the first run has to fill, and are less exact: they
  // must be worth it.
  double bytes = (double)(p->channels * p->filters) * (36 - 16) * 4;
  if (large > 0.9 * small || small - large < least_saving * bytes) settle_tiles(p, 2);
  return (large < small ? large : small) < direct_cost(p);
}

void winograd_prepare(lig_conv *p) {
  lig_winograd *w = &p->winograd;
  // Rows an odd number of cache lines apart do not fight for the same places of the cache. Whole panels are read.
  w->row_floats = gemm_round_up(w->rows_per_task * w->tiles_w + p->panel_width, 16) | 16;
  w->line_floats = gemm_round_up(w->side * w->tiles_w + 2, 16) + 2 * p->panel_width;
}

static long padded_filters(const lig_conv *p) { return gemm_round_up(p->filters, p->panel_height); }
// Floats from one place to the next: a cache line more than a multiple of 4096 bytes, for a tile is written to all
// places at once, which must not fight for the same places of the first cache.
static long place_floats(const lig_conv *p, long planes) {
  return gemm_round_up(planes * p->winograd.row_floats, 1024) + 16;
}
static long input_floats(const lig_conv *p) { return p->winograd.places * place_floats(p, p->channels); }
static long product_floats(const lig_conv *p) { return p->winograd.places * place_floats(p, p->filters); }
static long lines_floats(const lig_conv *p) {
  const lig_winograd *w = &p->winograd;
  long rows = gemm_min(w->rows_per_task, w->tiles_h);
  return gemm_round_up((w->side * rows + 2) * w->line_floats, 16);
}

long winograd_packed_count(const lig_conv *p) { return p->winograd.places * padded_filters(p) * p->channels; }

static long worker_floats(const lig_conv *p) {
  return gemm_round_up(input_floats(p) + product_floats(p), 16) + lines_floats(p);
}

long winograd_floats(const lig_conv *p, int threads) {
  if (!p->winograd.is_staged) return worker_floats(p) * threads;
  return gemm_round_up(input_floats(p) + product_floats(p), 16) + lines_floats(p) * threads;
}

// ── Weights ─────────────────────────────────────────────────────────────────
typedef struct {
  const lig_conv *plan;
  const float *weights;
  float *packed;
} pack_job;

// Some channels are transformed in the first cache, then copied to each place in runs that are worth a fetch.
static void pack_task(void *context, long panel, int worker) {
  (void)worker;
  const pack_job *job = context;
  const lig_conv *p = job->plan;
  float lines[channels_at_once * 9 * lines_width] __attribute__((aligned(64)));
  float transformed[36 * transformed_floats] __attribute__((aligned(64)));
  long height = p->panel_height, row = panel * height, rows = gemm_min(height, p->filters - row);
  long step = p->is_adjoint ? 9 : p->channels * 9, channel_step = p->is_adjoint ? p->filters * 9 : 9;
  long place = padded_filters(p) * p->channels, some;
  for (long c = 0; c < p->channels; c += some) {
    long first = c / p->depth * p->depth, depth = gemm_min(p->depth, p->channels - first);
    some = gemm_min(channels_at_once, first + depth - c);
    const float *from = job->weights + row * step + c * channel_step;
    VARIANT(p->isa, turn_windows)(from, step, channel_step, p->is_adjoint, rows, some, lines);
    if (p->winograd.side == 2) {
      VARIANT(p->isa, transform_weights)(lines, some, height, transformed, transformed_floats);
    } else {
      VARIANT(p->isa, transform_weights4)(lines, some, height, transformed, transformed_floats);
    }
    float *to = job->packed + first * padded_filters(p) + row * depth + (c - first) * height;
    for (long k = 0; k < p->winograd.places; ++k) {
      memcpy(to + k * place, transformed + k * transformed_floats, (size_t)(some * height) * sizeof(float));
    }
  }
}

void winograd_pack(const lig_conv *p, lig_pool *pool, const float *weights, float *packed) {
  pack_job job = {p, weights, packed};
  lig_parallel(pool, padded_filters(p) / p->panel_height, pack_task, &job);
}

// ── The run ─────────────────────────────────────────────────────────────────
typedef struct {
  const lig_conv *plan;
  const float *x, *packed, *bias, *residual;
  float *y, *workspace;
} winograd_job;

// Planes are read and written a few lines at a time, which no prefetcher follows.
static void fetch(const float *from, long count) {
  for (long i = 0; i < count; i += 16) __builtin_prefetch(from + i, 0, 2);
}
static void fetch_to_write(float *to, long count) {
  for (long i = 0; i < count; i += 16) __builtin_prefetch(to + i, 1, 2);
}

// Rows [row, row + rows) of tiles, all of one image, of some channels, to columns from `column` on.
static void load_tiles(
    const winograd_job *job, long row, long rows, long column, long channel, long end, float *inputs, float *lines) {
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long image = row / w->tiles_h, top = row % w->tiles_h * w->side - p->pad_top, area = p->height * p->width;
  long count = w->side * rows + 2, first = gemm_max(top, 0), last = gemm_min(top + count, p->height);
  for (long c = channel; c < end; ++c) {
    const float *plane = job->x + (image * p->channels + c) * area;
    if (c + 2 < end) fetch(plane + 2 * area + first * p->width, (last - first) * p->width);
    for (long i = 0; i < count; ++i) {
      const float *from = top + i >= 0 && top + i < p->height ? plane + (top + i) * p->width : NULL;
      VARIANT(p->isa, padded_line)(
          from, -p->pad_left, p->width, w->line_floats - p->panel_width, lines + i * w->line_floats);
    }
    for (long i = 0; i < rows; ++i) {
      const float *from = lines + w->side * i * w->line_floats;
      float *to = inputs + c * w->row_floats + column + i * w->tiles_w;
      if (w->side == 2) {
        VARIANT(p->isa, transform_input)(from, w->line_floats, w->tiles_w, to, place_floats(p, p->channels));
      } else {
        VARIANT(p->isa, transform_input4)(from, w->line_floats, w->tiles_w, to, place_floats(p, p->channels));
      }
    }
  }
}

// One row of tiles of some filters, whose products start at `column`.
static void store_tiles(
    const winograd_job *job, long row, long column, long filter, long end, const float *products) {
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long image = row / w->tiles_h, line = row % w->tiles_h * w->side;
  long lines = gemm_min(w->side, p->out_h - line), plane = place_floats(p, p->filters);
  lig_activation f = p->activation;
  int clamps = !job->residual && !f.is_scaled && (f.kind == LIG_IDENTITY || f.kind == LIG_RELU || f.kind == LIG_CLIP);
  float low = clamps && f.kind == LIG_RELU ? 0 : clamps && f.kind == LIG_CLIP ? f.alpha : -__builtin_inff();
  float high = clamps && f.kind == LIG_CLIP ? f.beta : __builtin_inff();
  for (long i = filter; i < end; ++i) {
    long at = ((image * p->filters + i) * p->out_h + line) * p->out_w;
    float *y = job->y + at, bias = job->bias ? job->bias[i] : 0;
    const float *from = products + i * w->row_floats + column;
    if (i + 2 < end) fetch_to_write(y + 2 * p->out_h * p->out_w, lines * p->out_w);
    if (w->side == 2) {
      VARIANT(p->isa, transform_output)(
          from, plane, w->tiles_w, bias, low, high, y, lines > 1 ? y + p->out_w : NULL, p->out_w);
    } else {
      VARIANT(p->isa, transform_output4)(from, plane, w->tiles_w, bias, low, high, y, lines, p->out_w);
    }
    if (clamps) continue;
    VARIANT(p->isa, finish_lines)(f, job->residual ? job->residual + at : NULL, y, lines * p->out_w);
  }
}

static void multiply(const winograd_job *job, long place, long columns, const float *inputs, float *products) {
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  gemm_block block = {
    .height = p->panel_height,
    .b_panel = p->panel_width,
    .b_row = w->row_floats,
    .c = products + place * place_floats(p, p->filters),
    .c_row = w->row_floats,
    .rows = p->filters,
    .columns = columns,
  };
  for (long k = 0; k < p->channels; k += p->depth) {
    block.depth = gemm_min(p->depth, p->channels - k);
    block.accumulate = k > 0;
    block.a = job->packed + (place * p->channels + k) * padded_filters(p);
    block.b = inputs + place * place_floats(p, p->channels) + k * w->row_floats;
    gemm_run(p->isa, &block);
  }
}

// Rows [row, end) of tiles, image by image.
static void load_rows(
    const winograd_job *job, long row, long end, long channel, long channels, float *inputs, float *lines) {
  const lig_winograd *w = &job->plan->winograd;
  for (long r = row; r < end;) {
    long rows = gemm_min(end - r, w->tiles_h - r % w->tiles_h);
    load_tiles(job, r, rows, (r - row) * w->tiles_w, channel, channels, inputs, lines);
    r += rows;
  }
}

static void winograd_task(void *context, long index, int worker) {
  const winograd_job *job = context;
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  float *inputs = job->workspace + worker * worker_floats(p), *products = inputs + input_floats(p);
  float *lines = inputs + gemm_round_up(input_floats(p) + product_floats(p), 16);
  long row = index * w->rows_per_task, end = gemm_min(row + w->rows_per_task, p->batch * w->tiles_h);
  load_rows(job, row, end, 0, p->channels, inputs, lines);
  for (long place = 0; place < w->places; ++place) {
    multiply(job, place, (end - row) * w->tiles_w, inputs, products);
  }
  for (long r = row; r < end; ++r) store_tiles(job, r, (r - row) * w->tiles_w, 0, p->filters, products);
}

// The stages of the one task that a small image makes.
static void load_stage(void *context, long index, int worker) {
  const winograd_job *job = context;
  const lig_conv *p = job->plan;
  float *lines = job->workspace + gemm_round_up(input_floats(p) + product_floats(p), 16) + worker * lines_floats(p);
  long channel = index * planes_per_task, end = gemm_min(channel + planes_per_task, p->channels);
  load_rows(job, 0, p->batch * p->winograd.tiles_h, channel, end, job->workspace, lines);
}

static void multiply_stage(void *context, long place, int worker) {
  (void)worker;
  const winograd_job *job = context;
  const lig_conv *p = job->plan;
  multiply(job, place, p->batch * p->winograd.tiles_h * p->winograd.tiles_w, job->workspace,
           job->workspace + input_floats(p));
}

static void store_stage(void *context, long index, int worker) {
  (void)worker;
  const winograd_job *job = context;
  const lig_conv *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long filter = index * planes_per_task, end = gemm_min(filter + planes_per_task, p->filters);
  for (long r = 0; r < p->batch * w->tiles_h; ++r) {
    store_tiles(job, r, r * w->tiles_w, filter, end, job->workspace + input_floats(p));
  }
}

void winograd_run(
    const lig_conv *p, lig_pool *pool, const float *x, const float *packed, const float *bias,
    const float *residual, float *y, float *workspace) {
  winograd_job job = {p, x, packed, bias, residual, y, workspace};
  if (!p->winograd.is_staged) {
    lig_parallel(pool, p->winograd.tasks, winograd_task, &job);
    return;
  }
  lig_parallel(pool, (p->channels + planes_per_task - 1) / planes_per_task, load_stage, &job);
  lig_parallel(pool, p->winograd.places, multiply_stage, &job);
  lig_parallel(pool, (p->filters + planes_per_task - 1) / planes_per_task, store_stage, &job);
}
