#ifndef LIG_MATMUL_INTEGER_H
#define LIG_MATMUL_INTEGER_H

#include "matmul.h"
#include "pool.h"

/// y = (a - a_zero) @ (b - b_zero) over batches of matrices of bytes; y is int32 and exact (it wraps like int32).
/// Fill the first part, call `lig_matmul_integer_prepare`, keep the value: it holds no pointers.
typedef struct {
  /// Each a is m x k, b k x n, y m x n, all dense.
  long m, n, k;
  int a_is_signed, b_is_signed;
  /// Batches: sizes, and how many matrices to go forward in a and b (0 repeats one). Matrices of y follow each other.
  int batch_rank;
  long batch_shape[LIG_MATMUL_BATCH_RANK], a_batch[LIG_MATMUL_BATCH_RANK], b_batch[LIG_MATMUL_BATCH_RANK];
  /// Zero points: values between matrices of the batch (0: the same for all), and between rows or columns (0 or 1).
  long b_zero_batch[LIG_MATMUL_BATCH_RANK];
  long a_zero_step, b_zero_step;
  /// Distinct matrices.
  long a_matrices, b_matrices;
  /// b is packed ahead by `lig_matmul_integer_pack`.
  int b_is_packed;

  int isa, height;
  long units, batches, rows_per_task, columns_per_task, row_tasks, column_tasks;
} lig_matmul_integer;

/// Sets one axis of the batch.
static inline void lig_matmul_integer_set_batch(lig_matmul_integer *plan, int axis, long size, long a, long b) {
  plan->batch_shape[axis] = size;
  plan->a_batch[axis] = a;
  plan->b_batch[axis] = b;
}

void lig_matmul_integer_prepare(lig_matmul_integer *plan);
/// Bytes that all packed matrices b take.
long lig_matmul_integer_packed_size(const lig_matmul_integer *plan);
void lig_matmul_integer_pack(const lig_matmul_integer *plan, const void *b, void *packed);
/// Bytes.
long lig_matmul_integer_workspace(const lig_matmul_integer *plan);
/// Zero points have the type of their matrix; NULL for zero.
void lig_matmul_integer_run(
    const lig_matmul_integer *plan, lig_pool *pool, const void *a, const void *b, const void *a_zero,
    const void *b_zero, int *y, void *workspace);

#endif
