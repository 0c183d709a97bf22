#ifndef LIG_NARROW_H
#define LIG_NARROW_H

#include <stdint.h>

// Floats of 8 bits and integers of 4 (raw values of ElementType, 17 to 22), one a byte.

void lig_from_narrow(int type, const uint8_t *x, double *y, long n);

/// Rounds to nearest, ties to even. What is too large becomes the largest value if `saturates`, else infinity or, where
/// the type has none, NaN; integers always saturate. NaN gives 0 for integers.
void lig_to_narrow(int type, int saturates, const double *x, uint8_t *y, long n);

#endif
