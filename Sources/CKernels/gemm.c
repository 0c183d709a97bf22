#include "gemm.h"

#include <cblas.h>
#include <limits.h>
#include <pthread.h>

#define KERNELS "gemm.inc"
#include "each_simd.h"

// Once more for pairs of bfloat16, and their twin.
#define PAIRS
#if LIG_X86
#define LANES 16
#define HEIGHT 12
#define TARGET LIG_BF16
#define F(name) name##_bf16
#define MASKED 1
#define FUSED 1
#include "simd.h"
#include "gemm.inc"
#include "simd_end.h"
#endif

#define LANES 4
#ifdef __aarch64__
#define HEIGHT 8
#define FUSED 1
#else
#define HEIGHT 4
#define FUSED 0
#endif
#define TARGET
#define F(name) name##_pairs
#define MASKED 0
#include "simd.h"
#include "gemm.inc"
#include "simd_end.h"
#undef PAIRS

#if LIG_X86
#define PAIRED(isa, name) ((isa) & LIG_ISA_AVX512 ? name##_bf16 : name##_pairs)
#else
#define PAIRED(isa, name) ((void)(isa), name##_pairs)
#endif

enum { blas_width = 64, blas_height = 16, blas_least = 16 };

// Our own pool shares the work; threads of OpenBLAS on top of it would fight for the same cores.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void use_one_thread(void) { openblas_set_num_threads(1); }

int gemm_isa(long rows, long columns, long k) {
  int isa = (int)lig_isa();
  // Our AVX2 and AVX-512 kernels are as fast as OpenBLAS or faster, and so are the plain ones for a thin product.
  if (!(lig_cpu() & LIG_CPU_BLAS) || isa != LIG_ISA_PLAIN) return isa;
  if (gemm_min(rows, gemm_min(columns, k)) < blas_least) return isa;
  // OpenBLAS counts in ints.
  if (gemm_max(rows, gemm_max(columns, k)) > INT_MAX) return isa;
  pthread_once(&once, use_one_thread);
  return isa | LIG_ISA_BLAS;
}

int gemm_isa_of_pairs(void) {
  return LIG_ISA_PAIRS | (lig_cpu() & LIG_CPU_BF16 ? LIG_ISA_AVX512 : LIG_ISA_PLAIN);
}

int gemm_width(int isa) {
  isa &= ~LIG_ISA_PAIRS;
  return isa & LIG_ISA_BLAS ? blas_width : isa == LIG_ISA_AVX512 ? 32 : isa == LIG_ISA_AVX2 ? 16 : 8;
}

int gemm_height(int isa, long rows) {
  if (isa & LIG_ISA_BLAS) return blas_height;
  isa &= ~LIG_ISA_PAIRS;
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
  if (height == blas_height) {
    for (long i = 0; i < rows; ++i, a += row_step, out += k) {
      for (long j = 0; j < k; ++j) out[j] = a[j * column_step] * scale;
    }
    return;
  }
  for (long row = 0; row < rows; row += height, out += k * height) {
    long valid = gemm_min(height, rows - row);
    const float *from = a + row * row_step;
    float *to = out;
    if (column_step == 1) {  // rows that lie in order
      BEST(turn_panel)(to, from, row_step, k, valid, height, scale);
      continue;
    }
    for (long j = 0; j < k; ++j, from += column_step, to += height) {
      for (long i = 0; i < valid; ++i) to[i] = from[i * row_step] * scale;
      for (long i = valid; i < height; ++i) to[i] = 0;
    }
  }
}

void gemm_pack_b(
    float *out, const float *b, long row_step, long column_step, long k, long columns, int width) {
  if (width == blas_width) {
    for (long i = 0; i < columns; ++i, b += column_step, out += k) {
      for (long j = 0; j < k; ++j) out[j] = b[j * row_step];
    }
    return;
  }
  int isa = width == 32 ? LIG_ISA_AVX512 : width == 16 ? LIG_ISA_AVX2 : LIG_ISA_PLAIN;
  if (column_step == 1) {
    VARIANT(isa, pack_rows)(out, b, row_step, k, columns);
    return;
  }
  if (row_step == 1) {  // columns that lie in order
    for (long column = 0; column < columns; column += width, out += k * width) {
      VARIANT(isa, turn_panel)(
          out, b + column * column_step, column_step, k, gemm_min(width, columns - column), width, 1);
    }
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

enum { paired_depth = 64, widest_panel = 32 };  // of what is packed as floats before it is paired; even

void gemm_pack_pairs_a(
    int isa, float *out, const float *a, long row_step, long column_step, long rows, long k, int height, float scale) {
  float floats[paired_depth * widest_panel] __attribute__((aligned(64)));
  for (long row = 0; row < rows; row += height) {
    long valid = gemm_min(height, rows - row);
    for (long j = 0; j < k; j += paired_depth) {
      long some = gemm_min(paired_depth, k - j);
      gemm_pack_a(floats, a + row * row_step + j * column_step, row_step, column_step, valid, some, height, scale);
      PAIRED(isa, pair_rows)(floats, some, height, out);
      out += gemm_places(isa, some) * height;
    }
  }
}

void gemm_pack_pairs_b(
    int isa, float *out, const float *b, long row_step, long column_step, long k, long columns) {
  if (column_step == 1) {
    PAIRED(isa, pack_pair_rows)(out, b, row_step, k, columns);
    return;
  }
  const int width = gemm_width(isa);
  float floats[paired_depth * widest_panel] __attribute__((aligned(64)));
  for (long column = 0; column < columns; column += width) {
    for (long j = 0; j < k; j += paired_depth) {
      long some = gemm_min(paired_depth, k - j);
      gemm_pack_b(floats, b + j * row_step + column * column_step, row_step, column_step, some,
                  gemm_min(width, columns - column), width);
      PAIRED(isa, pair_rows)(floats, some, width, out);
      out += gemm_places(isa, some) * width;
    }
  }
}

void gemm_pair_panels(int isa, float *panels, long k, long columns) {
  const long width = gemm_width(isa);
  float *to = panels;
  for (long column = 0; column < columns; column += width, panels += k * width, to += gemm_places(isa, k) * width) {
    PAIRED(isa, pair_rows)(panels, k, width, to);
  }
}

// Some of OpenBLAS' kernels leave the upper halves of AVX registers in use, which slows down all SSE code after them.
#if LIG_X86
__attribute__((target("avx"))) static void clear_upper_halves(void) { __builtin_ia32_vzeroupper(); }
static void leave_blas(void) {
  if (__builtin_cpu_supports("avx")) clear_upper_halves();
}
#else
static void leave_blas(void) {}
#endif

static void run_blas(int isa, const gemm_block *g) {
  int keeps = g->accumulate;
  if (g->row_bias || g->column_bias) {
    for (long i = 0; i < g->rows; ++i) {
      float *c = g->c + i * g->c_row, bias = g->row_bias ? g->row_bias[i] : 0;
      for (long j = 0; j < g->columns; ++j) {
        c[j] = (keeps ? c[j] : 0) + (g->column_bias ? g->column_bias[j] : 0) + bias;
      }
    }
    keeps = 1;
  }
  int depth = (int)gemm_max(g->depth, 1);
  cblas_sgemm(
      CblasRowMajor, CblasNoTrans, g->b_is_bare ? CblasNoTrans : CblasTrans, (int)g->rows, (int)g->columns,
      (int)g->depth, 1, g->a, depth, g->b, g->b_is_bare ? (int)g->b_row : depth, (float)keeps, g->c, (int)g->c_row);
  leave_blas();
  if (!g->last || (gemm_keeps(g->activation) && !g->residual)) return;
  for (long i = 0, at = 0; i < g->rows; ++i, at += g->c_row) {
    gemm_finish(isa, g->activation, g->c + at, g->residual ? g->residual + at : 0, g->c + at, g->columns);
  }
}

void gemm_run(int isa, const gemm_block *block) {
  if (isa & LIG_ISA_PAIRS) PAIRED(isa, gemm_run)(block);
  else if (isa & LIG_ISA_BLAS) run_blas(isa, block);
  else VARIANT(isa, gemm_run)(block);
}

void gemm_finish(int isa, lig_activation activation, const float *from, const float *residual, float *to, long count) {
  VARIANT(isa, gemm_finish)(activation, from, residual, to, count);
}
