// float32 inner loops; included once for each instruction set by broadcast.c.

#define BINARY(op, result, expression) \
  static void LIG_NAME(b_##op)(const float *a_, const float *b_, void *y, long n, long sa, long sb) { \
    result *y_ = y; \
    if (sa && sb) { \
      LIG_LOOP for (long i = 0; i < n; i++) { float a = a_[i], b = b_[i]; y_[i] = (expression); } \
    } else if (sa) { \
      float b = b_[0]; \
      LIG_LOOP for (long i = 0; i < n; i++) { float a = a_[i]; y_[i] = (expression); } \
    } else { \
      float a = a_[0]; \
      LIG_LOOP for (long i = 0; i < n; i++) { float b = b_[i * sb]; y_[i] = (expression); } \
    } \
  }
LIG_BINARY_LIST(BINARY)
#undef BINARY

static void LIG_NAME(b_POWER)(const float *a, const float *b, void *y_, long n, long sa, long sb) {
  float *y = y_;
  float power = b[0];
  if (!sb && power == 2.0f) {
    LIG_LOOP for (long i = 0; i < n; i++) y[i] = a[i * sa] * a[i * sa];
  } else if (!sb && power == 3.0f) {
    LIG_LOOP for (long i = 0; i < n; i++) y[i] = a[i * sa] * a[i * sa] * a[i * sa];
  } else if (!sb && power == 0.5f && sa) {
    LIG_LOOP for (long i = 0; i < n; i++) y[i] = a[i] == -INFINITY ? INFINITY : sqrtf(a[i] + 0.0f);
  } else if (!sb && power == 1.0f) {
    LIG_LOOP for (long i = 0; i < n; i++) y[i] = a[i * sa];
  } else {
    for (long i = 0; i < n; i++) y[i] = powf(a[i * sa], b[i * sb]);
  }
}

#define BINARY(op, result, expression) [op] = LIG_NAME(b_##op),
static const binary_f32 LIG_NAME(binary_table)[LIG_BINARY_COMPARE_END] = {
  LIG_BINARY_LIST(BINARY)[LIG_BINARY_POW] = LIG_NAME(b_POWER)};
#undef BINARY
