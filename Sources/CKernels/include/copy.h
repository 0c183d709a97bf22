#ifndef LIG_COPY_H
#define LIG_COPY_H

#include "broadcast.h"
#include "pool.h"

// The one primitive behind Transpose, Slice, Concat, Split, Expand, Tile, DepthToSpace, SpaceToDepth and the inside of
// Pad: a copy between two strided views. `lig_copy_prepare` merges axes and recognises runs, fills and transposes.

typedef struct {
  int kind;
  int rank;           // of the axes outside of the innermost one or two
  long element_size;  // after merging: up to 16 bytes, or any number of them for runs
  long rows;          // product of `shape`
  long inner;         // length of the innermost axis
  long inner_source, inner_target;  // its strides in bytes
  long cross;         // transposes: length of the axis along which the source is dense
  long cross_target;  // its target stride in bytes
  long shape[LIG_MAX_RANK];
  long source[LIG_MAX_RANK], target[LIG_MAX_RANK];  // strides in bytes
} lig_copy;

/// Strides in elements, of any sign or 0 for the source; the target's elements must be distinct.
/// `element_size`: 1, 2, 4, 8 or 16. -1 when the rank is above LIG_MAX_RANK or the element size is another.
int lig_copy_prepare(
  lig_copy *plan, long element_size, int rank, const long *shape, const long *source, const long *target);
/// `from` and `to` are the addresses of the views' first elements; the two must not overlap.
void lig_copy_run(const lig_copy *plan, const void *from, void *to, lig_pool *pool);

/// Sets `count` elements of 1, 2, 4, 8 or 16 bytes to the one at `value`.
void lig_fill(long element_size, const void *value, void *y, long count, lig_pool *pool);

#endif
