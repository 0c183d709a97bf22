#include "cpu.h"

#include <stdatomic.h>

static unsigned detect(void) {
  unsigned found = LIG_CPU_BLAS;
#if LIG_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    found |= LIG_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      found |= LIG_CPU_AVX512;
      if (__builtin_cpu_supports("avx512vnni")) found |= LIG_CPU_VNNI;
      if (__builtin_cpu_supports("avx512bf16")) found |= LIG_CPU_BF16;
    }
  }
#elif defined(__aarch64__)
  found |= LIG_CPU_NEON;
#endif
  return found;
}

static unsigned features;
static atomic_uint limit = ~0u;

__attribute__((constructor)) static void start(void) { features = detect(); }

unsigned lig_cpu(void) { return features & atomic_load_explicit(&limit, memory_order_relaxed); }
unsigned lig_cpu_found(void) { return features; }
void lig_cpu_limit(unsigned mask) { atomic_store_explicit(&limit, mask, memory_order_relaxed); }

lig_isa_kind lig_isa(void) {
  unsigned can = lig_cpu();
  return can & LIG_CPU_AVX512 ? LIG_ISA_AVX512 : can & LIG_CPU_AVX2 ? LIG_ISA_AVX2 : LIG_ISA_PLAIN;
}
