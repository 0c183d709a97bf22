// Included once for each instruction set by roi_align.c.

// sum += weight * x
static void LIG_NAME(add)(float *sum, const float *x, float weight, long n) {
  LIG_LOOP for (long i = 0; i < n; i++) sum[i] += weight * x[i];
}

// The largest of weight * x, for the largest and the least of the weights that fall on this row. NaN stays.
static void LIG_NAME(raise)(float *high, float *low, const float *x, float most, float least, long n) {
  LIG_LOOP for (long i = 0; i < n; i++) {
    float a = most * x[i], b = least * x[i];
    high[i] = a > high[i] || a != a ? a : high[i];
    low[i] = b > low[i] || b != b ? b : low[i];
  }
}

static const roi_loops LIG_NAME(roi) = {LIG_NAME(add), LIG_NAME(raise)};
