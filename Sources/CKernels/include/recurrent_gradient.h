#ifndef LIG_RECURRENT_GRADIENT_H
#define LIG_RECURRENT_GRADIENT_H

#include <stdint.h>

#include "matmul.h"
#include "pool.h"

/// Back-propagation through time of an LSTM or a GRU with sigmoid and tanh. Fill the first part, call `lig_recurrent_gradient_prepare`, keep the value: it holds no pointers.
typedef struct {
  int is_gru;
  /// GRU: the reset gate scales the state before the candidate's product (`linear_before_reset` 0), not the product.
  int resets_before;
  long steps, batch, input, hidden;
  /// `reverse` with one direction: it runs from the end. With two, the second does.
  int directions, reverse;
  /// ONNX's layout 1: the batch is the first axis of everything but weights.
  int batch_first;

  int isa;
  /// Gates of a cell; sequences that a task takes back through time.
  long gates, rows_per_task;
  /// Gates of all steps from x and from h; one step back; the results.
  lig_matmul from_x, from_h, back, to_x, to_w, to_r;
  /// The candidate's own products where the reset comes before them: forwards, one step back, its weights.
  lig_matmul from_reset, back_reset, to_reset;
} lig_recurrent_gradient;

typedef struct {
  /// `[steps, batch, input]`; weights as ONNX lays them out; bias may be NULL.
  const float *x, *w, *r, *bias;
  /// NULL: all `steps`.
  const int32_t *lengths;
  /// `[directions, batch, hidden]`; NULL: zeros.
  const float *initial_h, *initial_c;
  /// What the layer made, `[steps, directions, batch, hidden]`.
  const float *y;
  /// Gradients of y, of the last h and of the last c; each may be NULL.
  const float *dy, *dlast_h, *dlast_c;
  /// Results; each may be NULL.
  float *dx, *dw, *dr, *dbias, *dinitial_h, *dinitial_c;
} lig_recurrent_gradient_data;

void lig_recurrent_gradient_prepare(lig_recurrent_gradient *plan);
/// Bytes, for that many threads.
long lig_recurrent_gradient_workspace(const lig_recurrent_gradient *plan, int threads);
/// 0, or 1 + the position of a length out of 0...steps.
long lig_recurrent_gradient_run(
    const lig_recurrent_gradient *plan, lig_pool *pool, const lig_recurrent_gradient_data *data, void *workspace);

#endif
