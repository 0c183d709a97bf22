#ifndef LIG_BROADCAST_WALK_H
#define LIG_BROADCAST_WALK_H

#include "broadcast.h"

// Where the walk stands: one offset an input, moved row by row without division.
typedef struct {
  long index[LIG_MAX_RANK];
  long offset[LIG_MAX_INPUTS];
} cursor;

static inline void cursor_start(cursor *at, const lig_broadcast *plan, long row) {
  for (int k = 0; k < plan->inputs; k++) at->offset[k] = 0;
  for (int axis = plan->rank - 1; axis >= 0; axis--) {
    at->index[axis] = row % plan->shape[axis];
    row /= plan->shape[axis];
    for (int k = 0; k < plan->inputs; k++) at->offset[k] += at->index[axis] * plan->stride[k][axis];
  }
}

static inline void cursor_next(cursor *at, const lig_broadcast *plan) {
  for (int axis = plan->rank - 1; axis >= 0; axis--) {
    for (int k = 0; k < plan->inputs; k++) at->offset[k] += plan->stride[k][axis];
    if (++at->index[axis] < plan->shape[axis]) return;
    for (int k = 0; k < plan->inputs; k++) at->offset[k] -= plan->shape[axis] * plan->stride[k][axis];
    at->index[axis] = 0;
  }
}

#endif
