// float32 reductions; included once for each instruction set by reduce.c.

// `a` is a partial result, `x` the next element, `s` what LogSumExp subtracts. A run has WAYS partial results whatever
// the instruction set: that is what makes the bits the same.
#define REDUCTION(op, start, expression, join) \
  static double LIG_NAME(run_##op)(const float *p, long n, float s) { \
    (void)s; \
    float parts[WAYS]; \
    long i = 0; \
    for (int k = 0; k < WAYS; k++) parts[k] = (start); \
    for (; i + WAYS <= n; i += WAYS) { \
      LIG_SHORT_LOOP for (int k = 0; k < WAYS; k++) { \
        float x = p[i + k], a = parts[k]; \
        parts[k] = (expression); \
      } \
    } \
    const float *rest = p + i; \
    n -= i; \
    LIG_LOOP for (long k = 0; k < n; k++) { \
      float x = rest[k], a = parts[k]; \
      parts[k] = (expression); \
    } \
    for (int width = WAYS / 2; width > 0; width /= 2) { \
      LIG_LOOP for (int k = 0; k < width; k++) { \
        float a = parts[k], x = parts[k + width]; \
        parts[k] = (join); \
      } \
    } \
    return parts[0]; \
  } \
  static void LIG_NAME(row_##op)(float *parts, const float *p, long n, const float *shift) { \
    (void)shift; \
    LIG_LOOP for (long i = 0; i < n; i++) { \
      float x = p[i], a = parts[i], s = shift[i]; \
      (void)s; \
      parts[i] = (expression); \
    } \
  }
LIG_REDUCTION_LIST(REDUCTION)
#undef REDUCTION

#define REDUCTION(op, start, expression, join) [op] = {LIG_NAME(run_##op), LIG_NAME(row_##op), start},
static const reduction LIG_NAME(reduction_table)[TERM_COUNT] = {LIG_REDUCTION_LIST(REDUCTION)};
#undef REDUCTION
