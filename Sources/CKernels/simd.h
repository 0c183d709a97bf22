// Vectors of floats for one instruction set. Included once per set, between definitions and #undef of:
//   LANES   floats in a vector
//   HEIGHT  rows of a tile of matrix multiplication: 2 * HEIGHT accumulators fit the registers
//   FUSED   1 where multiply-add is one instruction
//   TARGET  the function attribute that allows the instructions (may be empty)
//   F(name) name with the set's suffix
//   MASKED  1 where AVX-512 masks can be used
// Everything here is inlined into functions of the same target. No include guard: see each_simd.h.

typedef float F(vf) __attribute__((ext_vector_type(LANES)));
typedef float F(vfu) __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int F(vi) __attribute__((ext_vector_type(LANES)));

#define vf F(vf)
#define vi F(vi)
#define INLINE static inline __attribute__((always_inline, unused)) TARGET

INLINE vf F(load)(const float *p) { return *(const F(vfu) *)p; }
INLINE void F(store)(float *p, vf x) { *(F(vfu) *)p = x; }

/// The first n of LANES floats (0 <= n <= LANES), zeros after them.
INLINE vf F(load_some)(const float *p, long n) {
#if MASKED
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif LANES == 8
  return _mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i_u *)(simd_first_lanes + LANES - n)));
#else
  float t[LANES] __attribute__((aligned(64))) = {0};
  for (long i = 0; i < n; ++i) t[i] = p[i];
  return *(const vf *)t;
#endif
}

INLINE void F(store_some)(float *p, vf x, long n) {
#if MASKED
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x);
#elif LANES == 8
  _mm256_maskstore_ps(p, _mm256_loadu_si256((const __m256i_u *)(simd_first_lanes + LANES - n)), x);
#else
  float t[LANES] __attribute__((aligned(64)));
  *(vf *)t = x;
  for (long i = 0; i < n; ++i) p[i] = t[i];
#endif
}

#if FUSED
INLINE vf F(fma)(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
#else
INLINE vf F(fma)(vf a, vf b, vf c) { return a * b + c; }
#endif
// Comparisons, not fmax: a NaN in x stays a NaN.
INLINE vf F(at_least)(vf x, vf low) { return x < low ? low : x; }
INLINE vf F(at_most)(vf x, vf high) { return x > high ? high : x; }

typedef float F(v2) __attribute__((ext_vector_type(2)));

// All lanes, joined by halves: the order is the same whatever the instruction set.
#if LANES == 16
#define BY_HALVES(JOIN)                                                   \
  __auto_type eights = JOIN(x.lo, x.hi);                                  \
  __auto_type fours = JOIN(eights.lo, eights.hi);
#elif LANES == 8
#define BY_HALVES(JOIN) __auto_type fours = JOIN(x.lo, x.hi);
#else
#define BY_HALVES(JOIN) vf fours = x;
#endif
#define ADD(a, b) ((a) + (b))
#define LARGER(a, b) ((b) > (a) ? (b) : (a))
INLINE float F(sum)(vf x) {
  BY_HALVES(ADD)
  F(v2) twos = fours.lo + fours.hi;
  return twos.x + twos.y;
}
INLINE float F(largest)(vf x) {
  BY_HALVES(LARGER)
  F(v2) twos = LARGER(fours.lo, fours.hi);
  return LARGER(twos.x, twos.y);
}
#undef ADD
#undef LARGER
#undef BY_HALVES

// What a function of the lane's number gives for every lane.
#if LANES == 16
#define EACH_LANE(M) M(0), M(1), M(2), M(3), M(4), M(5), M(6), M(7), M(8), M(9), M(10), M(11), M(12), M(13), M(14), M(15)
#elif LANES == 8
#define EACH_LANE(M) M(0), M(1), M(2), M(3), M(4), M(5), M(6), M(7)
#else
#define EACH_LANE(M) M(0), M(1), M(2), M(3)
#endif
#define ITSELF(i) (i)
#define TWICE(i) (2 * (i))
#define TWICE_AND_ONE(i) (2 * (i) + 1)
#define NEXT(i) ((i) + 1 < LANES ? (i) + 1 : (i))
#define ALTERNATING(i) ((i) / 2 + (i) % 2 * LANES)
#define ALTERNATING_HIGH(i) (LANES / 2 + ALTERNATING(i))

/// The first n lanes of x, the others of y.
INLINE vf F(first)(long n, vf x, vf y) {
  const vi lane = {EACH_LANE(ITSELF)};
  return lane < (vi)((int)n) ? x : y;
}

/// Elements 0, 2, 4, … of a followed by b.
INLINE vf F(evens)(vf a, vf b) { return __builtin_shufflevector(a, b, EACH_LANE(TWICE)); }
/// Elements 1, 3, 5, … of a followed by b.
INLINE vf F(odds)(vf a, vf b) { return __builtin_shufflevector(a, b, EACH_LANE(TWICE_AND_ONE)); }
/// Elements 1, 2, …, and something last.
INLINE vf F(shift_down)(vf a) { return __builtin_shufflevector(a, a, EACH_LANE(NEXT)); }
/// a0, b0, a1, b1, …: the first and the second half of it.
INLINE vf F(zip_low)(vf a, vf b) { return __builtin_shufflevector(a, b, EACH_LANE(ALTERNATING)); }
INLINE vf F(zip_high)(vf a, vf b) { return __builtin_shufflevector(a, b, EACH_LANE(ALTERNATING_HIGH)); }

#undef EACH_LANE
#undef ITSELF
#undef TWICE
#undef TWICE_AND_ONE
#undef NEXT
#undef ALTERNATING
#undef ALTERNATING_HIGH

/// Rows become columns: LANES vectors.
INLINE void F(turn)(vf *rows) {
  vf other[LANES];
#pragma clang loop unroll(full)
  for (int stage = 1; stage < LANES; stage *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES / 2; ++i) {
      other[2 * i] = F(zip_low)(rows[i], rows[i + LANES / 2]);
      other[2 * i + 1] = F(zip_high)(rows[i], rows[i + LANES / 2]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; ++i) rows[i] = other[i];
  }
}

/// Up to LANES rows of `count` floats, `row_step` apart, to `count` rows of `width` <= LANES floats (zeros after the last
/// valid one) that are `to_step` apart.
INLINE void F(turn_rows)(
    const float *from, long row_step, long valid, long count, float *to, long to_step, long width) {
  for (long k = 0; k < count; k += LANES) {
    vf rows[LANES];
    const long some = count - k < LANES ? count - k : LANES;
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; ++i) {
      const float *row = from + i * row_step + k;
      rows[i] = i >= valid ? (vf)(0.0f) : some == LANES ? F(load)(row) : F(load_some)(row, some);
    }
    F(turn)(rows);
    float *out = to + k * to_step;
    if (width == LANES && some == LANES) {
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; ++i) F(store)(out + i * to_step, rows[i]);
    } else {
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; ++i) {
        if (i < some) F(store_some)(out + i * to_step, rows[i], width);
      }
    }
  }
}

#include "simd_math.h"

INLINE vf F(activate_unscaled)(lig_activation f, vf x) {
  switch (f.kind) {
    case LIG_IDENTITY: return x;
    case LIG_RELU: return F(at_least)(x, (vf)(0.0f));
    case LIG_CLIP: return F(at_most)(F(at_least)(x, (vf)(f.alpha)), (vf)(f.beta));
    case LIG_LEAKY_RELU: return x < (vf)(0.0f) ? x * (vf)(f.alpha) : x;
    case LIG_HARD_SIGMOID:
    case LIG_HARD_SWISH: {
      vf gate = F(fma)((vf)(f.alpha), x, (vf)(f.beta));
      gate = F(at_most)(F(at_least)(gate, (vf)(0.0f)), (vf)(1.0f));
      return f.kind == LIG_HARD_SIGMOID ? gate : x * gate;
    }
    case LIG_SIGMOID: return F(sigmoid)(x);
    case LIG_SILU: return x * F(sigmoid)(x);
    case LIG_TANH: return F(tanh)(x);
    case LIG_GELU: return F(gelu)(x);
    case LIG_GELU_TANH: return F(gelu_tanh)(x);
  }
  return x;
}

INLINE vf F(activate)(lig_activation f, vf x) {
  x = F(activate_unscaled)(f, x);
  return f.is_scaled ? F(fma)(x, (vf)(f.scale), (vf)(f.shift)) : x;
}

/// Identity, ReLU and clip are all a clamp to these limits; false for other activations and scaled ones.
INLINE int F(clamp_limits)(lig_activation f, float *low, float *high) {
  *low = f.kind == LIG_RELU ? 0 : f.kind == LIG_CLIP ? f.alpha : -INFINITY;
  *high = f.kind == LIG_CLIP ? f.beta : INFINITY;
  return !f.is_scaled && (f.kind == LIG_IDENTITY || f.kind == LIG_RELU || f.kind == LIG_CLIP);
}
INLINE vf F(clamp)(vf x, float low, float high) {
  return F(at_most)(F(at_least)(x, (vf)(low)), (vf)(high));
}

// to = activation(from + residual), scaled if asked; the choice is made once, not for each vector.
#define FINISH(EXPRESSION)                                                                    \
  {                                                                                           \
    long i = 0;                                                                               \
    for (; !residual && i + LANES <= count; i += LANES) {                                     \
      vf x = F(load)(from + i);                                                               \
      F(store)(to + i, EXPRESSION);                                                           \
    }                                                                                         \
    for (; i + LANES <= count; i += LANES) {                                                  \
      vf x = F(load)(from + i) + F(load)(residual + i);                                       \
      F(store)(to + i, EXPRESSION);                                                           \
    }                                                                                         \
    if (i < count) {                                                                          \
      long some = count - i;                                                                  \
      vf x = F(load_some)(from + i, some);                                                    \
      if (residual) x += F(load_some)(residual + i, some);                                    \
      F(store_some)(to + i, EXPRESSION, some);                                                \
    }                                                                                         \
  }
TARGET __attribute__((noinline, unused)) static void F(finish_row)(
    lig_activation f, const float *from, const float *residual, float *to, long count) {
  float low, high;
  if (F(clamp_limits)(f, &low, &high)) {
    FINISH(F(clamp)(x, low, high))
    return;
  }
  // Scaled or not, one loop an activation: times 1 plus -0 changes no bit.
  const vf scale = (vf)(f.is_scaled ? f.scale : 1.0f), shift = (vf)(f.is_scaled ? f.shift : -0.0f);
#define CASE(KIND)                                                            \
  case KIND: {                                                                \
    const lig_activation fixed = {.kind = KIND, .alpha = f.alpha, .beta = f.beta}; \
    FINISH(F(fma)(F(activate_unscaled)(fixed, x), scale, shift))              \
    break;                                                                    \
  }
  switch (f.kind) {
    CASE(LIG_IDENTITY)
    CASE(LIG_RELU)
    CASE(LIG_CLIP)
    CASE(LIG_LEAKY_RELU)
    CASE(LIG_HARD_SIGMOID)
    CASE(LIG_HARD_SWISH)
    CASE(LIG_SIGMOID)
    CASE(LIG_SILU)
    CASE(LIG_TANH)
    CASE(LIG_GELU)
    CASE(LIG_GELU_TANH)
  }
#undef CASE
}
#undef FINISH
