#ifndef LIG_CAST_H
#define LIG_CAST_H

#include "pool.h"

/// Converts between any two of float32, float64, float16, bfloat16, the integers and bool (raw values of ElementType).
/// Real to integer drops the fraction and saturates, NaN gives 0; integer to integer wraps; anything but 0 is true;
/// to a narrower real rounds to nearest, ties to even. -1 for other types. `x` and `y` must not overlap.
int lig_cast(int from, int to, const void *x, void *y, long count, lig_pool *pool);

#endif
