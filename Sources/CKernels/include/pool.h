#ifndef LIG_POOL_H
#define LIG_POOL_H

// One pool of threads for all kernels. The calling thread works too, so a pool of n threads starts n - 1.
// Kernels cut work by shape, never by thread count: that is what makes results the same for any number of threads.

typedef struct lig_pool lig_pool;

/// Returns NULL when memory or threads cannot be had. `threads` is clamped to 1...256.
lig_pool *lig_pool_create(int threads);
/// Must not be called while a `lig_parallel` of this pool runs. NULL is allowed.
void lig_pool_destroy(lig_pool *pool);
/// Threads that take part, the caller included; 1 for NULL.
int lig_pool_threads(const lig_pool *pool);

typedef void (*lig_body)(void *context, long index, int worker);

/// Runs `body` for every index in 0..<count, in any order, on the workers of `pool` and on the caller, and returns
/// when all are done. `worker` is in 0..<lig_pool_threads(pool); two calls that overlap in time never share it.
/// NULL runs inline. Allocates nothing. A call from within a body of the same pool runs inline as that worker;
/// calls from different threads take turns.
void lig_parallel(lig_pool *pool, long count, lig_body body, void *context);

// ── Time ────────────────────────────────────────────────────────────────────
/// Seconds of a clock that is read in a few nanoseconds, and only moves every few milliseconds.
double lig_clock(void);
/// From then on by `lig_clock`, `lig_parallel` calls of this thread leave out what they have not begun: what a kernel
/// wrote is worth nothing then, and whoever ran it has to look. INFINITY, which all threads start with: never.
/// Returns what it was before.
double lig_set_deadline(double deadline);
/// Whether the time of the thread's caller is over, for loops that are long and do not use the pool: they may return.
int lig_is_over(void);

#endif
