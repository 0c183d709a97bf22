#ifndef LIG_POOLING_H
#define LIG_POOLING_H

#include "pool.h"

// Pooling over [planes, depth, height, width]; fewer spatial axes have 1 in front.

enum { LIG_POOL_MAX, LIG_POOL_AVERAGE, LIG_POOL_LP };

typedef struct {
  int kind;
  /// LIG_POOL_AVERAGE: padding counts as zeros that were averaged. What a window of ceil_mode has beyond the padding
  /// never counts.
  int count_include_pad;
  /// LIG_POOL_LP: the exponent.
  float p;
  long planes;
  long input[3], output[3], kernel[3], stride[3], dilation[3];
  long pad_begin[3], pad_end[3];
} lig_pooling;

/// Floats of scratch that one worker needs.
long lig_pooling_workspace(const lig_pooling *spec);
/// float32. `workspace`: lig_pooling_workspace floats for each of lig_pool_threads(pool) workers. A maximum ignores
/// NaN, and is -inf where a window holds nothing but padding.
void lig_pooling_run(const lig_pooling *spec, const float *x, float *y, float *workspace, lig_pool *pool);

/// Maximum with its place: an index into the whole of `x`, counted along the last axis first, or along the first
/// spatial axis first with `column_major`. Types: float32, float64, int8, uint8. `indices` may be NULL. -1 otherwise.
int lig_max_pool_indexed(
  const lig_pooling *spec, int type, int column_major, const void *x, void *y, long *indices, lig_pool *pool);

/// float32 [planes, size] → mean or maximum (NaN wins) of each plane.
void lig_global_pool(int maximum, const float *x, float *y, long planes, long size, lig_pool *pool);

#endif
