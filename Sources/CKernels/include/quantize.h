#ifndef LIG_QUANTIZE_H
#define LIG_QUANTIZE_H

#include "pool.h"

// Between float32 and scaled integers: x = (q - zero) * scale, q = saturate(round_to_even(x / scale) + zero).
// Types of integers are raw values of ElementType.

enum { LIG_UINT8 = 2, LIG_INT8 = 3, LIG_UINT16 = 4, LIG_INT16 = 5, LIG_INT32 = 6 };

/// How scales and zero points lie over a tensor seen as [outer, axis, inner].
typedef struct {
  long outer, axis, inner;
  /// 0: one scale for all. Else steps of the axis that share a scale; with `per_axis` only the axis counts
  /// (scales are [axis]), without it scales are [outer, axis / block rounded up, inner].
  long block;
  int per_axis;
  /// The integers' type.
  int type;
} lig_quantization;

/// `zero` has the integers' type, or is NULL for zeros. 0, or -1 for a type that this does not make (int32 is only
/// read).
int lig_quantize(
    const lig_quantization *plan, lig_pool *pool, const float *x, const float *scale, const void *zero, void *q);
int lig_dequantize(
    const lig_quantization *plan, lig_pool *pool, const void *q, const float *scale, const void *zero, float *x);

/// Scale and zero point so that 0...255 covers the values and zero: DynamicQuantizeLinear's.
typedef struct {
  float scale;
  unsigned char zero;
} lig_dynamic_scale;
lig_dynamic_scale lig_dynamic_range(const float *x, long count, lig_pool *pool);
void lig_dynamic_quantize(const float *x, long count, lig_dynamic_scale to, unsigned char *q, lig_pool *pool);

#endif
