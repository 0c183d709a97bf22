#include "matmul_integer.h"

#include <stddef.h>

#include "igemm.h"

enum { task_work = 1 << 20, most_tasks = 32, most_rows = 192, most_columns = 256 };

static long a_matrix_units(const lig_matmul_integer *p) { return gemm_round_up(p->m, p->height) * p->units; }
static long padded_columns(const lig_matmul_integer *p) { return gemm_round_up(p->n, 32); }
/// A packed b: its panels, then the sum of each column.
static long b_matrix_units(const lig_matmul_integer *p) { return padded_columns(p) * (p->units + 1); }

void lig_matmul_integer_prepare(lig_matmul_integer *p) {
  p->isa = igemm_best();
  p->height = igemm_height(p->isa, p->m);
  p->units = igemm_units(p->isa, p->k);
  p->batches = 1;
  for (int i = 0; i < p->batch_rank; ++i) p->batches *= p->batch_shape[i];
  p->rows_per_task = p->columns_per_task = 1;
  p->row_tasks = p->column_tasks = 0;
  if (!p->batches || !p->m || !p->n) return;
  double total = (double)p->m * (double)p->n * (double)gemm_max(p->k, 1) * (double)p->batches / task_work;
  long wanted = total < 1 ? 1 : total > most_tasks ? most_tasks : (long)total;
  p->row_tasks = (p->m + most_rows - 1) / most_rows;
  p->column_tasks = (p->n + most_columns - 1) / most_columns;
  if (p->batches * p->row_tasks * p->column_tasks < wanted) {
    p->column_tasks = gemm_min((p->n + 31) / 32, gemm_max(wanted / (p->batches * p->row_tasks), p->column_tasks));
  }
  p->rows_per_task = gemm_round_up((p->m + p->row_tasks - 1) / p->row_tasks, p->height);
  p->row_tasks = (p->m + p->rows_per_task - 1) / p->rows_per_task;
  p->columns_per_task = gemm_round_up((p->n + p->column_tasks - 1) / p->column_tasks, 32);
  p->column_tasks = (p->n + p->columns_per_task - 1) / p->columns_per_task;
}

long lig_matmul_integer_packed_size(const lig_matmul_integer *p) { return 4 * p->b_matrices * b_matrix_units(p); }

static void pack_b(const lig_matmul_integer *p, const uint8_t *b, uint32_t *packed) {
  igemm_bytes bytes = igemm_reading(p->isa, p->b_is_signed, 1);
  igemm_pack_b(p->isa, packed, b, p->n, p->k, p->n, (igemm_order){0}, bytes,
               (int32_t *)packed + padded_columns(p) * p->units);
}

void lig_matmul_integer_pack(const lig_matmul_integer *p, const void *b, void *packed) {
  for (long i = 0; i < p->b_matrices; ++i) {
    pack_b(p, (const uint8_t *)b + i * p->k * p->n, (uint32_t *)packed + i * b_matrix_units(p));
  }
}

long lig_matmul_integer_workspace(const lig_matmul_integer *p) {
  long units = p->a_matrices * (a_matrix_units(p) + p->m);
  return 4 * (gemm_round_up(units, 16) + (p->b_is_packed ? 0 : p->b_matrices * b_matrix_units(p)));
}

typedef struct {
  const lig_matmul_integer *plan;
  const uint8_t *a, *b, *a_zero, *b_zero;
  uint32_t *packed_a, *packed_b;
  int32_t *row_sums;
  int *y;
} integer_job;

static long row_panels(const lig_matmul_integer *p) { return (p->m + p->height - 1) / p->height; }

static void pack_a_task(void *context, long index, int worker) {
  (void)worker;
  const integer_job *job = context;
  const lig_matmul_integer *p = job->plan;
  const long matrix = index / row_panels(p), row = index % row_panels(p) * p->height;
  igemm_pack_a(p->isa, job->packed_a + matrix * a_matrix_units(p) + row * p->units,
               job->a + (matrix * p->m + row) * p->k, p->k, 1, gemm_min(p->height, p->m - row), p->k, p->height,
               igemm_reading(p->isa, p->a_is_signed, 0), job->row_sums + matrix * p->m + row);
}

static void pack_b_task(void *context, long index, int worker) {
  (void)worker;
  const integer_job *job = context;
  const lig_matmul_integer *p = job->plan;
  pack_b(p, job->b + index * p->k * p->n, job->packed_b + index * b_matrix_units(p));
}

/// Zero points as packed values have them; returns whether one is not 0.
static int read_zeros(
    const uint8_t *zero, long step, long count, int is_signed, int shift, int32_t *out) {
  int any = 0;
  for (long i = 0; i < count; ++i) {
    int value = !zero ? 0 : is_signed ? (int8_t)zero[i * step] : zero[i * step];
    any |= out[i] = value - shift;
  }
  return any != 0;
}

static void multiply_task(void *context, long index, int worker) {
  (void)worker;
  const integer_job *job = context;
  const lig_matmul_integer *p = job->plan;
  const long tiles = p->row_tasks * p->column_tasks, batch = index / tiles, tile = index % tiles;
  const long row = tile / p->column_tasks * p->rows_per_task, column = tile % p->column_tasks * p->columns_per_task;
  long a = 0, b = 0, b_zero = column * p->b_zero_step;
  for (long axis = p->batch_rank - 1, rest = batch; axis >= 0; --axis) {
    long at = rest % p->batch_shape[axis];
    rest /= p->batch_shape[axis];
    a += at * p->a_batch[axis];
    b += at * p->b_batch[axis];
    b_zero += at * p->b_zero_batch[axis];
  }
  int32_t row_zero[most_rows + 16], column_zero[most_columns + 32], column_sum[most_columns + 32];
  igemm_block block = {
    .units = p->units,
    .a = job->packed_a + a * a_matrix_units(p) + row * p->units,
    .height = p->height,
    .b = job->packed_b + b * b_matrix_units(p) + column * p->units,
    .b_panel = igemm_width(p->isa) * p->units,
    .c = job->y + (batch * p->m + row) * p->n + column,
    .c_row = p->n,
    .rows = gemm_min(p->rows_per_task, p->m - row),
    .columns = gemm_min(p->columns_per_task, p->n - column),
  };
  const igemm_bytes a_bytes = igemm_reading(p->isa, p->a_is_signed, 0);
  const igemm_bytes b_bytes = igemm_reading(p->isa, p->b_is_signed, 1);
  const uint8_t *rows = job->a_zero ? job->a_zero + row * p->a_zero_step : NULL, *columns = job->b_zero ? job->b_zero + b_zero : NULL;
  const int subtracts_columns =
      read_zeros(columns, p->b_zero_step, block.columns, p->b_is_signed, b_bytes.shift, column_zero);
  if (subtracts_columns) {
    block.column_zero = column_zero;
    block.row_sum = job->row_sums + a * p->m + row;
  }
  if (read_zeros(rows, p->a_zero_step, block.rows, p->a_is_signed, a_bytes.shift, row_zero)) {
    const int32_t *sums = (int32_t *)job->packed_b + b * b_matrix_units(p) + padded_columns(p) * p->units + column;
    for (long j = 0; j < block.columns; ++j) {
      column_sum[j] = (int32_t)((uint32_t)sums[j] - (uint32_t)p->k * (uint32_t)column_zero[j]);
    }
    block.row_zero = row_zero;
    block.column_sum = column_sum;
  }
  igemm_run(p->isa, &block);
}

void lig_matmul_integer_run(
    const lig_matmul_integer *p, lig_pool *pool, const void *a, const void *b, const void *a_zero,
    const void *b_zero, int *y, void *workspace) {
  if (!p->batches || !p->m || !p->n) return;
  integer_job job = {.plan = p, .a = a, .b = b, .a_zero = a_zero, .b_zero = b_zero, .y = y, .packed_a = workspace};
  job.row_sums = (int32_t *)job.packed_a + p->a_matrices * a_matrix_units(p);
  lig_parallel(pool, p->a_matrices * row_panels(p), pack_a_task, &job);
  if (p->b_is_packed) {
    job.packed_b = (uint32_t *)b;
  } else {
    job.packed_b = job.packed_a + gemm_round_up(p->a_matrices * (a_matrix_units(p) + p->m), 16);
    lig_parallel(pool, p->b_matrices, pack_b_task, &job);
  }
  lig_parallel(pool, p->batches * p->row_tasks * p->column_tasks, multiply_task, &job);
}
