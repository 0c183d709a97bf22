#include "reduce.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tasks.h"

// Contraction would make the instruction sets differ.
#pragma STDC FP_CONTRACT OFF

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
enum { WAYS = 32, BLOCK = 512, GROUP = 64, RUN = 4096, FLUSH = 128 };

typedef struct {
  void (*runs)(const float *x, const long *offset, long count, long n, const float *shift, float *y);
  void (*rows)(const float *x, long step, long count, long width, const float *shift, float *parts);
  float start;
} reduction;

#define KERNELS "reduce.inc"
#include "each_simd.h"

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

static void finish_all(int operation, long terms, const float *shift, long count, float *y) {
  switch (operation) {
    case LIG_REDUCE_MEAN:
      for (long i = 0; i < count; i++) y[i] /= (float)terms;
      break;
    case LIG_REDUCE_L2: case LIG_REDUCE_LOG_SUM: case LIG_REDUCE_LOG_SUM_EXP:
      for (long i = 0; i < count; i++) y[i] = (float)finish(operation, (double)y[i], terms, (double)shift[i]);
      break;
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
      float part;
      how->runs(p, &i, 1, lig_min(RUN, length - i), &shift, &part);
      total = join(operation, total, (double)part);
    }
  }
  return total;
}

// Up to GROUP results of one run each, which is no longer than RUN.
static void reduce_group(const job *work, const long *offset, long count, float *y) {
  const lig_reduce *plan = work->plan;
  float shift[GROUP] = {0};
  if (work->operation == LIG_REDUCE_LOG_SUM_EXP) {
    work->first.runs(work->x, offset, count, plan->terms, shift, y);
    for (long i = 0; i < count; i++) shift[i] = shift_of((double)y[i]);
    work->second.runs(work->x, offset, count, plan->terms, shift, y);
  } else {
    work->first.runs(work->x, offset, count, plan->terms, shift, y);
  }
  finish_all(work->operation, plan->terms, shift, count, y);
}

static void groups_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_reduce *plan = work->plan;
  long first = index * work->per_task, last = lig_min(first + work->per_task, plan->outputs), offset[GROUP];
  const int inner = plan->kept_rank - 1;  // -1 where there is one result
  for (long i = first; i < last;) {
    // Results along the innermost of the axes that stay are equally far apart.
    long length = inner < 0 ? 1 : plan->kept_shape[inner], step = inner < 0 ? 0 : plan->kept_stride[inner];
    long count = lig_min(lig_min(last - i, GROUP), length - i % length);
    offset[0] = offset_of(i, plan->kept_rank, plan->kept_shape, plan->kept_stride);
    for (long k = 1; k < count; k++) offset[k] = offset[k - 1] + step;
    reduce_group(work, offset, count, (float *)work->y + i);
    i += count;
  }
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
    ((float *)work->y)[i] = (float)finish(work->operation, total, plan->terms, (double)shift);
  }
}

// Neighbouring results have neighbouring terms: up to BLOCK of them are made at once, in `parts`.
static void reduce_rows(
  const lig_reduce *plan, const reduction *how, int operation, const float *x, long width, const float *shift,
  float *parts
) {
  const int inner = plan->reduced_rank - 1;  // -1 where each result is one term
  const long length = inner < 0 ? 1 : plan->reduced_shape[inner], step = inner < 0 ? 0 : plan->reduced_stride[inner];
  const int once = plan->terms == length && length > 0 && length <= FLUSH;
  double totals[BLOCK];
  for (long k = 0; k < width; k++) totals[k] = (double)how->start;
  for (long row = 0; row < plan->terms; row += length) {
    const long outer = row / lig_max(length, 1);
    const float *p = x + offset_of(outer, lig_max(inner, 0), plan->reduced_shape, plan->reduced_stride);
    for (long r = 0; r < length; r += FLUSH) {
      for (long k = 0; k < width; k++) parts[k] = how->start;
      how->rows(p + r * step, step, lig_min(FLUSH, length - r), width, shift, parts);
      for (long k = 0; k < width && !once; k++) totals[k] = join(operation, totals[k], (double)parts[k]);
    }
  }
  for (long k = 0; k < width && !once; k++) parts[k] = (float)totals[k];
}

static void rows_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_reduce *plan = work->plan;
  const int outer = plan->kept_rank - 1;
  const long inner = plan->kept_shape[outer], blocks = lig_tiles(inner, BLOCK), units = plan->outputs / inner * blocks;
  const long end = lig_min((index + 1) * work->per_task, units);
  float shift[BLOCK] = {0};
  for (long unit = index * work->per_task; unit < end; unit++) {
    const long skip = unit % blocks * BLOCK, width = lig_min(BLOCK, inner - skip), row = unit / blocks;
    const float *x = (const float *)work->x + offset_of(row, outer, plan->kept_shape, plan->kept_stride) + skip;
    float *y = (float *)work->y + row * inner + skip;
    if (work->operation == LIG_REDUCE_LOG_SUM_EXP) {
      for (long k = 0; k < width; k++) shift[k] = 0;
      reduce_rows(plan, &work->first, LIG_REDUCE_MAX, x, width, shift, y);
      for (long k = 0; k < width; k++) shift[k] = shift_of((double)y[k]);
      reduce_rows(plan, &work->second, LIG_REDUCE_SUM, x, width, shift, y);
    } else {
      reduce_rows(plan, &work->first, work->operation, x, width, shift, y);
    }
    finish_all(work->operation, plan->terms, shift, width, y);
  }
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
        /* What no integer of the type holds is its nearest; what is no number, its least. */ \
        if (is_real || (real > (double)(lowest) && real < (double)(highest))) result = (T)real; \
        else result = real >= (double)(highest) ? (T)(highest) : (T)(lowest); \
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
  const reduction *table = BEST(reductions);
  job work = {
    .plan = plan, .operation = operation, .type = type, .first = table[term_of(operation)],
    .second = table[TERM_EXP], .x = x, .y = y, .per_task = lig_max(1, LIG_GRAIN / lig_max(plan->terms, 1))};
  if (type != 1) {
    lig_parallel(pool, lig_tiles(plan->outputs, work.per_task), generic[type], &work);
    return 0;
  }
  int has_runs = plan->terms > 1 && plan->reduced_stride[plan->reduced_rank - 1] == 1;
  if (has_runs && plan->reduced_rank == 1 && plan->terms <= RUN) {
    work.per_task = lig_max(work.per_task, WAYS);
    lig_parallel(pool, lig_tiles(plan->outputs, work.per_task), groups_task, &work);
    return 0;
  }
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
  long blocks = lig_tiles(inner, BLOCK), width = lig_tiles(inner, blocks);
  work.per_task = lig_max(1, LIG_GRAIN / lig_max(plan->terms * width, 1));
  lig_parallel(pool, lig_tiles(plan->outputs / inner * blocks, work.per_task), rows_task, &work);
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
ARG(f32_columns, float)
static void arg_f32(void *context, long index, int worker) {
  const line_job *work = context;
  if (work->inner != 1) {
    arg_f32_columns(context, index, worker);
    return;
  }
  long first = index * work->per_task, end = lig_min(first + work->per_task, work->lines);
  for (long line = first; line < end; line++) {
    ((long *)work->y)[line] = BEST(arg_row)(
      (const float *)work->x + line * work->n, work->n, work->smallest ? -1.0f : 1.0f, work->last);
  }
}
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
