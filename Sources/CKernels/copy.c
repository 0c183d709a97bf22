#include "copy.h"

#include <stdint.h>
#include <string.h>

#include "tasks.h"

enum { EMPTY, RUNS, FILL, STRIDED, TRANSPOSE };

typedef struct { long size, source, target; } axis;


// Axes by target stride, widest first, so that the target is written in order.
static void order(axis *axes, int count) {
  for (int i = 1; i < count; i++) {
    axis moved = axes[i];
    int j = i;
    for (; j > 0 && axes[j - 1].target < moved.target; j--) axes[j] = axes[j - 1];
    axes[j] = moved;
  }
}

static int merge(axis *axes, int count) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    axis next = axes[i];
    if (kept > 0) {
      axis *last = &axes[kept - 1];
      if (last->source == next.source * next.size && last->target == next.target * next.size) {
        *last = (axis){last->size * next.size, next.source, next.target};
        continue;
      }
    }
    axes[kept++] = next;
  }
  return kept;
}

// A short dense innermost axis becomes part of the element: pairs of floats move as 8 bytes.
static int widen(axis *axes, int count, long *size) {
  while (count > 1) {
    axis last = axes[count - 1];
    long wide = last.size * *size;
    if (last.source != *size || last.target != *size || (wide != 2 && wide != 4 && wide != 8 && wide != 16)) break;
    *size = wide;
    count--;
  }
  return count;
}

int lig_copy_prepare(
  lig_copy *plan, long element_size, int rank, const long *shape, const long *source, const long *target
) {
  memset(plan, 0, sizeof *plan);
  long size = element_size;
  if (rank < 0 || rank > LIG_MAX_RANK) return -1;
  if (size != 1 && size != 2 && size != 4 && size != 8 && size != 16) return -1;
  axis axes[LIG_MAX_RANK + 1];
  int count = 0;
  for (int i = 0; i < rank; i++) {
    if (shape[i] == 0) return 0;
    if (shape[i] > 1) axes[count++] = (axis){shape[i], source[i] * size, target[i] * size};
  }
  order(axes, count);
  count = merge(axes, count);
  count = widen(axes, count, &size);
  if (count == 0) axes[count++] = (axis){1, size, size};
  axis last = axes[--count];
  plan->element_size = size;
  plan->inner = last.size;
  plan->inner_source = last.source;
  plan->inner_target = last.target;
  plan->kind = STRIDED;
  if (last.target == size && last.source == size) {
    plan->kind = RUNS;
  } else if (last.target == size && last.source == 0) {
    plan->kind = FILL;
  } else if (last.target == size) {
    for (int i = 0; i < count; i++) {
      if (axes[i].source != size) continue;
      plan->kind = TRANSPOSE;
      plan->cross = axes[i].size;
      plan->cross_target = axes[i].target;
      for (count--; i < count; i++) axes[i] = axes[i + 1];
    }
  }
  plan->rank = count;
  plan->rows = 1;
  for (int i = 0; i < count; i++) {
    plan->shape[i] = axes[i].size;
    plan->source[i] = axes[i].source;
    plan->target[i] = axes[i].target;
    plan->rows *= axes[i].size;
  }
  return 0;
}

// ── One row ─────────────────────────────────────────────────────────────────
typedef struct { uint64_t low, high; } wide;

#define BY_SIZE(size, body) \
  switch (size) { \
    case 1: body(uint8_t) break; \
    case 2: body(uint16_t) break; \
    case 4: body(uint32_t) break; \
    case 8: body(uint64_t) break; \
    case 16: body(wide) break; \
  }

// The addresses may be aligned to less than the widened element: hence memcpy, which compiles to plain moves.
static void strided_row(const char *from, char *to, long n, long size, long step_from, long step_to) {
#define STRIDED_ROW(T) \
  for (long i = 0; i < n; i++) { \
    T v; \
    memcpy(&v, from + i * step_from, sizeof v); \
    memcpy(to + i * step_to, &v, sizeof v); \
  }
  BY_SIZE(size, STRIDED_ROW)
#undef STRIDED_ROW
}

static void fill_row(const char *value, char *to, long n, long size) {
#define FILL_ROW(T) \
  { \
    T v; \
    memcpy(&v, value, sizeof v); \
    for (long i = 0; i < n; i++) memcpy(to + i * (long)sizeof v, &v, sizeof v); \
  }
  BY_SIZE(size, FILL_ROW)
#undef FILL_ROW
}

// ── Transposes ──────────────────────────────────────────────────────────────
// The target's rows are dense along `inner`, the source's along `cross`: squares of 4 x 4 go through registers,
// within tiles whose both sides stay in the first cache.
enum { TILE = 64 };

typedef float float4 __attribute__((ext_vector_type(4), aligned(4)));

static inline void transpose_4x4(const char *from, long step_from, char *to, long step_to) {
  float4 r[4], t[4];
  for (int i = 0; i < 4; i++) r[i] = *(const float4 *)(from + i * step_from);
  t[0] = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  t[1] = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  t[2] = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  t[3] = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  *(float4 *)(to) = __builtin_shufflevector(t[0], t[2], 0, 1, 4, 5);
  *(float4 *)(to + step_to) = __builtin_shufflevector(t[0], t[2], 2, 3, 6, 7);
  *(float4 *)(to + 2 * step_to) = __builtin_shufflevector(t[1], t[3], 0, 1, 4, 5);
  *(float4 *)(to + 3 * step_to) = __builtin_shufflevector(t[1], t[3], 2, 3, 6, 7);
}

static void transpose_tile(
  const char *from, char *to, long inner, long cross, long size, long step_inner, long step_cross
) {
  long whole_inner = size == 4 ? inner & ~3L : 0, whole_cross = size == 4 ? cross & ~3L : 0;
  for (long c = 0; c < whole_cross; c += 4) {
    for (long i = 0; i < whole_inner; i += 4) {
      transpose_4x4(from + i * step_inner + c * 4, step_inner, to + c * step_cross + i * 4, step_cross);
    }
  }
  // What the squares leave: whole columns of the tile, then the ends of the others.
  for (long i = whole_inner; i < inner; i++) {
    strided_row(from + i * step_inner, to + i * size, cross, size, size, step_cross);
  }
  for (long c = whole_cross; c < cross; c++) {
    strided_row(from + c * size, to + c * step_cross, whole_inner, size, step_inner, size);
  }
}

// ── Tasks ───────────────────────────────────────────────────────────────────
typedef struct {
  const lig_copy *plan;
  const char *from;
  char *to;
  long rows_per_task, pieces, piece, bands, band;
} job;

static void copy_piece(const job *work, const char *from, char *to, long piece, long band) {
  const lig_copy *plan = work->plan;
  long start = piece * work->piece, n = lig_min(work->piece, plan->inner - start), size = plan->element_size;
  from += start * plan->inner_source;
  to += start * plan->inner_target;
  switch (plan->kind) {
    case RUNS: memcpy(to, from, (size_t)(n * size)); break;
    case FILL: fill_row(from, to, n, size); break;
    case STRIDED: strided_row(from, to, n, size, plan->inner_source, plan->inner_target); break;
    case TRANSPOSE: {
      long first = band * work->band, last = lig_min(first + work->band, plan->cross);
      for (long c = first; c < last; c += TILE) {
        for (long i = 0; i < n; i += TILE) {
          transpose_tile(
            from + i * plan->inner_source + c * size, to + c * plan->cross_target + i * size, lig_min(TILE, n - i),
            lig_min(TILE, last - c), size, plan->inner_source, plan->cross_target);
        }
      }
    }
  }
}

static void copy_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_copy *plan = work->plan;
  long band = index % work->bands, piece = index / work->bands % work->pieces;
  long first = index / work->bands / work->pieces * work->rows_per_task;
  long last = lig_min(first + work->rows_per_task, plan->rows), at[LIG_MAX_RANK], row = first;
  const char *from = work->from;
  char *to = work->to;
  for (int i = plan->rank - 1; i >= 0; i--) {
    at[i] = row % plan->shape[i];
    row /= plan->shape[i];
    from += at[i] * plan->source[i];
    to += at[i] * plan->target[i];
  }
  for (row = first; row < last; row++) {
    copy_piece(work, from, to, piece, band);
    for (int i = plan->rank - 1; i >= 0; i--) {
      from += plan->source[i];
      to += plan->target[i];
      if (++at[i] < plan->shape[i]) break;
      from -= plan->shape[i] * plan->source[i];
      to -= plan->shape[i] * plan->target[i];
      at[i] = 0;
    }
  }
}

void lig_copy_run(const lig_copy *plan, const void *from, void *to, lig_pool *pool) {
  if (plan->kind == EMPTY) return;
  job work = {.plan = plan, .from = from, .to = to, .bands = 1, .band = 1};
  long cross = plan->kind == TRANSPOSE ? plan->cross : 1;
  work.piece = lig_min(plan->inner, plan->kind == TRANSPOSE ? 16 * TILE : 4 * LIG_GRAIN);
  work.pieces = lig_tiles(plan->inner, work.piece);
  if (plan->kind == TRANSPOSE) {
    work.band = lig_min(cross, TILE * lig_max(1, LIG_GRAIN / TILE / work.piece));
    work.bands = lig_tiles(cross, work.band);
  }
  int whole = work.pieces == 1 && work.bands == 1;
  work.rows_per_task = whole ? lig_max(1, LIG_GRAIN / (plan->inner * cross)) : 1;
  lig_parallel(pool, lig_tiles(plan->rows, work.rows_per_task) * work.pieces * work.bands, copy_task, &work);
}

void lig_fill(long element_size, const void *value, void *y, long count, lig_pool *pool) {
  lig_copy plan;
  long from = 0, to = 1;
  if (lig_copy_prepare(&plan, element_size, 1, &count, &from, &to) == 0) lig_copy_run(&plan, value, y, pool);
}
