#include "igemm.h"

#include <string.h>

#if LIG_X86
#include <immintrin.h>

#define LANES 16
#define HEIGHT 12
#define TARGET LIG_VNNI
#define F(name) name##_vnni
// Unsigned bytes first.
#define DOT(acc, x, y) (vi)_mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(x), (__m512i)(y))
#include "igemm.inc"

#define LANES 8
#define HEIGHT 6
#define TARGET LIG_AVX2
#define F(name) name##_avx2
#define DOT(acc, x, y) (acc) + (vi)_mm256_madd_epi16((__m256i)(x), (__m256i)(y))
#include "igemm.inc"
#endif

#define LANES 4
#define HEIGHT 4
#define TARGET
#define F(name) name##_plain
#define DOT(acc, x, y) (acc) + ((x) >> 16) * ((y) >> 16) + (((x) << 16) >> 16) * (((y) << 16) >> 16)
#include "igemm.inc"

igemm_isa igemm_best(void) {
  unsigned can = lig_cpu();
  return can & LIG_CPU_VNNI ? IGEMM_VNNI : can & LIG_CPU_AVX2 ? IGEMM_AVX2 : IGEMM_PLAIN;
}

int igemm_height(int isa, long rows) {
  long most = isa == IGEMM_VNNI ? 12 : isa == IGEMM_AVX2 ? 6 : 4;
  long panels = gemm_max((rows + most - 1) / most, 1);
  return (int)gemm_max((rows + panels - 1) / panels, 1);
}

void igemm_run(int isa, const igemm_block *block) {
#if LIG_X86
  if (isa == IGEMM_VNNI) { igemm_run_vnni(block); return; }
  if (isa == IGEMM_AVX2) { igemm_run_avx2(block); return; }
#endif
  (void)isa;
  igemm_run_plain(block);
}

igemm_bytes igemm_reading(int isa, int is_signed, int wants_signed) {
  igemm_bytes bytes = {.is_signed = is_signed};
  if (isa == IGEMM_VNNI && is_signed != wants_signed) {
    bytes = (igemm_bytes){.is_signed = wants_signed, .shift = is_signed ? -128 : 128, .flip = 0x80};
  }
  return bytes;
}

// ── Packing ─────────────────────────────────────────────────────────────────
static int value_of(uint8_t byte, igemm_bytes bytes) {
  byte ^= bytes.flip;
  return bytes.is_signed ? (int8_t)byte : byte;
}

/// Puts value number `k` of a unit sequence in its place.
static uint32_t placed(int isa, int value, long k) {
  return isa == IGEMM_VNNI ? (uint32_t)(value & 0xff) << (8 * (k & 3)) : (uint32_t)(value & 0xffff) << (16 * (k & 1));
}

void igemm_pack_a(
    int isa, uint32_t *out, const uint8_t *a, long row_step, long column_step, long rows, long k, int height,
    igemm_bytes bytes, int32_t *sums) {
  const long unit = igemm_unit(isa), units = igemm_units(isa, k);
  for (long row = 0; row < rows; row += height) {
    for (long i = 0; i < height; ++i) {
      const uint8_t *from = a + (row + i) * row_step;
      uint32_t *to = out + i;
      if (row + i >= rows) {
        for (long u = 0; u < units; ++u, to += height) *to = 0;
        continue;
      }
      int32_t sum = 0;
      long j = 0;
      if (isa == IGEMM_VNNI && column_step == 1) {
        const uint32_t flip = bytes.flip * 0x01010101u;
        for (; j + 4 <= k; j += 4, to += height) {
          uint32_t four;
          memcpy(&four, from + j, 4);
          *to = four ^ flip;
        }
        if (sums) for (long q = 0; q < j; ++q) sum += value_of(from[q], bytes);
      }
      for (; j < k; j += unit, to += height) {
        uint32_t packed = 0;
        for (long q = j; q < gemm_min(j + unit, k); ++q) {
          int value = value_of(from[q * column_step], bytes);
          sum += value;
          packed |= placed(isa, value, q - j);
        }
        *to = packed;
      }
      if (sums) sums[row + i] = sum;
    }
    out += units * height;
  }
}

void igemm_pack_b(
    int isa, uint32_t *out, const uint8_t *b, long row_step, long k, long columns, igemm_order order,
    igemm_bytes bytes, int32_t *sums) {
  const long unit = igemm_unit(isa), width = igemm_width(isa);
  for (long first = 0; first < columns; first += width, out += igemm_units(isa, k) * width) {
    for (long i = 0; i < width; ++i) {
      const long column = first + i < columns ? igemm_column(order, first + i) : -1;
      uint32_t *to = out + i;
      int32_t sum = 0;
      for (long j = 0; j < k; j += unit, to += width) {
        *to = 0;
        for (long q = j; column >= 0 && q < gemm_min(j + unit, k); ++q) {
          int value = value_of(b[q * row_step + column], bytes);
          sum += value;
          *to |= placed(isa, value, q - j);
        }
      }
      if (sums) sums[first + i] = sum;
    }
  }
}

// 16 columns of a unit: four lines of bytes, or two lines widened to 16 bits.
static void interleave(int isa, uint32_t *out, const uint8_t *const *lines, long at, int is_signed) {
#if LIG_X86
  __m128i a = _mm_loadu_si128((const __m128i *)(lines[0] + at)), b = _mm_loadu_si128((const __m128i *)(lines[1] + at));
  __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
  __m128i *to = (__m128i *)out;
  if (isa == IGEMM_VNNI) {
    __m128i c = _mm_loadu_si128((const __m128i *)(lines[2] + at)), d = _mm_loadu_si128((const __m128i *)(lines[3] + at));
    __m128i low2 = _mm_unpacklo_epi8(c, d), high2 = _mm_unpackhi_epi8(c, d);
    _mm_storeu_si128(to, _mm_unpacklo_epi16(low, low2));
    _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(low, low2));
    _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(high, high2));
    _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(high, high2));
    return;
  }
  // Bytes of one column lie side by side now: widen each to 16 bits.
  __m128i zero = _mm_setzero_si128();
  __m128i parts[4] = {_mm_unpacklo_epi8(low, zero), _mm_unpackhi_epi8(low, zero), _mm_unpacklo_epi8(high, zero),
                      _mm_unpackhi_epi8(high, zero)};
  for (int i = 0; i < 4; ++i) {
    __m128i x = is_signed ? _mm_srai_epi16(_mm_slli_epi16(parts[i], 8), 8) : parts[i];
    _mm_storeu_si128(to + i, x);
  }
#else
  for (int i = 0; i < 16; ++i) {
    uint32_t packed = 0;
    for (long q = 0; q < igemm_unit(isa); ++q) {
      packed |= placed(isa, is_signed ? (int8_t)lines[q][at + i] : lines[q][at + i], q);
    }
    out[i] = packed;
  }
#endif
}

void igemm_pack_lines(
    int isa, uint32_t *out, long panel, const uint8_t *const *lines, long columns, int is_signed) {
  const long width = igemm_width(isa);
  for (long column = 0; column < columns; column += 16) {
    if (width >= 16) {
      interleave(isa, out + column / width * panel + column % width, lines, column, is_signed);
    } else {
      uint32_t both[16];
      interleave(isa, both, lines, column, is_signed);
      memcpy(out + column / width * panel, both, 32);
      if (column + width < columns) memcpy(out + (column / width + 1) * panel, both + 8, 32);
    }
  }
}
