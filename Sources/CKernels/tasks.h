#ifndef LIG_TASKS_H
#define LIG_TASKS_H

// How kernels cut their work: by shape, never by the number of threads.

/// Tasks of about this many elements: large enough to hide the hand-over, small enough to balance.
enum { LIG_GRAIN = 16384 };

/// Before a loop whose only overlap of input and output is being the very same array (in place): without it the
/// compiler's own overlap check sends such calls to the slow path.
#define LIG_LOOP _Pragma("clang loop vectorize(assume_safety)")

static inline long lig_min(long a, long b) { return a < b ? a : b; }
static inline long lig_max(long a, long b) { return a > b ? a : b; }
static inline long lig_tiles(long count, long size) { return (count + size - 1) / size; }

#endif
