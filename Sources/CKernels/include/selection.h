#ifndef LIG_SELECTION_H
#define LIG_SELECTION_H

#include "pool.h"

/// Bytes of scratch that one worker needs for lig_top_k.
long lig_top_k_workspace(long k);
/// x[outer, n, inner] → the k (at most n) largest, or smallest, along n, best first, and their places (int64). Of equal
/// ones the first wins; NaN counts as larger than everything. Types: float32, float64, int8, uint8, int32, int64;
/// -1 for other types. `workspace`: lig_top_k_workspace(k) bytes for each of lig_pool_threads(pool) workers.
int lig_top_k(
  int type, int largest, const void *x, void *values, long *indices, long outer, long n, long inner, long k,
  void *workspace, lig_pool *pool);

/// Bytes of scratch for lig_largest_mask.
long lig_largest_mask_workspace(long count);
/// y[i] = whether x[i] is one of the k (0...count) largest. Of equal ones the first win; NaN is larger than everything.
/// Takes linear time, whatever k is.
void lig_largest_mask(
  const float *x, unsigned char *y, long count, long k, void *workspace, lig_pool *pool);

/// How many elements are not zero (NaN is not); every type of 1, 2, 4 or 8 bytes. `real`: the sign bit alone is zero.
long lig_count_non_zero(const void *x, long count, long element_size, int real);
/// Their coordinates, y[rank, found] (int64), in row-major order.
void lig_non_zero(
  const void *x, long count, long element_size, int real, int rank, const long *shape, long *y, long found);

/// Bytes of scratch for lig_non_max_suppression.
long lig_nms_workspace(long boxes);
/// Greedy suppression for one class: keeps boxes (of `count`, four floats each: y1 x1 y2 x2 in any order of corners, or
/// centre x, centre y, width, height) by falling score, unless one kept before overlaps it by more than `iou`, or its
/// score is not above `threshold` (if `has_threshold`). Writes at most `limit` indices and returns how many.
long lig_non_max_suppression(
  const float *boxes, const float *scores, long count, int centred, float iou, int has_threshold, float threshold,
  long limit, long *kept, void *workspace);

#endif
