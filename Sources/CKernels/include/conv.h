#ifndef LIG_CONV_H
#define LIG_CONV_H

#include "activation.h"
#include "matmul.h"
#include "pool.h"

typedef enum {
  /// The kernel covers the whole input: one matrix product over the batch.
  LIG_CONV_MATMUL,
  /// 1x1, stride 1: a product per image that reads the input in place or by panels.
  LIG_CONV_POINTWISE,
  /// Columns are gathered a tile at a time, then multiplied.
  LIG_CONV_IM2COL,
  /// The input is padded, and split by stride, so that all columns of a kernel's tap lie in order: the product reads
  /// it shifted by the tap's offset, nothing is gathered.
  LIG_CONV_SHIFTED,
  /// One input channel a group: computed directly.
  LIG_CONV_DEPTHWISE,
  /// 3x3, stride 1, by transformed tiles: fewer multiplications, see winograd.h.
  LIG_CONV_WINOGRAD,
} lig_conv_algorithm;

/// Pixels of a tile's side and places of its transform; tiles of an image, rows of tiles (of all images) in a task,
/// floats of a row of tiles and of a padded line.
typedef struct {
  long side, places;
  long tiles_h, tiles_w, rows_per_task, tasks, row_floats, line_floats;
  /// There is one task's worth of tiles: its three stages are shared among workers instead.
  int is_staged;
} lig_winograd;

/// 2-D convolution, NCHW. Fill the first part (sizes are positive, `groups` divides `channels` and `filters`), call
/// `lig_conv_prepare`, keep the value: it holds no pointers.
typedef struct {
  long batch, channels, height, width;
  long filters, kernel_h, kernel_w;
  long out_h, out_w;
  long stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  long groups;
  lig_activation activation;
  /// The largest side of a tile (2 or 4) with which LIG_CONV_WINOGRAD may be chosen; 0: never.
  int allows_winograd;
  /// Products may be of operands that are rounded to bfloat16 (two to a place of a panel), where that is faster. Weights
  /// are constant then.
  int allows_bfloat16;
  /// Weights are those of the convolution whose adjoint this is: `[channels, filters / groups, …]`, turned around.
  int is_adjoint;

  lig_conv_algorithm algorithm;
  int isa, panel_width, panel_height;
  long depth, k, rows_per_task, columns_per_task, row_tasks, column_tasks;
  /// Depthwise: planes and output rows of a task, floats of a padded row and of the padded block.
  long planes_per_task, lines_per_task, phase_length, buffer_floats;
  /// Shifted: sizes of a phase of a padded plane (one of stride_h * stride_w), and floats from one plane to the next.
  long phase_h, phase_w, padded_plane;
  lig_matmul matmul;
  lig_winograd winograd;
} lig_conv;

void lig_conv_prepare(lig_conv *plan);
/// Floats that the packed weights take.
long lig_conv_packed_count(const lig_conv *plan);
/// Packs weights `[filters, channels / groups, kernel_h, kernel_w]` (see `is_adjoint`).
void lig_conv_pack(const lig_conv *plan, lig_pool *pool, const float *weights, float *packed);
/// Bytes, for that many threads.
long lig_conv_workspace(const lig_conv *plan, int threads);
/// y = activation(conv(x) + bias + residual); `bias` (`[filters]`) and `residual` (as y) may be NULL.
void lig_conv_run(
    const lig_conv *plan, lig_pool *pool, const float *x, const float *packed, const float *bias,
    const float *residual, float *y, void *workspace);
/// The plain twin of `lig_conv_run`, on unpacked weights.
void lig_conv_reference(
    const lig_conv *plan, const float *x, const float *weights, const float *bias, const float *residual, float *y);

#endif
