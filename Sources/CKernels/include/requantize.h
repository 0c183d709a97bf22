#ifndef LIG_REQUANTIZE_H
#define LIG_REQUANTIZE_H

#include <stdint.h>

#include "pool.h"

/// y = saturate(round((x + bias) * scale) + zero) over [outer, channels, inner], rounding ties to even: scale and bias
/// (or NULL) have one value a channel. `is_signed`: y is int8, else uint8; `zero` is one of these.
void lig_requantize(
    lig_pool *pool, const int32_t *x, const int32_t *bias, const float *scale, int zero, int is_signed, long outer,
    long channels, long inner, void *y);

#endif
