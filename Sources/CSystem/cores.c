#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include "CSystem.h"

int lig_bound_cores(void) {
  // The system fills only what it knows: a set is as large as the largest machine that it was built for.
  for (int most = 1024; most <= 1 << 16; most *= 4) {
    cpu_set_t *set = CPU_ALLOC((size_t)most);
    if (!set) break;
    size_t size = CPU_ALLOC_SIZE((size_t)most);
    int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}
