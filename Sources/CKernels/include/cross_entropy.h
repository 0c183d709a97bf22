#ifndef LIG_CROSS_ENTROPY_H
#define LIG_CROSS_ENTROPY_H

#include "pool.h"

/// y = -t log p - (1 - t) log(1 - p) of each element, logarithms not below -100. y may be p.
void lig_binary_cross_entropy(const float *p, const float *t, float *y, long count, lig_pool *pool);

#endif
