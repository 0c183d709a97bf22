#ifndef LIG_RECURRENT_H
#define LIG_RECURRENT_H

#include "matmul.h"
#include "matmul_integer.h"
#include "pool.h"

// ONNX's LSTM, GRU and RNN in float32. The input's part of all gates is one matrix product over all steps; the
// recurrent part runs step by step on weights packed so that all gates of a few hidden units lie together.
// An LSTM may have weights of 8 bits, as ONNX Runtime's DynamicQuantizeLSTM: then x is quantised as a whole, the
// state of each row anew at each step.

typedef enum { LIG_CELL_LSTM, LIG_CELL_GRU, LIG_CELL_RNN } lig_cell;

typedef enum {
  LIG_GATE_SIGMOID,
  LIG_GATE_TANH,
  LIG_GATE_RELU,
  /// alpha * x + beta
  LIG_GATE_AFFINE,
  /// x for x >= 0, alpha * x otherwise
  LIG_GATE_LEAKY_RELU,
  /// x for x > alpha, 0 otherwise
  LIG_GATE_THRESHOLDED_RELU,
  /// alpha * tanh(beta * x)
  LIG_GATE_SCALED_TANH,
  /// min(max(alpha * x + beta, 0), 1)
  LIG_GATE_HARD_SIGMOID,
  /// x for x >= 0, alpha * (exp(x) - 1) otherwise
  LIG_GATE_ELU,
  LIG_GATE_SOFTSIGN,
  LIG_GATE_SOFTPLUS,
} lig_gate_kind;

typedef struct {
  lig_gate_kind kind;
  float alpha, beta;
} lig_gate;

/// Fill the first part, call `lig_recurrent_prepare`, keep the value: it holds no pointers.
typedef struct {
  lig_cell cell;
  long steps, batch, input, hidden;
  /// 1 or 2; with `reverse` the first one runs from the end.
  int directions, reverse;
  /// ONNX's layout 1: x is [batch, steps, input], y [batch, steps, directions, hidden], states
  /// [batch, directions, hidden]. Else [steps, batch, input], [steps, directions, batch, hidden] and
  /// [directions, batch, hidden].
  int batch_first;
  /// ONNX's f, g, h for each direction.
  lig_gate activations[2][3];
  /// Gates are kept within -clip ... clip before their activation; infinity for no limit. States are not.
  float clip;
  int input_forget, linear_before_reset;
  /// w and r are packed ahead by `lig_recurrent_pack_w` and `lig_recurrent_pack_r`.
  int w_is_packed, r_is_packed;
  /// LSTM only: w is [directions, input, gates * hidden] and r [directions, hidden, gates * hidden], of bytes.
  int quantized, w_is_signed, r_is_signed;
  /// Scales (and zero points) of a direction: 1 or gates * hidden.
  long w_scales, r_scales;

  int isa, gates, lanes, stride;
  /// Gates and vectors of hidden units that the panels of a phase hold.
  int phases, phase_gates[2], phase_units[2];
  long phase_panels[2];
  /// Work of a task: panels of one step, or rows of the batch for all steps when panels_per_task is 0.
  long panels_per_task[2], rows_per_task;
  lig_matmul projection;
  lig_matmul_integer integer_projection;
} lig_recurrent;

typedef struct {
  const float *x;
  /// w is [directions, gates * hidden, input], r [directions, gates * hidden, hidden]: packed if the plan says so.
  const void *w, *r;
  /// For 8-bit weights: scales, and zero points of the weights' type (NULL for zeros).
  const float *w_scale, *r_scale;
  const void *w_zero, *r_zero;
  /// As ONNX has them; all may be NULL.
  const float *bias, *initial_h, *initial_c, *peepholes;
  const int *lengths;
  /// May be NULL where nobody wants them.
  float *y, *y_h, *y_c;
} lig_recurrent_data;

void lig_recurrent_prepare(lig_recurrent *plan);
/// Bytes that the packed weights take.
long lig_recurrent_packed_w_size(const lig_recurrent *plan);
long lig_recurrent_packed_r_size(const lig_recurrent *plan);
void lig_recurrent_pack_w(const lig_recurrent *plan, const void *w, void *packed);
void lig_recurrent_pack_r(const lig_recurrent *plan, const void *r, void *packed);
/// Bytes, for that many threads.
long lig_recurrent_workspace(const lig_recurrent *plan, int threads);
/// 0, or 1 + the position of a sequence length that is not in 0...steps; then nothing was computed.
long lig_recurrent_run(
    const lig_recurrent *plan, lig_pool *pool, const lig_recurrent_data *data, void *workspace);

#endif
