#ifndef LIG_VOLUME_H
#define LIG_VOLUME_H

#include "activation.h"
#include "pool.h"

// Convolution and sampling over three spatial axes: depth, height, width.

typedef struct {
  long batch, channels, filters, groups;
  long input[3], output[3], kernel[3], stride[3], dilation[3], pad_begin[3];
  lig_activation activation;
} lig_volume;

/// x [batch, channels, input…], w [filters, channels / groups, kernel…], bias [filters] or NULL, residual as y or NULL.
void lig_volume_conv(
    const lig_volume *plan, lig_pool *pool, const float *x, const float *w, const float *bias, const float *residual,
    float *y);

/// The transposed one: w [channels, filters / groups, kernel…]; `pad_begin` is cut off.
void lig_volume_conv_transpose(
    const lig_volume *plan, lig_pool *pool, const float *x, const float *w, const float *bias, float *y);

/// Samples x [batch, channels, input…] at grid [batch, output…, 3] (x, y, z from -1 to 1). `mode` and `padding` are
/// those of lig_grid_sample, but for cubic ones.
void lig_volume_sample(
    const lig_volume *plan, lig_pool *pool, int mode, int padding, int align, const float *x, const float *grid,
    float *y);

#endif
