#ifndef LIG_CPU_H
#define LIG_CPU_H

// What the processor can do. Kernels choose by these bits when they are prepared or called, e.g.
//   if (lig_cpu() & LIG_CPU_AVX512) return sum_avx512(x, n);

enum {
  /// AVX2, FMA and F16C.
  LIG_CPU_AVX2 = 1,
  /// AVX-512 F, BW, VL and DQ.
  LIG_CPU_AVX512 = 2,
  /// AVX-512 VNNI (with all of LIG_CPU_AVX512).
  LIG_CPU_VNNI = 4,
  LIG_CPU_NEON = 8,
  /// OpenBLAS may take float matrix products where we have no vectors of our own for the processor.
  LIG_CPU_BLAS = 16,
  /// Products of pairs of bfloat16: AVX512_BF16 (with all of LIG_CPU_AVX512).
  LIG_CPU_BF16 = 32,
};

/// Features found at start, less those that `lig_cpu_limit` took away.
unsigned lig_cpu(void);
/// Features found, whatever the limit.
unsigned lig_cpu_found(void);
/// For tests: only features in `mask` are used from now on (0: scalar twins; ~0u: everything again).
void lig_cpu_limit(unsigned mask);

/// Instruction sets that float kernels are compiled for, as plans remember them. Plans of matrix work add LIG_ISA_BLAS
/// where OpenBLAS multiplies and the set does the rest, and LIG_ISA_PAIRS where operands are pairs of bfloat16.
typedef enum {
  LIG_ISA_PLAIN = 0,
  LIG_ISA_AVX2 = 1,
  LIG_ISA_AVX512 = 2,
  LIG_ISA_BLAS = 4,
  LIG_ISA_PAIRS = 8,
} lig_isa_kind;

/// The best one within the limit, without LIG_ISA_BLAS and LIG_ISA_PAIRS.
lig_isa_kind lig_isa(void);

#if defined(__x86_64__)
#define LIG_X86 1
#define LIG_AVX2 __attribute__((target("avx2,fma,f16c")))
#define LIG_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
#define LIG_VNNI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define LIG_BF16 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#else
#define LIG_X86 0
#endif

#endif
