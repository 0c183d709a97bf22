#include "pooling.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "reduce.h"
#include "tasks.h"

// A window is separable: the rows that it reaches are joined into one line first, padded at both ends, and the line is
// pooled along the width.
typedef struct {
  const lig_pooling *spec;
  const float *x;
  float *y;
  float *workspace;
  /// Averages: how many elements the windows of each column hold along the width, and whether all hold the same.
  const float *columns;
  int same;
  long per_task;
} pooling_job;

enum { SLACK = 64 };  // floats that a vector may read beyond its line

static long span(const lig_pooling *s, int axis) { return (s->kernel[axis] - 1) * s->dilation[axis] + 1; }

// Length of a padded line: what the last window reaches.
static long line_length(const lig_pooling *s) { return (s->output[2] - 1) * s->stride[2] + span(s, 2) + SLACK; }

// One line for each worker; the counts of the columns lie in front of the first.
static long columns_length(const lig_pooling *s) { return s->kind == LIG_POOL_AVERAGE ? s->output[2] : 0; }
long lig_pooling_workspace(const lig_pooling *s) { return line_length(s) + columns_length(s); }

// Elements that an average divides by along one axis.
static long counted(const lig_pooling *s, int axis, long at) {
  long first = at * s->stride[axis] - s->pad_begin[axis], count = 0;
  long low = s->count_include_pad ? -s->pad_begin[axis] : 0;
  long high = s->input[axis] + (s->count_include_pad ? s->pad_end[axis] : 0);
  if (first >= low && first + span(s, axis) <= high) return s->kernel[axis];
  for (long k = 0; k < s->kernel[axis]; k++) {
    long i = first + k * s->dilation[axis];
    count += i >= low && i < high;
  }
  return count;
}

// The places of a window along one axis that lie inside: from `first` on, `dilation` apart.
typedef struct {
  long first, count;
} reach;

static reach reach_of(const lig_pooling *s, int axis, long at) {
  long first = at * s->stride[axis] - s->pad_begin[axis], step = s->dilation[axis];
  if (first >= 0 && first + span(s, axis) <= s->input[axis]) return (reach){first, s->kernel[axis]};
  long skip = first < 0 ? lig_tiles(-first, step) : 0;
  first += skip * step;
  long inside = first < s->input[axis] ? lig_tiles(s->input[axis] - first, step) : 0;
  return (reach){first, lig_max(0, lig_min(s->kernel[axis] - skip, inside))};
}

#define KERNELS "pooling.inc"
#include "each_simd.h"

static void pooling_task(void *context, long index, int worker) {
  const pooling_job *job = context;
  const lig_pooling *s = job->spec;
  long rows = s->output[0] * s->output[1], first = index * job->per_task;
  float *line = job->workspace + columns_length(s) + worker * line_length(s);
  BEST(pool_rows)(job, first, lig_min(first + job->per_task, s->planes * rows), line);
}

void lig_pooling_run(const lig_pooling *s, const float *x, float *y, float *workspace, lig_pool *pool) {
  long rows = s->output[0] * s->output[1], width = s->output[2];
  if (s->planes == 0 || rows == 0 || width == 0) return;
  pooling_job job = {.spec = s, .x = x, .y = y, .workspace = workspace, .columns = workspace};
  if (s->kind == LIG_POOL_AVERAGE) {
    for (long i = 0; i < width; i++) workspace[i] = (float)counted(s, 2, i);
    job.same = s->pad_begin[2] == 0 && (width - 1) * s->stride[2] + span(s, 2) <= s->input[2];
  }
  long cost = s->kernel[0] * s->kernel[1] * lig_min(s->input[2], width * s->stride[2]) + width * s->kernel[2];
  job.per_task = lig_max(1, 4 * LIG_GRAIN / lig_max(cost, 1));
  lig_parallel(pool, lig_tiles(s->planes * rows, job.per_task), pooling_task, &job);
}

// ── Maximum with indices, and for the other types ───────────────────────────
typedef struct {
  const lig_pooling *spec;
  int column_major;
  const void *x;
  void *y;
  long *indices;
} indexed_job;

#define INDEXED(s_, T, lowest) \
  static void indexed_##s_(void *context, long plane, int worker) { \
    (void)worker; \
    const indexed_job *work = context; \
    const lig_pooling *s = work->spec; \
    long in_d = s->input[0], in_h = s->input[1], in_w = s->input[2], size = in_d * in_h * in_w; \
    const T *x = (const T *)work->x + plane * size; \
    long out = plane * s->output[0] * s->output[1] * s->output[2]; \
    for (long od = 0; od < s->output[0]; od++) \
      for (long oh = 0; oh < s->output[1]; oh++) \
        for (long ow = 0; ow < s->output[2]; ow++, out++) { \
          T best = (lowest); \
          long at = -1; \
          for (long kd = 0; kd < s->kernel[0]; kd++) { \
            long d = od * s->stride[0] - s->pad_begin[0] + kd * s->dilation[0]; \
            if (d < 0 || d >= in_d) continue; \
            for (long kh = 0; kh < s->kernel[1]; kh++) { \
              long h = oh * s->stride[1] - s->pad_begin[1] + kh * s->dilation[1]; \
              if (h < 0 || h >= in_h) continue; \
              for (long kw = 0; kw < s->kernel[2]; kw++) { \
                long w = ow * s->stride[2] - s->pad_begin[2] + kw * s->dilation[2]; \
                if (w < 0 || w >= in_w) continue; \
                T v = x[(d * in_h + h) * in_w + w]; \
                if (v > best || at < 0) { \
                  best = v == v ? v : (lowest); \
                  at = work->column_major ? (w * in_h + h) * in_d + d : (d * in_h + h) * in_w + w; \
                } \
              } \
            } \
          } \
          ((T *)work->y)[out] = best; \
          if (work->indices) work->indices[out] = at < 0 ? -1 : plane * size + at; \
        } \
  }
INDEXED(f32, float, -INFINITY)
INDEXED(f64, double, -INFINITY)
INDEXED(i8, int8_t, INT8_MIN)
INDEXED(u8, uint8_t, 0)

int lig_max_pool_indexed(
  const lig_pooling *spec, int type, int column_major, const void *x, void *y, long *indices, lig_pool *pool
) {
  indexed_job work = {spec, column_major, x, y, indices};
  lig_body body =
    type == 1 ? indexed_f32 : type == 11 ? indexed_f64 : type == 3 ? indexed_i8 : type == 2 ? indexed_u8 : 0;
  if (!body) return -1;
  lig_parallel(pool, spec->planes, body, &work);
  return 0;
}

void lig_global_pool(int maximum, const float *x, float *y, long planes, long size, lig_pool *pool) {
  lig_reduce plan;
  long shape[2] = {planes, size};
  unsigned char reduced[2] = {0, 1};
  lig_reduce_prepare(&plan, 2, shape, reduced);
  lig_reduce_run(maximum ? LIG_REDUCE_MAX : LIG_REDUCE_MEAN, 1, &plan, x, y, pool);
}
