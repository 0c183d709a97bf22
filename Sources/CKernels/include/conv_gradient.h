#ifndef LIG_CONV_GRADIENT_H
#define LIG_CONV_GRADIENT_H

#include "conv.h"
#include "pool.h"

/// The derivative of a 2-D convolution (NCHW) by its weights. Fill the first part (sizes are positive, `groups` divides
/// `channels` and `filters`), call `lig_conv_gradient_prepare`, keep the value: it holds no pointers.
typedef struct {
  long batch, channels, height, width;
  long filters, kernel_h, kernel_w;
  long out_h, out_w;
  long stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  long groups;

  int isa, panel_width, panel_height;
  /// 1x1, stride 1, no padding: the input is its own columns.
  int pointwise;
  /// One input channel a group: computed directly.
  int is_depthwise;
  /// 3x3, stride 1, by transformed tiles; a task is a chunk.
  int is_winograd;
  lig_winograd winograd;
  /// Taps (columns of the result) and pixels; pixels of a block, taps and filters of a task, images of a part. The
  /// parts' results are added up at the end, in order.
  long taps, pixels, depth, taps_per_task, filters_per_task, images_per_part;
  long tap_tasks, filter_tasks, parts;
} lig_conv_gradient;

void lig_conv_gradient_prepare(lig_conv_gradient *plan);
/// Bytes, for that many threads.
long lig_conv_gradient_workspace(const lig_conv_gradient *plan, int threads);
/// x `[batch, channels, height, width]`, g `[batch, filters, out_h, out_w]` → w `[filters, channels / groups, kernel_h,
/// kernel_w]`.
void lig_conv_gradient_run(
    const lig_conv_gradient *plan, lig_pool *pool, const float *x, const float *g, float *w, void *workspace);
/// The plain twin.
void lig_conv_gradient_reference(const lig_conv_gradient *plan, const float *x, const float *g, float *w);

#endif
