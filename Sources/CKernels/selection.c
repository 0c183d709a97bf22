#include "selection.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "pool.h"
#include "tasks.h"

// ── TopK: a heap of the k best so far, the worst on top; then it is sorted in place ─
typedef struct { double value; long whole, index; } entry;

// Real values are compared as float64, integers as int64; both orders are total (NaN is the largest).
static int below(const entry *a, const entry *b, int largest) {
  int a_nan = a->value != a->value, b_nan = b->value != b->value;
  if (a_nan != b_nan) return largest ? b_nan : a_nan;
  if (!a_nan) {
    if (a->value != b->value) return largest ? a->value < b->value : a->value > b->value;
    if (a->whole != b->whole) return largest ? a->whole < b->whole : a->whole > b->whole;
  }
  return a->index > b->index;
}

static void sift(entry *heap, long root, long count, int largest) {
  entry moved = heap[root];
  for (long child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && below(&heap[child + 1], &heap[child], largest)) child++;
    if (!below(&heap[child], &moved, largest)) break;
    heap[root] = heap[child];
  }
  heap[root] = moved;
}

typedef struct {
  int type, largest;
  const void *x;
  void *values;
  long *indices;
  long n, inner, k;
  char *workspace;
} top_job;

static entry entry_at(const top_job *work, long offset, long index) {
  entry e = {0, 0, index};
  switch (work->type) {
    case 1: e.value = ((const float *)work->x)[offset]; break;
    case 11: e.value = ((const double *)work->x)[offset]; break;
    case 2: e.whole = ((const uint8_t *)work->x)[offset]; break;
    case 3: e.whole = ((const int8_t *)work->x)[offset]; break;
    case 6: e.whole = ((const int32_t *)work->x)[offset]; break;
    default: e.whole = (long)((const int64_t *)work->x)[offset]; break;
  }
  return e;
}

static void store(const top_job *work, long offset, const entry *e) {
  switch (work->type) {
    case 1: ((float *)work->values)[offset] = (float)e->value; break;
    case 11: ((double *)work->values)[offset] = e->value; break;
    case 2: ((uint8_t *)work->values)[offset] = (uint8_t)e->whole; break;
    case 3: ((int8_t *)work->values)[offset] = (int8_t)e->whole; break;
    case 6: ((int32_t *)work->values)[offset] = (int32_t)e->whole; break;
    default: ((int64_t *)work->values)[offset] = e->whole; break;
  }
  work->indices[offset] = e->index;
}

static void top_task(void *context, long line, int worker) {
  const top_job *work = context;
  entry *heap = (entry *)(work->workspace + worker * lig_top_k_workspace(work->k));
  long outer = line / work->inner, beside = line % work->inner, k = work->k;
  for (long i = 0; i < work->n; i++) {
    entry e = entry_at(work, (outer * work->n + i) * work->inner + beside, i);
    if (i < k) {
      heap[i] = e;
      if (i == k - 1) {
        for (long root = k / 2 - 1; root >= 0; root--) sift(heap, root, k, work->largest);
      }
    } else if (below(&heap[0], &e, work->largest)) {
      heap[0] = e;
      sift(heap, 0, k, work->largest);
    }
  }
  for (long rest = k; rest > 0; rest--) {
    store(work, (outer * k + rest - 1) * work->inner + beside, &heap[0]);
    heap[0] = heap[rest - 1];
    sift(heap, 0, rest - 1, work->largest);
  }
}

long lig_top_k_workspace(long k) { return (k < 1 ? 1 : k) * (long)sizeof(entry); }

int lig_top_k(
  int type, int largest, const void *x, void *values, long *indices, long outer, long n, long inner, long k,
  void *workspace, lig_pool *pool
) {
  if (type != 1 && type != 2 && type != 3 && type != 6 && type != 7 && type != 11) return -1;
  if (k == 0) return 0;
  top_job work = {type, largest, x, values, indices, n, inner, k, workspace};
  lig_parallel(pool, outer * inner, top_task, &work);
  return 0;
}

// ── NonZero ─────────────────────────────────────────────────────────────────
static int is_non_zero(const void *x, long i, long size, int real) {
  uint64_t bits = 0;
  memcpy(&bits, (const char *)x + i * size, (size_t)size);
  if (real) bits &= ~(1ull << (8 * size - 1));
  return bits != 0;
}

long lig_count_non_zero(const void *x, long count, long size, int real) {
  long found = 0;
  for (long i = 0; i < count; i++) found += is_non_zero(x, i, size, real);
  return found;
}

void lig_non_zero(
  const void *x, long count, long size, int real, int rank, const long *shape, long *y, long found
) {
  long at = 0;
  for (long i = 0; i < count && at < found; i++) {
    if (!is_non_zero(x, i, size, real)) continue;
    long rest = i;
    for (int axis = rank - 1; axis >= 0; axis--) {
      y[axis * found + at] = rest % shape[axis];
      rest /= shape[axis];
    }
    at++;
  }
}

// ── LargestMask: the k-th largest is found digit by digit, by counting ──────
// Integers in the order of the floats; both zeros are one, every NaN is the largest.
static uint32_t rank_of(float value) {
  if (value != value) return UINT32_MAX;
  value += 0.0f;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

enum { digit_bits = 11, digit_count = 1 << digit_bits, block = 1 << 16 };

typedef struct {
  const float *x;
  unsigned char *y;
  long count;
  // Ranks whose bits from `above` on are those of `prefix` are counted by their digit at `shift`.
  uint32_t prefix;
  int shift, above;
  // A block's histogram, or how many of its elements are equal to the k-th.
  long *counts;
} largest_job;

static void count_task(void *context, long part, int worker) {
  (void)worker;
  const largest_job *work = context;
  long end = (part + 1) * block < work->count ? (part + 1) * block : work->count;
  uint32_t counts[digit_count] = {0};
  for (long i = part * block; i < end; i++) {
    uint32_t rank = rank_of(work->x[i]);
    if (work->above < 32 && rank >> work->above != work->prefix >> work->above) continue;
    counts[(rank >> work->shift) & (digit_count - 1)]++;
  }
  long *to = work->counts + part * digit_count;
  for (int digit = 0; digit < digit_count; digit++) to[digit] = counts[digit];
}

static void mark_task(void *context, long part, int worker) {
  (void)worker;
  const largest_job *work = context;
  long end = (part + 1) * block < work->count ? (part + 1) * block : work->count;
  long ties = work->counts[part];
  for (long i = part * block; i < end; i++) {
    uint32_t rank = rank_of(work->x[i]);
    work->y[i] = rank > work->prefix || (rank == work->prefix && ties-- > 0);
  }
}

static long block_count(long count) { return (count + block - 1) / block; }

long lig_largest_mask_workspace(long count) {
  return block_count(count) * digit_count * (long)sizeof(long);
}

void lig_largest_mask(
  const float *x, unsigned char *y, long count, long k, void *workspace, lig_pool *pool
) {
  long parts = block_count(count);
  largest_job work = {.x = x, .y = y, .count = count, .counts = workspace};
  if (k <= 0 || k >= count) {
    memset(y, k > 0, (size_t)count);
    return;
  }
  long wanted = k;  // among those that share the prefix
  static const int shifts[] = {21, 10, 0};
  for (int pass = 0; pass < 3; pass++) {
    work.shift = shifts[pass];
    work.above = pass == 0 ? 32 : shifts[pass - 1];
    lig_parallel(pool, parts, count_task, &work);
    for (int digit = digit_count - 1; digit >= 0; digit--) {
      long total = 0;
      for (long part = 0; part < parts; part++) total += work.counts[part * digit_count + digit];
      if (total < wanted) {
        wanted -= total;
        continue;
      }
      work.prefix |= (uint32_t)digit << work.shift;
      if (pass < 2) break;
      // Ties go to the first blocks.
      for (long part = 0; part < parts; part++) {
        long here = work.counts[part * digit_count + digit];
        if (here > wanted) here = wanted;
        wanted -= here;
        work.counts[part] = here;
      }
      break;
    }
  }
  lig_parallel(pool, parts, mark_task, &work);
}

// ── NonMaxSuppression ───────────────────────────────────────────────────────
typedef struct { float left, top, right, bottom; } box;

static box box_at(const float *boxes, long i, int centred) {
  const float *p = boxes + 4 * i;
  if (centred) {
    return (box){p[0] - p[2] / 2, p[1] - p[3] / 2, p[0] + p[2] / 2, p[1] + p[3] / 2};
  }
  return (box){fminf(p[1], p[3]), fminf(p[0], p[2]), fmaxf(p[1], p[3]), fmaxf(p[0], p[2])};
}

static float area(box b) { return (b.right - b.left) * (b.bottom - b.top); }

static int overlaps(box a, box b, float iou) {
  float width = fminf(a.right, b.right) - fmaxf(a.left, b.left);
  float height = fminf(a.bottom, b.bottom) - fmaxf(a.top, b.top);
  float a_area = area(a), b_area = area(b);
  if (!(width > 0) || !(height > 0) || !(a_area > 0) || !(b_area > 0)) return 0;
  float shared = width * height;
  return shared / (a_area + b_area - shared) > iou;
}

long lig_nms_workspace(long boxes) { return boxes * (long)sizeof(entry); }

long lig_non_max_suppression(
  const float *boxes, const float *scores, long count, int centred, float iou, int has_threshold, float threshold,
  long limit, long *kept, void *workspace
) {
  entry *heap = workspace;
  long candidates = 0, found = 0;
  for (long i = 0; i < count; i++) {
    if (scores[i] != scores[i] || (has_threshold && !(scores[i] > threshold))) continue;
    // Smallest on top by the negated score: the best comes first.
    heap[candidates++] = (entry){-(double)scores[i], 0, i};
  }
  // `below` with largest = 1 puts the later of equal entries on top; negated indices turn that round.
  for (long i = 0; i < candidates; i++) heap[i].index = -heap[i].index;
  for (long root = candidates / 2 - 1; root >= 0; root--) sift(heap, root, candidates, 1);
  // Each looks at all that were kept: with many, that takes long.
  while (candidates > 0 && found < limit && (candidates % 1024 || !lig_is_over())) {
    long next = -heap[0].index;
    heap[0] = heap[--candidates];
    sift(heap, 0, candidates, 1);
    box candidate = box_at(boxes, next, centred);
    int free = 1;
    for (long i = 0; i < found && free; i++) free = !overlaps(candidate, box_at(boxes, kept[i], centred), iou);
    if (free) kept[found++] = next;
  }
  return found;
}
