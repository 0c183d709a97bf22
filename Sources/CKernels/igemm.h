// The core of all 8-bit matrix work: C = A * B with int32 sums that are exact.
//
// Both operands are packed into units of 32 bits along k: four bytes for VNNI, two 16-bit integers elsewhere (where
// the 8-bit instruction would saturate). A is cut into panels of `height` rows (unit by unit, rows side by side), B
// into panels of `width` columns. VNNI multiplies unsigned by signed bytes, so packing shifts whichever operand has
// the other sign by 128 and zero points follow.
#ifndef LIG_IGEMM_H
#define LIG_IGEMM_H

#include <stdint.h>

#include "cpu.h"
#include "gemm.h"

typedef enum { IGEMM_PLAIN = 0, IGEMM_AVX2 = 1, IGEMM_VNNI = 2 } igemm_isa;

igemm_isa igemm_best(void);
static inline long igemm_width(int isa) { return isa == IGEMM_VNNI ? 32 : isa == IGEMM_AVX2 ? 16 : 8; }
/// k that a unit holds.
static inline long igemm_unit(int isa) { return isa == IGEMM_VNNI ? 4 : 2; }
static inline long igemm_units(int isa, long k) { return (k + igemm_unit(isa) - 1) / igemm_unit(isa); }
/// Rows of a panel of A with `rows` rows in all.
int igemm_height(int isa, long rows);

/// How bytes are read while they are packed: as signed or unsigned, then shifted (VNNI only) to the sign wanted.
typedef struct {
  int is_signed;
  /// What was subtracted from every value.
  int shift;
  /// Flips the top bit of a byte, where that is the shift.
  uint8_t flip;
} igemm_bytes;

igemm_bytes igemm_reading(int isa, int is_signed, int wants_signed);

/// Packs rows x k of A (bytes `row_step` and `column_step` apart). `sums` gets each row's sum of shifted values.
void igemm_pack_a(
    int isa, uint32_t *out, const uint8_t *a, long row_step, long column_step, long rows, long k, int height,
    igemm_bytes bytes, int32_t *sums);
/// Columns of B that lie in `groups` of `size` columns, packed so that `lanes` of each group follow each other:
/// the first lanes of all groups, then the next ones. Columns past a group's size are zeros. lanes = 0: as they lie.
typedef struct {
  long lanes, groups, size;
} igemm_order;

/// Packs k x columns of B (`columns` after ordering). `sums`: of each column, up to the width of panels.
void igemm_pack_b(
    int isa, uint32_t *out, const uint8_t *b, long row_step, long k, long columns, igemm_order order,
    igemm_bytes bytes, int32_t *sums);
/// Which column of B stands at `column` after ordering; -1 for zeros.
static inline long igemm_column(igemm_order order, long column) {
  if (!order.lanes) return column;
  long member = column / (order.lanes * order.groups) * order.lanes + column % order.lanes;
  return member < order.size ? column / order.lanes % order.groups * order.size + member : -1;
}
/// Packs one unit (4 or 2 rows of k, of which `valid` are real) of `columns` bytes: `lines` are already shifted.
/// Panels start `panel` units apart. Lines are read up to the next multiple of 16 bytes.
void igemm_pack_lines(
    int isa, uint32_t *out, long panel, const uint8_t *const *lines, long columns, int is_signed);

typedef struct {
  long units;
  const uint32_t *a;
  int height;
  /// Panels of B, `b_panel` units apart.
  const uint32_t *b;
  long b_panel;
  int32_t *c;
  long c_row;
  long rows, columns;
  /// B holds the unsigned bytes (VNNI).
  int b_is_unsigned;
  /// c -= row_zero[i] * column_sum[j] + column_zero[j] * row_sum[i]; either pair may be NULL. Column arrays are read
  /// up to the width of panels. To be exact, column_sum holds the sum over k less k * column_zero.
  const int32_t *row_zero, *column_sum, *column_zero, *row_sum;
} igemm_block;

void igemm_run(int isa, const igemm_block *block);

#endif
