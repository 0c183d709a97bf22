// Included once for each instruction set by resize.c.

// One output row of `n` neighbours: y = sum of weighted rows.
static void LIG_NAME(blend)(float *y, const float *x, long n, long taps, const int *index, const float *weight) {
  const float *first = x + index[0] * n;
  float w = weight[0];
  if (taps == 1) {
    for (long k = 0; k < n; k++) y[k] = w * first[k];
    return;
  }
  const float *second = x + index[1] * n;
  float v = weight[1];
  for (long k = 0; k < n; k++) y[k] = w * first[k] + v * second[k];
  for (long t = 2; t < taps; t++) {
    const float *p = x + index[t] * n;
    float u = weight[t];
    for (long k = 0; k < n; k++) y[k] += u * p[k];
  }
}

// One whole output row along the innermost axis.
static void LIG_NAME(row)(float *y, const float *x, long count, long taps, const int *index, const float *weight) {
  if (taps == 2) {
    for (long i = 0; i < count; i++) {
      y[i] = weight[2 * i] * x[index[2 * i]] + weight[2 * i + 1] * x[index[2 * i + 1]];
    }
    return;
  }
  for (long i = 0; i < count; i++) {
    float sum = 0;
    for (long t = 0; t < taps; t++) sum += weight[i * taps + t] * x[index[i * taps + t]];
    y[i] = sum;
  }
}

static const resample_loops LIG_NAME(resample) = {LIG_NAME(blend), LIG_NAME(row)};
