#ifndef LIG_ELEMENTWISE_H
#define LIG_ELEMENTWISE_H

#include "pool.h"

// Functions of one tensor, element by element. `y` may be `x`. Names and formulas are ONNX's.

enum {
  LIG_UNARY_RELU, LIG_UNARY_SIGMOID, LIG_UNARY_TANH, LIG_UNARY_EXP, LIG_UNARY_LOG, LIG_UNARY_SQRT,
  LIG_UNARY_RECIPROCAL, LIG_UNARY_NEG, LIG_UNARY_ABS, LIG_UNARY_FLOOR, LIG_UNARY_CEIL,
  /// To the nearest integer, ties to even.
  LIG_UNARY_ROUND,
  LIG_UNARY_SIGN, LIG_UNARY_ERF, LIG_UNARY_SOFTPLUS, LIG_UNARY_SOFTSIGN,
  /// max(0, min(1, a x + b))
  LIG_UNARY_HARDSIGMOID,
  LIG_UNARY_HARDSWISH,
  /// x < 0 ? a x : x
  LIG_UNARY_LEAKYRELU,
  /// x < 0 ? a (e^x - 1) : x
  LIG_UNARY_ELU,
  /// b (x < 0 ? a (e^x - 1) : x)
  LIG_UNARY_SELU,
  /// x < 0 ? a (e^(x / a) - 1) : x
  LIG_UNARY_CELU,
  LIG_UNARY_GELU, LIG_UNARY_GELU_TANH, LIG_UNARY_MISH,
  /// x > a ? x : 0
  LIG_UNARY_THRESHOLDEDRELU,
  /// min(max(x, a), b); NaN stays
  LIG_UNARY_CLIP,
  /// a x + b
  LIG_UNARY_AFFINE,
  /// x / (1 + e^(-a x))
  LIG_UNARY_SWISH,
  /// x > a ? x - b : x < -a ? x + b : 0
  LIG_UNARY_SHRINK,
  LIG_UNARY_VECTOR_COUNT,
  // One at a time, by the C library.
  LIG_UNARY_SIN = LIG_UNARY_VECTOR_COUNT, LIG_UNARY_COS, LIG_UNARY_TAN, LIG_UNARY_ASIN, LIG_UNARY_ACOS,
  LIG_UNARY_ATAN, LIG_UNARY_SINH, LIG_UNARY_COSH, LIG_UNARY_ASINH,
  LIG_UNARY_ACOSH, LIG_UNARY_ATANH,
  LIG_UNARY_COUNT,
};

/// 0, or -1 when the operation is not known.
int lig_unary_f32(int operation, const float *x, float *y, long count, float a, float b, lig_pool *pool);
int lig_unary_f64(int operation, const double *x, double *y, long count, double a, double b, lig_pool *pool);
/// LIG_UNARY_RELU, LIG_UNARY_NEG, LIG_UNARY_ABS, LIG_UNARY_SIGN, LIG_UNARY_CLIP of an integer type (raw values of
/// ElementType). The bounds are ignored but for LIG_UNARY_CLIP; negation wraps. -1 when the operation or the type is
/// not one of these.
int lig_unary_integer(
  int operation, int type, const void *x, void *y, long count, long low, long high, lig_pool *pool);

/// y = x == 0, for bool.
void lig_not(const unsigned char *x, unsigned char *y, long count);
/// Type: float32, float64, float16 or bfloat16. `positive` and `negative` choose the infinities; -1 for other types.
int lig_is_nan(int type, const void *x, unsigned char *y, long count);
int lig_is_inf(int type, const void *x, unsigned char *y, long count, int positive, int negative);

#endif
