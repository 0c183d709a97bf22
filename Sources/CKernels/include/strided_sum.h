#ifndef LIG_STRIDED_SUM_H
#define LIG_STRIDED_SUM_H

#include "pool.h"

enum { LIG_STRIDED_RANK = 16 };

/// y (dense, `rank` axes of `size`) = x at `step` elements along each axis, summed over further axes. With none of
/// those it copies: a permutation, a diagonal (steps added up) or a repetition (step 0).
typedef struct {
  int rank, sum_rank;
  long size[LIG_STRIDED_RANK], step[LIG_STRIDED_RANK], sum_size[LIG_STRIDED_RANK], sum_step[LIG_STRIDED_RANK];
} lig_strided_sum;

static inline void lig_strided_sum_add_axis(lig_strided_sum *plan, long size, long step) {
  plan->size[plan->rank] = size;
  plan->step[plan->rank++] = step;
}
static inline void lig_strided_sum_add_sum(lig_strided_sum *plan, long size, long step) {
  plan->sum_size[plan->sum_rank] = size;
  plan->sum_step[plan->sum_rank++] = step;
}

void lig_strided_sum_run(const lig_strided_sum *plan, lig_pool *pool, const float *x, float *y);

#endif
