#include "broadcast.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "broadcast_walk.h"
#include "elementwise_functions.h"
#include "tasks.h"

// Contraction would make the instruction sets differ.
#pragma STDC FP_CONTRACT OFF

// ── The walk ────────────────────────────────────────────────────────────────
int lig_broadcast_prepare(lig_broadcast *plan, int inputs, int rank, const long *shape, const long *shapes) {
  memset(plan, 0, sizeof *plan);
  if (rank < 0 || rank > LIG_MAX_RANK || inputs < 1 || inputs > LIG_MAX_INPUTS) return -1;
  plan->inputs = inputs;
  // Merged axes, innermost first.
  long merged[LIG_MAX_RANK], stride[LIG_MAX_INPUTS][LIG_MAX_RANK], running[LIG_MAX_INPUTS];
  for (int k = 0; k < inputs; k++) running[k] = 1;
  int count = 0;
  long total = 1;
  for (int axis = rank - 1; axis >= 0; axis--) {
    long size = shape[axis], here[LIG_MAX_INPUTS];
    for (int k = 0; k < inputs; k++) {
      long own = shapes[k * rank + axis];
      if (own != 1 && own != size) return -1;
      here[k] = own == 1 ? 0 : running[k];
      running[k] *= own;
    }
    total *= size;
    if (size == 1) continue;
    int merge = count > 0;
    for (int k = 0; k < inputs && merge; k++) merge = here[k] == stride[k][count - 1] * merged[count - 1];
    if (merge) {
      merged[count - 1] *= size;
      continue;
    }
    merged[count] = size;
    for (int k = 0; k < inputs; k++) stride[k][count] = here[k];
    count++;
  }
  if (total == 0) return 0;  // rows and inner stay 0
  plan->inner = count > 0 ? merged[0] : 1;
  plan->rows = total / plan->inner;
  for (int k = 0; k < inputs; k++) plan->step[k] = count > 0 ? stride[k][0] : 1;
  plan->rank = count > 1 ? count - 1 : 0;
  for (int axis = 0; axis < plan->rank; axis++) {
    plan->shape[axis] = merged[count - 1 - axis];
    for (int k = 0; k < inputs; k++) plan->stride[k][axis] = stride[k][count - 1 - axis];
  }
  return 0;
}

// ── float32 ─────────────────────────────────────────────────────────────────
typedef lig_binary_function binary_f32;

#define LIG_BINARY_LIST(B) \
  B(LIG_BINARY_ADD, float, a + b) \
  B(LIG_BINARY_SUB, float, a - b) \
  B(LIG_BINARY_MUL, float, a * b) \
  B(LIG_BINARY_DIV, float, a / b) \
  B(LIG_BINARY_MIN, float, a < b || a != a ? a : b) \
  B(LIG_BINARY_MAX, float, a > b || a != a ? a : b) \
  B(LIG_BINARY_PRELU, float, a < 0.0f ? a * b : a) \
  B(LIG_BINARY_EQUAL, unsigned char, a == b) \
  B(LIG_BINARY_LESS, unsigned char, a < b) \
  B(LIG_BINARY_LESS_OR_EQUAL, unsigned char, a <= b) \
  B(LIG_BINARY_GREATER, unsigned char, a > b) \
  B(LIG_BINARY_GREATER_OR_EQUAL, unsigned char, a >= b)

#define KERNELS "broadcast.inc"
#include "each_simd.h"

static void fmod_f32(const float *a, const float *b, void *y_, long n, long sa, long sb) {
  float *y = y_;
  for (long i = 0; i < n; i++) y[i] = fmodf(a[i * sa], b[i * sb]);
}

static void mod_f32(const float *a, const float *b, void *y_, long n, long sa, long sb) {
  float *y = y_;
  for (long i = 0; i < n; i++) {
    float divisor = b[i * sb], rest = fmodf(a[i * sa], divisor);
    y[i] = rest != 0.0f && (rest < 0.0f) != (divisor < 0.0f) ? rest + divisor : rest;
  }
}

// ── The other types: one loop an operation, whatever advances ───────────────
typedef void (*binary_any)(const void *, const void *, void *, long, long, long);

static inline uint64_t power_wrapping(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

#define LOOP(name, T, result, expression) \
  static void name(const void *a_, const void *b_, void *y_, long n, long sa, long sb) { \
    const T *pa = a_, *pb = b_; \
    result *y = y_; \
    _Pragma("clang loop unroll(disable)") for (long i = 0; i < n; i++) { \
      T a = pa[i * sa], b = pb[i * sb]; \
      y[i] = (result)(expression); \
    } \
  }
#define COMMON(s, T) \
  LOOP(min_##s, T, T, a < b || a != a ? a : b) \
  LOOP(max_##s, T, T, a > b || a != a ? a : b) \
  LOOP(equal_##s, T, unsigned char, a == b) \
  LOOP(less_##s, T, unsigned char, a < b) \
  LOOP(lesseq_##s, T, unsigned char, a <= b) \
  LOOP(greater_##s, T, unsigned char, a > b) \
  LOOP(greatereq_##s, T, unsigned char, a >= b)
// Sums and products are made in uint64_t, where wrapping is defined.
#define INTEGER(s, T) \
  COMMON(s, T) \
  LOOP(add_##s, T, T, (uint64_t)a + (uint64_t)b) \
  LOOP(sub_##s, T, T, (uint64_t)a - (uint64_t)b) \
  LOOP(mul_##s, T, T, (uint64_t)a * (uint64_t)b) \
  LOOP(and_##s, T, T, a & b) \
  LOOP(or_##s, T, T, a | b) \
  LOOP(xor_##s, T, T, a ^ b)
#define SIGNED(s, T) \
  INTEGER(s, T) \
  LOOP(div_##s, T, T, b == 0 ? 0 : b == (T)-1 ? (T)(0 - (uint64_t)a) : (T)(a / b)) \
  LOOP(fmod_##s, T, T, b == 0 || b == (T)-1 ? 0 : a % b) \
  LOOP(mod_##s, T, T, b == 0 || b == (T)-1 ? 0 : a % b != 0 && ((a % b < 0) != (b < 0)) ? a % b + b : a % b) \
  LOOP(pow_##s, T, T, \
    b >= 0 ? power_wrapping((uint64_t)a, (uint64_t)b) : a == 1 ? 1 : a == (T)-1 ? (b & 1 ? (uint64_t)-1 : 1) : 0) \
  LOOP(prelu_##s, T, T, a < 0 ? (uint64_t)a * (uint64_t)b : (uint64_t)a)
#define UNSIGNED(s, T) \
  INTEGER(s, T) \
  LOOP(div_##s, T, T, b == 0 ? 0 : a / b) \
  LOOP(mod_##s, T, T, b == 0 ? 0 : a % b) \
  LOOP(pow_##s, T, T, power_wrapping(a, b)) \
  LOOP(shl_##s, T, T, b >= 8 * sizeof(T) ? 0 : (uint64_t)a << b) \
  LOOP(shr_##s, T, T, b >= 8 * sizeof(T) ? 0 : a >> b)

SIGNED(i8, int8_t)
SIGNED(i16, int16_t)
SIGNED(i32, int32_t)
SIGNED(i64, int64_t)
UNSIGNED(u8, uint8_t)
UNSIGNED(u16, uint16_t)
UNSIGNED(u32, uint32_t)
UNSIGNED(u64, uint64_t)
COMMON(f64, double)
LOOP(add_f64, double, double, a + b)
LOOP(sub_f64, double, double, a - b)
LOOP(mul_f64, double, double, a *b)
LOOP(div_f64, double, double, a / b)
LOOP(pow_f64, double, double, pow(a, b))
LOOP(fmod_f64, double, double, fmod(a, b))
LOOP(prelu_f64, double, double, a < 0 ? a * b : a)
static inline double mod_double(double a, double b) {
  double rest = fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
LOOP(mod_f64, double, double, mod_double(a, b))
LOOP(and_bool, uint8_t, uint8_t, a != 0 && b != 0)
LOOP(or_bool, uint8_t, uint8_t, a != 0 || b != 0)
LOOP(xor_bool, uint8_t, uint8_t, (a != 0) != (b != 0))

#define COMMON_ROW(s) \
  [LIG_BINARY_MIN] = min_##s, [LIG_BINARY_MAX] = max_##s, [LIG_BINARY_EQUAL] = equal_##s, \
  [LIG_BINARY_LESS] = less_##s, \
  [LIG_BINARY_LESS_OR_EQUAL] = lesseq_##s, [LIG_BINARY_GREATER] = greater_##s, \
  [LIG_BINARY_GREATER_OR_EQUAL] = greatereq_##s, \
  [LIG_BINARY_ADD] = add_##s, [LIG_BINARY_SUB] = sub_##s, [LIG_BINARY_MUL] = mul_##s, \
  [LIG_BINARY_DIV] = div_##s, [LIG_BINARY_POW] = pow_##s, \
  [LIG_BINARY_MOD] = mod_##s
#define INTEGER_ROW(s) \
  COMMON_ROW(s), [LIG_BINARY_BITAND] = and_##s, [LIG_BINARY_BITOR] = or_##s, [LIG_BINARY_BITXOR] = xor_##s
#define SIGNED_ROW(s) {INTEGER_ROW(s), [LIG_BINARY_FMOD] = fmod_##s, [LIG_BINARY_PRELU] = prelu_##s}
#define UNSIGNED_ROW(s) \
  {INTEGER_ROW(s), [LIG_BINARY_FMOD] = mod_##s, [LIG_BINARY_SHIFTLEFT] = shl_##s, [LIG_BINARY_SHIFTRIGHT] = shr_##s}

// By raw value of ElementType.
static const binary_any table[14][LIG_BINARY_END] = {
  [2] = UNSIGNED_ROW(u8), [3] = SIGNED_ROW(i8), [4] = UNSIGNED_ROW(u16), [5] = SIGNED_ROW(i16),
  [6] = SIGNED_ROW(i32), [7] = SIGNED_ROW(i64), [12] = UNSIGNED_ROW(u32), [13] = UNSIGNED_ROW(u64),
  [9] = {[LIG_BINARY_AND] = and_bool, [LIG_BINARY_OR] = or_bool, [LIG_BINARY_XOR] = xor_bool,
         [LIG_BINARY_EQUAL] = equal_u8},
  [11] = {COMMON_ROW(f64), [LIG_BINARY_FMOD] = fmod_f64, [LIG_BINARY_PRELU] = prelu_f64},
};

static int is_known_f32(int operation) {
  return (operation >= 0 && operation <= LIG_BINARY_PRELU) ||
         (operation >= LIG_BINARY_EQUAL && operation < LIG_BINARY_COMPARE_END);
}

int lig_binary_knows(int operation, int type) {
  if (operation < 0 || operation >= LIG_BINARY_END || type < 1 || type >= 14) return 0;
  return type == 1 ? is_known_f32(operation) : table[type][operation] != 0;
}

static const unsigned char element_size[14] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8};

// ── Tasks ───────────────────────────────────────────────────────────────────
// Several short rows, or a piece of a long one.
typedef struct {
  const lig_broadcast *plan;
  binary_f32 run_f32;
  binary_any run_any;
  const char *input[3];
  char *y;
  long size[3], result_size;
  long rows_per_task, pieces, piece;
} job;

static void split(job *work) {
  const lig_broadcast *plan = work->plan;
  work->piece = lig_min(plan->inner, 4 * LIG_GRAIN);
  work->pieces = lig_tiles(plan->inner, work->piece);
  work->rows_per_task = work->pieces > 1 ? 1 : lig_max(1, LIG_GRAIN / plan->inner);
}

static long task_count(const job *work) {
  return lig_tiles(work->plan->rows, work->rows_per_task) * work->pieces;
}

static void where_row(long size, long n, const unsigned char *c, long sc, const char *a, long sa, const char *b,
                      long sb, char *y) {
#define WHERE(T) \
  { \
    const T *pa = (const T *)a, *pb = (const T *)b; \
    T *py = (T *)y; \
    if (sc && sa && sb) { \
      LIG_LOOP for (long i = 0; i < n; i++) py[i] = c[i] ? pa[i] : pb[i]; \
    } else { \
      for (long i = 0; i < n; i++) py[i] = c[i * sc] ? pa[i * sa] : pb[i * sb]; \
    } \
    break; \
  }
  switch (size) {
    case 1: WHERE(uint8_t)
    case 2: WHERE(uint16_t)
    case 4: WHERE(uint32_t)
    case 8: WHERE(uint64_t)
  }
#undef WHERE
}

static void broadcast_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  const lig_broadcast *plan = work->plan;
  long first = index / work->pieces * work->rows_per_task, skip = index % work->pieces * work->piece;
  long last = lig_min(first + work->rows_per_task, plan->rows), n = lig_min(work->piece, plan->inner - skip);
  cursor at;
  cursor_start(&at, plan, first);
  for (long row = first; row < last; row++, cursor_next(&at, plan)) {
    const char *in[3] = {0, 0, 0};
    for (int k = 0; k < plan->inputs; k++) {
      in[k] = work->input[k] + (at.offset[k] + skip * plan->step[k]) * work->size[k];
    }
    char *y = work->y + (row * plan->inner + skip) * work->result_size;
    if (work->run_f32) {
      work->run_f32((const float *)in[0], (const float *)in[1], y, n, plan->step[0], plan->step[1]);
    } else if (work->run_any) {
      work->run_any(in[0], in[1], y, n, plan->step[0], plan->step[1]);
    } else {
      where_row(work->result_size, n, (const unsigned char *)in[0], plan->step[0], in[1], plan->step[1], in[2],
                plan->step[2], y);
    }
  }
}

lig_binary_function lig_binary_f32_function(int operation) {
  return operation >= 0 && operation <= LIG_BINARY_PRELU && operation != LIG_BINARY_MOD && operation != LIG_BINARY_FMOD
           ? BEST(binary_table)[operation]
           : 0;
}

int lig_binary(
  int operation, int type, const lig_broadcast *plan, const void *a, const void *b, void *y, lig_pool *pool
) {
  if (!lig_binary_knows(operation, type)) return -1;
  if (plan->rows == 0) return 0;
  long size = element_size[type];
  job work = {.plan = plan, .input = {a, b}, .y = y, .size = {size, size}, .result_size = size};
  if (operation >= LIG_BINARY_EQUAL) work.result_size = 1;
  if (type != 1) {
    work.run_any = table[type][operation];
  } else if (operation == LIG_BINARY_MOD || operation == LIG_BINARY_FMOD) {
    work.run_f32 = operation == LIG_BINARY_MOD ? mod_f32 : fmod_f32;
  } else {
    work.run_f32 = BEST(binary_table)[operation];
  }
  split(&work);
  lig_parallel(pool, task_count(&work), broadcast_task, &work);
  return 0;
}

int lig_where(
  int size, const lig_broadcast *plan, const unsigned char *condition, const void *a, const void *b, void *y,
  lig_pool *pool
) {
  if (size != 1 && size != 2 && size != 4 && size != 8) return -1;
  if (plan->rows == 0) return 0;
  job work = {
    .plan = plan, .input = {(const char *)condition, a, b}, .y = y, .size = {1, size, size}, .result_size = size};
  split(&work);
  lig_parallel(pool, task_count(&work), broadcast_task, &work);
  return 0;
}
