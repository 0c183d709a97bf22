#ifndef LIG_ELEMENTWISE_FUNCTIONS_H
#define LIG_ELEMENTWISE_FUNCTIONS_H

// The vectorised inner loops by operation, for kernels that run several of them over a block.

/// y[i] = f(x[i]), with the operation's two numbers; y may be x.
typedef void (*lig_unary_function)(const float *x, float *y, long count, float a, float b);
/// y[i] = f(a[i * a_step], b[i * b_step]), steps of 0 or 1, not both 0 unless count is 1; y may be a or b.
typedef void (*lig_binary_function)(const float *a, const float *b, void *y, long count, long a_step, long b_step);

/// For the best instruction set; NULL for operations without vectors.
lig_unary_function lig_unary_f32_function(int operation);
lig_binary_function lig_binary_f32_function(int operation);

#endif
