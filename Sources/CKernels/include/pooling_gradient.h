#ifndef LIG_POOLING_GRADIENT_H
#define LIG_POOLING_GRADIENT_H

#include "pooling.h"

/// What a maximum's gradient g (`[planes, output]`) gives to x (`[planes, input]`): each window's goes to the first of
/// its largest elements. float32.
void lig_max_pool_gradient(const lig_pooling *spec, const float *x, const float *g, float *dx, lig_pool *pool);
/// What an average's gradient gives to each element of its window. float32.
void lig_average_pool_gradient(const lig_pooling *spec, const float *g, float *dx, lig_pool *pool);

#endif
