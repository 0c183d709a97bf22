#include "matmul.h"

#include <stddef.h>

#include "gemm.h"

enum {
  task_work = 1 << 18,  // multiply-adds that are worth a task
  most_tasks = 32,      // more do not help to share evenly
  most_rows = 240,
  most_columns = 512,
  least_paired = 16,
};

static int reads_bare_b(const lig_matmul *p) {
  return !p->b_is_packed && p->b_column == 1 && (p->isa & LIG_ISA_BLAS || p->rows_per_task <= 2 * p->height);
}

static void share_work(lig_matmul *p) {
  p->width = gemm_width(p->isa);
  p->height = gemm_height(p->isa, p->m);
  p->depth = p->isa & LIG_ISA_PAIRS ? 2 * gemm_depth(gemm_places(p->isa, p->k)) : gemm_depth(p->k);
  p->batches = 1;
  for (int i = 0; i < p->batch_rank; ++i) p->batches *= p->batch_shape[i];
  p->batches_per_task = p->row_tasks = p->column_tasks = 1;
  p->packs_b = 0;
  p->rows_per_task = gemm_round_up(gemm_max(p->m, 1), p->height);
  p->columns_per_task = gemm_round_up(gemm_max(p->n, 1), p->width);
  if (!p->batches || !p->m || !p->n) return;
  double work = (double)p->m * (double)p->n * (double)gemm_max(p->k, 1);
  if (work < task_work) p->batches_per_task = gemm_min(p->batches, (long)(task_work / work) + 1);
  // What does not fit the caches is cut first, then what is needed to share the work.
  p->column_tasks = (p->n + most_columns - 1) / most_columns;
  p->row_tasks = (p->m + most_rows - 1) / most_rows;
  double total = work * (double)p->batches / task_work;
  long wanted = total < 1 ? 1 : total > most_tasks ? most_tasks : (long)total;
  long groups = (p->batches + p->batches_per_task - 1) / p->batches_per_task;
  long panels = (p->n + p->width - 1) / p->width, row_panels = (p->m + p->height - 1) / p->height;
  if (groups * p->column_tasks * p->row_tasks < wanted) {
    // Each column task packs a anew, and each row task what is not packed of b: cut rows first, or the longer side.
    if (p->b_is_packed || p->m > p->n) {
      p->row_tasks = gemm_max(p->row_tasks, gemm_min(row_panels / 2, wanted / (groups * p->column_tasks)));
    }
    p->column_tasks = gemm_min(panels, gemm_max(p->column_tasks, wanted / (groups * p->row_tasks)));
    p->row_tasks = gemm_min(row_panels, gemm_max(p->row_tasks, wanted / (groups * p->column_tasks)));
  }
  p->columns_per_task = gemm_round_up((p->n + p->column_tasks - 1) / p->column_tasks, p->width);
  p->column_tasks = (p->n + p->columns_per_task - 1) / p->columns_per_task;
  p->rows_per_task = gemm_round_up((p->m + p->row_tasks - 1) / p->row_tasks, p->height);
  p->row_tasks = (p->m + p->rows_per_task - 1) / p->rows_per_task;
  p->packs_b = !p->b_is_packed && p->batches == 1 && p->row_tasks > 1 && !(p->isa & LIG_ISA_BLAS) && p->k > 0;
}

void lig_matmul_prepare(lig_matmul *p) {
  int pairs = p->allows_bfloat16 && p->b_is_packed && p->n >= least_paired && p->k >= least_paired;
  p->isa = pairs ? gemm_isa_of_pairs() : gemm_isa(p->m, p->n, p->k);
  share_work(p);
}

void lig_matmul_set_rows(lig_matmul *p, long rows) {
  p->m = rows;
  share_work(p);
}

static long padded_columns(const lig_matmul *p) {
  return p->isa & LIG_ISA_BLAS ? p->n : gemm_round_up(p->n, p->width);
}

long lig_matmul_packed_count(const lig_matmul *p) { return padded_columns(p) * gemm_places(p->isa, p->k); }

enum { pack_panels = 4 };  // of a task

typedef struct {
  const lig_matmul *plan;
  const float *b;
  float *packed;
  long first, end;
} pack_job;

static void pack_task(void *context, long index, int worker) {
  (void)worker;
  const pack_job *job = context;
  const lig_matmul *p = job->plan;
  long column = job->first + index * pack_panels * p->width;
  long columns = gemm_min(pack_panels * p->width, job->end - column);
  for (long k = 0; k < p->k; k += p->depth) {
    long depth = gemm_min(p->depth, p->k - k);
    const float *from = job->b + k * p->b_row + column * p->b_column;
    if (p->isa & LIG_ISA_PAIRS) {
      gemm_pack_pairs_b(p->isa, job->packed + gemm_places(p->isa, k) * padded_columns(p) + column * gemm_places(p->isa, depth),
                        from, p->b_row, p->b_column, depth, columns);
      continue;
    }
    gemm_pack_b(job->packed + k * padded_columns(p) + column * depth, from, p->b_row, p->b_column, depth, columns, p->width);
  }
}

void lig_matmul_pack_columns(
    const lig_matmul *p, lig_pool *pool, const float *b, float *packed, long first, long end) {
  pack_job job = {p, b, packed, first, end};
  lig_parallel(pool, (end - first + p->width * pack_panels - 1) / (p->width * pack_panels), pack_task, &job);
}

void lig_matmul_pack(const lig_matmul *p, const float *b, float *packed) {
  lig_matmul_pack_columns(p, NULL, b, packed, 0, p->n);
}

static int reads_bare_a(const lig_matmul *p) {
  return p->m == 1 && p->a_column == 1 && p->alpha == 1 && !(p->isa & LIG_ISA_PAIRS);
}
static long a_floats(const lig_matmul *p) {
  return reads_bare_a(p) ? 0 : gemm_round_up(p->rows_per_task * p->depth, 16);
}
static long b_floats(const lig_matmul *p) {
  return p->b_is_packed || p->packs_b || reads_bare_b(p) ? 0 : gemm_round_up(p->columns_per_task * p->depth, 16);
}

static long shared_floats(const lig_matmul *p) {
  return p->packs_b ? gemm_round_up(lig_matmul_packed_count(p), 16) : 0;
}

long lig_matmul_workspace(const lig_matmul *p, int threads) {
  return (shared_floats(p) + (a_floats(p) + b_floats(p)) * threads) * (long)sizeof(float);
}

typedef struct {
  const lig_matmul *plan;
  const float *a, *b, *bias, *residual;
  float *y, *workspace;
  /// All of b, if the plan or this run has packed it.
  const float *packed_b;
} matmul_job;

static void multiply_one(const matmul_job *job, long batch, long row_task, long column_task, int worker) {
  const lig_matmul *p = job->plan;
  const float *a = job->a, *b = job->b;
  for (long axis = p->batch_rank - 1, rest = batch; axis >= 0; --axis) {
    long index = rest % p->batch_shape[axis];
    rest /= p->batch_shape[axis];
    a += index * p->a_batch[axis];
    b += index * p->b_batch[axis];
  }
  long row = row_task * p->rows_per_task, column = column_task * p->columns_per_task;
  long rows = gemm_min(p->rows_per_task, p->m - row), columns = gemm_min(p->columns_per_task, p->n - column);
  float *packed_a = job->workspace + worker * (a_floats(p) + b_floats(p)), *packed_b = packed_a + a_floats(p);
  gemm_block block = {
    .height = p->height,
    .c = job->y + (batch * p->m + row) * p->n + column,
    .c_row = p->n,
    .rows = rows,
    .columns = columns,
    .column_bias = job->bias ? job->bias + column : NULL,
    .residual = job->residual ? job->residual + (batch * p->m + row) * p->n + column : NULL,
    .activation = p->activation,
  };
  long k = 0;
  do {  // once even for k = 0, for the bias
    const long depth = gemm_min(p->depth, p->k - k);
    block.depth = gemm_places(p->isa, depth);
    block.accumulate = k > 0 || p->accumulates;
    if (k > 0) block.column_bias = NULL;
    block.last = k + depth >= p->k;
    if (reads_bare_a(p)) {
      block.a = a + k;
    } else if (p->isa & LIG_ISA_PAIRS) {
      gemm_pack_pairs_a(p->isa, packed_a, a + row * p->a_row + k * p->a_column, p->a_row, p->a_column, rows, depth,
                        p->height, p->alpha);
      block.a = packed_a;
    } else {
      gemm_pack_a(packed_a, a + row * p->a_row + k * p->a_column, p->a_row, p->a_column, rows, depth,
                  p->height, p->alpha);
      block.a = packed_a;
    }
    block.b_panel = block.depth * p->width;
    block.b_row = p->width;
    if (job->packed_b) {
      block.b = job->packed_b + gemm_places(p->isa, k) * padded_columns(p) + column * block.depth;
    } else if (reads_bare_b(p)) {
      block.b = b + k * p->b_row + column;
      block.b_panel = p->width;
      block.b_row = p->b_row;
      block.b_is_bare = 1;
    } else {
      gemm_pack_b(packed_b, b + k * p->b_row + column * p->b_column, p->b_row, p->b_column, block.depth, columns,
                  p->width);
      block.b = packed_b;
    }
    gemm_run(p->isa, &block);
    k += depth;
  } while (k < p->k);
}

static void multiply_task(void *context, long index, int worker) {
  const matmul_job *job = context;
  const lig_matmul *p = job->plan;
  long tile = index % (p->row_tasks * p->column_tasks), group = index / (p->row_tasks * p->column_tasks);
  long first = group * p->batches_per_task, end = gemm_min(first + p->batches_per_task, p->batches);
  for (long batch = first; batch < end; ++batch) {
    multiply_one(job, batch, tile / p->column_tasks, tile % p->column_tasks, worker);
  }
}

void lig_matmul_run(
    const lig_matmul *p, lig_pool *pool, const float *a, const float *b, const float *bias, float *y,
    void *workspace) {
  lig_matmul_run_adding(p, pool, a, b, bias, NULL, y, workspace);
}

void lig_matmul_run_adding(
    const lig_matmul *p, lig_pool *pool, const float *a, const float *b, const float *bias, const float *residual,
    float *y, void *workspace) {
  if (!p->batches || !p->m || !p->n) return;
  matmul_job job = {p, a, b, bias, residual, y, workspace, p->b_is_packed ? b : NULL};
  if (p->packs_b) {
    job.packed_b = workspace;
    job.workspace += shared_floats(p);
    lig_matmul_pack_columns(p, pool, b, workspace, 0, p->n);
  }
  long groups = (p->batches + p->batches_per_task - 1) / p->batches_per_task;
  lig_parallel(pool, groups * p->row_tasks * p->column_tasks, multiply_task, &job);
}

void lig_matmul_fill(long m, long n, const float *c, long row_step, long column_step, float beta, float *y) {
  for (long i = 0; i < m; ++i) {
    for (long j = 0; j < n; ++j) y[i * n + j] = beta * c[i * row_step + j * column_step];
  }
}
