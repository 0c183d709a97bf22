#include "index.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "broadcast.h"
#include "copy.h"
#include "tasks.h"

static inline long index_at(const void *indices, int wide, long i) {
  return wide ? (long)((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

// A negative index counts from the end; -1 when it is out of range even so.
static inline long settle(long index, long n) {
  index += index < 0 ? n : 0;
  return index >= 0 && index < n ? index : -1;
}

static void fail(int *failed) { __atomic_store_n(failed, 1, __ATOMIC_RELAXED); }

// ── Gather ──────────────────────────────────────────────────────────────────
typedef struct {
  const char *data;
  const void *indices;
  char *y;
  int wide, depth, rank, axis, failed;
  long outer, n, bytes, count, per_task;
  const long *shape, *index_shape;
  long element_size;
} job;

static void gather_task(void *context, long index, int worker) {
  (void)worker;
  job *work = context;
  long first = index * work->per_task, last = lig_min(first + work->per_task, work->outer * work->count);
  long outer = first / work->count, i = first % work->count;
  for (long at = first; at < last; at++) {
    long chosen = settle(index_at(work->indices, work->wide, i), work->n);
    if (chosen < 0) {
      fail(&work->failed);
      return;
    }
    const char *from = work->data + (outer * work->n + chosen) * work->bytes;
    char *to = work->y + at * work->bytes;
    switch (work->bytes) {
      case 4: memcpy(to, from, 4); break;
      case 8: memcpy(to, from, 8); break;
      default: memcpy(to, from, (size_t)work->bytes);
    }
    if (++i == work->count) i = 0, outer++;
  }
}

int lig_gather(
  const void *data, const void *indices, int wide, void *y, long outer, long n, long inner_bytes, long count,
  lig_pool *pool
) {
  if (outer == 0 || count == 0) return 0;
  job work = {
    .data = data, .indices = indices, .y = y, .wide = wide, .outer = outer, .n = n, .bytes = inner_bytes,
    .count = count, .per_task = lig_max(1, 4 * LIG_GRAIN / lig_max(inner_bytes, 4))};
  lig_parallel(pool, lig_tiles(outer * count, work.per_task), gather_task, &work);
  return work.failed ? -1 : 0;
}

// Offset of the position `flat` of `index_shape` within data of `shape`, its coordinate on `axis` taken as 0.
static long offset_beside(long flat, int rank, int axis, const long *shape, const long *index_shape) {
  long offset = 0, stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    if (i != axis) offset += flat % index_shape[i] * stride;
    flat /= index_shape[i];
    stride *= shape[i];
  }
  return offset;
}

static long product(const long *shape, int from, int to) {
  long result = 1;
  for (int i = from; i < to; i++) result *= shape[i];
  return result;
}

#define BY_SIZE(size, BODY) \
  switch (size) { \
    case 1: BODY(uint8_t) break; \
    case 2: BODY(uint16_t) break; \
    case 4: BODY(uint32_t) break; \
    case 8: BODY(uint64_t) break; \
  }

static void gather_elements_task(void *context, long index, int worker) {
  (void)worker;
  job *work = context;
  long first = index * LIG_GRAIN, last = lig_min(first + LIG_GRAIN, work->count);
  long stride = product(work->shape, work->axis + 1, work->rank);
  for (long i = first; i < last; i++) {
    long chosen = settle(index_at(work->indices, work->wide, i), work->shape[work->axis]);
    if (chosen < 0) {
      fail(&work->failed);
      return;
    }
    long from = offset_beside(i, work->rank, work->axis, work->shape, work->index_shape) + chosen * stride;
#define PICK(T) ((T *)work->y)[i] = ((const T *)work->data)[from];
    BY_SIZE(work->element_size, PICK)
#undef PICK
  }
}

int lig_gather_elements(
  const void *data, const void *indices, int wide, void *y, int rank, int axis, const long *shape,
  const long *index_shape, long element_size, lig_pool *pool
) {
  job work = {
    .data = data, .indices = indices, .y = y, .wide = wide, .rank = rank, .axis = axis, .shape = shape,
    .index_shape = index_shape, .element_size = element_size, .count = product(index_shape, 0, rank)};
  lig_parallel(pool, lig_tiles(work.count, LIG_GRAIN), gather_elements_task, &work);
  return work.failed ? -1 : 0;
}

// Row number of the tuple at `indices`, or -1.
static long tuple_at(const void *indices, int wide, long tuple, int depth, const long *shape) {
  long row = 0;
  for (int k = 0; k < depth; k++) {
    long chosen = settle(index_at(indices, wide, tuple * depth + k), shape[k]);
    if (chosen < 0) return -1;
    row = row * shape[k] + chosen;
  }
  return row;
}

static void gather_nd_task(void *context, long index, int worker) {
  (void)worker;
  job *work = context;
  long rows = product(work->shape, 0, work->depth);
  long first = index * work->per_task, last = lig_min(first + work->per_task, work->outer * work->count);
  for (long i = first; i < last; i++) {
    long row = tuple_at(work->indices, work->wide, i, work->depth, work->shape);
    if (row < 0) {
      fail(&work->failed);
      return;
    }
    const char *from = work->data + (i / work->count * rows + row) * work->bytes;
    memcpy(work->y + i * work->bytes, from, (size_t)work->bytes);
  }
}

int lig_gather_nd(
  const void *data, const void *indices, int wide, void *y, long batch, long count, int depth, const long *shape,
  long slice_bytes, lig_pool *pool
) {
  if (batch == 0 || count == 0) return 0;
  job work = {
    .data = data, .indices = indices, .y = y, .wide = wide, .depth = depth, .shape = shape, .outer = batch,
    .bytes = slice_bytes, .count = count, .per_task = lig_max(1, 4 * LIG_GRAIN / lig_max(slice_bytes, 4))};
  lig_parallel(pool, lig_tiles(batch * count, work.per_task), gather_nd_task, &work);
  return work.failed ? -1 : 0;
}

// ── Scatter: in order, on one thread, so that repeated indices have a defined result ─
static void set(void *y, const void *update, long n, long element_size) {
  memcpy(y, update, (size_t)(n * element_size));
}

#define COMBINE(T, W) \
  for (long i = 0; i < n; i++) { \
    T a, b; \
    memcpy(&a, (const char *)y + i * (long)sizeof a, sizeof a); \
    memcpy(&b, (const char *)update + i * (long)sizeof b, sizeof b); \
    switch (operation) { \
      case LIG_SCATTER_ADD: a = (T)((W)a + (W)b); break; \
      case LIG_SCATTER_MUL: a = (T)((W)a * (W)b); break; \
      case LIG_SCATTER_MAX: a = b > a || b != b ? b : a; break; \
      case LIG_SCATTER_MIN: a = b < a || b != b ? b : a; break; \
    } \
    memcpy((char *)y + i * (long)sizeof a, &a, sizeof a); \
  } \
  break;

static void combine(void *y, const void *update, long n, int type, long element_size, int operation) {
  if (operation == LIG_SCATTER_SET) {
    set(y, update, n, element_size);
    return;
  }
  switch (type) {
    case 1: COMBINE(float, float)
    case 2: COMBINE(uint8_t, uint64_t)
    case 3: COMBINE(int8_t, uint64_t)
    case 6: COMBINE(int32_t, uint64_t)
    case 7: COMBINE(int64_t, uint64_t)
    case 11: COMBINE(double, double)
  }
}

static int scatter_knows(int type, int operation) {
  return operation == LIG_SCATTER_SET || type == 1 || type == 2 || type == 3 || type == 6 || type == 7 || type == 11;
}

int lig_scatter_elements(
  void *y, const void *indices, int wide, const void *updates, int rank, int axis, const long *shape,
  const long *index_shape, int type, long element_size, int operation
) {
  if (!scatter_knows(type, operation)) return -2;
  long count = product(index_shape, 0, rank), stride = product(shape, axis + 1, rank);
  for (long i = 0; i < count; i++) {
    long chosen = settle(index_at(indices, wide, i), shape[axis]);
    if (chosen < 0) return -1;
    long to = offset_beside(i, rank, axis, shape, index_shape) + chosen * stride;
    combine(
      (char *)y + to * element_size, (const char *)updates + i * element_size, 1, type, element_size, operation);
  }
  return 0;
}

int lig_scatter_nd(
  void *y, const void *indices, int wide, const void *updates, long count, int depth, const long *shape, long slice,
  int type, long element_size, int operation
) {
  if (!scatter_knows(type, operation)) return -2;
  for (long i = 0; i < count; i++) {
    long row = tuple_at(indices, wide, i, depth, shape);
    if (row < 0) return -1;
    combine(
      (char *)y + row * slice * element_size, (const char *)updates + i * slice * element_size, slice, type,
      element_size, operation);
  }
  return 0;
}

// ── OneHot, Trilu, Range ────────────────────────────────────────────────────
// The number as an index; LONG_MIN, which is never in range, when it is not one.
static long number_at(int type, const void *p, long i) {
  double real;
  switch (type) {
    case 1: real = ((const float *)p)[i]; break;
    case 11: real = ((const double *)p)[i]; break;
    case 2: return ((const uint8_t *)p)[i];
    case 3: return ((const int8_t *)p)[i];
    case 4: return ((const uint16_t *)p)[i];
    case 5: return ((const int16_t *)p)[i];
    case 6: return ((const int32_t *)p)[i];
    case 12: return ((const uint32_t *)p)[i];
    default: return (long)((const int64_t *)p)[i];
  }
  return real > -9e15 && real < 9e15 ? (long)real : INT64_MIN;
}

int lig_one_hot(
  int type, const void *indices, const void *values, void *y, long outer, long depth, long inner, long element_size
) {
  if (!((type >= 1 && type <= 7) || type == 11 || type == 12 || type == 13)) return -1;
  lig_fill(element_size, values, y, outer * depth * inner, NULL);
  const char *on = (const char *)values + element_size;
  for (long i = 0; i < outer * inner; i++) {
    long number = number_at(type, indices, i);
    number += number < 0 && number >= -depth ? depth : 0;
    if (number < 0 || number >= depth) continue;
    long to = (i / inner * depth + number) * inner + i % inner;
    memcpy((char *)y + to * element_size, on, (size_t)element_size);
  }
  return 0;
}

typedef struct {
  int upper;
  long k, rows, columns, size;
  const char *x;
  char *y;
} trilu_job;

static void trilu_task(void *context, long index, int worker) {
  (void)worker;
  const trilu_job *work = context;
  long columns = work->columns, row = index % work->rows;
  // Saturated, so that a hostile k cannot overflow.
  long edge = work->k > columns ? columns : work->k < -work->rows ? -work->rows : work->k;
  edge = lig_max(0, lig_min(columns, row + edge + (work->upper ? 0 : 1)));
  const char *x = work->x + index * columns * work->size;
  char *y = work->y + index * columns * work->size;
  long first = work->upper ? edge : 0, count = work->upper ? columns - edge : edge;
  memset(y, 0, (size_t)(columns * work->size));
  memcpy(y + first * work->size, x + first * work->size, (size_t)(count * work->size));
}

void lig_trilu(
  int upper, long k, const void *x, void *y, long batch, long rows, long columns, long element_size, lig_pool *pool
) {
  trilu_job work = {upper, k, rows, columns, element_size, x, y};
  lig_parallel(pool, batch * rows, trilu_task, &work);
}

#define RANGE(T, W) \
  { \
    T a, d; \
    memcpy(&a, start, sizeof a); \
    memcpy(&d, delta, sizeof d); \
    for (long i = 0; i < count; i++) ((T *)y)[i] = (T)((W)a + (W)i * (W)d); \
    return 0; \
  }
int lig_range(int type, const void *start, const void *delta, void *y, long count) {
  switch (type) {
    case 1: RANGE(float, float)
    case 5: RANGE(int16_t, uint64_t)
    case 6: RANGE(int32_t, uint64_t)
    case 7: RANGE(int64_t, uint64_t)
    case 11: RANGE(double, double)
    default: return -1;
  }
}

// ── Pad ─────────────────────────────────────────────────────────────────────
static long padded_source(int mode, long at, long n) {
  if (at >= 0 && at < n) return at;
  switch (mode) {
    case LIG_PAD_EDGE: return at < 0 ? 0 : n - 1;
    case LIG_PAD_WRAP: return (at % n + n) % n;
    case LIG_PAD_REFLECT: {
      if (n == 1) return 0;
      long period = 2 * (n - 1), folded = (at % period + period) % period;
      return folded < n ? folded : period - folded;
    }
    default: return -1;
  }
}

typedef struct {
  int mode, rank;
  const char *x, *value;
  char *y;
  long shape[LIG_MAX_RANK], begin[LIG_MAX_RANK], out[LIG_MAX_RANK], stride[LIG_MAX_RANK];
  long size, rows, per_task;
} pad_job;

static void pad_row(const pad_job *work, const char *x, char *y) {
  int last = work->rank - 1;
  long n = work->shape[last], begin = work->begin[last], out = work->out[last], size = work->size;
  // What is copied as it is, and the padding before and after it.
  long first = lig_max(0, lig_min(begin, out)), end = lig_max(first, lig_min(begin + n, out));
  if (x && n > 0) memcpy(y + first * size, x + (first - begin) * size, (size_t)((end - first) * size));
  for (long i = 0; i < out; i++) {
    if (i == first && x && n > 0) i = end;
    if (i >= out) break;
    long from = x ? padded_source(work->mode, i - begin, n) : -1;
    memcpy(y + i * size, from < 0 ? work->value : x + from * size, (size_t)size);
  }
}

static void pad_task(void *context, long index, int worker) {
  (void)worker;
  const pad_job *work = context;
  long first = index * work->per_task, end = lig_min(first + work->per_task, work->rows);
  int last = work->rank - 1;
  for (long row = first; row < end; row++) {
    const char *x = work->x;
    long rest = row;
    for (int axis = last - 1; axis >= 0; axis--) {
      long at = rest % work->out[axis] - work->begin[axis];
      rest /= work->out[axis];
      long from = padded_source(work->mode, at, work->shape[axis]);
      if (from < 0) {
        x = NULL;
        break;
      }
      x += from * work->stride[axis] * work->size;
    }
    pad_row(work, x, work->y + row * work->out[last] * work->size);
  }
}

int lig_pad(
  int mode, const void *x, void *y, int rank, const long *shape, const long *begin, const long *end, const void *value,
  long element_size, lig_pool *pool
) {
  pad_job work = {.mode = mode, .rank = rank, .x = x, .y = y, .value = value, .size = element_size, .rows = 1};
  if (rank < 0 || rank > LIG_MAX_RANK) return -1;
  if (rank == 0) {
    memcpy(y, x, (size_t)element_size);
    return 0;
  }
  long stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    work.shape[i] = shape[i];
    work.begin[i] = begin[i];
    work.out[i] = shape[i] + begin[i] + end[i];
    work.stride[i] = stride;
    stride *= shape[i];
    if (work.out[i] <= 0) return 0;
    if (shape[i] == 0 && mode != LIG_PAD_CONSTANT) return -1;
    if (i < rank - 1) work.rows *= work.out[i];
  }
  work.per_task = lig_max(1, LIG_GRAIN / work.out[rank - 1]);
  lig_parallel(pool, lig_tiles(work.rows, work.per_task), pad_task, &work);
  return 0;
}
