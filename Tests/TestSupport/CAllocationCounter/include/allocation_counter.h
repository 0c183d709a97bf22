#ifndef LIG_ALLOCATION_COUNTER_H
#define LIG_ALLOCATION_COUNTER_H

/// Allocations (malloc, calloc, realloc, aligned ones) of the calling thread since it started.
/// Linking this target replaces the allocation functions of the C library by counting ones.
long lig_allocations(void);

#endif
