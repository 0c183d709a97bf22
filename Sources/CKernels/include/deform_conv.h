#ifndef LIG_DEFORM_CONV_H
#define LIG_DEFORM_CONV_H

#include "conv.h"

/// Deformable convolution, NCHW: each tap reads the input between pixels, where the offsets say, zeros outside.
/// Fill `conv`'s first part and `offset_groups` (divides `channels`), call `lig_deform_conv_prepare`.
typedef struct {
  lig_conv conv;
  long offset_groups;
  long columns_per_task, column_tasks;
} lig_deform_conv;

void lig_deform_conv_prepare(lig_deform_conv *plan);
/// Weights are packed by `lig_conv_pack` with `plan->conv`.
long lig_deform_conv_workspace(const lig_deform_conv *plan, int threads);
/// `offsets`: `[N, offset_groups * kernel_h * kernel_w * 2, out_h, out_w]`, y before x. `mask`: a factor for each tap,
/// `[N, offset_groups * kernel_h * kernel_w, out_h, out_w]`, or NULL. `bias`: `[filters]` or NULL.
void lig_deform_conv_run(
    const lig_deform_conv *plan, lig_pool *pool, const float *x, const float *packed, const float *offsets,
    const float *bias, const float *mask, float *y, void *workspace);

#endif
