#ifndef LIG_DEFORM_CONV_GRADIENT_H
#define LIG_DEFORM_CONV_GRADIENT_H

#include "matmul.h"
#include "pool.h"

/// The derivative of deformable convolution (NCHW). Fill the first part (sizes are positive; `groups` divides
/// `channels` and `filters`, `offset_groups` divides `channels`), call `lig_deform_conv_gradient_prepare`, keep the
/// value: it holds no pointers.
typedef struct {
  long batch, channels, height, width;
  long filters, kernel_h, kernel_w;
  long out_h, out_w;
  long stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  long groups, offset_groups;

  long taps, pixels;
  /// From the gradient to what the taps read, and to the weights.
  lig_matmul to_columns, to_weights;
} lig_deform_conv_gradient;

typedef struct {
  /// As `lig_deform_conv_run` takes them, weights unpacked; `mask` may be NULL. `g`: the gradient of y.
  const float *x, *weights, *offsets, *mask, *g;
  /// Results; each may be NULL.
  float *dx, *dweights, *doffsets, *dmask;
} lig_deform_conv_gradient_data;

void lig_deform_conv_gradient_prepare(lig_deform_conv_gradient *plan);
/// Bytes, for that many threads.
long lig_deform_conv_gradient_workspace(const lig_deform_conv_gradient *plan, int threads);
void lig_deform_conv_gradient_run(
    const lig_deform_conv_gradient *plan, lig_pool *pool, const lig_deform_conv_gradient_data *data, void *workspace);

#endif
