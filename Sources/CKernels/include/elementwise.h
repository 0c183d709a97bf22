#ifndef LIG_ELEMENTWISE_H
#define LIG_ELEMENTWISE_H

#include "pool.h"

// Functions of one tensor, element by element. `y` may be `x`. Names and formulas are ONNX's.

enum {
  LIG_RELU, LIG_SIGMOID, LIG_TANH, LIG_EXP, LIG_LOG, LIG_SQRT, LIG_RECIPROCAL, LIG_NEG, LIG_ABS, LIG_FLOOR, LIG_CEIL,
  /// To the nearest integer, ties to even.
  LIG_ROUND,
  LIG_SIGN, LIG_ERF, LIG_SOFTPLUS, LIG_SOFTSIGN,
  /// max(0, min(1, a x + b))
  LIG_HARDSIGMOID,
  LIG_HARDSWISH,
  /// x < 0 ? a x : x
  LIG_LEAKYRELU,
  /// x < 0 ? a (e^x - 1) : x
  LIG_ELU,
  /// b (x < 0 ? a (e^x - 1) : x)
  LIG_SELU,
  /// x < 0 ? a (e^(x / a) - 1) : x
  LIG_CELU,
  LIG_GELU, LIG_GELU_TANH, LIG_MISH,
  /// x > a ? x : 0
  LIG_THRESHOLDEDRELU,
  /// min(max(x, a), b); NaN stays
  LIG_CLIP,
  /// a x + b
  LIG_AFFINE,
  /// x / (1 + e^(-a x))
  LIG_SWISH,
  /// x > a ? x - b : x < -a ? x + b : 0
  LIG_SHRINK,
  LIG_UNARY_VECTOR_COUNT,
  // One at a time, by the C library.
  LIG_SIN = LIG_UNARY_VECTOR_COUNT, LIG_COS, LIG_TAN, LIG_ASIN, LIG_ACOS, LIG_ATAN, LIG_SINH, LIG_COSH, LIG_ASINH,
  LIG_ACOSH, LIG_ATANH,
  LIG_UNARY_COUNT,
};

/// 0, or -1 when the operation is not known.
int lig_unary_f32(int operation, const float *x, float *y, long count, float a, float b, lig_pool *pool);
int lig_unary_f64(int operation, const double *x, double *y, long count, double a, double b, lig_pool *pool);
/// LIG_RELU, LIG_NEG, LIG_ABS, LIG_SIGN, LIG_CLIP of an integer type (raw values of ElementType). The bounds are
/// ignored but for LIG_CLIP; negation wraps. -1 when the operation or the type is not one of these.
int lig_unary_integer(
  int operation, int type, const void *x, void *y, long count, long low, long high, lig_pool *pool);

/// y = x == 0, for bool.
void lig_not(const unsigned char *x, unsigned char *y, long count);
/// Type: float32, float64, float16 or bfloat16. `positive` and `negative` choose the infinities; -1 for other types.
int lig_is_nan(int type, const void *x, unsigned char *y, long count);
int lig_is_inf(int type, const void *x, unsigned char *y, long count, int positive, int negative);

#endif
