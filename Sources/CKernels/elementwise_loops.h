// Included once for each instruction set by elementwise.c.

#define UNARY(op, expression) \
  static void LIG_NAME(f_##op)(const float *x_, float *y_, long n, float a, float b) { \
    (void)a, (void)b; \
    LIG_LOOP for (long i = 0; i < n; i++) { \
      float x = x_[i]; \
      y_[i] = (expression); \
    } \
  }
LIG_UNARY_LIST(UNARY)
#undef UNARY

#define UNARY(op, expression) [op] = LIG_NAME(f_##op),
static const unary_f32 LIG_NAME(unary_table)[LIG_UNARY_VECTOR_COUNT] = {LIG_UNARY_LIST(UNARY)};
#undef UNARY
