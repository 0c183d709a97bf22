#ifndef LIG_RECURRENT_STATE_H
#define LIG_RECURRENT_STATE_H

#include "igemm.h"
#include "quantize.h"
#include "recurrent.h"

/// The 8-bit side of a run: per direction, weights in the order of panels of hidden units and the state in bytes.
typedef struct {
  int isa, height;
  /// Units of k, and columns of the packed weights.
  long units, columns;
  const uint32_t *packed_r;
  /// [directions, columns]; column_zero may be NULL.
  const int32_t *column_sum, *column_zero;
  const float *column_scale;
  /// [directions, batch, hidden] bytes, packed rows, their sums and zero points.
  uint8_t *bytes;
  uint32_t *packed_h;
  int32_t *row_sum, *row_zero;
  /// [directions, batch]
  float *scale;
} quantized_state;

// What one run of a recurrent layer works on. States of row b after s steps are in h[s % 2], so a row whose sequence
// has ended keeps its last state untouched. Rows of states and biases are `stride` floats apart: whole vectors.
typedef struct {
  const lig_recurrent *plan;
  lig_pool *pool;
  const lig_recurrent_data *data;
  /// [steps or batch first, directions, gates, hidden]
  const float *projected;
  /// [directions, gates + 1, stride]: input and recurrent bias together; last the recurrent bias of GRU's candidate,
  /// where it must stay apart.
  const float *bias;
  const void *packed_r;
  float *h[2], *c;
  /// GRU without linear_before_reset: the update gate, and the reset state that the candidate multiplies.
  float *update, *reset_h;
  long step;
  int phase;
  long longest;
  /// NULL for float weights.
  const quantized_state *quantized;
} recurrent_state;

static inline long recurrent_length(const recurrent_state *s, long row) {
  return s->data->lengths ? s->data->lengths[row] : s->plan->steps;
}
static inline int recurrent_is_reverse(const lig_recurrent *p, int direction) { return p->reverse || direction == 1; }
static inline long recurrent_time_row(const lig_recurrent *p, long time, long row) {
  return p->batch_first ? row * p->steps + time : time * p->batch + row;
}
static inline long recurrent_y_offset(const lig_recurrent *p, long time, int direction, long row) {
  return (p->batch_first ? (row * p->steps + time) * p->directions + direction
                         : (time * p->directions + direction) * p->batch + row) * p->hidden;
}
static inline long recurrent_state_offset(const lig_recurrent *p, int direction, long row) {
  return (p->batch_first ? row * p->directions + direction : direction * p->batch + row) * p->hidden;
}

/// A range of one step: rows of the batch and panels of hidden units.
typedef struct {
  int direction, phase;
  long step, first_row, end_row, first_panel, end_panel;
} recurrent_range;

// ── recurrent_quantized.c ────────────────────────────────────────────────────
igemm_order quantized_order(const lig_recurrent *p);
long quantized_packed_r_size(const lig_recurrent *p);
void quantized_pack_r(const lig_recurrent *p, const void *r, void *packed);
/// Bytes of the memory that `quantized_start` lays out.
long quantized_workspace(const lig_recurrent *p);
/// Computes the input's part of all gates and makes ready for the steps.
void quantized_start(recurrent_state *s, const void *packed_w, float *projected, quantized_state *q, void *memory);
/// The state before a step, in bytes: rows of the batch from a panel's first on.
void quantized_read_state(const recurrent_state *s, int direction, long step, long first_row, long end_row);

#endif
