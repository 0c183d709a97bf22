#ifndef LIG_RESIZE_ADD_H
#define LIG_RESIZE_ADD_H

#include "pool.h"

/// out[p, i, j] = y[p, i, j] + x[p, rows[i], columns[j]]: `planes` images of in_height × in_width, each added to one of
/// height × width. float32; out may be y. Entries of `rows` and `columns` lie within the input.
void lig_resize_add(
  const float *x, const float *y, float *out, long planes, long in_height, long in_width, long height, long width,
  const int *rows, const int *columns, lig_pool *pool);

#endif
