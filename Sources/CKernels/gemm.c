#include "gemm.h"

#define KERNELS "gemm.inc"
#include "each_simd.h"

int gemm_width(int isa) { return isa == LIG_ISA_AVX512 ? 32 : isa == LIG_ISA_AVX2 ? 16 : 8; }

int gemm_height(int isa, long rows) {
#ifdef __aarch64__
  long most = 8;
#else
  long most = isa == LIG_ISA_AVX512 ? 12 : isa == LIG_ISA_AVX2 ? 6 : 4;
#endif
  (void)isa;
  long panels = gemm_max((rows + most - 1) / most, 1);
  return (int)gemm_max((rows + panels - 1) / panels, 1);
}

void gemm_pack_a(
    float *out, const float *a, long row_step, long column_step, long rows, long k, int height, float scale) {
  for (long row = 0; row < rows; row += height) {
    long valid = gemm_min(height, rows - row);
    const float *from = a + row * row_step;
    for (long j = 0; j < k; ++j, from += column_step, out += height) {
      for (long i = 0; i < valid; ++i) out[i] = from[i * row_step] * scale;
      for (long i = valid; i < height; ++i) out[i] = 0;
    }
  }
}

void gemm_pack_b(
    float *out, const float *b, long row_step, long column_step, long k, long columns, int width) {
  if (column_step == 1) {
    int isa = width == 32 ? LIG_ISA_AVX512 : width == 16 ? LIG_ISA_AVX2 : LIG_ISA_PLAIN;
    VARIANT(isa, pack_rows)(out, b, row_step, k, columns);
    return;
  }
  for (long column = 0; column < columns; column += width, out += k * width) {
    long valid = gemm_min(width, columns - column);
    for (long i = 0; i < width; ++i) {
      const float *from = b + (column + i) * column_step;
      float *to = out + i;
      if (i < valid) {
        for (long j = 0; j < k; ++j, from += row_step, to += width) *to = *from;
      } else {
        for (long j = 0; j < k; ++j, to += width) *to = 0;
      }
    }
  }
}

void gemm_run(int isa, const gemm_block *block) { VARIANT(isa, gemm_run)(block); }
