#ifndef LIG_CONV_INTEGER_H
#define LIG_CONV_INTEGER_H

#include "pool.h"

/// 2-D convolution of bytes, NCHW: y (int32) = sum (x - x_zero) * (w - w_zero), exact; padding holds x_zero.
/// Fill the first part (sizes are positive, `groups` divides `channels` and `filters`), call
/// `lig_conv_integer_prepare`, keep the value: it holds no pointers.
typedef struct {
  long batch, channels, height, width;
  long filters, kernel_h, kernel_w;
  long out_h, out_w;
  long stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  long groups;
  int x_is_signed, w_is_signed;
  /// One w_zero for each filter; else one for all.
  int w_zero_per_filter;
  int w_is_packed;

  int isa, panel_height;
  long k, units, padded_h, padded_w, line_h, line_w;
  long rows_per_task, columns_per_task, row_tasks, column_tasks;
} lig_conv_integer;

void lig_conv_integer_prepare(lig_conv_integer *plan);
/// Bytes.
long lig_conv_integer_packed_size(const lig_conv_integer *plan);
/// Packs weights `[filters, channels / groups, kernel_h, kernel_w]`.
void lig_conv_integer_pack(const lig_conv_integer *plan, const void *weights, void *packed);
/// Bytes, for that many threads.
long lig_conv_integer_workspace(const lig_conv_integer *plan, int threads);
/// Zero points have the type of their tensor; NULL for zero.
void lig_conv_integer_run(
    const lig_conv_integer *plan, lig_pool *pool, const void *x, const void *w, const void *x_zero,
    const void *w_zero, int *y, void *workspace);

#endif
