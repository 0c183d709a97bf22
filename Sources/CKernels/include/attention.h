#ifndef LIG_ATTENTION_H
#define LIG_ATTENTION_H

#include "pool.h"

/// Elements between neighbours along each axis of an operand.
typedef struct {
  long batch, head, row, column;
} lig_attention_steps;

/// y = softmax(scale * q @ transpose(k) + mask) @ v, head by head. Fill the first part, call `lig_attention_prepare`,
/// keep the value: it holds no pointers. Scores stand in a small tile only: there is never a matrix of rows x keys.
typedef struct {
  long batch, heads, rows, keys;
  /// Columns of q and k, and of v and y.
  long depth, values;
  /// q is `[rows, depth]`, k `[keys, depth]`, v `[keys, values]` and y `[rows, values]` for each batch and head. The
  /// columns of y must be neighbours.
  lig_attention_steps q, k, v, y;
  /// `[rows, keys]`; 0 repeats. Only if there is a mask.
  lig_attention_steps mask;
  float scale;

  int isa, width, height;
} lig_attention;

void lig_attention_prepare(lig_attention *plan);
/// Bytes, for that many threads.
long lig_attention_workspace(const lig_attention *plan, int threads);
/// `mask` may be NULL.
void lig_attention_run(
    const lig_attention *plan, lig_pool *pool, const float *q, const float *k, const float *v, const float *mask,
    float *y, void *workspace);
/// The twin that tests compare with: one sum after the other, in double precision. -1 without memory for a row.
int lig_attention_plain(
    const lig_attention *plan, const float *q, const float *k, const float *v, const float *mask, float *y);

#endif
