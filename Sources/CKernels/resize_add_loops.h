// Included once for each instruction set by resize_add.c.

// One row. `repeat`: each element of x counts for that many columns in turn; 0 takes those of the list.
static void LIG_NAME(add_row)(
  const float *x, const float *y, float *out, long width, long repeat, const int *columns
) {
  if (repeat == 1) {
    LIG_LOOP
    for (long j = 0; j < width; j++) out[j] = y[j] + x[j];
  } else if (repeat == 2) {
    LIG_LOOP
    for (long j = 0; j < width / 2; j++) {
      out[2 * j] = y[2 * j] + x[j];
      out[2 * j + 1] = y[2 * j + 1] + x[j];
    }
  } else {
    LIG_LOOP
    for (long j = 0; j < width; j++) out[j] = y[j] + x[columns[j]];
  }
}
