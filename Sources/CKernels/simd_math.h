// Elementary functions of vectors, part of simd.h. Our own weighted minimax fits; errors of 1 to 3 ulp. NaN stays NaN.

/// x = n ln 2 + r with |r| <= ln 2 / 2: gives n, also as integers, r, and e^r - 1 - r. |x| is at most some thousands.
INLINE vf F(exp_parts)(vf x, vf *r, vf *tail, vi *power) {
  const vf magic = (vf)(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  vf shifted = F(fma)(x, (vf)(1.44269504f), magic);
  vf n = shifted - magic;
  vf t = F(fma)(n, (vf)(-0.693359375f), x);  // ln 2 in two parts; this product is exact
  t = F(fma)(n, (vf)(2.12194440e-4f), t);
  vf p = (vf)(1.395171741e-03f);
  p = F(fma)(p, t, (vf)(8.369598538e-03f));
  p = F(fma)(p, t, (vf)(4.166618735e-02f));
  p = F(fma)(p, t, (vf)(1.666651219e-01f));
  p = F(fma)(p, t, (vf)(0.5f));
  *r = t;
  *tail = p * (t * t);
  *power = (vi)shifted - (vi)magic;
  return n;
}

/// 2^n for n in -126...127.
INLINE vf F(power_of_two)(vi n) { return (vf)((n + 127) << 23); }

/// 0 below -104, infinity above 88.73.
INLINE vf F(exp)(vf x) {
  vf r, tail;
  vi power;
  x = F(at_most)(F(at_least)(x, (vf)(-105.0f)), (vf)(90.0f));
  vf n = F(exp_parts)(x, &r, &tail, &power);
  vf y = (vf)(1.0f) + (r + tail);
#if MASKED
  (void)power;
  return _mm512_scalef_ps(y, n);
#else
  // Two factors, because 2^n itself may not be a normal float.
  (void)n;
  vi half = power >> 1;
  return y * F(power_of_two)(half) * F(power_of_two)(power - half);
#endif
}

/// e^x - 1 for x in -87...88, as exact near zero as elsewhere.
INLINE vf F(expm1_inside)(vf x) {
  vf r, tail;
  vi power;
  F(exp_parts)(x, &r, &tail, &power);
  vf scale = F(power_of_two)(power);
  return F(fma)(r + tail, scale, scale - (vf)(1.0f));
}
INLINE vf F(expm1)(vf x) {
  vf y = F(expm1_inside)(F(at_most)(F(at_least)(x, (vf)(-30.0f)), (vf)(88.0f)));
  return x > (vf)(88.0f) ? F(exp)(x) : y;
}

INLINE vf F(sigmoid)(vf x) { return (vf)(1.0f) / ((vf)(1.0f) + F(exp)(-x)); }

/// (e^2x - 1) / (e^2x + 1)
INLINE vf F(tanh)(vf x) {
  vf size = F(at_most)(__builtin_elementwise_abs(x), (vf)(9.1f));  // 1 from there on
  vf e = F(expm1_inside)(size + size);
  return __builtin_elementwise_copysign(e / (e + (vf)(2.0f)), x);
}

/// log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)].
INLINE vf F(log_tail)(vf f) {
  vf p = (vf)(6.915370375e-02f);
  p = F(fma)(p, f, (vf)(-1.178979799e-01f));
  p = F(fma)(p, f, (vf)(1.187296957e-01f));
  p = F(fma)(p, f, (vf)(-1.238434985e-01f));
  p = F(fma)(p, f, (vf)(1.421865970e-01f));
  p = F(fma)(p, f, (vf)(-1.666925102e-01f));
  p = F(fma)(p, f, (vf)(2.000222653e-01f));
  p = F(fma)(p, f, (vf)(-2.499998659e-01f));
  p = F(fma)(p, f, (vf)(3.333331048e-01f));
  vf square = f * f;
  return F(fma)(p * f, square, (vf)(-0.5f) * square);
}

/// -infinity at 0, NaN below.
INLINE vf F(log)(vf x) {
  const vi root = (vi)(0x3f3504f3);  // sqrt(1/2)
  vi is_small = x < (vf)(1.17549435e-38f);
  vi bits = (vi)(is_small ? x * (vf)(8388608.0f) : x) - root;
  vf e = __builtin_convertvector(bits >> 23, vf) - (is_small ? (vf)(23.0f) : (vf)(0.0f));
  vf f = (vf)((bits & (vi)(0x007fffff)) + root) - (vf)(1.0f);
  vf y = F(fma)(e, (vf)(-2.12194440e-4f), F(log_tail)(f));
  vf result = F(fma)(e, (vf)(0.693359375f), f + y);
  result = x == (vf)(INFINITY) ? x : result;
  result = x == (vf)(0.0f) ? (vf)(-INFINITY) : result;
  return x >= (vf)(0.0f) ? result : (vf)(NAN);
}

/// log(1 + u) for u >= 0.
INLINE vf F(log1p)(vf u) {
  vf w = (vf)(1.0f) + u;
  vf lost = u - (w - (vf)(1.0f));
  vf result = F(log)(w) + lost / w;
  return u < (vf)(INFINITY) ? result : u;
}

/// 1 - e^(-t q), where q is a polynomial that keeps the relative error even near 0.
INLINE vf F(erf)(vf x) {
  vf t = F(at_most)(__builtin_elementwise_abs(x), (vf)(4.0f));
  vf q = (vf)(-9.255724763e-06f);
  q = F(fma)(q, t, (vf)(1.176362348e-04f));
  q = F(fma)(q, t, (vf)(-6.328180316e-04f));
  q = F(fma)(q, t, (vf)(1.666991157e-03f));
  q = F(fma)(q, t, (vf)(-1.6035726e-04f));
  q = F(fma)(q, t, (vf)(-1.915308647e-02f));
  q = F(fma)(q, t, (vf)(1.027778387e-01f));
  q = F(fma)(q, t, (vf)(6.366193891e-01f));
  q = F(fma)(q, t, (vf)(1.128379226e+00f));
  return __builtin_elementwise_copysign(F(expm1_inside)(-t * q), x);
}

INLINE vf F(softplus)(vf x) {
  vf positive = x < (vf)(0.0f) ? (vf)(0.0f) : x;
  return positive + F(log1p)(F(exp)(-__builtin_elementwise_abs(x)));
}

/// x tanh(log(1 + e^x)), written with e^x alone.
INLINE vf F(mish)(vf x) {
  vf e = F(exp)(F(at_most)(x, (vf)(20.0f)));
  vf n = e * (e + (vf)(2.0f));
  vf y = x * (n / (n + (vf)(2.0f)));
  return x > (vf)(20.0f) ? x : y;
}

INLINE vf F(gelu)(vf x) { return (vf)(0.5f) * x * ((vf)(1.0f) + F(erf)(x * (vf)(0.707106781f))); }

INLINE vf F(gelu_tanh)(vf x) {
  vf inner = (vf)(0.797884561f) * F(fma)((vf)(0.044715f) * x, x * x, x);
  return (vf)(0.5f) * x * ((vf)(1.0f) + F(tanh)(inner));
}
