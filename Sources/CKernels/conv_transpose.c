#include "conv_transpose.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"

#define KERNELS "conv_transpose.inc"
#include "each_simd.h"

enum { most_columns = 512, wanted_rows = 48 };

static long group_filters(const lig_conv_transpose *p) { return p->filters / p->groups; }

// Of a much larger result most taps would read padding.
static int can_turn(const lig_conv_transpose *p) {
  return 4 * p->out_h * p->out_w <= 5 * p->height * p->width && p->stride_h == 1 && p->stride_w == 1 && p->pad_top <= (p->kernel_h - 1) * p->dilation_h &&
         p->pad_left <= (p->kernel_w - 1) * p->dilation_w;
}

static void prepare_direct(lig_conv_transpose *p) {
  p->direct = (lig_conv){
    .batch = p->batch, .channels = p->channels, .height = p->height, .width = p->width, .filters = p->filters,
    .kernel_h = p->kernel_h, .kernel_w = p->kernel_w, .out_h = p->out_h, .out_w = p->out_w, .stride_h = 1,
    .stride_w = 1, .dilation_h = p->dilation_h, .dilation_w = p->dilation_w,
    .pad_top = (p->kernel_h - 1) * p->dilation_h - p->pad_top,
    .pad_left = (p->kernel_w - 1) * p->dilation_w - p->pad_left, .groups = p->groups, .activation = p->activation,
    .allows_winograd = p->allows_winograd, .is_adjoint = 1,
  };
  lig_conv_prepare(&p->direct);
}

void lig_conv_transpose_prepare(lig_conv_transpose *p) {
  p->is_direct = can_turn(p);
  if (p->is_direct) {
    prepare_direct(p);
    p->isa = p->direct.isa;
    return;
  }
  p->k = p->channels / p->groups;
  p->depth = gemm_depth(p->k);
  long area = p->kernel_h * p->kernel_w, columns = p->height * p->width;
  p->filters_per_task = gemm_min(group_filters(p), gemm_max(1, wanted_rows / area));
  p->filter_tasks = (group_filters(p) + p->filters_per_task - 1) / p->filters_per_task;
  p->rows = p->filters_per_task * area;
  p->isa = gemm_isa(p->rows, columns, p->k);
  p->panel_width = gemm_width(p->isa);
  p->panel_height = gemm_height(p->isa, p->rows);
  p->tiles_exactly = p->kernel_h == p->stride_h && p->kernel_w == p->stride_w && p->dilation_h == 1 &&
                     p->dilation_w == 1 && p->pad_top == 0 && p->pad_left == 0 &&
                     p->out_h == p->height * p->stride_h && p->out_w == p->width * p->stride_w;
  p->columns_per_task = gemm_round_up(gemm_min(most_columns, columns), p->panel_width);
  p->column_tasks = p->tiles_exactly ? (columns + p->columns_per_task - 1) / p->columns_per_task : 1;
}

// Each task's filters are padded to whole panels.
static long padded_rows(const lig_conv_transpose *p) { return gemm_round_up(p->rows, p->panel_height); }

long lig_conv_transpose_packed_count(const lig_conv_transpose *p) {
  if (p->is_direct) return lig_conv_packed_count(&p->direct);
  return p->groups * p->filter_tasks * padded_rows(p) * p->k;
}

typedef struct {
  const lig_conv_transpose *plan;
  const float *weights;
  float *packed;
} pack_job;

static void pack_task(void *context, long index, int worker) {
  (void)worker;
  const pack_job *job = context;
  const lig_conv_transpose *p = job->plan;
  long all_rows = group_filters(p) * p->kernel_h * p->kernel_w;
  long group = index / p->filter_tasks, task = index % p->filter_tasks;
  // Row (filter, ky, kx) of the matrix is a column of the weights.
  const float *from = job->weights + group * p->k * all_rows + task * p->rows;
  float *packed = job->packed + index * padded_rows(p) * p->k;
  long rows = gemm_min(p->rows, all_rows - task * p->rows);
  for (long k = 0; k < p->k; k += p->depth) {
    gemm_pack_a(packed + k * padded_rows(p), from + k * all_rows, 1, all_rows, rows, gemm_min(p->depth, p->k - k),
                p->panel_height, 1);
  }
}

void lig_conv_transpose_pack(
    const lig_conv_transpose *p, lig_pool *pool, const float *weights, float *packed) {
  if (p->is_direct) {
    lig_conv_pack(&p->direct, pool, weights, packed);
    return;
  }
  pack_job job = {p, weights, packed};
  lig_parallel(pool, p->groups * p->filter_tasks, pack_task, &job);
}

static long worker_floats(const lig_conv_transpose *p) {
  return gemm_round_up(p->columns_per_task * (p->depth + p->rows), 16);
}

long lig_conv_transpose_workspace(const lig_conv_transpose *p, int threads) {
  if (p->is_direct) return lig_conv_workspace(&p->direct, threads);
  return worker_floats(p) * (long)sizeof(float) * threads;
}

typedef struct {
  const lig_conv_transpose *plan;
  const float *x, *packed, *bias;
  float *y, *workspace;
} transpose_job;

// Puts what each input pixel of the tile gives to a filter into that filter's plane.
static void scatter(
    const lig_conv_transpose *p, const float *products, long products_row, long column, long columns, float bias,
    float *plane) {
  for (long ky = 0; ky < p->kernel_h; ++ky, products += p->kernel_w * products_row) {
    long iy = column / p->width, ix = column % p->width;
    for (long done = 0; done < columns; ++iy, ix = 0) {
      long end = gemm_min(p->width, ix + columns - done), y = iy * p->stride_h + ky * p->dilation_h - p->pad_top;
      const float *from = products + done - ix;
      done += end - ix;
      if (y < 0 || y >= p->out_h) continue;
      float *row = plane + y * p->out_w;
      if (p->tiles_exactly) {
        VARIANT(p->isa, interleave)(
            from + ix, products_row, p->kernel_w, end - ix, bias, p->activation, row + ix * p->stride_w);
        continue;
      }
      for (long kx = 0; kx < p->kernel_w; ++kx) {
        long x = ix * p->stride_w + kx * p->dilation_w - p->pad_left;
        const float *values = from + kx * products_row;
        for (long i = ix; i < end; ++i, x += p->stride_w) {
          if (x >= 0 && x < p->out_w) row[x] += values[i];
        }
      }
    }
  }
}

static void transpose_task(void *context, long index, int worker) {
  const transpose_job *job = context;
  const lig_conv_transpose *p = job->plan;
  long tile = index % p->column_tasks, task = index / p->column_tasks % p->filter_tasks;
  long image = index / (p->column_tasks * p->filter_tasks), group = image % p->groups;
  long area = p->kernel_h * p->kernel_w, plane = p->out_h * p->out_w, all_columns = p->height * p->width;
  long filter = task * p->filters_per_task, filters = gemm_min(p->filters_per_task, group_filters(p) - filter);
  const float *x = job->x + image * p->k * all_columns;
  const float *packed = job->packed + (group * p->filter_tasks + task) * padded_rows(p) * p->k;
  const float *bias = job->bias ? job->bias + group * group_filters(p) + filter : NULL;
  float *y = job->y + (image * group_filters(p) + filter) * plane;
  float *panels = job->workspace + worker * worker_floats(p);
  float *products = panels + p->columns_per_task * p->depth;
  if (!p->tiles_exactly) {
    for (long f = 0; f < filters; ++f) {
      for (long i = 0; i < plane; ++i) y[f * plane + i] = bias ? bias[f] : 0;
    }
  }
  long first = tile * p->columns_per_task;
  long last = p->tiles_exactly ? gemm_min(first + p->columns_per_task, all_columns) : all_columns;
  for (long column = first; column < last; column += p->columns_per_task) {
    long columns = gemm_min(p->columns_per_task, last - column);
    for (long k = 0; k < p->k; k += p->depth) {
      gemm_block block = {
        .depth = gemm_min(p->depth, p->k - k),
        .a = packed + k * padded_rows(p),
        .height = p->panel_height,
        .b = panels,
        .b_row = p->panel_width,
        .c = products,
        .c_row = p->columns_per_task,
        .rows = filters * area,
        .columns = columns,
        .accumulate = k > 0,
      };
      const float *from = x + k * all_columns + column;
      // Few rows do not pay for packing.
      int bare = p->isa & LIG_ISA_BLAS || p->rows <= 2 * p->panel_height;
      block.b_panel = bare ? p->panel_width : block.depth * p->panel_width;
      if (bare) block.b = from, block.b_row = all_columns, block.b_is_bare = 1;
      else gemm_pack_b(panels, from, all_columns, 1, block.depth, columns, p->panel_width);
      gemm_run(p->isa, &block);
    }
    for (long f = 0; f < filters; ++f) {
      scatter(p, products + f * area * p->columns_per_task, p->columns_per_task, column, columns,
              bias ? bias[f] : 0, y + f * plane);
    }
  }
  if (p->tiles_exactly || gemm_keeps(p->activation)) return;
  for (long f = 0; f < filters; ++f) gemm_finish(p->isa, p->activation, y + f * plane, NULL, y + f * plane, plane);
}

void lig_conv_transpose_run(
    const lig_conv_transpose *p, lig_pool *pool, const float *x, const float *packed, const float *bias, float *y,
    void *workspace) {
  if (p->is_direct) {
    lig_conv_run(&p->direct, pool, x, packed, bias, NULL, y, workspace);
    return;
  }
  transpose_job job = {p, x, packed, bias, y, workspace};
  lig_parallel(pool, p->batch * p->groups * p->filter_tasks * p->column_tasks, transpose_task, &job);
}

void lig_conv_transpose_reference(
    const lig_conv_transpose *p, const float *x, const float *weights, const float *bias, float *y) {
  long in_group = p->channels / p->groups, plane = p->out_h * p->out_w, filters = group_filters(p);
  for (long f = 0; f < p->batch * p->filters; ++f) {
    for (long i = 0; i < plane; ++i) y[f * plane + i] = bias ? bias[f % p->filters] : 0;
  }
  for (long n = 0; n < p->batch; ++n)
    for (long c = 0; c < p->channels; ++c)
      for (long iy = 0; iy < p->height; ++iy)
        for (long ix = 0; ix < p->width; ++ix, ++x)
          for (long f = 0; f < filters; ++f)
            for (long ky = 0; ky < p->kernel_h; ++ky)
              for (long kx = 0; kx < p->kernel_w; ++kx) {
                long oy = iy * p->stride_h + ky * p->dilation_h - p->pad_top;
                long ox = ix * p->stride_w + kx * p->dilation_w - p->pad_left;
                if (oy < 0 || oy >= p->out_h || ox < 0 || ox >= p->out_w) continue;
                long at = (n * p->filters + c / in_group * filters + f) * plane + oy * p->out_w + ox;
                y[at] += *x * weights[((c * filters + f) * p->kernel_h + ky) * p->kernel_w + kx];
              }
  for (long i = 0; i < p->batch * p->filters * plane; ++i) y[i] = lig_activate(p->activation, y[i]);
}
