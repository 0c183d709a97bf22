#include "random.h"

#include "tasks.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

#define KERNELS "random.inc"
#include "each_simd.h"

void lig_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  uint32_t tile[4][64];
  philox_tile_plain(counter, key, tile);
  for (int word = 0; word < 4; ++word) words[word] = tile[word][0];
}

enum { TILE = 256, TILES = LIG_GRAIN / TILE };

typedef struct {
  const float *x;
  float *y;
  long count;
  uint32_t counter[4], key[2], threshold;
  float scale;
} drop_job;

static void drop_task(void *context, long index, int worker) {
  (void)worker;
  const drop_job *j = context;
  uint32_t words[4][64];
  for (long tile = index * TILES; tile < (index + 1) * TILES && tile * TILE < j->count; ++tile) {
    const long block = tile * (TILE / 4);
    // More blocks than one word can count go into the upper half of the draw's number, which no run gets to.
    const uint32_t counter[4] = {
      (uint32_t)block, j->counter[1], j->counter[2], j->counter[3] + ((uint32_t)(block >> 32) << 16)};
    BEST(philox_tile)(counter, j->key, words);
    const long start = tile * TILE;
    BEST(drop_row)(
        j->x + start, &words[0][0], j->threshold, j->scale, lig_min(TILE, j->count - start), j->y + start);
  }
}

void lig_dropout(
    lig_pool *pool, const float *x, long count, int64_t seed, int64_t draw, uint32_t site, uint32_t threshold,
    float scale, float *y) {
  drop_job job = {
    .x = x, .y = y, .count = count, .threshold = threshold, .scale = scale,
    .counter = {0, site, (uint32_t)draw, (uint32_t)((uint64_t)draw >> 32)},
    .key = {(uint32_t)seed, (uint32_t)((uint64_t)seed >> 32)},
  };
  lig_parallel(pool, lig_tiles(count, LIG_GRAIN), drop_task, &job);
}
