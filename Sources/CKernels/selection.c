#include "selection.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

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
  while (candidates > 0 && found < limit) {
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
