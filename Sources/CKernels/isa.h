#ifndef LIG_ISA_H
#define LIG_ISA_H

// One body, several instruction sets. A file with loops ("<name>_loops.h") names its functions LIG_NAME(f); it is
// included once for each instruction set, between LIG_BEGIN_… and LIG_END, and gives f_scalar, f_avx2, f_avx512.
// The scalar one is the oracle and the fallback.

#include "cpu.h"

#define LIG_PASTE_(a, b) a##_##b
#define LIG_PASTE(a, b) LIG_PASTE_(a, b)
#define LIG_NAME(f) LIG_PASTE(f, LIG_ISA)

// Tasks of about this many elements: large enough to hide the hand-over, small enough to balance.
enum { LIG_GRAIN = 16384 };

// Before a loop whose only overlap of input and output is being the very same array (in place): without it the
// compiler's own overlap check sends such calls to the slow path.
#define LIG_LOOP _Pragma("clang loop vectorize(assume_safety)")

static inline long lig_min(long a, long b) { return a < b ? a : b; }
static inline long lig_max(long a, long b) { return a > b ? a : b; }
static inline long lig_tiles(long count, long size) { return (count + size - 1) / size; }

// Picks the widest variant that the processor has.
#if LIG_X86
#define LIG_PICK(f) \
  ((lig_cpu() & LIG_CPU_AVX512) ? LIG_PASTE(f, avx512) : (lig_cpu() & LIG_CPU_AVX2) ? LIG_PASTE(f, avx2) \
                                                                                   : LIG_PASTE(f, scalar))
#else
#define LIG_PICK(f) LIG_PASTE(f, scalar)
#endif

#endif
