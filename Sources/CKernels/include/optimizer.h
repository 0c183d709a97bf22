#ifndef LIG_OPTIMIZER_H
#define LIG_OPTIMIZER_H

#include "pool.h"

// Steps of optimisers, PyTorch's formulas, one pass over the elements. Every `next_…` may be the array that it
// replaces. Each element is computed on its own: results do not depend on the number of threads.

/// What all of them do to a gradient first: g = clamp(gradient * scale, -clip, clip) + decay * parameter.
typedef struct {
  float scale;
  /// INFINITY for none.
  float clip;
  float decay;
} lig_gradient_rule;

/// b = momentum b + g; p -= rate (nesterov ? g + momentum b : b). Without a buffer (NULL) p -= rate g.
typedef struct {
  lig_gradient_rule gradient;
  float rate, momentum;
  int nesterov;
} lig_sgd_rule;
void lig_sgd(
    lig_pool *pool, const lig_sgd_rule *rule, long count, const float *parameter, const float *gradient,
    const float *buffer, float *next_parameter, float *next_buffer);

/// p *= shrink; m += first (g - m); v = second v + (1 - second) g g; p -= size m / (sqrt(v) / root + epsilon).
typedef struct {
  lig_gradient_rule gradient;
  float shrink, first, second, one_less_second, size, root, epsilon;
} lig_adam_rule;
void lig_adam(
    lig_pool *pool, const lig_adam_rule *rule, long count, const float *parameter, const float *gradient,
    const float *first, const float *second, float *next_parameter, float *next_first, float *next_second);

/// s = rho s + (1 - rho) g g; d = g sqrt(a + epsilon) / sqrt(s + epsilon); a = rho a + (1 - rho) d d; p -= rate d.
typedef struct {
  lig_gradient_rule gradient;
  float rate, rho, one_less_rho, epsilon;
} lig_adadelta_rule;
void lig_adadelta(
    lig_pool *pool, const lig_adadelta_rule *rule, long count, const float *parameter, const float *gradient,
    const float *squares, const float *deltas, float *next_parameter, float *next_squares, float *next_deltas);

/// How many partial sums `lig_square_sums` leaves for that many elements.
long lig_square_sum_count(long count);
/// Sums of squares of stretches of x, in double precision; adding them up in order gives the sum of all.
void lig_square_sums(lig_pool *pool, const float *x, long count, double *partial);

#endif
