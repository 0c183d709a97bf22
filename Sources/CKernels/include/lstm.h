#ifndef LIG_LSTM_H
#define LIG_LSTM_H

#include <stdint.h>

#include "activation.h"
#include "matmul.h"
#include "pool.h"

enum { LIG_LSTM_UNITS = 32 };

/// The activations that ONNX names for recurrent operators.
typedef enum {
  LIG_RNN_SIGMOID = 0,
  LIG_RNN_TANH,
  LIG_RNN_RELU,
  LIG_RNN_HARD_SIGMOID,
  LIG_RNN_LEAKY_RELU,
  LIG_RNN_THRESHOLDED_RELU,
  LIG_RNN_AFFINE,
  LIG_RNN_SCALED_TANH,
  LIG_RNN_ELU,
  LIG_RNN_SOFTSIGN,
  LIG_RNN_SOFTPLUS,
} lig_rnn_activation_kind;

typedef struct {
  lig_rnn_activation_kind kind;
  float alpha, beta;
} lig_rnn_activation;

/// LSTM as ONNX defines it. Fill the first part, call `lig_lstm_prepare`, keep the value: it holds no pointers.
typedef struct {
  long steps, batch, inputs, hidden;
  /// 1 or 2; `reversed` tells for each whether it runs from the end.
  int directions, reversed[2];
  /// ONNX's layout 1: the batch is the first axis of x and y.
  int batch_first;
  int input_forget;
  /// Gates' inputs are kept in -clip...clip; 0: not.
  float clip;
  /// f, g and h of each direction.
  lig_rnn_activation activations[2][3];

  int isa, width, height;
  long blocks, columns, depth;
  int shares_steps;
  lig_matmul projection;
} lig_lstm;

typedef struct {
  /// `[steps, batch, inputs]`, or batch first.
  const float *x;
  /// From `lig_lstm_pack`: input weights, recurrent weights, biases of all directions.
  const float *packed_w, *packed_r, *packed_b;
  /// One length a batch entry, 0...steps; NULL: all `steps`.
  const int32_t *lengths;
  /// `[directions, batch, hidden]` (batch first: `[batch, directions, hidden]`); NULL: zeros.
  const float *initial_h, *initial_c;
  /// `[directions, 3 * hidden]`, gates i, o, f; NULL: none.
  const float *peepholes;
  /// `[steps, directions, batch, hidden]` (batch first: `[batch, steps, directions, hidden]`). Each may be NULL.
  float *y;
  float *last_h, *last_c;
} lig_lstm_operands;

void lig_lstm_prepare(lig_lstm *plan);
long lig_lstm_packed_w_count(const lig_lstm *plan);
long lig_lstm_packed_r_count(const lig_lstm *plan);
long lig_lstm_packed_b_count(const lig_lstm *plan);
/// Packs `[directions, 4 * hidden, inputs]`, gates in the order i, o, f, c.
void lig_lstm_pack_w(const lig_lstm *plan, const float *w, float *packed);
/// Packs `[directions, 4 * hidden, hidden]`.
void lig_lstm_pack_r(const lig_lstm *plan, const float *r, float *packed);
/// Adds up `[directions, 8 * hidden]` (input biases, then recurrent ones); NULL gives zeros.
void lig_lstm_pack_b(const lig_lstm *plan, const float *b, float *packed);
/// Bytes, for that many threads.
long lig_lstm_workspace(const lig_lstm *plan, int threads);
void lig_lstm_run(const lig_lstm *plan, lig_pool *pool, const lig_lstm_operands *operands, void *workspace);

#endif
