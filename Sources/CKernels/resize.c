#include "resize.h"

#include <stdint.h>
#include <math.h>
#include <string.h>

#include "broadcast.h"
#include "grid_place.h"
#include "tasks.h"

// Contraction would make the instruction sets differ.
#pragma STDC FP_CONTRACT OFF

typedef struct {
  void (*blend)(float *y, const float *x, long n, long taps, const int *index, const float *weight);
  void (*row)(float *y, const float *x, long count, long taps, const int *index, const float *weight);
} resample_loops;

#define KERNELS "resize.inc"
#include "each_simd.h"

// ── One axis with weights ───────────────────────────────────────────────────
typedef struct {
  resample_loops loops;
  const float *x;
  float *y;
  long outer, n, inner, count, taps, per_task;
  const int *index;
  const float *weight;
} axis_job;

static void axis_task(void *context, long index, int worker) {
  (void)worker;
  const axis_job *work = context;
  long total = work->inner == 1 ? work->outer : work->outer * work->count;
  long first = index * work->per_task, last = lig_min(first + work->per_task, total);
  for (long at = first; at < last; at++) {
    if (work->inner == 1) {
      work->loops.row(
        work->y + at * work->count, work->x + at * work->n, work->count, work->taps, work->index, work->weight);
    } else {
      long i = at % work->count * work->taps;
      work->loops.blend(
        work->y + at * work->inner, work->x + at / work->count * work->n * work->inner, work->inner, work->taps,
        work->index + i, work->weight + i);
    }
  }
}

void lig_resample_axis(
  const float *x, float *y, long outer, long n, long inner, long count, long taps, const int *index,
  const float *weight, lig_pool *pool
) {
  if (outer == 0 || inner == 0 || count == 0 || n == 0) return;
  axis_job work = {BEST(resample), x, y, outer, n, inner, count, taps, 1, index, weight};
  long size = (inner == 1 ? count : inner) * taps;
  work.per_task = lig_max(1, LIG_GRAIN / size);
  lig_parallel(pool, lig_tiles(inner == 1 ? outer : outer * count, work.per_task), axis_task, &work);
}

// ── Nearest ─────────────────────────────────────────────────────────────────
typedef struct {
  const char *x;
  char *y;
  int rank;
  long repeat;  // the innermost axis takes each element that many times (1: as it is), or 0: by its list
  const long *out;
  const int *indices[LIG_MAX_RANK];
  long stride[LIG_MAX_RANK];
  long size, rows, per_task;
  void (*twice)(const float *x, float *y, long n);
} nearest_job;

static void nearest_row(const nearest_job *work, const char *x, char *y) {
  int last = work->rank - 1;
  long n = work->out[last];
  const int *index = work->indices[last];
  if (work->repeat == 2 && work->size == 4) {
    work->twice((const float *)x, (float *)y, n / 2);
    return;
  }
  if (work->repeat > 2 && work->size == 4) {
    for (long i = 0; i < n; i += work->repeat) {
      uint32_t v = ((const uint32_t *)x)[i / work->repeat];
      for (long k = 0; k < work->repeat; k++) ((uint32_t *)y)[i + k] = v;
    }
    return;
  }
#define PICK(T) \
  for (long i = 0; i < n; i++) ((T *)y)[i] = ((const T *)x)[index[i]]; \
  break;
  switch (work->size) {
    case 1: PICK(uint8_t)
    case 2: PICK(uint16_t)
    case 4: PICK(uint32_t)
    case 8: PICK(uint64_t)
  }
#undef PICK
}

static void nearest_task(void *context, long index, int worker) {
  (void)worker;
  const nearest_job *work = context;
  int last = work->rank - 1;
  long first = index * work->per_task, end = lig_min(first + work->per_task, work->rows), before = -1;
  long bytes = work->out[last] * work->size;
  long at[LIG_MAX_RANK], rest = first;
  for (int axis = last - 1; axis >= 0; axis--) {
    at[axis] = rest % work->out[axis];
    rest /= work->out[axis];
  }
  for (long row = first; row < end; row++) {
    long from = 0;
    for (int axis = 0; axis < last; axis++) from += work->indices[axis][at[axis]] * work->stride[axis];
    for (int axis = last - 1; axis >= 0 && ++at[axis] == work->out[axis]; axis--) at[axis] = 0;
    char *y = work->y + row * bytes;
    const char *x = work->x + from * work->size;
    if (from == before) {
      memcpy(y, y - bytes, (size_t)bytes);
    } else if (work->repeat == 1) {
      memcpy(y, x, (size_t)bytes);
    } else {
      nearest_row(work, x, y);
    }
    before = from;
  }
}

void lig_resample_nearest(
  const void *x, void *y, int rank, const long *shape, const long *out_shape, const int *indices, long element_size,
  lig_pool *pool
) {
  if (rank < 1 || rank > LIG_MAX_RANK) return;
  nearest_job work = {
    .x = x, .y = y, .rank = rank, .out = out_shape, .size = element_size, .rows = 1, .twice = BEST(twice)};
  for (int i = 0; i < rank; i++) {
    work.indices[i] = indices;
    indices += out_shape[i];
    if (out_shape[i] == 0) return;
    if (i < rank - 1) work.rows *= out_shape[i];
  }
  long stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    work.stride[i] = stride;
    stride *= shape[i];
  }
  long n = shape[rank - 1], out = out_shape[rank - 1];
  work.repeat = n > 0 && out % n == 0 ? out / n : 0;
  for (long i = 0; i < out && work.repeat; i++) {
    if (work.indices[rank - 1][i] != i / work.repeat) work.repeat = 0;
  }
  work.per_task = lig_max(1, LIG_GRAIN / out_shape[rank - 1]);
  lig_parallel(pool, lig_tiles(work.rows, work.per_task), nearest_task, &work);
}

// ── GridSample ──────────────────────────────────────────────────────────────
enum { POINTS = 64, TAPS = 16 };

typedef struct {
  int mode, padding, align;
  const float *x, *grid;
  float *y;
  long channels, height, width, points, tiles;
} grid_job;

// Taps along one axis: first position and weights.
static int axis_taps(const grid_job *work, float v, float *first, float *weight) {
  switch (work->mode) {
    case LIG_GRID_NEAREST:
      *first = rintf(v);
      weight[0] = 1.0f;
      return 1;
    case LIG_GRID_LINEAR:
      *first = floorf(v);
      weight[1] = v - *first;
      weight[0] = 1.0f - weight[1];
      return 2;
    default:
      *first = floorf(v) - 1.0f;
      cubic(v - floorf(v), weight);
      return 4;
  }
}

static int point_taps(const grid_job *work, const float *at, long *offset, float *weight) {
  float x = denormalize(at[0], work->width, work->align), y = denormalize(at[1], work->height, work->align);
  if (work->mode != LIG_GRID_CUBIC && work->padding == LIG_GRID_BORDER) {
    x = x > 0 ? fminf(x, (float)(work->width - 1)) : 0;
    y = y > 0 ? fminf(y, (float)(work->height - 1)) : 0;
  } else if (work->mode != LIG_GRID_CUBIC && work->padding == LIG_GRID_REFLECTION) {
    x = reflect(x, work->width, work->align);
    y = reflect(y, work->height, work->align);
  }
  float left, top, across[4], down[4];
  int n = axis_taps(work, x, &left, across);
  axis_taps(work, y, &top, down);
  for (int j = 0; j < n; j++) {
    long row = place(top + (float)j, work->height, work->padding, work->align);
    for (int i = 0; i < n; i++) {
      long column = place(left + (float)i, work->width, work->padding, work->align);
      int inside = row >= 0 && column >= 0;
      offset[j * n + i] = inside ? row * work->width + column : 0;
      weight[j * n + i] = inside ? down[j] * across[i] : 0.0f;
    }
  }
  return n * n;
}

static void grid_task(void *context, long index, int worker) {
  (void)worker;
  const grid_job *work = context;
  long batch = index / work->tiles, start = index % work->tiles * POINTS;
  long n = lig_min(POINTS, work->points - start), plane = work->height * work->width;
  long offset[POINTS * TAPS];
  float weight[POINTS * TAPS];
  int taps = 1;
  for (long i = 0; i < n; i++) {
    taps = point_taps(work, work->grid + 2 * (batch * work->points + start + i), offset + i * TAPS, weight + i * TAPS);
  }
  for (long c = 0; c < work->channels; c++) {
    const float *x = work->x + (batch * work->channels + c) * plane;
    float *y = work->y + (batch * work->channels + c) * work->points + start;
    for (long i = 0; i < n; i++) {
      float sum = 0;
      for (int t = 0; t < taps; t++) {
        float w = weight[i * TAPS + t];
        sum += w != 0.0f ? w * x[offset[i * TAPS + t]] : 0.0f;
      }
      y[i] = sum;
    }
  }
}

void lig_grid_sample(
  int mode, int padding, int align_corners, const float *x, const float *grid, float *y, long batch, long channels,
  long height, long width, long out_height, long out_width, lig_pool *pool
) {
  if (height == 0 || width == 0) return;
  grid_job work = {
    .mode = mode, .padding = padding, .align = align_corners, .x = x, .grid = grid, .y = y, .channels = channels,
    .height = height, .width = width, .points = out_height * out_width};
  work.tiles = lig_tiles(work.points, POINTS);
  lig_parallel(pool, batch * work.tiles, grid_task, &work);
}
