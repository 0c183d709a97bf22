#ifndef LIG_INDEX_H
#define LIG_INDEX_H

#include "pool.h"

// Access by index. Indices are int32 or int64 (`wide`); negative ones count from the end. Kernels that take indices
// return 0, or -1 when one is out of range: what they wrote then is not defined, but they never reach outside.

/// data[outer, n, inner bytes], indices[count] → y[outer, count, inner bytes]
int lig_gather(
  const void *data, const void *indices, int wide, void *y, long outer, long n, long inner_bytes, long count,
  lig_pool *pool);

/// data of `shape`, indices of `index_shape` (same rank, at most 16) along `axis` → y of `index_shape`.
/// Element size 1, 2, 4 or 8.
int lig_gather_elements(
  const void *data, const void *indices, int wide, void *y, int rank, int axis, const long *shape,
  const long *index_shape, long element_size, lig_pool *pool);

/// data[batch, shape[0] … shape[depth-1], slice bytes], indices[batch, count, depth] → y[batch, count, slice bytes]
int lig_gather_nd(
  const void *data, const void *indices, int wide, void *y, long batch, long count, int depth, const long *shape,
  long slice_bytes, lig_pool *pool);

enum { LIG_SCATTER_SET, LIG_SCATTER_ADD, LIG_SCATTER_MUL, LIG_SCATTER_MAX, LIG_SCATTER_MIN };

/// y (already a copy of the data) at the indices := or op= updates, in order. Types of arithmetic: float32, float64,
/// int8, uint8, int32, int64; LIG_SCATTER_SET takes every type of 1, 2, 4 or 8 bytes. -2 for other types.
int lig_scatter_elements(
  void *y, const void *indices, int wide, const void *updates, int rank, int axis, const long *shape,
  const long *index_shape, int type, long element_size, int operation);

/// y[shape[0] … shape[depth-1], slice elements], indices[count, depth], updates[count, slice elements]
int lig_scatter_nd(
  void *y, const void *indices, int wide, const void *updates, long count, int depth, const long *shape, long slice,
  int type, long element_size, int operation);

/// indices[outer, inner] of `type` (any number) → y[outer, depth, inner], elements of 1, 2, 4 or 8 bytes taken from
/// values = {off, on}; an index out of range gives off everywhere. -1 for other types.
int lig_one_hot(
  int type, const void *indices, const void *values, void *y, long outer, long depth, long inner, long element_size);

/// Keeps the upper (column >= row + k) or lower (column <= row + k) triangle of each [rows, columns], zero elsewhere.
void lig_trilu(
  int upper, long k, const void *x, void *y, long batch, long rows, long columns, long element_size, lig_pool *pool);

/// start + i delta; float32, float64, int16, int32 or int64; -1 for other types.
int lig_range(int type, const void *start, const void *delta, void *y, long count);

/// Where each index of a padded axis comes from: -1 outside (constant). Modes as ONNX names them.
enum { LIG_PAD_CONSTANT, LIG_PAD_REFLECT, LIG_PAD_EDGE, LIG_PAD_WRAP };
/// x of `shape` → y, with `begin` and `end` more elements at each axis (negative ones cut off), at most 16 axes.
/// Element size 1, 2, 4 or 8. An axis of length 0 can only be padded with the constant: -1 otherwise.
int lig_pad(
  int mode, const void *x, void *y, int rank, const long *shape, const long *begin, const long *end, const void *value,
  long element_size, lig_pool *pool);

#endif
