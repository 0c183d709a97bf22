// 3 x 3 convolution of stride 1 by Winograd's algorithm. F(2 x 2, 3 x 3): a tile of 4 x 4 inputs gives 2 x 2 outputs
// with 16 multiplications where the definition takes 36; F(4 x 4, 3 x 3): 6 x 6 inputs give 4 x 4 outputs with 36
// where the definition takes 144. Inputs, weights and products are transformed; between the transforms stand 16 or 36
// matrix products over channels, one for each place of a tile. Rounding errors of F(2 x 2) are about 1.5 times those
// of the definition; F(4 x 4) evaluates its polynomials at 0, +-5/8, +-11/8 and infinity, which keeps them at about
// three times (with the customary 0, +-1, +-2 they would be twice that). Over a whole network that does not show: what
// is rounded between its layers outweighs it. (Lavin and Gray, "Fast algorithms for convolutional neural networks",
// 2015.)
#ifndef LIG_WINOGRAD_H
#define LIG_WINOGRAD_H

#include "conv.h"
#include "conv_gradient.h"

/// Whether the plan's sizes suit it and it is expected to be faster than the definition; then settles the side of
/// tiles. `isa` is settled.
int winograd_suits(lig_conv *plan);
/// Fills in the rest of `winograd` of a plan with settled isa and panel height.
void winograd_prepare(lig_conv *plan);
long winograd_packed_count(const lig_conv *plan);
void winograd_pack(const lig_conv *plan, lig_pool *pool, const float *weights, float *packed);
/// Floats of scratch memory for that many threads.
long winograd_floats(const lig_conv *plan, int threads);
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
