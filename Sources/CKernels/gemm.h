// The core of all float matrix work: panels, packing, and one block of C = A * B in registers.
//
// A is cut into panels of `height` rows, B into panels of `width` columns; within a panel, k is the slow axis, so the
// inner loop reads both in order. k is cut into blocks that depend on k alone. Hence a value of C is always summed in
// the same order, however the work is shared.
//
// With LIG_ISA_PAIRS A and B hold bfloat16, two consecutive k side by side in the place of one float: what is called k
// below then counts pairs. Products are summed in float32.
//
// With LIG_ISA_BLAS a block is one call of OpenBLAS, which cuts and packs by itself: A is packed row by row, B column
// by column, or read as it lies (b_is_bare). Width and height are then only what tasks are rounded to.
#ifndef LIG_GEMM_H
#define LIG_GEMM_H

#include "activation.h"
#include "cpu.h"

enum { gemm_most_depth = 192 };

/// What multiplies rows x k by k x columns best: `lig_isa`, or that and LIG_ISA_BLAS.
int gemm_isa(long rows, long columns, long k);
/// What multiplies pairs of bfloat16 here.
int gemm_isa_of_pairs(void);
/// k of a matrix in places of a panel: pairs, the last of which may be half empty, or k itself.
static inline long gemm_places(int isa, long k) { return isa & LIG_ISA_PAIRS ? (k + 1) / 2 : k; }
/// Columns of a panel of B.
int gemm_width(int isa);
/// Rows of a panel of A with `rows` rows in all: close to the most that registers hold, evenly shared.
int gemm_height(int isa, long rows);
/// k of a block.
static inline long gemm_depth(long k) {
  long blocks = (k + gemm_most_depth - 1) / gemm_most_depth;
  return blocks > 1 ? (k + blocks - 1) / blocks : k;
}
static inline long gemm_round_up(long x, long step) { return (x + step - 1) / step * step; }
static inline long gemm_min(long a, long b) { return a < b ? a : b; }
static inline long gemm_max(long a, long b) { return a > b ? a : b; }

/// Packs rows x k of A (element (i, j) at a[i * row_step + j * column_step], times scale) into panels.
void gemm_pack_a(
    float *out, const float *a, long row_step, long column_step, long rows, long k, int height, float scale);
/// Packs k x columns of B into panels of `width`, zeros after the last column.
void gemm_pack_b(
    float *out, const float *b, long row_step, long column_step, long k, long columns, int width);

/// The same, rounded to pairs of bfloat16 (to nearest, ties to even) for an instruction set with LIG_ISA_PAIRS.
void gemm_pack_pairs_a(
    int isa, float *out, const float *a, long row_step, long column_step, long rows, long k, int height, float scale);
void gemm_pack_pairs_b(
    int isa, float *out, const float *b, long row_step, long column_step, long k, long columns);
/// Panels of B that hold floats, k rows each, to panels of pairs in the same place.
void gemm_pair_panels(int isa, float *panels, long k, long columns);

typedef struct {
  long depth;
  /// Panels of A, `depth * height` floats each.
  const float *a;
  int height;
  /// Panel p of B starts at b + p * b_panel; its rows are b_row apart.
  const float *b;
  long b_panel, b_row;
  /// If not NULL, row k of B starts at b + offsets[k] instead, panels follow each other within the rows, and what lies
  /// after the last column may be read up to a whole panel.
  const int *offsets;
  /// B is not packed: nothing may be read after its last column.
  int b_is_bare;
  float *c;
  long c_row;
  long rows, columns;
  /// Adds to what C holds.
  int accumulate;
  /// Added: one value a row, one a column; may be NULL. Only with the first block of k.
  const float *row_bias, *column_bias;
  /// With the last block of k: what is added (laid out as C, or NULL) and applied.
  int last;
  const float *residual;
  lig_activation activation;
} gemm_block;

void gemm_run(int isa, const gemm_block *block);
/// Whether an activation gives its argument back.
static inline int gemm_keeps(lig_activation f) { return f.kind == LIG_IDENTITY && !f.is_scaled; }
/// to = activation(from + residual); `residual` may be NULL, `from` may be `to`.
void gemm_finish(int isa, lig_activation activation, const float *from, const float *residual, float *to, long count);

#endif
