#include "elementwise.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "elementwise_functions.h"
#include "tasks.h"

// Contraction would make the simple functions differ between instruction sets.
#pragma STDC FP_CONTRACT OFF

typedef lig_unary_function unary_f32;

#define KERNELS "elementwise.inc"
#include "each_simd.h"

static void library_f32(int operation, const float *x, float *y, long n) {
#define CASE(op, f) \
  case op: \
    for (long i = 0; i < n; i++) y[i] = f(x[i]); \
    break;
  switch (operation) {
    CASE(LIG_UNARY_SIN, sinf) CASE(LIG_UNARY_COS, cosf) CASE(LIG_UNARY_TAN, tanf) CASE(LIG_UNARY_ASIN, asinf)
    CASE(LIG_UNARY_ACOS, acosf)
    CASE(LIG_UNARY_ATAN, atanf) CASE(LIG_UNARY_SINH, sinhf) CASE(LIG_UNARY_COSH, coshf) CASE(LIG_UNARY_ASINH, asinhf)
    CASE(LIG_UNARY_ACOSH, acoshf) CASE(LIG_UNARY_ATANH, atanhf)
  }
#undef CASE
}

typedef struct {
  int operation, type;
  unary_f32 run;
  const void *x;
  void *y;
  long count;
  double a, b;
  long low, high;
} unary_job;

static void unary_f32_task(void *context, long index, int worker) {
  (void)worker;
  const unary_job *job = context;
  long start = index * LIG_GRAIN, n = lig_min(LIG_GRAIN, job->count - start);
  const float *x = (const float *)job->x + start;
  float *y = (float *)job->y + start;
  if (job->run) {
    job->run(x, y, n, (float)job->a, (float)job->b);
  } else {
    library_f32(job->operation, x, y, n);
  }
}

lig_unary_function lig_unary_f32_function(int operation) {
  return operation >= 0 && operation < LIG_UNARY_VECTOR_COUNT ? BEST(unary_table)[operation] : 0;
}

int lig_unary_f32(int operation, const float *x, float *y, long count, float a, float b, lig_pool *pool) {
  if (operation < 0 || operation >= LIG_UNARY_COUNT) return -1;
  unary_job job = {.operation = operation, .x = x, .y = y, .count = count, .a = a, .b = b};
  if (operation < LIG_UNARY_VECTOR_COUNT) job.run = BEST(unary_table)[operation];
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), unary_f32_task, &job);
  return 0;
}

// ── float64: seldom met, hence one element at a time ────────────────────────
static double clip_f64(double x, double low, double high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

static double unary_f64(int operation, double x, double a, double b) {
  switch (operation) {
    case LIG_UNARY_RELU: return x < 0 ? 0 : x;
    case LIG_UNARY_SIGMOID: return 1 / (1 + exp(-x));
    case LIG_UNARY_TANH: return tanh(x);
    case LIG_UNARY_EXP: return exp(x);
    case LIG_UNARY_LOG: return log(x);
    case LIG_UNARY_SQRT: return sqrt(x);
    case LIG_UNARY_RECIPROCAL: return 1 / x;
    case LIG_UNARY_NEG: return -x;
    case LIG_UNARY_ABS: return fabs(x);
    case LIG_UNARY_FLOOR: return floor(x);
    case LIG_UNARY_CEIL: return ceil(x);
    case LIG_UNARY_ROUND: return rint(x);
    case LIG_UNARY_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case LIG_UNARY_ERF: return erf(x);
    case LIG_UNARY_SOFTPLUS: return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
    case LIG_UNARY_SOFTSIGN: return x / (1 + fabs(x));
    case LIG_UNARY_HARDSIGMOID: return clip_f64(a * x + b, 0, 1);
    case LIG_UNARY_HARDSWISH: return x * clip_f64(x / 6 + 0.5, 0, 1);
    case LIG_UNARY_LEAKYRELU: return x < 0 ? a * x : x;
    case LIG_UNARY_ELU: return x < 0 ? a * expm1(x) : x;
    case LIG_UNARY_SELU: return b * (x < 0 ? a * expm1(x) : x);
    case LIG_UNARY_CELU: return x < 0 ? a * expm1(x / a) : x;
    case LIG_UNARY_GELU: return 0.5 * x * (1 + erf(x * 0.70710678118654752));
    case LIG_UNARY_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case LIG_UNARY_MISH: return x * tanh((x < 0 ? 0 : x) + log1p(exp(-fabs(x))));
    case LIG_UNARY_THRESHOLDEDRELU: return x > a ? x : 0;
    case LIG_UNARY_CLIP: return clip_f64(x, a, b);
    case LIG_UNARY_AFFINE: return a * x + b;
    case LIG_UNARY_SWISH: return x / (1 + exp(-a * x));
    case LIG_UNARY_SHRINK: return x > a ? x - b : x < -a ? x + b : 0;
    case LIG_UNARY_SIN: return sin(x);
    case LIG_UNARY_COS: return cos(x);
    case LIG_UNARY_TAN: return tan(x);
    case LIG_UNARY_ASIN: return asin(x);
    case LIG_UNARY_ACOS: return acos(x);
    case LIG_UNARY_ATAN: return atan(x);
    case LIG_UNARY_SINH: return sinh(x);
    case LIG_UNARY_COSH: return cosh(x);
    case LIG_UNARY_ASINH: return asinh(x);
    case LIG_UNARY_ACOSH: return acosh(x);
    default: return atanh(x);
  }
}

static void unary_f64_task(void *context, long index, int worker) {
  (void)worker;
  const unary_job *job = context;
  const double *x = job->x;
  double *y = job->y;
  long start = index * LIG_GRAIN, end = lig_min(start + LIG_GRAIN, job->count);
  for (long i = start; i < end; i++) y[i] = unary_f64(job->operation, x[i], job->a, job->b);
}

int lig_unary_f64(int operation, const double *x, double *y, long count, double a, double b, lig_pool *pool) {
  if (operation < 0 || operation >= LIG_UNARY_COUNT) return -1;
  unary_job job = {.operation = operation, .x = x, .y = y, .count = count, .a = a, .b = b};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), unary_f64_task, &job);
  return 0;
}

// ── integers ────────────────────────────────────────────────────────────────
// Types by the raw values of ElementType (ONNX's TensorProto.DataType). Bounds outside of the type are clamped to it.
#define INTEGER_CASE(code, type, lowest, highest) \
  case code: { \
    const type *x = (const type *)job->x + start; \
    type *y = (type *)job->y + start; \
    type low = (type)(job->low < (long)(lowest) ? (long)(lowest) : lig_min(job->low, (long)(highest))); \
    type high = (type)(job->high < (long)(lowest) ? (long)(lowest) : lig_min(job->high, (long)(highest))); \
    switch (job->operation) { \
      case LIG_UNARY_RELU: for (long i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0; break; \
      case LIG_UNARY_NEG: for (long i = 0; i < n; i++) y[i] = (type)(0 - (uint64_t)x[i]); break; \
      case LIG_UNARY_ABS: for (long i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : (type)(0 - (uint64_t)x[i]); break; \
      case LIG_UNARY_SIGN: for (long i = 0; i < n; i++) y[i] = (type)((x[i] > 0) - !(x[i] >= 0)); break; \
      case LIG_UNARY_CLIP: \
        for (long i = 0; i < n; i++) { \
          type v = x[i] < low ? low : x[i]; \
          y[i] = v > high ? high : v; \
        } \
        break; \
    } \
    break; \
  }

static void unary_integer_task(void *context, long index, int worker) {
  (void)worker;
  const unary_job *job = context;
  long start = index * LIG_GRAIN, n = lig_min(LIG_GRAIN, job->count - start);
  switch (job->type) {
    INTEGER_CASE(2, uint8_t, 0, UINT8_MAX)
    INTEGER_CASE(3, int8_t, INT8_MIN, INT8_MAX)
    INTEGER_CASE(4, uint16_t, 0, UINT16_MAX)
    INTEGER_CASE(5, int16_t, INT16_MIN, INT16_MAX)
    INTEGER_CASE(6, int32_t, INT32_MIN, INT32_MAX)
    INTEGER_CASE(7, int64_t, INT64_MIN, INT64_MAX)
    INTEGER_CASE(12, uint32_t, 0, UINT32_MAX)
    INTEGER_CASE(13, uint64_t, 0, INT64_MAX)
  }
}

int lig_unary_integer(
  int operation, int type, const void *x, void *y, long count, long low, long high, lig_pool *pool
) {
  switch (operation) {
    case LIG_UNARY_RELU: case LIG_UNARY_NEG: case LIG_UNARY_ABS: case LIG_UNARY_SIGN: case LIG_UNARY_CLIP: break;
    default: return -1;
  }
  if (!((type >= 2 && type <= 7) || type == 12 || type == 13)) return -1;
  unary_job job = {.operation = operation, .type = type, .x = x, .y = y, .count = count, .low = low, .high = high};
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), unary_integer_task, &job);
  return 0;
}

// ── bool results ────────────────────────────────────────────────────────────
void lig_not(const unsigned char *x, unsigned char *y, long count) {
  for (long i = 0; i < count; i++) y[i] = x[i] == 0;
}

// NaN and infinity by the bits: magnitude above or equal to that of infinity.
#define CLASSIFY(type, sign, infinity) \
  { \
    const type *v = x; \
    for (long i = 0; i < count; i++) { \
      type magnitude = v[i] & (type)~(type)(sign); \
      int negative_value = (v[i] & (type)(sign)) != 0; \
      y[i] = want_nan ? magnitude > (type)(infinity) \
                      : magnitude == (type)(infinity) && (negative_value ? negative : positive); \
    } \
    return 0; \
  }

static int classify(int type, const void *x, unsigned char *y, long count, int want_nan, int positive, int negative) {
  switch (type) {
    case 1: CLASSIFY(uint32_t, 0x80000000u, 0x7f800000u)
    case 10: CLASSIFY(uint16_t, 0x8000u, 0x7c00u)
    case 16: CLASSIFY(uint16_t, 0x8000u, 0x7f80u)
    case 11: CLASSIFY(uint64_t, 0x8000000000000000u, 0x7ff0000000000000u)
    default: return -1;
  }
}

int lig_is_nan(int type, const void *x, unsigned char *y, long count) {
  return classify(type, x, y, count, 1, 0, 0);
}

int lig_is_inf(int type, const void *x, unsigned char *y, long count, int positive, int negative) {
  return classify(type, x, y, count, 0, positive, negative);
}
