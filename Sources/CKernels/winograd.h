// 3 x 3 convolution of stride 1 by Winograd's F(2 x 2, 3 x 3): a tile of 4 x 4 inputs gives 2 x 2 outputs with 16
// multiplications where the definition takes 36. Inputs, weights and products are transformed; between the transforms
// stand 16 matrix products over channels, one for each place of a tile. Rounding errors are about twice those of the
// definition. (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015.)
#ifndef LIG_WINOGRAD_H
#define LIG_WINOGRAD_H

#include "conv.h"
#include "conv_gradient.h"

/// Whether the plan's sizes suit it; `isa` is settled.
int winograd_suits(const lig_conv *plan);
/// Fills in `winograd` of a plan with settled isa and panel height.
void winograd_prepare(lig_conv *plan);
long winograd_packed_count(const lig_conv *plan);
void winograd_pack(const lig_conv *plan, lig_pool *pool, const float *weights, float *packed);
/// Floats of a worker's scratch memory.
long winograd_worker_floats(const lig_conv *plan);
void winograd_run(
    const lig_conv *plan, lig_pool *pool, const float *x, const float *packed, const float *bias,
    const float *residual, float *y, float *workspace);

int winograd_gradient_suits(const lig_conv_gradient *plan);
/// Fills in what follows from the sizes of a plan with settled isa.
void winograd_gradient_prepare(lig_conv_gradient *plan);
/// Floats, for that many threads.
long winograd_gradient_floats(const lig_conv_gradient *plan, int threads);
void winograd_gradient_run(
    const lig_conv_gradient *plan, lig_pool *pool, const float *x, const float *g, float *w, float *workspace);

#endif
