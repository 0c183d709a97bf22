#ifndef LIG_REDUCE_H
#define LIG_REDUCE_H

#include "broadcast.h"
#include "pool.h"

enum {
  LIG_REDUCE_SUM, LIG_REDUCE_MEAN, LIG_REDUCE_MAX, LIG_REDUCE_MIN, LIG_REDUCE_PROD, LIG_REDUCE_L1, LIG_REDUCE_L2,
  LIG_REDUCE_SUM_SQUARE, LIG_REDUCE_LOG_SUM, LIG_REDUCE_LOG_SUM_EXP, LIG_REDUCE_COUNT,
};

/// Axes in two groups, merged: those that stay and those over which is summed. Strides in elements.
typedef struct {
  int kept_rank, reduced_rank;
  long kept_shape[LIG_MAX_RANK], kept_stride[LIG_MAX_RANK];
  long reduced_shape[LIG_MAX_RANK], reduced_stride[LIG_MAX_RANK];
  long outputs, terms;  // number of results, and of elements that each is made of
} lig_reduce;

/// `is_reduced`: one flag an axis. -1 when the rank is above LIG_MAX_RANK.
int lig_reduce_prepare(lig_reduce *plan, int rank, const long *shape, const unsigned char *is_reduced);
/// Types: float32, float64, int8, uint8, int32, int64, uint32, uint64. Nothing to reduce gives the neutral value
/// (sum 0, product 1, maximum the lowest value, minimum the highest, mean NaN or 0). -1 for other types.
int lig_reduce_run(int operation, int type, const lig_reduce *plan, const void *x, void *y, lig_pool *pool);
int lig_reduce_knows(int type);

/// x[outer, n, inner] → indices y[outer, inner] (int64) of the largest (or smallest) along n; the first of equal ones
/// unless `last`; a NaN wins. n > 0. Types: float32, float64, int8, uint8, int32, int64. -1 for other types.
int lig_arg_extreme(
  int type, int smallest, int last, const void *x, long *y, long outer, long n, long inner, lig_pool *pool);
/// y[outer, n, inner] = sums of x along n. Types: float32, float64, int32, int64, uint32, uint64. -1 for other types.
int lig_cumsum(
  int type, int exclusive, int reverse, const void *x, void *y, long outer, long n, long inner, lig_pool *pool);

#endif
