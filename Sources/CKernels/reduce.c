#include "reduce.h"

#include <string.h>

#include "isa.h"
#include "vmath.h"

// ── The walk ────────────────────────────────────────────────────────────────
int lig_reduce_prepare(lig_reduce *plan, int rank, const long *shape, const unsigned char *is_reduced) {
  memset(plan, 0, sizeof *plan);
  if (rank < 0 || rank > LIG_MAX_RANK) return -1;
  plan->outputs = plan->terms = 1;
  long strides[LIG_MAX_RANK], stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  int previous = -1;  // the group of the axis before
  for (int i = 0; i < rank; i++) {
    int group = is_reduced[i] != 0;
    if (group) plan->terms *= shape[i]; else plan->outputs *= shape[i];
    if (shape[i] == 1) continue;
    int *count = group ? &plan->reduced_rank : &plan->kept_rank;
    long *sizes = group ? plan->reduced_shape : plan->kept_shape;
    long *steps = group ? plan->reduced_stride : plan->kept_stride;
    if (previous == group) {
      sizes[*count - 1] *= shape[i];
      steps[*count - 1] = strides[i];
    } else {
      sizes[*count] = shape[i];
      steps[*count] = strides[i];
      ++*count;
    }
    previous = group;
  }
  return 0;
}

static long offset_of(long index, int rank, const long *shape, const long *stride) {
  long offset = 0;
  for (int i = rank - 1; i >= 0; i--) {
    offset += index % shape[i] * stride[i];
    index /= shape[i];
  }
  return offset;
}

// ── float32 ─────────────────────────────────────────────────────────────────
enum { TERM_SUM, TERM_MAX, TERM_MIN, TERM_PROD, TERM_ABS, TERM_SQUARE, TERM_EXP, TERM_COUNT };
enum { WAYS = 32, BLOCK = 64, RUN = 4096, FLUSH = 128 };

typedef struct {
  double (*run)(const float *p, long n, float shift);
  void (*row)(float *parts, const float *p, long n, const float *shift);
  float start;
} reduction;

#define LIG_SHORT_LOOP _Pragma("clang loop vectorize(enable) unroll(disable)")
#define LIG_REDUCTION_LIST(R) \
  R(TERM_SUM, 0.0f, a + x, a + x) \
  R(TERM_MAX, -INFINITY, x > a || x != x ? x : a, x > a || x != x ? x : a) \
  R(TERM_MIN, INFINITY, x < a || x != x ? x : a, x < a || x != x ? x : a) \
  R(TERM_PROD, 1.0f, a * x, a * x) \
  R(TERM_ABS, 0.0f, a + fabsf(x), a + x) \
  R(TERM_SQUARE, 0.0f, a + x * x, a + x) \
  R(TERM_EXP, 0.0f, a + lig_expf(x - s), a + x)

#define LIG_ISA scalar
#include "reduce_loops.h"
#undef LIG_ISA
#if LIG_X86
#pragma clang attribute push(LIG_AVX2, apply_to = function)
#define LIG_ISA avx2
#include "reduce_loops.h"
#undef LIG_ISA
#pragma clang attribute pop
#pragma clang attribute push(LIG_AVX512, apply_to = function)
#define LIG_ISA avx512
#include "reduce_loops.h"
#undef LIG_ISA
#pragma clang attribute pop
#endif

typedef struct {
  const lig_reduce *plan;
  int operation, type;
  reduction first, second;  // `second`: the sum of exponentials that follows the maximum in LogSumExp
  const void *x;
  void *y;
  long per_task;
} job;

static double join(int operation, double a, double b) {
  switch (operation) {
    case LIG_REDUCE_MAX: return b > a || b != b ? b : a;
    case LIG_REDUCE_MIN: return b < a || b != b ? b : a;
    case LIG_REDUCE_PROD: return a * b;
    default: return a + b;
  }
}

static double finish(int operation, double total, long terms, double shift) {
  switch (operation) {
    case LIG_REDUCE_MEAN: return total / (double)terms;
    case LIG_REDUCE_L2: return sqrt(total);
    case LIG_REDUCE_LOG_SUM: return log(total);
    case LIG_REDUCE_LOG_SUM_EXP: return log(total) + shift;
    default: return total;
  }
}

// Infinite maxima are not subtracted: inf - inf would make a NaN of an infinity.
static float shift_of(double maximum) { return isinf(maximum) ? 0.0f : (float)maximum; }

// All terms of one result lie in runs along the innermost axis.
static double reduce_runs(const lig_reduce *plan, const reduction *how, int operation, const float *x, float shift) {
  int outer = plan->reduced_rank - 1;
  long length = plan->reduced_shape[outer], rows = plan->terms / length;
  double total = how->start;
  for (long row = 0; row < rows; row++) {
    const float *p = x + offset_of(row, outer, plan->reduced_shape, plan->reduced_stride);
    for (long i = 0; i < length; i += RUN) {
      total = join(operation, total, how->run(p + i, lig_min(RUN, length - i), shift));
    }
  }
  return total;
}

static void runs_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_reduce *plan = work->plan;
  long first = index * work->per_task, last = lig_min(first + work->per_task, plan->outputs);
  for (long i = first; i < last; i++) {
    const float *x = (const float *)work->x + offset_of(i, plan->kept_rank, plan->kept_shape, plan->kept_stride);
    float shift = 0;
    double total;
    if (work->operation == LIG_REDUCE_LOG_SUM_EXP) {
      shift = shift_of(reduce_runs(plan, &work->first, LIG_REDUCE_MAX, x, 0));
      total = reduce_runs(plan, &work->second, LIG_REDUCE_SUM, x, shift);
    } else {
      total = reduce_runs(plan, &work->first, work->operation, x, 0);
    }
    ((float *)work->y)[i] = (float)finish(work->operation, total, plan->terms, shift);
  }
}

// Neighbouring results have neighbouring terms: up to BLOCK of them are made at once.
static void reduce_rows(
  const lig_reduce *plan, const reduction *how, int operation, const float *x, long width, const float *shift,
  double *totals
) {
  float parts[BLOCK];
  for (long k = 0; k < width; k++) totals[k] = how->start;
  for (long row = 0; row < plan->terms; row += FLUSH) {
    long end = lig_min(row + FLUSH, plan->terms);
    for (long k = 0; k < width; k++) parts[k] = how->start;
    for (long r = row; r < end; r++) {
      how->row(parts, x + offset_of(r, plan->reduced_rank, plan->reduced_shape, plan->reduced_stride), width, shift);
    }
    for (long k = 0; k < width; k++) totals[k] = join(operation, totals[k], parts[k]);
  }
}

static void rows_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_reduce *plan = work->plan;
  int outer = plan->kept_rank - 1;
  long inner = plan->kept_shape[outer], blocks = lig_tiles(inner, BLOCK);
  long skip = index % blocks * BLOCK, width = lig_min(BLOCK, inner - skip), row = index / blocks;
  const float *x = (const float *)work->x + offset_of(row, outer, plan->kept_shape, plan->kept_stride) + skip;
  float *y = (float *)work->y + row * inner + skip;
  float shift[BLOCK] = {0};
  double totals[BLOCK];
  if (work->operation == LIG_REDUCE_LOG_SUM_EXP) {
    reduce_rows(plan, &work->first, LIG_REDUCE_MAX, x, width, shift, totals);
    for (long k = 0; k < width; k++) shift[k] = shift_of(totals[k]);
    reduce_rows(plan, &work->second, LIG_REDUCE_SUM, x, width, shift, totals);
  } else {
    reduce_rows(plan, &work->first, work->operation, x, width, shift, totals);
  }
  for (long k = 0; k < width; k++) y[k] = (float)finish(work->operation, totals[k], plan->terms, shift[k]);
}

// ── The other types: element by element, sums in the widest type of the kind ─
#define GENERIC(s, T, W, lowest, highest, is_real) \
  static void generic_##s(void *context, long index, int worker) { \
    (void)worker; \
    const job *work = context; \
    const lig_reduce *plan = work->plan; \
    long first = index * work->per_task, last = lig_min(first + work->per_task, plan->outputs); \
    for (long i = first; i < last; i++) { \
      const T *x = (const T *)work->x + offset_of(i, plan->kept_rank, plan->kept_shape, plan->kept_stride); \
      int op = work->operation; \
      W total = op == LIG_REDUCE_PROD ? 1 \
        : op == LIG_REDUCE_MAX ? (W)(lowest) : op == LIG_REDUCE_MIN ? (W)(highest) : 0; \
      double reals = 0, shift = op == LIG_REDUCE_LOG_SUM_EXP ? -INFINITY : 0; \
      for (int pass = op == LIG_REDUCE_LOG_SUM_EXP ? 0 : 1; pass < 2; pass++) { \
        for (long r = 0; r < plan->terms; r++) { \
          T raw = x[offset_of(r, plan->reduced_rank, plan->reduced_shape, plan->reduced_stride)]; \
          W v = (W)raw; \
          if (pass == 0) { shift = (double)raw > shift ? (double)raw : shift; continue; } \
          switch (op) { \
            case LIG_REDUCE_MAX: total = raw > (T)total || raw != raw ? v : total; break; \
            case LIG_REDUCE_MIN: total = raw < (T)total || raw != raw ? v : total; break; \
            case LIG_REDUCE_PROD: total *= v; break; \
            case LIG_REDUCE_L1: total += raw < 0 ? 0 - v : v; break; \
            case LIG_REDUCE_SUM_SQUARE: total += v * v; break; \
            case LIG_REDUCE_L2: reals += (double)raw * (double)raw; break; \
            case LIG_REDUCE_LOG_SUM: reals += (double)raw; break; \
            case LIG_REDUCE_LOG_SUM_EXP: reals += exp((double)raw - (isinf(shift) ? 0 : shift)); break; \
            default: total += v; break; \
          } \
        } \
      } \
      T result = (T)total; \
      if (op == LIG_REDUCE_MEAN) result = mean_##s(total, plan->terms); \
      if (op == LIG_REDUCE_L2 || op == LIG_REDUCE_LOG_SUM || op == LIG_REDUCE_LOG_SUM_EXP) { \
        double real = finish(op, reals, plan->terms, isinf(shift) ? 0 : shift); \
        result = is_real || (real > -9e18 && real < 9e18) ? (T)real : (T)(lowest); \
      } \
      ((T *)work->y)[i] = result; \
    } \
  }
// Integer sums wrap in uint64_t; the mean is rounded towards zero.
#define MEAN_INTEGER(s, T, S) \
  static T mean_##s(uint64_t total, long terms) { return terms == 0 ? 0 : (T)((S)total / (S)terms); }
MEAN_INTEGER(u8, uint8_t, uint64_t)
MEAN_INTEGER(i8, int8_t, int64_t)
MEAN_INTEGER(i32, int32_t, int64_t)
MEAN_INTEGER(i64, int64_t, int64_t)
MEAN_INTEGER(u32, uint32_t, uint64_t)
MEAN_INTEGER(u64, uint64_t, uint64_t)
static double mean_f64(double total, long terms) { return total / (double)terms; }
GENERIC(u8, uint8_t, uint64_t, 0, UINT8_MAX, 0)
GENERIC(i8, int8_t, uint64_t, INT8_MIN, INT8_MAX, 0)
GENERIC(i32, int32_t, uint64_t, INT32_MIN, INT32_MAX, 0)
GENERIC(i64, int64_t, uint64_t, INT64_MIN, INT64_MAX, 0)
GENERIC(u32, uint32_t, uint64_t, 0, UINT32_MAX, 0)
GENERIC(u64, uint64_t, uint64_t, 0, UINT64_MAX, 0)
GENERIC(f64, double, double, -INFINITY, INFINITY, 1)

static const lig_body generic[14] = {
  [2] = generic_u8, [3] = generic_i8, [6] = generic_i32, [7] = generic_i64, [11] = generic_f64, [12] = generic_u32,
  [13] = generic_u64};

int lig_reduce_knows(int type) { return type == 1 || (type > 1 && type < 14 && generic[type]); }

static int term_of(int operation) {
  switch (operation) {
    case LIG_REDUCE_MAX: case LIG_REDUCE_LOG_SUM_EXP: return TERM_MAX;
    case LIG_REDUCE_MIN: return TERM_MIN;
    case LIG_REDUCE_PROD: return TERM_PROD;
    case LIG_REDUCE_L1: return TERM_ABS;
    case LIG_REDUCE_L2: case LIG_REDUCE_SUM_SQUARE: return TERM_SQUARE;
    default: return TERM_SUM;
  }
}

int lig_reduce_run(int operation, int type, const lig_reduce *plan, const void *x, void *y, lig_pool *pool) {
  if (operation < 0 || operation >= LIG_REDUCE_COUNT || !lig_reduce_knows(type)) return -1;
  if (plan->outputs == 0) return 0;
  const reduction *table = LIG_PICK(reduction_table);
  job work = {
    .plan = plan, .operation = operation, .type = type, .first = table[term_of(operation)],
    .second = table[TERM_EXP], .x = x, .y = y, .per_task = lig_max(1, LIG_GRAIN / lig_max(plan->terms, 1))};
  if (type != 1) {
    lig_parallel(pool, lig_tiles(plan->outputs, work.per_task), generic[type], &work);
    return 0;
  }
  int has_runs = plan->terms > 1 && plan->reduced_stride[plan->reduced_rank - 1] == 1;
  if (has_runs) {
    lig_parallel(pool, lig_tiles(plan->outputs, work.per_task), runs_task, &work);
    return 0;
  }
  lig_reduce scalar;
  if (plan->kept_rank == 0) {  // a single result of at most one term
    scalar = *plan;
    scalar.kept_rank = 1;
    scalar.kept_shape[0] = scalar.kept_stride[0] = 1;
    work.plan = &scalar;
  }
  long inner = work.plan->kept_shape[work.plan->kept_rank - 1];
  lig_parallel(pool, plan->outputs / inner * lig_tiles(inner, BLOCK), rows_task, &work);
  return 0;
}

// ── Along one axis ──────────────────────────────────────────────────────────
typedef struct {
  int smallest, last, exclusive, reverse;
  const void *x;
  void *y;
  long n, inner, lines, per_task;
} line_job;

#define ARG(s, T) \
  static void arg_##s(void *context, long index, int worker) { \
    (void)worker; \
    const line_job *work = context; \
    long first = index * work->per_task, end = lig_min(first + work->per_task, work->lines); \
    for (long line = first; line < end; line++) { \
      const T *x = (const T *)work->x + line / work->inner * work->n * work->inner + line % work->inner; \
      T best = x[0]; \
      long at = 0; \
      for (long i = 1; i < work->n && best == best; i++) { \
        T v = x[i * work->inner]; \
        if (v != v || (work->smallest ? v < best : v > best) || (work->last && v == best)) best = v, at = i; \
      } \
      ((long *)work->y)[line] = at; \
    } \
  }
ARG(f32, float)
ARG(f64, double)
ARG(i8, int8_t)
ARG(u8, uint8_t)
ARG(i32, int32_t)
ARG(i64, int64_t)
static const lig_body arg_table[14] = {
  [1] = arg_f32, [2] = arg_u8, [3] = arg_i8, [6] = arg_i32, [7] = arg_i64, [11] = arg_f64};

// Integers are summed in uint64_t, which wraps; float32 in float64.
#define CUMSUM(s, T, W) \
  static void cumsum_##s(void *context, long index, int worker) { \
    (void)worker; \
    const line_job *work = context; \
    long first = index * work->per_task, end = lig_min(first + work->per_task, work->lines); \
    for (long line = first; line < end; line++) { \
      long base = line / work->inner * work->n * work->inner + line % work->inner; \
      const T *x = (const T *)work->x + base; \
      T *y = (T *)work->y + base; \
      W total = 0; \
      for (long i = 0; i < work->n; i++) { \
        long at = (work->reverse ? work->n - 1 - i : i) * work->inner; \
        W before = total; \
        total += (W)x[at]; \
        y[at] = (T)(work->exclusive ? before : total); \
      } \
    } \
  }
CUMSUM(f32, float, double)
CUMSUM(f64, double, double)
CUMSUM(i32, int32_t, uint64_t)
CUMSUM(i64, int64_t, uint64_t)
static const lig_body cumsum_table[14] = {
  [1] = cumsum_f32, [6] = cumsum_i32, [7] = cumsum_i64, [11] = cumsum_f64, [12] = cumsum_i32, [13] = cumsum_i64};

static int run_lines(const lig_body *table, int type, line_job *work, long outer, lig_pool *pool) {
  if (type < 0 || type >= 14 || !table[type]) return -1;
  work->lines = outer * work->inner;
  work->per_task = lig_max(1, LIG_GRAIN / lig_max(work->n, 1));
  lig_parallel(pool, lig_tiles(work->lines, work->per_task), table[type], work);
  return 0;
}

int lig_arg_extreme(
  int type, int smallest, int last, const void *x, long *y, long outer, long n, long inner, lig_pool *pool
) {
  line_job work = {.smallest = smallest, .last = last, .x = x, .y = y, .n = n, .inner = inner};
  return run_lines(arg_table, type, &work, outer, pool);
}

int lig_cumsum(
  int type, int exclusive, int reverse, const void *x, void *y, long outer, long n, long inner, lig_pool *pool
) {
  line_job work = {.exclusive = exclusive, .reverse = reverse, .x = x, .y = y, .n = n, .inner = inner};
  return run_lines(cumsum_table, type, &work, outer, pool);
}
