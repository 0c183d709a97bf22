#ifndef LIG_CTC_H
#define LIG_CTC_H

#include <stdint.h>

#include "pool.h"

/// Connectionist temporal classification (Graves et al. 2006), in log space and float64 within. Sequences that no
/// alignment fits have an infinite loss, or 0 with `zero_infinity`.
typedef struct {
  long steps, batch, classes, labels, blank;
  int zero_infinity;
  /// Whether targets and the two lengths are int64 rather than int32.
  int wide_targets, wide_input_lengths, wide_target_lengths;
} lig_ctc;

typedef struct {
  /// `[steps, batch, classes]`, `[batch, labels]`, `[batch]`, `[batch]`.
  const float *log_probabilities;
  const void *targets, *input_lengths, *target_lengths;
} lig_ctc_data;

/// Bytes, for that many threads.
long lig_ctc_workspace(const lig_ctc *plan, int threads);
/// What is wrong with a sequence: its position in `at`. 0: nothing.
enum { LIG_CTC_FINE, LIG_CTC_INPUT_LENGTH, LIG_CTC_TARGET_LENGTH, LIG_CTC_TARGET };
int lig_ctc_check(const lig_ctc *plan, const lig_ctc_data *data, long *at);
/// losses `[batch]`. The data must have passed the check.
void lig_ctc_loss(const lig_ctc *plan, lig_pool *pool, const lig_ctc_data *data, float *losses, void *workspace);
/// From the losses' gradients `g` that of the log probabilities; NaN where a loss is infinite, unless `zero_infinity`.
void lig_ctc_gradient(
    const lig_ctc *plan, lig_pool *pool, const lig_ctc_data *data, const float *g, float *d, void *workspace);

#endif
