#ifndef LIG_CONV_ACCURATE_H
#define LIG_CONV_ACCURATE_H

#include "conv.h"
#include "conv_transpose.h"

// Convolutions whose sums are in double precision and rounded once. Slow: for checks against recorded numbers, where a
// rounding error in front of a kink would decide on which side of it a gradient is taken. Plans need not be prepared.

/// As `lig_conv_run`, on unpacked weights `[filters, channels / groups, kernel_h, kernel_w]`.
void lig_conv_accurate(
    const lig_conv *plan, lig_pool *pool, const float *x, const float *weights, const float *bias,
    const float *residual, float *y);
/// As `lig_conv_transpose_run`, on unpacked weights `[channels, filters / groups, kernel_h, kernel_w]`.
void lig_conv_transpose_accurate(
    const lig_conv_transpose *plan, lig_pool *pool, const float *x, const float *weights, const float *bias, float *y);

#endif
