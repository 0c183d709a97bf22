#include "cast.h"

#include <stdint.h>
#include <string.h>

#include "tasks.h"

#define INLINED static inline __attribute__((always_inline, unused))

INLINED uint32_t bits_of(float x) { union { float f; uint32_t u; } v = {.f = x}; return v.u; }
INLINED float float_of(uint32_t u) { union { uint32_t u; float f; } v = {.u = u}; return v.f; }

// ── Half precision by integer arithmetic: the same bits with and without F16C ─
INLINED float from_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
  float small = (float)(int32_t)magnitude * 0x1p-24f;  // right for subnormals
  uint32_t normal = (magnitude << 13) + ((127 - 15) << 23);
  uint32_t special = (magnitude << 13) | 0x7f800000u | (magnitude > 0x7c00 ? 0x400000u : 0);
  uint32_t bits = magnitude < 0x400 ? bits_of(small) : magnitude >= 0x7c00 ? special : normal;
  return float_of(bits | sign);
}

INLINED uint16_t to_half(float x) {
  uint32_t bits = bits_of(x), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffffu;
  // Adding 1/2 puts a subnormal's units of 2^-24 into the last bits of the sum, rounded to even.
  uint32_t small = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
  uint32_t normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000u) >> 13;
  uint32_t result = magnitude < 0x38800000u ? small : normal;
  result = magnitude >= 0x477ff000u ? 0x7c00 : result;
  result = magnitude > 0x7f800000u ? 0x7e00 | (magnitude >> 13 & 0x3ff) : result;
  return (uint16_t)(result | sign);
}

INLINED float from_bfloat(uint16_t b) { return float_of((uint32_t)b << 16); }

INLINED uint16_t to_bfloat(float x) {
  uint32_t bits = bits_of(x);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40 : rounded);
}

// ── Real to integer ─────────────────────────────────────────────────────────
// `top` is the first real above the type's range, `bottom` its lowest value; both are exact in every real type.
#define SATURATE(R, T, bottom, top, highest) \
  INLINED T R##_to_##T(R x) { \
    R inside = x >= (R)(bottom) && x < (R)(top) ? x : 0; \
    T value = (T)inside; \
    value = x >= (R)(top) ? (highest) : value; \
    return x < (R)(bottom) ? (T)(bottom) : value; \
  }
#define SATURATIONS(R) \
  SATURATE(R, uint8_t, 0, 256, UINT8_MAX) \
  SATURATE(R, int8_t, -128, 128, INT8_MAX) \
  SATURATE(R, uint16_t, 0, 65536, UINT16_MAX) \
  SATURATE(R, int16_t, -32768, 32768, INT16_MAX) \
  SATURATE(R, int32_t, INT32_MIN, 0x1p31, INT32_MAX) \
  SATURATE(R, int64_t, INT64_MIN, 0x1p63, INT64_MAX) \
  SATURATE(R, uint32_t, 0, 0x1p32, UINT32_MAX) \
  SATURATE(R, uint64_t, 0, 0x1p64, UINT64_MAX)
SATURATIONS(float)
SATURATIONS(double)

// ── One function for each pair ──────────────────────────────────────────────
typedef void (*convert)(const void *, void *, long);
enum { TYPES = 17 };

// `name` is the pair's function; `x` is an element of type T, which becomes a U.
#define CONVERT(name, T, U, expression) \
  static void name(const void *x_, void *y_, long n) { \
    const T *p = x_; \
    U *q = y_; \
    for (long i = 0; i < n; i++) { \
      T x = p[i]; \
      q[i] = (expression); \
    } \
  }

// Pairs with float32 are met in models, hence by vectors.
#define KERNELS "cast.inc"
#include "each_simd.h"

#define LOOP(from, T, to, U, expression) CONVERT(from##_##to, T, U, expression)
// To every type from a real, given how to read it as R.
#define FROM_REAL(from, T, R, read) \
  LOOP(from, T, f64, double, (double)read(x)) \
  LOOP(from, T, f16, uint16_t, to_half((float)read(x))) \
  LOOP(from, T, bf16, uint16_t, to_bfloat((float)read(x))) \
  LOOP(from, T, u8, uint8_t, R##_to_uint8_t(read(x))) \
  LOOP(from, T, i8, int8_t, R##_to_int8_t(read(x))) \
  LOOP(from, T, u16, uint16_t, R##_to_uint16_t(read(x))) \
  LOOP(from, T, i16, int16_t, R##_to_int16_t(read(x))) \
  LOOP(from, T, i32, int32_t, R##_to_int32_t(read(x))) \
  LOOP(from, T, i64, int64_t, R##_to_int64_t(read(x))) \
  LOOP(from, T, u32, uint32_t, R##_to_uint32_t(read(x))) \
  LOOP(from, T, u64, uint64_t, R##_to_uint64_t(read(x))) \
  LOOP(from, T, bool, uint8_t, !(read(x) == 0))
#define FROM_INTEGER(from, T, read) \
  LOOP(from, T, f64, double, (double)read(x)) \
  LOOP(from, T, f16, uint16_t, to_half((float)read(x))) \
  LOOP(from, T, bf16, uint16_t, to_bfloat((float)read(x))) \
  LOOP(from, T, u8, uint8_t, (uint8_t)read(x)) \
  LOOP(from, T, i8, int8_t, (int8_t)read(x)) \
  LOOP(from, T, u16, uint16_t, (uint16_t)read(x)) \
  LOOP(from, T, i16, int16_t, (int16_t)read(x)) \
  LOOP(from, T, i32, int32_t, (int32_t)read(x)) \
  LOOP(from, T, i64, int64_t, (int64_t)read(x)) \
  LOOP(from, T, u32, uint32_t, (uint32_t)read(x)) \
  LOOP(from, T, u64, uint64_t, (uint64_t)read(x)) \
  LOOP(from, T, bool, uint8_t, read(x) != 0)
#define AS_IS(x) (x)
#define TRUTH(x) ((x) != 0)

FROM_REAL(f64, double, double, AS_IS)
FROM_REAL(f16, uint16_t, float, from_half)
FROM_REAL(bf16, uint16_t, float, from_bfloat)
FROM_INTEGER(u8, uint8_t, AS_IS)
FROM_INTEGER(i8, int8_t, AS_IS)
FROM_INTEGER(u16, uint16_t, AS_IS)
FROM_INTEGER(i16, int16_t, AS_IS)
FROM_INTEGER(i32, int32_t, AS_IS)
FROM_INTEGER(i64, int64_t, AS_IS)
FROM_INTEGER(u32, uint32_t, AS_IS)
FROM_INTEGER(u64, uint64_t, AS_IS)
FROM_INTEGER(bool, uint8_t, TRUTH)

#define ROW(s) \
  {[2] = s##_u8, [3] = s##_i8, [4] = s##_u16, [5] = s##_i16, [6] = s##_i32, [7] = s##_i64, \
   [9] = s##_bool, [10] = s##_f16, [11] = s##_f64, [12] = s##_u32, [13] = s##_u64, [16] = s##_bf16}
static const convert table[TYPES][TYPES] = {
  [2] = ROW(u8), [3] = ROW(i8), [4] = ROW(u16), [5] = ROW(i16), [6] = ROW(i32), [7] = ROW(i64),
  [9] = ROW(bool), [10] = ROW(f16), [11] = ROW(f64), [12] = ROW(u32), [13] = ROW(u64), [16] = ROW(bf16)};
static const unsigned char element_size[TYPES] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 0, 0, 2};

typedef struct {
  convert run;
  const char *x;
  char *y;
  long size_x, size_y, count;
} job;

static void cast_task(void *context, long index, int worker) {
  (void)worker;
  const job *work = context;
  long start = index * LIG_GRAIN, n = lig_min(LIG_GRAIN, work->count - start);
  work->run(work->x + start * work->size_x, work->y + start * work->size_y, n);
}

int lig_cast(int from, int to, const void *x, void *y, long count, lig_pool *pool) {
  if (from < 0 || from >= TYPES || to < 0 || to >= TYPES || !element_size[from] || !element_size[to]) return -1;
  convert run = from == 1 ? BEST(from_float)[to] : to == 1 ? BEST(to_float)[from] : table[from][to];
  job work = {run, x, y, element_size[from], element_size[to], count};
  if (from == to && from != 9) {
    memcpy(y, x, (size_t)(count * work.size_x));
    return 0;
  }
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), cast_task, &work);
  return 0;
}
