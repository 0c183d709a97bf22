#ifndef LIG_NORM_H
#define LIG_NORM_H

#include "activation.h"
#include "pool.h"

/// y = x * scale + shift, one scale and shift a plane: x and y are `[outer, channels, inner]`.
void lig_scale_shift(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *scale, const float *shift,
    float *y);
/// What batch normalisation multiplies by and adds: scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale.
void lig_batch_norm_fold(
    const float *gamma, const float *beta, const float *mean, const float *variance, float epsilon, long channels,
    float *scale, float *shift);
/// Batch normalisation by the batch's own statistics: x and y are `[outer, channels, inner]`. `running_mean` and
/// `running_variance` (`[channels]`, each may be NULL) become momentum * old + (1 - momentum) * the batch's.
void lig_batch_norm_train(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *gamma, const float *beta,
    const float *old_mean, const float *old_variance, float epsilon, float momentum, float *y, float *running_mean,
    float *running_variance);
/// Its derivative: from x, gamma and the gradient g of y those of x, gamma and beta; each may be NULL.
void lig_batch_norm_gradient(
    lig_pool *pool, const float *x, const float *g, long outer, long channels, long inner, const float *gamma,
    float epsilon, float *dx, float *dgamma, float *dbeta);
/// Normalises each row of `[rows, count]` to mean 0 and variance 1, then x * gamma + beta, element by element.
/// beta may be NULL; so may `mean` and `inverse`, which take `[rows]` each: the mean and 1 / sqrt(variance + epsilon).
void lig_layer_norm(
    lig_pool *pool, const float *x, long rows, long count, const float *gamma, const float *beta, float epsilon,
    float *y, float *mean, float *inverse);
/// The same over planes of `[outer, channels, inner]`, with one gamma and beta a channel.
void lig_instance_norm(
    lig_pool *pool, const float *x, long outer, long channels, long inner, const float *gamma, const float *beta,
    float epsilon, float *y);
/// Softmax (or its logarithm) along the middle axis of `[outer, count, inner]`. y may be x.
void lig_softmax(lig_pool *pool, const float *x, long outer, long count, long inner, int logarithm, float *y);

#endif
