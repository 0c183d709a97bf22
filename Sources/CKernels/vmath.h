#ifndef LIG_VMATH_H
#define LIG_VMATH_H

// Elementary functions without branches, written so that the compiler vectorises every loop that calls them.
// No fused multiply-add is used (contraction is off), so all instruction sets give the same bits.
// The polynomials are weighted minimax fits of our own; the error is about 1 ulp for exp and log, 2 for the rest.

#include <math.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define LIG_INLINE static inline __attribute__((always_inline, unused))

LIG_INLINE uint32_t lig_bits(float x) { union { float f; uint32_t u; } v = {.f = x}; return v.u; }
LIG_INLINE float lig_float(uint32_t u) { union { uint32_t u; float f; } v = {.u = u}; return v.f; }

// x = n ln 2 + r with |r| <= ln 2 / 2; gives exp(r) - 1 - r in *tail, and n.
LIG_INLINE int32_t lig_exp_parts(float x, float *r, float *tail) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float shifted = x * 1.44269504f + magic;
  int32_t n = (int32_t)(lig_bits(shifted) - lig_bits(magic));
  float whole = shifted - magic;
  float t = x - whole * 0.693359375f;  // exact product: 9 significant bits times 8
  t = t + whole * 2.12194440e-4f;
  float p = 1.395171741e-03f;
  p = p * t + 8.369598538e-03f;
  p = p * t + 4.166618735e-02f;
  p = p * t + 1.666651219e-01f;
  p = p * t + 0.5f;
  *r = t;
  *tail = p * t * t;
  return n;
}

// y * 2^n for n in -252...254, in two steps so that subnormal results are right.
LIG_INLINE float lig_scale(float y, int32_t n) {
  int32_t half = n >> 1;
  float a = lig_float((uint32_t)(half + 127) << 23);
  float b = lig_float((uint32_t)(n - half + 127) << 23);
  return y * a * b;
}

LIG_INLINE float lig_expf(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  float r, tail;
  int32_t n = lig_exp_parts(x, &r, &tail);
  return lig_scale(1.0f + (r + tail), n);
}

LIG_INLINE float lig_expm1f(float x) {
  float clamped = x > 89.0f ? 89.0f : x;
  clamped = clamped < -30.0f ? -30.0f : clamped;
  float r, tail;
  int32_t n = lig_exp_parts(clamped, &r, &tail);
  float wide = lig_scale(1.0f + (r + tail), n) - 1.0f;
  return n == 0 ? r + tail : wide;
}

// log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)].
LIG_INLINE float lig_log_tail(float f) {
  float p = 6.915370375e-02f;
  p = p * f - 1.178979799e-01f;
  p = p * f + 1.187296957e-01f;
  p = p * f - 1.238434985e-01f;
  p = p * f + 1.421865970e-01f;
  p = p * f - 1.666925102e-01f;
  p = p * f + 2.000222653e-01f;
  p = p * f - 2.499998659e-01f;
  p = p * f + 3.333331048e-01f;
  float square = f * f;
  return p * f * square - 0.5f * square;
}

LIG_INLINE float lig_logf(float x) {
  float small = x < 1.17549435e-38f ? 8388608.0f : 1.0f;
  float bias = x < 1.17549435e-38f ? 23.0f : 0.0f;
  const uint32_t root = 0x3f3504f3u;  // sqrt(1/2)
  uint32_t bits = lig_bits(x * small) - root;
  float e = (float)((int32_t)bits >> 23) - bias;
  float f = lig_float((bits & 0x007fffffu) + root) - 1.0f;
  float y = lig_log_tail(f) + e * -2.12194440e-4f;
  float result = (f + y) + e * 0.693359375f;
  result = x == INFINITY ? x : result;
  result = x == 0.0f ? -INFINITY : result;
  return x >= 0.0f ? result : NAN;
}

// log(1 + u) for u >= 0.
LIG_INLINE float lig_log1pf(float u) {
  float w = 1.0f + u;
  float lost = u - (w - 1.0f);
  float result = lig_logf(w) + lost / w;
  return u < INFINITY ? result : u;
}

LIG_INLINE float lig_sigmoidf(float x) { return 1.0f / (1.0f + lig_expf(-x)); }

LIG_INLINE float lig_tanhf(float x) {
  float z = x * x;
  float p = -5.717040971e-03f;
  p = p * z + 2.065058425e-02f;
  p = p * z - 5.374349654e-02f;
  p = p * z + 1.333149076e-01f;
  p = p * z - 3.333328366e-01f;
  float near = x + x * z * p;
  float magnitude = 1.0f - 2.0f / (lig_expf(2.0f * fabsf(x)) + 1.0f);
  return fabsf(x) < 0.625f ? near : copysignf(magnitude, x);
}

LIG_INLINE float lig_erff(float x) {
  float z = x * x;
  float p = 8.538839029e-05f;
  p = p * z - 8.181927260e-04f;
  p = p * z + 5.204435904e-03f;
  p = p * z - 2.686075307e-02f;
  p = p * z + 1.128371954e-01f;
  p = p * z - 3.761263490e-01f;
  p = p * z + 1.283791661e-01f;
  float near = x + x * p;
  float t = fabsf(x);
  t = t > 4.0f ? 4.0f : t;
  float q = -2.320738986e-06f;
  q = q * t + 3.696671774e-05f;
  q = q * t - 2.344451786e-04f;
  q = q * t + 5.720856716e-04f;
  q = q * t + 1.680306857e-03f;
  q = q * t - 2.110176161e-02f;
  q = q * t + 1.040531471e-01f;
  q = q * t + 6.361458302e-01f;
  q = q * t + 1.128455758e+00f;
  float far = copysignf(1.0f - lig_expf(-t * q), x);
  return fabsf(x) < 0.9f ? near : far;
}

LIG_INLINE float lig_softplusf(float x) {
  float positive = x < 0.0f ? 0.0f : x;
  return positive + lig_log1pf(lig_expf(-fabsf(x)));
}

// x tanh(log(1 + e^x)), written with e^x alone.
LIG_INLINE float lig_mishf(float x) {
  float e = lig_expf(x > 20.0f ? 20.0f : x);
  float n = e * (e + 2.0f);
  float y = x * (n / (n + 2.0f));
  return x > 20.0f ? x : y;
}

LIG_INLINE float lig_geluf(float x) { return 0.5f * x * (1.0f + lig_erff(x * 0.707106781f)); }

LIG_INLINE float lig_gelu_tanhf(float x) {
  float inner = 0.797884561f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + lig_tanhf(inner));
}

#endif
