#ifndef LIG_MATMUL_H
#define LIG_MATMUL_H

#include "activation.h"
#include "pool.h"

enum { LIG_MATMUL_BATCH_RANK = 8 };

/// y = activation(alpha * a @ b + bias [+ y]) over batches of matrices. Fill the first part, call
/// `lig_matmul_prepare`, keep the value: it holds no pointers.
typedef struct {
  /// Each y matrix is m x n, dense; a is m x k and b is k x n, with these steps between elements.
  long m, n, k;
  long a_row, a_column, b_row, b_column;
  /// Batches: sizes, and elements between matrices of a and b (0 repeats one). Matrices of y follow each other.
  int batch_rank;
  long batch_shape[LIG_MATMUL_BATCH_RANK], a_batch[LIG_MATMUL_BATCH_RANK], b_batch[LIG_MATMUL_BATCH_RANK];
  float alpha;
  /// b is one matrix, packed ahead by `lig_matmul_pack`.
  int b_is_packed;
  /// b, which is packed, and a may be rounded to bfloat16, where that is faster.
  int allows_bfloat16;
  /// y already holds what the product is added to.
  int accumulates;
  lig_activation activation;

  /// b is packed at the start of a run, for all tasks: there are several rows of them.
  int packs_b;
  int isa, width, height;
  long batches, batches_per_task, rows_per_task, columns_per_task, row_tasks, column_tasks, depth;
} lig_matmul;

/// Sets one axis of the batch.
static inline void lig_matmul_set_batch(lig_matmul *plan, int axis, long size, long a_step, long b_step) {
  plan->batch_shape[axis] = size;
  plan->a_batch[axis] = a_step;
  plan->b_batch[axis] = b_step;
}
void lig_matmul_prepare(lig_matmul *plan);
/// The same product with fewer rows of a: what was packed of b stays valid.
void lig_matmul_set_rows(lig_matmul *plan, long rows);
/// Floats that the packed b takes.
long lig_matmul_packed_count(const lig_matmul *plan);
void lig_matmul_pack(const lig_matmul *plan, const float *b, float *packed);
/// Columns [first, end) of b to their place in the packed ones; `first` is a multiple of `width`.
void lig_matmul_pack_columns(
    const lig_matmul *plan, lig_pool *pool, const float *b, float *packed, long first, long end);
/// Bytes, for that many threads.
long lig_matmul_workspace(const lig_matmul *plan, int threads);
/// `bias` has n values, one a column of y, or is NULL. `b` is packed if the plan says so.
void lig_matmul_run(
    const lig_matmul *plan, lig_pool *pool, const float *a, const float *b, const float *bias, float *y,
    void *workspace);
/// The same with a term of y's size, which the activation sees as well: activation(alpha * a @ b + bias + residual).
void lig_matmul_run_adding(
    const lig_matmul *plan, lig_pool *pool, const float *a, const float *b, const float *bias, const float *residual,
    float *y, void *workspace);
/// y[i, j] = beta * c[i * row_step + j * column_step]: what a Gemm adds to.
void lig_matmul_fill(long m, long n, const float *c, long row_step, long column_step, float beta, float *y);

#endif
