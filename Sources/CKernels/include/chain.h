#ifndef LIG_CHAIN_H
#define LIG_CHAIN_H

#include "broadcast.h"
#include "pool.h"

// Several element-wise functions, one after the other, in one pass over memory: each block of the result is made from
// first to last step in buffers that stay in the first cache.

enum {
  LIG_CHAIN_STEPS = 24,
  /// Results of steps that are needed at the same time, at most.
  LIG_CHAIN_REGISTERS = 6,
};

typedef struct {
  /// A LIG_BINARY_… operation of two operands, or a LIG_UNARY_… one of `left` with the numbers a and b.
  int is_binary, operation;
  /// Operand k < inputs is input k; operand inputs + s is the result of step s, an earlier one.
  int left, right;
  float a, b;
  /// Set by `lig_chain_prepare`: where the result stays, whether it is one number for a whole row.
  int target, is_single;
} lig_chain_step;

/// Fill `walk` by `lig_broadcast_prepare` (the inputs' shapes and the result's), the steps and their number.
typedef struct {
  lig_broadcast walk;
  int steps;
  lig_chain_step step[LIG_CHAIN_STEPS];
} lig_chain;

/// -1 for operations without vectors, operands that are not made yet, or too many results needed at once.
int lig_chain_prepare(lig_chain *chain);
/// `y` may be an input of its shape.
void lig_chain_run(const lig_chain *chain, lig_pool *pool, const float *const *inputs, float *y);

#endif
