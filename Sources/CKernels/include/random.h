#ifndef LIG_RANDOM_H
#define LIG_RANDOM_H

#include <stdint.h>

#include "pool.h"

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): four random words for a counter
/// and a key, with no state between calls.
void lig_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);

/// y[i] = (word(i) >= threshold) ? x[i] * scale : 0. y may be x. The words follow from the seed, the number of the
/// draw, the site and i alone: the counter is {block, site, draw, draw >> 32} and the key the seed; of each 256
/// elements, the 64 blocks give the words of elements b, b + 64, b + 128 and b + 192.
void lig_dropout(
    lig_pool *pool, const float *x, long count, int64_t seed, int64_t draw, uint32_t site, uint32_t threshold,
    float scale, float *y);

#endif
