#ifndef LIG_BROADCAST_H
#define LIG_BROADCAST_H

#include "pool.h"

// Functions of several tensors with ONNX's (numpy's) broadcasting. `lig_broadcast_prepare` settles once how to walk:
// axes that can be walked together are merged, and what remains is rows of an inner loop in which each input either
// advances by one element or stays.

enum { LIG_MAX_RANK = 16, LIG_MAX_INPUTS = 8 };

typedef struct {
  int inputs;
  int rank;        // of the axes outside of the inner loop
  long inner;      // length of the inner loop
  long rows;       // how many inner loops
  long step[LIG_MAX_INPUTS];  // 1 or 0: how each input advances in the inner loop
  long shape[LIG_MAX_RANK];
  long stride[LIG_MAX_INPUTS][LIG_MAX_RANK];  // in elements
} lig_broadcast;

/// `shape`: the result's, `rank` dimensions. `shapes`: `inputs` (1...LIG_MAX_INPUTS) rows of `rank` dimensions, short shapes filled
/// with 1 from the left. -1 when the rank is above LIG_MAX_RANK or a shape does not fit.
int lig_broadcast_prepare(lig_broadcast *plan, int inputs, int rank, const long *shape, const long *shapes);

enum {
  LIG_BINARY_ADD, LIG_BINARY_SUB, LIG_BINARY_MUL,
  /// Integers: towards zero; x / 0 is 0, the lowest value / -1 wraps.
  LIG_BINARY_DIV,
  /// Integers: x to a negative power is 0 unless x is 1 or -1.
  LIG_BINARY_POW,
  /// NaN wins.
  LIG_BINARY_MIN, LIG_BINARY_MAX,
  /// The sign of the divisor, as Python's %; x mod 0 is 0 for integers.
  LIG_BINARY_MOD,
  /// The sign of the dividend, as C's fmod and %; x mod 0 is 0 for integers.
  LIG_BINARY_FMOD,
  /// a < 0 ? a b : a
  LIG_BINARY_PRELU,
  LIG_BINARY_BITAND, LIG_BINARY_BITOR, LIG_BINARY_BITXOR,
  /// By the type's width or more: 0.
  LIG_BINARY_SHIFTLEFT, LIG_BINARY_SHIFTRIGHT,
  LIG_BINARY_COUNT,
  // The result is bool.
  LIG_BINARY_EQUAL = LIG_BINARY_COUNT, LIG_BINARY_LESS, LIG_BINARY_LESS_OR_EQUAL, LIG_BINARY_GREATER,
  LIG_BINARY_GREATER_OR_EQUAL,
  LIG_BINARY_COMPARE_END,
  // bool, bool → bool.
  LIG_BINARY_AND = LIG_BINARY_COMPARE_END, LIG_BINARY_OR, LIG_BINARY_XOR,
  LIG_BINARY_END,
};

/// Whether `lig_binary` knows the operation for the type (raw value of ElementType).
int lig_binary_knows(int operation, int type);
/// y = a op b. `y` may be `a` or `b` where that one has the result's shape and type. -1 when not known.
int lig_binary(
  int operation, int type, const lig_broadcast *plan, const void *a, const void *b, void *y, lig_pool *pool);
/// y = condition ? a : b, for elements of 1, 2, 4 or 8 bytes. The plan has the inputs condition, a, b.
int lig_where(
  int element_size, const lig_broadcast *plan, const unsigned char *condition, const void *a, const void *b, void *y,
  lig_pool *pool);

#endif
