// Included once for each instruction set by quantize.c.

#define QUANTIZE(T, name, lowest, highest)                                                                    \
  static void LIG_NAME(quantize_##name)(                                                                      \
      const float *x, const float *scale, const void *zero_, void *q_, long n, int varies) {                  \
    const T *zero = zero_;                                                                                    \
    T *q = q_;                                                                                                \
    if (varies) {                                                                                             \
      for (long i = 0; i < n; ++i) q[i] = (T)to_integer(x[i] / scale[i], zero ? zero[i] : 0, lowest, highest); \
      return;                                                                                                 \
    }                                                                                                         \
    const float s = scale[0];                                                                                 \
    const int z = zero ? zero[0] : 0;                                                                         \
    LIG_LOOP for (long i = 0; i < n; ++i) q[i] = (T)to_integer(x[i] / s, z, lowest, highest);                 \
  }
LIG_NARROW_LIST(QUANTIZE)
#undef QUANTIZE

#define DEQUANTIZE(T, name, lowest, highest)                                                                  \
  static void LIG_NAME(dequantize_##name)(                                                                    \
      const void *q_, const float *scale, const void *zero_, float *x, long n, int varies) {                  \
    const T *zero = zero_, *q = q_;                                                                           \
    if (varies) {                                                                                             \
      for (long i = 0; i < n; ++i) x[i] = (float)(int)((unsigned)q[i] - (zero ? (unsigned)zero[i] : 0)) * scale[i]; \
      return;                                                                                                 \
    }                                                                                                         \
    const float s = scale[0];                                                                                 \
    const unsigned z = zero ? (unsigned)zero[0] : 0;                                                          \
    LIG_LOOP for (long i = 0; i < n; ++i) x[i] = (float)(int)((unsigned)q[i] - z) * s;                        \
  }
LIG_NARROW_LIST(DEQUANTIZE)
DEQUANTIZE(int32_t, int32, 0, 0)
#undef DEQUANTIZE

static void LIG_NAME(find_range)(const float *x, long n, float *low_, float *high_) {
  float low[16] = {0}, high[16] = {0};
  long i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; ++j) {
      low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
      high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
    }
  }
  for (; i < n; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
  }
  for (int j = 1; j < 16; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  *low_ = low[0];
  *high_ = high[0];
}

#define QUANTIZE(T, name, lowest, highest) LIG_NAME(quantize_##name),
static const quantize_loop LIG_NAME(quantize_table)[] = {LIG_NARROW_LIST(QUANTIZE)};
#undef QUANTIZE
#define DEQUANTIZE(T, name, lowest, highest) LIG_NAME(dequantize_##name),
static const dequantize_loop LIG_NAME(dequantize_table)[] = {
  LIG_NARROW_LIST(DEQUANTIZE) DEQUANTIZE(int32_t, int32, 0, 0)
};
#undef DEQUANTIZE
