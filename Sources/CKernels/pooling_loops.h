// Included once for each instruction set by pooling.c.

// One padded input row to windows along the width.
#define ACROSS(name, expression) \
  static void LIG_NAME(across_##name)( \
    const float *row, float *y, long n, long kernel, long stride, long dilation, float p) { \
    (void)p; \
    for (long k = 0; k < kernel; k++) { \
      const float *q = row + k * dilation; \
      if (k == 0 && stride == 1) { \
        for (long i = 0; i < n; i++) { float x = q[i]; y[i] = (LIG_NAME(term_##name)(x, p)); } \
      } else if (k == 0) { \
        for (long i = 0; i < n; i++) { float x = q[i * stride]; y[i] = (LIG_NAME(term_##name)(x, p)); } \
      } else if (stride == 1) { \
        for (long i = 0; i < n; i++) { float a = y[i], x = LIG_NAME(term_##name)(q[i], p); y[i] = (expression); } \
      } else if (stride == 2) { \
        for (long i = 0; i < n; i++) { float a = y[i], x = LIG_NAME(term_##name)(q[2 * i], p); y[i] = (expression); } \
      } else { \
        for (long i = 0; i < n; i++) { \
          float a = y[i], x = LIG_NAME(term_##name)(q[i * stride], p); \
          y[i] = (expression); \
        } \
      } \
    } \
  } \
  static void LIG_NAME(down_##name)(float *y, const float *row, long n) { \
    for (long i = 0; i < n; i++) { float a = y[i], x = row[i]; y[i] = (expression); } \
  }

LIG_INLINE float LIG_NAME(term_max)(float x, float p) { (void)p; return x; }
LIG_INLINE float LIG_NAME(term_sum)(float x, float p) { (void)p; return x; }
LIG_INLINE float LIG_NAME(term_lp)(float x, float p) {
  return p == 2.0f ? x * x : p == 1.0f ? fabsf(x) : powf(fabsf(x), p);
}
ACROSS(max, x > a ? x : a)
ACROSS(sum, a + x)
ACROSS(lp, a + x)
#undef ACROSS

static const pooling_loops LIG_NAME(pooling_table)[3] = {
  {LIG_NAME(across_max), LIG_NAME(down_max)},
  {LIG_NAME(across_sum), LIG_NAME(down_sum)},
  {LIG_NAME(across_lp), LIG_NAME(down_lp)},
};
