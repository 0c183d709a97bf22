#ifndef LIG_RESIZE_H
#define LIG_RESIZE_H

#include "pool.h"

/// x[outer, n, inner] → y[outer, count, inner]: y[o, i, k] = sum over t of weight[i, t] x[o, index[i, t], k].
/// float32; `index` (each in 0..<n) and `weight` have `taps` entries for each i. One axis of a separable resize.
void lig_resample_axis(
  const float *x, float *y, long outer, long n, long inner, long count, long taps, const int *index,
  const float *weight, lig_pool *pool);

/// y[i0, i1, …] = x[index0[i0], index1[i1], …]; `indices` holds the axes' lists one after the other, each entry in
/// range. At most 16 axes; element size 1, 2, 4 or 8.
void lig_resample_nearest(
  const void *x, void *y, int rank, const long *shape, const long *out_shape, const int *indices, long element_size,
  lig_pool *pool);

enum { LIG_GRID_LINEAR, LIG_GRID_NEAREST, LIG_GRID_CUBIC };
enum { LIG_GRID_ZEROS, LIG_GRID_BORDER, LIG_GRID_REFLECTION };

/// GridSample: x[batch, channels, height, width], grid[batch, out_height, out_width, 2] of (x, y) in -1...1
/// → y[batch, channels, out_height, out_width]. float32.
void lig_grid_sample(
  int mode, int padding, int align_corners, const float *x, const float *grid, float *y, long batch, long channels,
  long height, long width, long out_height, long out_width, lig_pool *pool);
/// Its derivative: from x, the grid and the gradient g of y those of x and of
/// the grid; each may be NULL.
void lig_grid_sample_gradient(
  int mode, int padding, int align_corners, const float *x, const float *grid, const float *g, float *dx, float *dgrid,
  long batch, long channels, long height, long width, long out_height, long out_width, lig_pool *pool);

#endif
