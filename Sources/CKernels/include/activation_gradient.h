#ifndef LIG_ACTIVATION_GRADIENT_H
#define LIG_ACTIVATION_GRADIENT_H

#include "pool.h"

/// dx = y > 0 ? g : 0, of `count` elements; dx may be y or g.
void lig_relu_gradient(const float *y, const float *g, float *dx, long count, lig_pool *pool);
void lig_relu_gradient_f64(const double *y, const double *g, double *dx, long count);

#endif
