#ifndef LIG_RESIZE_ADD_H
#define LIG_RESIZE_ADD_H

#include "pool.h"

/// out[p, i, j] = y[p, i, j] + x[p, rows[i], columns[j]]: `planes` images of in_height × in_width, each added to one of
/// height × width, or of 1 row or column, which stands for all. float32; out may be y. Entries of `rows` and `columns`
/// lie within the input.
void lig_resize_add(
  const float *x, const float *y, float *out, long planes, long in_height, long in_width, long height, long width,
  long y_height, long y_width, const int *rows, const int *columns, lig_pool *pool);

#endif
