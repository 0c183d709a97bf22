#ifndef LIG_CONV_TRANSPOSE_H
#define LIG_CONV_TRANSPOSE_H

#include "conv.h"
#include "pool.h"

/// 2-D transposed convolution, NCHW. Fill the first part (sizes are positive, `groups` divides `channels` and
/// `filters`), call `lig_conv_transpose_prepare`, keep the value: it holds no pointers.
typedef struct {
  long batch, channels, height, width;
  long filters, kernel_h, kernel_w;
  long out_h, out_w;
  long stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  long groups;
  lig_activation activation;
  /// See `lig_conv`.
  int allows_winograd;

  /// With a stride of 1 it is the convolution `direct` with weights turned around.
  int is_direct;
  lig_conv direct;
  int isa, panel_width, panel_height;
  /// Windows tile the output: no value is a sum over windows, so columns can be shared out as well.
  int tiles_exactly;
  long depth, k, rows, filters_per_task, filter_tasks, columns_per_task, column_tasks;
} lig_conv_transpose;

void lig_conv_transpose_prepare(lig_conv_transpose *plan);
long lig_conv_transpose_packed_count(const lig_conv_transpose *plan);
/// Packs weights `[channels, filters / groups, kernel_h, kernel_w]`.
void lig_conv_transpose_pack(
    const lig_conv_transpose *plan, lig_pool *pool, const float *weights, float *packed);
/// Bytes, for that many threads.
long lig_conv_transpose_workspace(const lig_conv_transpose *plan, int threads);
/// y = activation(transposed conv(x) + bias); `bias` (`[filters]`) may be NULL.
void lig_conv_transpose_run(
    const lig_conv_transpose *plan, lig_pool *pool, const float *x, const float *packed, const float *bias, float *y,
    void *workspace);
/// The plain twin, on unpacked weights.
void lig_conv_transpose_reference(
    const lig_conv_transpose *plan, const float *x, const float *weights, const float *bias, float *y);

#endif
