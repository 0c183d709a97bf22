#include "pooling.h"

#include <stdint.h>
#include <string.h>

#include "isa.h"
#include "reduce.h"
#include "vmath.h"

typedef struct {
  void (*across)(const float *row, float *y, long n, long kernel, long stride, long dilation, float p);
  void (*down)(float *y, const float *row, long n);
} pooling_loops;

#define LIG_ISA scalar
#include "pooling_loops.h"
#undef LIG_ISA
#if LIG_X86
#pragma clang attribute push(LIG_AVX2, apply_to = function)
#define LIG_ISA avx2
#include "pooling_loops.h"
#undef LIG_ISA
#pragma clang attribute pop
#pragma clang attribute push(LIG_AVX512, apply_to = function)
#define LIG_ISA avx512
#include "pooling_loops.h"
#undef LIG_ISA
#pragma clang attribute pop
#endif

// A window is separable: each input row is pooled along the width once, and output rows combine those results. A task
// makes a band of output rows of one plane and keeps the pooled input rows that neighbours share in a ring.
enum { BAND = 16, MAX_RING = 64 };

static long span(const lig_pooling *s, int axis) { return (s->kernel[axis] - 1) * s->dilation[axis] + 1; }

// Length of a padded row: what the last window reaches.
static long padded_width(const lig_pooling *s) { return (s->output[2] - 1) * s->stride[2] + span(s, 2); }

static long ring_rows(const lig_pooling *s) { return s->kernel[0] > 1 ? 1 : lig_min(s->kernel[1], MAX_RING); }

long lig_pooling_workspace(const lig_pooling *s) { return padded_width(s) + ring_rows(s) * s->output[2]; }

typedef struct {
  const lig_pooling *spec;
  pooling_loops loops;
  const float *x;
  float *y;
  float *workspace;
  long bands, per_task;
} job;

static float neutral(const lig_pooling *s) { return s->kind == LIG_POOL_MAX ? -INFINITY : 0.0f; }

// Pools one input row along the width.
static void pool_row(const job *work, const float *row, float *padded, float *y) {
  const lig_pooling *s = work->spec;
  long width = padded_width(s), begin = s->pad_begin[2];
  if (begin == 0 && width <= s->input[2]) {
    work->loops.across(row, y, s->output[2], s->kernel[2], s->stride[2], s->dilation[2], s->p);
    return;
  }
  float empty = neutral(s);
  long start = lig_min(begin, width), count = lig_min(s->input[2], width - start);
  for (long i = 0; i < start; i++) padded[i] = empty;
  memcpy(padded + start, row, (size_t)count * sizeof(float));
  for (long i = start + count; i < width; i++) padded[i] = empty;
  work->loops.across(padded, y, s->output[2], s->kernel[2], s->stride[2], s->dilation[2], s->p);
}

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

static void finish_row(const lig_pooling *s, float *y, long depth, long height) {
  long width = s->output[2];
  if (s->kind == LIG_POOL_AVERAGE) {
    long others = counted(s, 0, depth) * counted(s, 1, height);
    // Without windows over the edge, every count is the same.
    if (s->pad_begin[2] == 0 && padded_width(s) <= s->input[2]) {
      float count = (float)(others * s->kernel[2]);
      for (long i = 0; i < width && count > 0; i++) y[i] /= count;
      return;
    }
    for (long i = 0; i < width; i++) {
      long count = others * counted(s, 2, i);
      y[i] = count > 0 ? y[i] / (float)count : 0.0f;
    }
  } else if (s->kind == LIG_POOL_LP && s->p != 1.0f) {
    for (long i = 0; i < width; i++) y[i] = s->p == 2.0f ? sqrtf(y[i]) : powf(y[i], 1.0f / s->p);
  }
}

static void output_row(const job *work, const float *x, float *y, long depth, long height, float *scratch, long *held) {
  const lig_pooling *s = work->spec;
  long width = s->output[2], rows = ring_rows(s);
  float *padded = scratch, *ring = scratch + padded_width(s);
  float empty = neutral(s);
  int started = 0;
  for (long kd = 0; kd < s->kernel[0]; kd++) {
    long d = depth * s->stride[0] - s->pad_begin[0] + kd * s->dilation[0];
    if (d < 0 || d >= s->input[0]) continue;
    for (long kh = 0; kh < s->kernel[1]; kh++) {
      long h = height * s->stride[1] - s->pad_begin[1] + kh * s->dilation[1];
      if (h < 0 || h >= s->input[1]) continue;
      // With dilation 1 the rows of a window fall into distinct places of the ring; otherwise some are made again.
      float *place = ring + h % rows * width;
      if (held[h % rows] != d * s->input[1] + h) {
        pool_row(work, x + (d * s->input[1] + h) * s->input[2], padded, place);
        held[h % rows] = d * s->input[1] + h;
      }
      if (started) {
        work->loops.down(y, place, width);
      } else {
        memcpy(y, place, (size_t)width * sizeof(float));
        started = 1;
      }
    }
  }
  for (long i = 0; !started && i < width; i++) y[i] = empty;
  finish_row(s, y, depth, height);
}

static void pooling_task(void *context, long index, int worker) {
  const job *work = context;
  const lig_pooling *s = work->spec;
  float *scratch = work->workspace + worker * lig_pooling_workspace(s);
  long input_size = s->input[0] * s->input[1] * s->input[2], rows = s->output[0] * s->output[1];
  long first = index * work->per_task, last = lig_min(first + work->per_task, s->planes * work->bands);
  for (long piece = first; piece < last; piece++) {
    long plane = piece / work->bands, start = piece % work->bands * BAND;
    long held[MAX_RING];
    for (int i = 0; i < MAX_RING; i++) held[i] = -1;
    for (long row = start; row < lig_min(start + BAND, rows); row++) {
      float *y = work->y + (plane * rows + row) * s->output[2];
      output_row(work, work->x + plane * input_size, y, row / s->output[1], row % s->output[1], scratch, held);
    }
  }
}

void lig_pooling_run(const lig_pooling *s, const float *x, float *y, float *workspace, lig_pool *pool) {
  long rows = s->output[0] * s->output[1];
  if (s->planes == 0 || rows == 0 || s->output[2] == 0) return;
  job work = {.spec = s, .x = x, .y = y, .workspace = workspace, .bands = lig_tiles(rows, BAND)};
  work.loops = LIG_PICK(pooling_table)[s->kind];
  long cost = BAND * s->output[2] * (s->kernel[0] * s->kernel[1] + s->kernel[2]);
  work.per_task = lig_max(1, 2 * LIG_GRAIN / cost);
  lig_parallel(pool, lig_tiles(s->planes * work.bands, work.per_task), pooling_task, &work);
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
