#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gemm.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// ── Matrix products ─────────────────────────────────────────────────────────

enum { peak_rows = 96, peak_columns = 256, peak_depth = 256, tasks_per_thread = 8 };

typedef struct {
  int isa, height, width;
  /// Of each worker: panels of A, panels of B, C.
  float *memory;
  long a_count, b_count, c_count;
} product_task;

static void run_product(void *context, long index, int worker) {
  (void)index;
  const product_task *task = context;
  float *a = task->memory + worker * (task->a_count + task->b_count + task->c_count);
  float *b = a + task->a_count, *c = b + task->b_count;
  gemm_block block = {
    .depth = peak_depth, .a = a, .height = task->height, .b = b, .b_panel = (long)peak_depth * task->width,
    .b_row = task->width, .c = c, .c_row = peak_columns, .rows = peak_rows, .columns = peak_columns, .last = 1,
  };
  gemm_run(task->isa, &block);
}

static int can_run(int isa) {
  unsigned found = lig_cpu();
  int vectors = isa & ~LIG_ISA_BLAS;
  if (vectors == LIG_ISA_AVX512) return (found & LIG_CPU_AVX512) != 0;
  if (vectors == LIG_ISA_AVX2) return (found & LIG_CPU_AVX2) != 0;
  return 1;
}

double lig_peak_multiply_adds(int isa, lig_pool *pool) {
  if (isa < 0) isa = gemm_isa(peak_rows, peak_columns, peak_depth);
  if (!can_run(isa)) return 0;
  product_task task = {.isa = isa, .height = gemm_height(isa, peak_rows), .width = gemm_width(isa)};
  task.a_count = gemm_round_up(peak_rows, task.height) * (long)peak_depth;
  task.b_count = gemm_round_up(peak_columns, task.width) * (long)peak_depth;
  task.c_count = (long)peak_rows * peak_columns;
  int threads = lig_pool_threads(pool);
  long floats = threads * (task.a_count + task.b_count + task.c_count);
  task.memory = aligned_alloc(64, (size_t)gemm_round_up(floats * 4, 64));
  if (!task.memory) return 0;
  for (long i = 0; i < floats; ++i) task.memory[i] = 1e-3f;
  long tasks = (long)threads * tasks_per_thread;
  double work = (double)tasks * peak_rows * peak_columns * peak_depth, best = 0, start = now();
  // The first rounds wake the threads and the clock.
  while (now() - start < 0.06) {
    double from = now();
    lig_parallel(pool, tasks, run_product, &task);
    double time = now() - from;
    if (time > 0 && work / time > best) best = work / time;
  }
  free(task.memory);
  return best;
}

// ── Memory ──────────────────────────────────────────────────────────────────

enum { copied_bytes = 96 << 20, chunk_bytes = 1 << 20 };

typedef struct {
  const char *from;
  char *to;
} copy_task;

static void run_copy(void *context, long index, int worker) {
  (void)worker;
  const copy_task *task = context;
  memcpy(task->to + index * chunk_bytes, task->from + index * chunk_bytes, chunk_bytes);
}

double lig_peak_bandwidth(lig_pool *pool) {
  char *memory = aligned_alloc(4096, 2 * (size_t)copied_bytes);
  if (!memory) return 0;
  memset(memory, 1, 2 * (size_t)copied_bytes);
  copy_task task = {memory, memory + copied_bytes};
  double best = 0, start = now();
  while (now() - start < 0.06) {
    double from = now();
    lig_parallel(pool, copied_bytes / chunk_bytes, run_copy, &task);
    double time = now() - from;
    if (time > 0 && 2.0 * copied_bytes / time > best) best = 2.0 * copied_bytes / time;
  }
  free(memory);
  return best;
}

// ── Processors ──────────────────────────────────────────────────────────────

#ifdef __linux__
int lig_allowed_processors(int *processors, int capacity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set)) return -1;
  int count = 0;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &set)) continue;
    if (count < capacity) processors[count] = i;
    ++count;
  }
  return count;
}

int lig_keep_on_processors(const int *processors, int count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; ++i) {
    if (processors[i] < 0 || processors[i] >= CPU_SETSIZE) {
      errno = EINVAL;
      return -1;
    }
    CPU_SET(processors[i], &set);
  }
  return sched_setaffinity(0, sizeof set, &set);
}
#else
int lig_allowed_processors(int *processors, int capacity) {
  (void)processors, (void)capacity;
  errno = ENOSYS;
  return -1;
}
int lig_keep_on_processors(const int *processors, int count) {
  (void)processors, (void)count;
  errno = ENOSYS;
  return -1;
}
#endif
