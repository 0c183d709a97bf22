// Included once for each instruction set by random.c.

enum { LIG_NAME(BLOCKS) = 64 };

/// The words of 64 blocks, by word.
static void LIG_NAME(philox_tile)(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4][64]) {
  for (int b = 0; b < LIG_NAME(BLOCKS); ++b) {
    uint32_t c0 = counter[0] + (uint32_t)b, c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; ++round) {
      uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      c1 = (uint32_t)p1;
      c3 = (uint32_t)p0;
      k0 += PHILOX_W0;
      k1 += PHILOX_W1;
    }
    words[0][b] = c0;
    words[1][b] = c1;
    words[2][b] = c2;
    words[3][b] = c3;
  }
}

static void LIG_NAME(drop_row)(
    const float *x, const uint32_t *words, uint32_t threshold, float scale, long n, float *y) {
  LIG_LOOP for (long i = 0; i < n; ++i) y[i] = words[i] >= threshold ? x[i] * scale : 0.0f;
}
