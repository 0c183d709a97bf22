// Compiles the file named by KERNELS once per instruction set: X(name) is called name_avx512, name_avx2 and name_plain.
// The plain one uses vectors of 4 that every target has (SSE2, NEON) and no fused multiply-add unless the target
// always has it: it is both the fallback and the twin that tests compare with.
#include "activation.h"
#include "cpu.h"

#if LIG_X86
#include <immintrin.h>

/// From the entry 8 - n on: a mask of the first n of 8 lanes.
static const int simd_first_lanes[16] __attribute__((unused)) = {-1, -1, -1, -1, -1, -1, -1, -1};

#define LANES 16
#define HEIGHT 12
#define TARGET LIG_AVX512
#define F(name) name##_avx512
#define MASKED 1
#define FUSED 1
#include "simd.h"
#include KERNELS
#include "simd_end.h"

#define LANES 8
#define HEIGHT 6
#define TARGET LIG_AVX2
#define F(name) name##_avx2
#define MASKED 0
#define FUSED 1
#include "simd.h"
#include KERNELS
#include "simd_end.h"
#endif

#define LANES 4
#ifdef __aarch64__
#define HEIGHT 8
#else
#define HEIGHT 4
#endif
#define TARGET
#define F(name) name##_plain
#define MASKED 0
#ifdef __aarch64__
#define FUSED 1
#else
#define FUSED 0
#endif
#include "simd.h"
#include KERNELS
#include "simd_end.h"

/// The variant of a function for an instruction set that `lig_isa` or `gemm_isa` gave.
#if LIG_X86
#define VARIANT(isa, name) ((isa) & LIG_ISA_AVX512 ? name##_avx512 : (isa) & LIG_ISA_AVX2 ? name##_avx2 : name##_plain)
#else
#define VARIANT(isa, name) ((void)(isa), name##_plain)
#endif
#define BEST(name) VARIANT(lig_isa(), name)
