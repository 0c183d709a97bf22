#include "conv.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"
#include "winograd.h"

#define KERNELS "conv.inc"
#include "each_simd.h"

enum {
  task_work = 1 << 19,       // multiply-adds that are worth a task
  most_tasks = 32,           // more do not help to share evenly
  tile_floats = 64 * 1024,   // gathered columns stay in the second cache
  most_columns = 1024,
  line_floats = 1024 + 64,
  most_height = 16,
  least_paired = 24,
  least_gathered = 128,
};

static long group_filters(const lig_conv *p) { return p->filters / p->groups; }

static void prepare_matmul(lig_conv *p) {
  p->matmul = (lig_matmul){
    .m = p->batch, .n = p->filters, .k = p->k, .a_row = p->k, .a_column = 1, .b_row = p->is_adjoint ? p->filters : 1,
    .b_column = p->is_adjoint ? 1 : p->k, .alpha = 1, .b_is_packed = 1, .activation = p->activation,
  };
  p->matmul.allows_bfloat16 = p->allows_bfloat16;
  lig_matmul_prepare(&p->matmul);
}

static void prepare_depthwise(lig_conv *p) {
  int lanes = p->panel_width / 2;
  long reach = (p->kernel_w - 1) * p->dilation_w / p->stride_w + 1;
  p->phase_length = gemm_round_up(p->out_w, 2 * lanes) + reach + lanes;
  long line = p->phase_length * p->stride_w, extra = (p->kernel_h - 1) * p->dilation_h + 1;
  // The padded block should stay in the first cache, but a few output rows share most of their input.
  long fit = (10 * 1024 / line - extra) / p->stride_h + 1;
  p->lines_per_task = gemm_min(p->out_h, gemm_max(gemm_round_up(gemm_max(fit, 1), 4), 8));
  p->buffer_floats = gemm_round_up(((p->lines_per_task - 1) * p->stride_h + extra) * line + 64, 16);
  double plane_work = (double)p->out_h * (double)p->out_w * (double)p->k;
  long planes = p->batch * p->filters;
  long worth = plane_work >= task_work / 8 ? 1 : (long)(task_work / 8 / plane_work) + 1;
  p->planes_per_task = gemm_min(planes, gemm_max(worth, planes / (4 * most_tasks)));
}

static void prepare_tiles(lig_conv *p) {
  long columns = p->out_h * p->out_w, rows = group_filters(p), width = p->panel_width;
  long most = gemm_min(most_columns, gemm_max(tile_floats / gemm_places(p->isa, p->depth) / width * width, width));
  p->column_tasks = (columns + most - 1) / most;
  p->row_tasks = 1;
  long images = p->batch * p->groups;
  double work = (double)columns * (double)rows * (double)p->k * (double)images / task_work;
  long wanted = work < 1 ? 1 : work > most_tasks ? most_tasks : (long)work;
  if (images * p->column_tasks < wanted) {
    long finest = (columns + 2 * width - 1) / (2 * width);
    p->column_tasks = gemm_max(p->column_tasks, gemm_min(finest, (wanted + images - 1) / images));
  }
  p->columns_per_task = gemm_round_up((columns + p->column_tasks - 1) / p->column_tasks, width);
  p->column_tasks = (columns + p->columns_per_task - 1) / p->columns_per_task;
  if (images * p->column_tasks < wanted) {
    // Each row task gathers the same columns again: it must have enough rows to be worth it.
    long tasks = images * p->column_tasks;
    p->row_tasks = gemm_max(1, gemm_min((wanted + tasks - 1) / tasks, rows / (4 * p->panel_height)));
  }
  p->rows_per_task = gemm_round_up((rows + p->row_tasks - 1) / p->row_tasks, p->panel_height);
  p->row_tasks = (rows + p->rows_per_task - 1) / p->rows_per_task;
}

// Whether the padded input, read in order, has few enough columns that lie in the padding. Fills in the sizes.
static int can_shift(lig_conv *p) {
  long tap_h = (p->kernel_h - 1) * p->dilation_h / p->stride_h, tap_w = (p->kernel_w - 1) * p->dilation_w / p->stride_w;
  p->phase_h = p->out_h + tap_h;
  p->phase_w = p->out_w + tap_w;
  double plane = (double)p->phase_h * (double)p->phase_w * (double)(p->stride_h * p->stride_w);
  // Offsets are ints.
  if (plane * (double)(p->channels / p->groups) > 1e9) return 0;
  p->padded_plane = gemm_round_up((long)plane + 32, 16);
  // Planes a power of two apart would fight for the same cache lines.
  if (p->padded_plane % 256 < 32) p->padded_plane += 48;
  return (double)p->phase_w <= 1.25 * (double)p->out_w && plane <= 4 * (double)p->height * (double)p->width + 4096;
}

static void prepare_shifted(lig_conv *p) {
  long positions = (p->out_h - 1) * p->phase_w + p->out_w, rows = group_filters(p), width = p->panel_width;
  long most = gemm_max(gemm_min(most_columns, 64 * 1024 / rows / width * width), 4 * width);
  long images = p->batch * p->groups;
  p->column_tasks = (positions + most - 1) / most;
  double work = (double)positions * (double)rows * (double)p->k * (double)images / task_work;
  long wanted = work < 1 ? 1 : work > most_tasks ? most_tasks : (long)work;
  if (images * p->column_tasks < wanted) {
    long finest = (positions + 2 * width - 1) / (2 * width);
    p->column_tasks = gemm_max(p->column_tasks, gemm_min(finest, (wanted + images - 1) / images));
  }
  p->columns_per_task = gemm_round_up((positions + p->column_tasks - 1) / p->column_tasks, width);
  p->column_tasks = (positions + p->columns_per_task - 1) / p->columns_per_task;
  p->row_tasks = 1;
  if (images * p->column_tasks < wanted) {
    long tasks = images * p->column_tasks;
    p->row_tasks = gemm_max(1, gemm_min((wanted + tasks - 1) / tasks, rows / (2 * p->panel_height)));
  }
  p->rows_per_task = gemm_round_up((rows + p->row_tasks - 1) / p->row_tasks, p->panel_height);
  p->row_tasks = (rows + p->rows_per_task - 1) / p->rows_per_task;
}

// Few filters do not pay for rounding what they read; more are needed where that is gathered first instead of read where
// it lies.
static int pairs_suit(lig_conv *p, int pointwise) {
  if (!p->allows_bfloat16 || p->is_adjoint || p->k < least_paired) return 0;
  return group_filters(p) >= (pointwise || !can_shift(p) ? least_paired : least_gathered);
}

static void settle_panels(lig_conv *p, int isa) {
  p->isa = isa;
  p->panel_width = gemm_width(isa);
  p->panel_height = gemm_height(isa, group_filters(p));
  p->depth = isa & LIG_ISA_PAIRS ? 2 * gemm_depth(gemm_places(isa, p->k)) : gemm_depth(p->k);
}

void lig_conv_prepare(lig_conv *p) {
  int is_depthwise = p->groups > 1 && p->groups == p->channels;
  p->k = p->channels / p->groups * p->kernel_h * p->kernel_w;
  p->isa = is_depthwise ? (int)lig_isa() : gemm_isa(group_filters(p), p->out_h * p->out_w, p->k);
  settle_panels(p, p->isa);
  int unpadded = p->pad_top == 0 && p->pad_left == 0;
  // Weights that are turned around are one matrix only if each is one number.
  int one_matrix = !p->is_adjoint || p->kernel_h * p->kernel_w == 1;
  if (p->groups == 1 && p->out_h * p->out_w == 1 && unpadded && one_matrix && p->kernel_h == p->height && p->kernel_w == p->width) {
    p->algorithm = LIG_CONV_MATMUL;
    prepare_matmul(p);
    p->isa = p->matmul.isa;  // names the packing
  } else if (is_depthwise) {
    p->algorithm = LIG_CONV_DEPTHWISE;
    prepare_depthwise(p);
  } else if (winograd_suits(p)) {
    p->algorithm = LIG_CONV_WINOGRAD;
    p->depth = gemm_depth(p->channels);
    winograd_prepare(p);
  } else {
    int pointwise = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && unpadded &&
                    p->out_h == p->height && p->out_w == p->width;
    if (pairs_suit(p, pointwise)) settle_panels(p, gemm_isa_of_pairs());
    if (!pointwise && !(p->isa & (LIG_ISA_BLAS | LIG_ISA_PAIRS)) && can_shift(p)) {
      p->algorithm = LIG_CONV_SHIFTED;
      prepare_shifted(p);
    } else {
      p->algorithm = pointwise ? LIG_CONV_POINTWISE : LIG_CONV_IM2COL;
      prepare_tiles(p);
    }
  }
}

static long padded_filters(const lig_conv *p) { return gemm_round_up(group_filters(p), p->panel_height); }

long lig_conv_packed_count(const lig_conv *p) {
  if (p->algorithm == LIG_CONV_MATMUL) return lig_matmul_packed_count(&p->matmul);
  if (p->algorithm == LIG_CONV_DEPTHWISE) return p->filters * p->k;
  if (p->algorithm == LIG_CONV_WINOGRAD) return winograd_packed_count(p);
  return p->groups * padded_filters(p) * gemm_places(p->isa, p->k);
}

typedef struct {
  const lig_conv *plan;
  const float *weights;
  float *packed;
} pack_job;

// Rows of the matrix that an adjoint multiplies by, from weights that lie the other way round.
static void turn_rows(const pack_job *job, long group, long row, long rows, long k, long depth, float *to) {
  const lig_conv *p = job->plan;
  long area = p->kernel_h * p->kernel_w, channels = p->channels / p->groups;
  for (long j = 0; j < depth; ++j) {
    long channel = group * channels + (k + j) / area, tap = area - 1 - (k + j) % area;
    const float *from = job->weights + (channel * group_filters(p) + row) * area + tap;
    for (long i = 0; i < rows; ++i) to[i * depth + j] = from[i * area];
  }
}

static void pack_task(void *context, long index, int worker) {
  (void)worker;
  const pack_job *job = context;
  const lig_conv *p = job->plan;
  long panels = padded_filters(p) / p->panel_height, group = index / panels, row = index % panels * p->panel_height;
  long rows = gemm_min(p->panel_height, group_filters(p) - row);
  const float *from = job->weights + (group * group_filters(p) + row) * p->k;
  float *to = job->packed + group * padded_filters(p) * gemm_places(p->isa, p->k), turned[most_height * gemm_most_depth];
  for (long k = 0; k < p->k; k += p->depth) {
    long depth = gemm_min(p->depth, p->k - k);
    if (p->isa & LIG_ISA_PAIRS) {
      gemm_pack_pairs_a(p->isa, to + k / 2 * padded_filters(p) + row * gemm_places(p->isa, depth), from + k, p->k, 1, rows,
                        depth, p->panel_height, 1);
      continue;
    }
    if (p->is_adjoint) turn_rows(job, group, row, rows, k, depth, turned);
    gemm_pack_a(to + k * padded_filters(p) + row * depth, p->is_adjoint ? turned : from + k,
                p->is_adjoint ? depth : p->k, 1, rows, depth, p->panel_height, 1);
  }
}

void lig_conv_pack(const lig_conv *p, lig_pool *pool, const float *weights, float *packed) {
  long area = p->kernel_h * p->kernel_w;
  pack_job job = {p, weights, packed};
  switch (p->algorithm) {
    case LIG_CONV_MATMUL: lig_matmul_pack(&p->matmul, weights, packed); break;
    case LIG_CONV_WINOGRAD: winograd_pack(p, pool, weights, packed); break;
    case LIG_CONV_DEPTHWISE:
      for (long f = 0; f < p->filters; ++f, weights += area, packed += area) {
        for (long i = 0; i < area; ++i) packed[i] = weights[p->is_adjoint ? area - 1 - i : i];
      }
      break;
    default: lig_parallel(pool, p->groups * (padded_filters(p) / p->panel_height), pack_task, &job);
  }
}

static int reads_in_place(const lig_conv *p) {
  return p->algorithm == LIG_CONV_POINTWISE && !(p->isa & LIG_ISA_PAIRS) && (p->isa & LIG_ISA_BLAS || p->rows_per_task <= 2 * p->panel_height);
}

static long worker_floats(const lig_conv *p) {
  if (p->algorithm == LIG_CONV_DEPTHWISE) return p->buffer_floats;
  if (p->algorithm == LIG_CONV_SHIFTED) return gemm_round_up(p->rows_per_task, p->panel_height) * p->columns_per_task;
  return reads_in_place(p) ? 0 : p->columns_per_task * p->depth + line_floats;
}

// What all workers read: the padded input, and the offset of each row of the matrix in it.
static long offset_floats(const lig_conv *p) { return gemm_round_up(p->k, 16); }
static long shared_floats(const lig_conv *p) {
  if (p->algorithm != LIG_CONV_SHIFTED) return 0;
  return offset_floats(p) + gemm_round_up(p->batch * p->channels * p->padded_plane + 64, 16);
}

long lig_conv_workspace(const lig_conv *p, int threads) {
  if (p->algorithm == LIG_CONV_MATMUL) return lig_matmul_workspace(&p->matmul, threads);
  if (p->algorithm == LIG_CONV_WINOGRAD) return winograd_floats(p, threads) * (long)sizeof(float);
  return (shared_floats(p) + worker_floats(p) * threads) * (long)sizeof(float);
}

typedef struct {
  const lig_conv *plan;
  const float *x, *packed, *bias, *residual;
  float *y, *workspace;
} conv_job;

// The columns of a block as panels, or as OpenBLAS wants them.
static void fill_panels(
    const lig_conv *p, const float *x, long k, long depth, long column, gemm_block *block, float *gathered) {
  const long plane = p->height * p->width;
  if (p->algorithm == LIG_CONV_POINTWISE) {
    const float *from = x + k * plane + column;
    if (p->isa & LIG_ISA_PAIRS) gemm_pack_pairs_b(p->isa, gathered, from, plane, 1, depth, block->columns);
    else gemm_pack_b(gathered, from, plane, 1, depth, block->columns, p->panel_width);
    return;
  }
  VARIANT(p->isa, gather_columns)(
      p, x, k, depth, column, block->columns, gathered,
      p->isa & LIG_ISA_BLAS ? NULL : gathered + p->columns_per_task * p->depth);
  if (p->isa & LIG_ISA_BLAS) block->b_row = p->columns_per_task, block->b_is_bare = 1;
  if (p->isa & LIG_ISA_PAIRS) gemm_pair_panels(p->isa, gathered, depth, block->columns);
}

static void tile_task(void *context, long index, int worker) {
  const conv_job *job = context;
  const lig_conv *p = job->plan;
  // Neighbouring tasks share the gathered columns' source, so rows vary fastest.
  long row = index % p->row_tasks * p->rows_per_task;
  long column = index / p->row_tasks % p->column_tasks * p->columns_per_task;
  long image = index / (p->row_tasks * p->column_tasks), group = image % p->groups;
  long columns = p->out_h * p->out_w, plane = p->height * p->width;
  const float *x = job->x + image * (p->channels / p->groups) * plane;
  const float *packed = job->packed + group * padded_filters(p) * gemm_places(p->isa, p->k);
  float *gathered = job->workspace + worker * worker_floats(p);
  long first = image * group_filters(p) + row;
  gemm_block block = {
    .height = p->panel_height,
    .c = job->y + first * columns + column,
    .c_row = columns,
    .rows = gemm_min(p->rows_per_task, group_filters(p) - row),
    .columns = gemm_min(p->columns_per_task, columns - column),
    .row_bias = job->bias ? job->bias + group * group_filters(p) + row : NULL,
    .residual = job->residual ? job->residual + first * columns + column : NULL,
    .activation = p->activation,
  };
  for (long k = 0; k < p->k; k += p->depth) {
    const long depth = gemm_min(p->depth, p->k - k);
    block.depth = gemm_places(p->isa, depth);
    block.accumulate = k > 0;
    if (k > 0) block.row_bias = NULL;
    block.last = k + depth == p->k;
    block.a = packed + gemm_places(p->isa, k) * padded_filters(p) + row * block.depth;
    if (reads_in_place(p)) {
      block.b = x + k * plane + column;
      block.b_panel = p->panel_width;
      block.b_row = plane;
      block.b_is_bare = 1;
    } else {
      block.b = gathered;
      block.b_panel = block.depth * p->panel_width;
      block.b_row = p->panel_width;
      fill_panels(p, x, k, depth, column, &block, gathered);
    }
    gemm_run(p->isa, &block);
  }
}

static void split_task(void *context, long index, int worker) {
  (void)worker;
  const conv_job *job = context;
  const lig_conv *p = job->plan;
  float *padded = job->workspace + offset_floats(p);
  VARIANT(p->isa, split_plane)(p, job->x + index * p->height * p->width, padded + index * p->padded_plane);
}

// The product reads many planes a little at a time, which no prefetcher follows: fetch what it will read plane by plane.
static void fetch_planes(const lig_conv *p, const float *padded, long k, long depth, long columns) {
  long area = p->kernel_h * p->kernel_w, phases = gemm_min(area, p->stride_h * p->stride_w);
  long reach = columns + (p->phase_h - p->out_h) * p->phase_w + p->phase_w - p->out_w;
  for (long c = k / area; c * area < k + depth; ++c) {
    for (long phase = 0; phase < phases; ++phase) {
      const float *from = padded + c * p->padded_plane + phase * p->phase_h * p->phase_w;
      for (long i = 0; i < reach; i += 16) __builtin_prefetch(from + i, 0, 2);
    }
  }
}

static void shifted_task(void *context, long index, int worker) {
  const conv_job *job = context;
  const lig_conv *p = job->plan;
  long row = index % p->row_tasks * p->rows_per_task;
  long column = index / p->row_tasks % p->column_tasks * p->columns_per_task;
  long image = index / (p->row_tasks * p->column_tasks), group = image % p->groups;
  long positions = (p->out_h - 1) * p->phase_w + p->out_w, plane = p->out_h * p->out_w;
  float *products = job->workspace + shared_floats(p) + worker * worker_floats(p);
  const float *packed = job->packed + group * padded_filters(p) * p->k;
  const float *padded = job->workspace + offset_floats(p) + image * (p->channels / p->groups) * p->padded_plane;
  gemm_block block = {
    .height = p->panel_height,
    .b = padded + column,
    .c = products,
    .c_row = p->columns_per_task,
    .rows = gemm_min(p->rows_per_task, group_filters(p) - row),
    .columns = gemm_min(p->columns_per_task, positions - column),
    .row_bias = job->bias ? job->bias + group * group_filters(p) + row : NULL,
  };
  for (long k = 0; k < p->k; k += p->depth) {
    block.depth = gemm_min(p->depth, p->k - k);
    block.accumulate = k > 0;
    if (k > 0) block.row_bias = NULL;
    block.a = packed + k * padded_filters(p) + row * block.depth;
    block.offsets = (const int *)job->workspace + k;
    fetch_planes(p, block.b, k, block.depth, block.columns);
    gemm_run(p->isa, &block);
  }
  for (long i = 0; i < block.rows; ++i) {
    long at = (image * group_filters(p) + row + i) * plane;
    VARIANT(p->isa, unload_row)(
        p, products + i * p->columns_per_task, column, block.columns, job->residual ? job->residual + at : NULL,
        job->y + at);
  }
}

static void run_shifted(conv_job *job, lig_pool *pool) {
  const lig_conv *p = job->plan;
  int *offsets = (int *)job->workspace;
  for (long c = 0, k = 0; c < p->channels / p->groups; ++c)
    for (long ky = 0; ky < p->kernel_h; ++ky)
      for (long kx = 0; kx < p->kernel_w; ++kx, ++k) {
        long y = ky * p->dilation_h, x = kx * p->dilation_w;
        long phase = y % p->stride_h * p->stride_w + x % p->stride_w;
        offsets[k] = (int)(c * p->padded_plane + (phase * p->phase_h + y / p->stride_h) * p->phase_w + x / p->stride_w);
      }
  lig_parallel(pool, p->batch * p->channels, split_task, job);
  lig_parallel(pool, p->batch * p->groups * p->row_tasks * p->column_tasks, shifted_task, job);
}

static void depthwise_task(void *context, long index, int worker) {
  const conv_job *job = context;
  const lig_conv *p = job->plan;
  float *buffer = job->workspace + worker * worker_floats(p);
  long multiplier = group_filters(p), planes = p->batch * p->filters;
  long end = gemm_min((index + 1) * p->planes_per_task, planes);
  for (long plane = index * p->planes_per_task; plane < end; ++plane) {
    long filter = plane % p->filters;
    const float *x = job->x + plane / multiplier * p->height * p->width;
    for (long line = 0; line < p->out_h; line += p->lines_per_task) {
      long lines = gemm_min(p->lines_per_task, p->out_h - line), at = (plane * p->out_h + line) * p->out_w;
      VARIANT(p->isa, depthwise_block)(
          p, x, line, lines, job->packed + filter * p->k, job->bias ? job->bias[filter] : 0,
          job->residual ? job->residual + at : NULL, job->y + at, buffer);
    }
  }
}

void lig_conv_run(
    const lig_conv *p, lig_pool *pool, const float *x, const float *packed, const float *bias,
    const float *residual, float *y, void *workspace) {
  conv_job job = {p, x, packed, bias, residual, y, workspace};
  switch (p->algorithm) {
    case LIG_CONV_MATMUL: {
      lig_matmul matmul = p->matmul;
      matmul.accumulates = residual != NULL;
      if (residual) memcpy(y, residual, (size_t)(p->batch * p->filters) * sizeof(float));
      lig_matmul_run(&matmul, pool, x, packed, bias, y, workspace);
      break;
    }
    case LIG_CONV_SHIFTED:
      run_shifted(&job, pool);
      break;
    case LIG_CONV_DEPTHWISE:
      lig_parallel(
          pool, (p->batch * p->filters + p->planes_per_task - 1) / p->planes_per_task, depthwise_task, &job);
      break;
    case LIG_CONV_WINOGRAD:
      winograd_run(p, pool, x, packed, bias, residual, y, workspace);
      break;
    default:
      lig_parallel(pool, p->batch * p->groups * p->row_tasks * p->column_tasks, tile_task, &job);
  }
}

void lig_conv_reference(
    const lig_conv *p, const float *x, const float *weights, const float *bias, const float *residual, float *y) {
  long in_group = p->channels / p->groups, area = p->kernel_h * p->kernel_w, place = 0;
  for (long n = 0; n < p->batch; ++n)
    for (long f = 0; f < p->filters; ++f)
      for (long oy = 0; oy < p->out_h; ++oy)
        for (long ox = 0; ox < p->out_w; ++ox, ++place) {
          float sum = bias ? bias[f] : 0;
          for (long c = 0; c < in_group; ++c)
            for (long ky = 0; ky < p->kernel_h; ++ky)
              for (long kx = 0; kx < p->kernel_w; ++kx) {
                long iy = oy * p->stride_h + ky * p->dilation_h - p->pad_top;
                long ix = ox * p->stride_w + kx * p->dilation_w - p->pad_left;
                if (iy < 0 || iy >= p->height || ix < 0 || ix >= p->width) continue;
                long group = f / group_filters(p), channel = group * in_group + c, tap = ky * p->kernel_w + kx;
                long at = p->is_adjoint ? (channel * group_filters(p) + f % group_filters(p) + 1) * area - 1 - tap
                                        : (f * in_group + c) * area + tap;
                sum += x[((n * p->channels + channel) * p->height + iy) * p->width + ix] * weights[at];
              }
          if (residual) sum += residual[place];
          y[place] = lig_activate(p->activation, sum);
        }
}
