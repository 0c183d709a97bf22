#ifndef LIG_MACHINE_H
#define LIG_MACHINE_H

#include "pool.h"

// What this machine can do, measured: the yardstick of profiles. Each takes some 0.1 s.

/// Multiplications with an addition per second, float32, of the packed matrix product whose panels lie in the caches,
/// on all threads of the pool together. `isa` as plans remember it; a negative one is what plans would choose.
/// Returns 0 when the processor lacks it or memory cannot be had.
double lig_peak_multiply_adds(int isa, lig_pool *pool);

/// Bytes per second, read and written together, of copying what no cache holds, on all threads of the pool together.
/// Returns 0 when memory cannot be had.
double lig_peak_bandwidth(lig_pool *pool);

/// The processors that the calling thread may run on, in order: at most `capacity` into `processors`. Returns how many
/// there are, or -1 with errno.
int lig_allowed_processors(int *processors, int capacity);
/// Keeps the calling thread and all threads that it starts later on these processors. Returns 0, or -1 with errno.
int lig_keep_on_processors(const int *processors, int count);

#endif
