// What the float and the quantised LSTM share: the arithmetic of one block of units at one step, and the state.
#ifndef LIG_LSTM_CELL_H
#define LIG_LSTM_CELL_H

#include <stddef.h>

#include "gemm.h"
#include "lstm.h"

/// Columns of a block: its units' gates i, o, f, c, one after the other. Units are padded to whole blocks.
enum { lstm_block_columns = 4 * LIG_LSTM_UNITS };

/// h lies in panels, as the left side of the next step's product; element (row, unit) of the state is at this index.
static inline long lstm_state_index(const lig_lstm *p, long row, long unit) {
  long k = unit / p->depth * p->depth, depth = gemm_min(p->depth, p->hidden - k);
  long padded = gemm_round_up(p->batch, p->height);
  return k * padded + row / p->height * depth * p->height + (unit - k) * p->height + row % p->height;
}

/// Floats of one direction's h.
static inline long lstm_state_floats(const lig_lstm *p) {
  return gemm_round_up(gemm_round_up(p->batch, p->height) * p->hidden, 16);
}

static inline long lstm_padded_hidden(const lig_lstm *p) { return p->blocks * LIG_LSTM_UNITS; }

static inline long lstm_length(const lig_lstm_operands *o, const lig_lstm *p, long row) {
  long length = o->lengths ? o->lengths[row] : p->steps;
  return length < 0 ? 0 : length > p->steps ? p->steps : length;
}

/// The step of x and y that a direction handles as its t-th.
static inline long lstm_time(const lig_lstm_operands *o, const lig_lstm *p, int direction, long t, long row) {
  return p->reversed[direction] ? lstm_length(o, p, row) - 1 - t : t;
}

/// Row of the projected x (`[steps * batch, columns]`, or batch first).
static inline long lstm_x_row(const lig_lstm *p, long time, long row) {
  return p->batch_first ? row * p->steps + time : time * p->batch + row;
}

/// From gates before their activation (`[batch, lstm_block_columns]`) to c, h and y of one block.
void lstm_cell(
    const lig_lstm *plan, const lig_lstm_operands *operands, int direction, long block, long t, const float *gates,
    float *c, const float *h_before, float *h_after);

/// Fills h and c from the operands (or zeros), and last_h, last_c from h and c.
void lstm_begin(const lig_lstm *plan, const lig_lstm_operands *operands, int direction, float *h, float *c);
void lstm_end(
    const lig_lstm *plan, const lig_lstm_operands *operands, int direction, const float *h, const float *c);

#endif
