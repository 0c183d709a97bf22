#ifndef LIG_RECURRENT_STATE_H
#define LIG_RECURRENT_STATE_H

#include "recurrent.h"

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
  const float *packed_r;
  float *h[2], *c;
  /// GRU without linear_before_reset: the update gate, and the reset state that the candidate multiplies.
  float *update, *reset_h;
  long step;
  int phase;
  long longest;
  const struct quantized_state *quantized;
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

#endif
