#include "narrow.h"

#include <math.h>

enum { E4M3FN = 17, E4M3FNUZ, E5M2, E5M2FNUZ, UINT4, INT4 };

typedef struct {
  int mantissa, bias;
  /// No negative zero; its pattern is NaN.
  int is_unsigned_zero;
  double largest;
  uint8_t nan, infinity;
} format;

static format format_of(int type) {
  switch (type) {
    case E4M3FN: return (format){3, 7, 0, 448, 0x7F, 0x7F};
    case E4M3FNUZ: return (format){3, 8, 1, 240, 0x80, 0x80};
    case E5M2: return (format){2, 15, 0, 57344, 0x7F, 0x7C};
    default: return (format){2, 16, 1, 57344, 0x80, 0x80};
  }
}

static double from_float8(format f, uint8_t code) {
  if (f.is_unsigned_zero ? code == 0x80 : f.infinity == 0x7F ? (code & 0x7F) == 0x7F : (code & 0x7F) > 0x7C) return NAN;
  const double sign = code & 0x80 ? -1 : 1;
  if (f.infinity == 0x7C && (code & 0x7F) == 0x7C) return sign * INFINITY;
  const int exponent = (code & 0x7F) >> f.mantissa, fraction = code & ((1 << f.mantissa) - 1);
  if (!exponent) return sign * ldexp(fraction, 1 - f.bias - f.mantissa);
  return sign * ldexp(fraction + (1 << f.mantissa), exponent - f.bias - f.mantissa);
}

static uint8_t to_float8(format f, int saturates, double x) {
  if (isnan(x)) return f.is_unsigned_zero ? f.nan : (uint8_t)(f.nan | (signbit(x) ? 0x80 : 0));
  const uint8_t sign = signbit(x) ? 0x80 : 0;
  const double magnitude = fabs(x);
  if (magnitude == 0) return f.is_unsigned_zero ? 0 : sign;
  int exponent = isinf(x) ? 1024 : ilogb(magnitude);
  if (exponent < 1 - f.bias) exponent = 1 - f.bias;
  double steps = isinf(x) ? 0 : rint(ldexp(magnitude, f.mantissa - exponent));
  if (isinf(x) || ldexp(steps, exponent - f.mantissa) > f.largest) {
    if (!saturates) return f.is_unsigned_zero ? f.infinity : (uint8_t)(f.infinity | sign);
    return to_float8(f, 0, sign ? -f.largest : f.largest);
  }
  const int one = 1 << f.mantissa;
  if (steps == 2 * one) {
    steps = one;
    exponent += 1;
  }
  const int code = steps < one ? (int)steps : ((exponent + f.bias) << f.mantissa) | ((int)steps - one);
  return code == 0 && f.is_unsigned_zero ? 0 : (uint8_t)(code | sign);
}

void lig_from_narrow(int type, const uint8_t *x, double *y, long n) {
  const format f = format_of(type);
  if (type == UINT4) for (long i = 0; i < n; ++i) y[i] = x[i];
  else if (type == INT4) for (long i = 0; i < n; ++i) y[i] = (int8_t)x[i];
  else for (long i = 0; i < n; ++i) y[i] = from_float8(f, x[i]);
}

void lig_to_narrow(int type, int saturates, const double *x, uint8_t *y, long n) {
  const format f = format_of(type);
  if (type != UINT4 && type != INT4) {
    for (long i = 0; i < n; ++i) y[i] = to_float8(f, saturates, x[i]);
    return;
  }
  const double low = type == INT4 ? -8 : 0, high = type == INT4 ? 7 : 15;
  for (long i = 0; i < n; ++i) y[i] = isnan(x[i]) ? 0 : (uint8_t)(int8_t)rint(fmin(fmax(x[i], low), high));
}
