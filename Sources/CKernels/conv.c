#include "conv.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"

#define KERNELS "conv.inc"
#include "each_simd.h"

enum {
  task_work = 1 << 19,       // multiply-adds that are worth a task
  most_tasks = 32,           // more do not help to share evenly
  tile_floats = 64 * 1024,   // gathered columns stay in the second cache
  most_columns = 1024,
  line_floats = 1024 + 64,
};

static long group_filters(const lig_conv *p) { return p->filters / p->groups; }

static void prepare_matmul(lig_conv *p) {
  p->matmul = (lig_matmul){
    .m = p->batch, .n = p->filters, .k = p->k, .a_row = p->k, .a_column = 1, .b_row = 1, .b_column = p->k,
    .alpha = 1, .b_is_packed = 1, .activation = p->activation,
  };
  lig_matmul_prepare(&p->matmul);
}

static void prepare_depthwise(lig_conv *p) {
  int lanes = p->panel_width / 2;
  long reach = (p->kernel_w - 1) * p->dilation_w / p->stride_w + 1;
  p->phase_length = gemm_round_up(p->out_w, lanes) + reach;
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
  long most = gemm_min(most_columns, gemm_max(tile_floats / p->depth / width * width, width));
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

void lig_conv_prepare(lig_conv *p) {
  p->isa = (int)lig_isa();
  p->panel_width = gemm_width(p->isa);
  p->panel_height = gemm_height(p->isa, group_filters(p));
  p->k = p->channels / p->groups * p->kernel_h * p->kernel_w;
  p->depth = gemm_depth(p->k);
  int unpadded = p->pad_top == 0 && p->pad_left == 0;
  if (p->groups == 1 && p->out_h * p->out_w == 1 && unpadded && p->kernel_h == p->height && p->kernel_w == p->width) {
    p->algorithm = LIG_CONV_MATMUL;
    prepare_matmul(p);
  } else if (p->groups > 1 && p->groups == p->channels) {
    p->algorithm = LIG_CONV_DEPTHWISE;
    prepare_depthwise(p);
  } else {
    int pointwise = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && unpadded &&
                    p->out_h == p->height && p->out_w == p->width;
    p->algorithm = pointwise ? LIG_CONV_POINTWISE : LIG_CONV_IM2COL;
    prepare_tiles(p);
  }
}

static long padded_filters(const lig_conv *p) { return gemm_round_up(group_filters(p), p->panel_height); }

long lig_conv_packed_count(const lig_conv *p) {
  if (p->algorithm == LIG_CONV_MATMUL) return lig_matmul_packed_count(&p->matmul);
  if (p->algorithm == LIG_CONV_DEPTHWISE) return p->filters * p->k;
  return p->groups * padded_filters(p) * p->k;
}

void lig_conv_pack(const lig_conv *p, const float *weights, float *packed) {
  if (p->algorithm == LIG_CONV_MATMUL) {
    lig_matmul_pack(&p->matmul, weights, packed);
  } else if (p->algorithm == LIG_CONV_DEPTHWISE) {
    memcpy(packed, weights, (size_t)(p->filters * p->k) * sizeof(float));
  } else {
    for (long group = 0; group < p->groups; ++group) {
      const float *from = weights + group * group_filters(p) * p->k;
      float *to = packed + group * padded_filters(p) * p->k;
      for (long k = 0; k < p->k; k += p->depth) {
        gemm_pack_a(to + k * padded_filters(p), from + k, p->k, 1, group_filters(p), gemm_min(p->depth, p->k - k),
                    p->panel_height, 1);
      }
    }
  }
}

static int reads_in_place(const lig_conv *p) {
  return p->algorithm == LIG_CONV_POINTWISE && p->rows_per_task <= 2 * p->panel_height;
}

static long worker_floats(const lig_conv *p) {
  if (p->algorithm == LIG_CONV_DEPTHWISE) return p->buffer_floats;
  return reads_in_place(p) ? 0 : p->columns_per_task * p->depth + line_floats;
}

long lig_conv_workspace(const lig_conv *p, int threads) {
  if (p->algorithm == LIG_CONV_MATMUL) return lig_matmul_workspace(&p->matmul, threads);
  return worker_floats(p) * (long)sizeof(float) * threads;
}

typedef struct {
  const lig_conv *plan;
  const float *x, *packed, *bias, *residual;
  float *y, *workspace;
} conv_job;

static void tile_task(void *context, long index, int worker) {
  const conv_job *job = context;
  const lig_conv *p = job->plan;
  // Neighbouring tasks share the gathered columns' source, so rows vary fastest.
  long row = index % p->row_tasks * p->rows_per_task;
  long column = index / p->row_tasks % p->column_tasks * p->columns_per_task;
  long image = index / (p->row_tasks * p->column_tasks), group = image % p->groups;
  long columns = p->out_h * p->out_w, plane = p->height * p->width;
  const float *x = job->x + image * (p->channels / p->groups) * plane;
  const float *packed = job->packed + group * padded_filters(p) * p->k;
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
    block.depth = gemm_min(p->depth, p->k - k);
    block.accumulate = k > 0;
    if (k > 0) block.row_bias = NULL;
    block.last = k + block.depth == p->k;
    block.a = packed + k * padded_filters(p) + row * block.depth;
    if (reads_in_place(p)) {
      block.b = x + k * plane + column;
      block.b_panel = p->panel_width;
      block.b_row = plane;
      block.b_is_bare = 1;
    } else {
      block.b = gathered;
      block.b_panel = block.depth * p->panel_width;
      block.b_row = p->panel_width;
      if (p->algorithm == LIG_CONV_POINTWISE) {
        gemm_pack_b(gathered, x + k * plane + column, plane, 1, block.depth, block.columns, p->panel_width);
      } else {
        VARIANT(p->isa, gather_columns)(
            p, x, k, block.depth, column, block.columns, gathered, gathered + p->columns_per_task * p->depth);
      }
    }
    gemm_run(p->isa, &block);
  }
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
    case LIG_CONV_DEPTHWISE:
      lig_parallel(
          pool, (p->batch * p->filters + p->planes_per_task - 1) / p->planes_per_task, depthwise_task, &job);
      break;
    default:
      lig_parallel(pool, p->batch * p->groups * p->row_tasks * p->column_tasks, tile_task, &job);
  }
}

void lig_conv_reference(
    const lig_conv *p, const float *x, const float *weights, const float *bias, const float *residual, float *y) {
  long in_group = p->channels / p->groups, at = 0;
  for (long n = 0; n < p->batch; ++n)
    for (long f = 0; f < p->filters; ++f)
      for (long oy = 0; oy < p->out_h; ++oy)
        for (long ox = 0; ox < p->out_w; ++ox, ++at) {
          float sum = bias ? bias[f] : 0;
          for (long c = 0; c < in_group; ++c)
            for (long ky = 0; ky < p->kernel_h; ++ky)
              for (long kx = 0; kx < p->kernel_w; ++kx) {
                long iy = oy * p->stride_h + ky * p->dilation_h - p->pad_top;
                long ix = ox * p->stride_w + kx * p->dilation_w - p->pad_left;
                if (iy < 0 || iy >= p->height || ix < 0 || ix >= p->width) continue;
                long channel = n * p->channels + f / group_filters(p) * in_group + c;
                sum += x[(channel * p->height + iy) * p->width + ix] *
                       weights[((f * in_group + c) * p->kernel_h + ky) * p->kernel_w + kx];
              }
          if (residual) sum += residual[at];
          y[at] = lig_activate(p->activation, sum);
        }
}
