#include "attention.h"

#include <stdlib.h>

#include "gemm.h"

#define KERNELS "attention.inc"
#include "each_simd.h"

// A tile of scores and what it is made of stay in the second cache. Both are cut by shape alone.
enum { row_block = 48, key_block = 256 };

void lig_attention_prepare(lig_attention *p) {
  p->isa = (int)lig_isa();
  p->width = gemm_width(p->isa);
  p->height = gemm_height(p->isa, gemm_min(p->rows, row_block));
}

/// Where a worker keeps its tiles.
typedef struct {
  float *q, *k, *v, *scores, *weights, *sums, *most, *total;
} attention_tiles;

static long rows_of_tile(const lig_attention *p) { return gemm_round_up(gemm_min(p->rows, row_block), p->height); }
static long keys_of_tile(const lig_attention *p) { return gemm_round_up(gemm_min(p->keys, key_block), p->width); }

// With `base` NULL only the size counts: the floats that the tiles take.
static long place_tiles(const lig_attention *p, float *base, attention_tiles *tiles) {
  const long rows = rows_of_tile(p), keys = keys_of_tile(p), values = gemm_round_up(p->values, p->width);
  const long sizes[] = {rows * p->depth, keys * p->depth, keys * values, rows * keys,
                        rows * keys,     rows * values,   rows,          rows};
  float **places[] = {&tiles->q,       &tiles->k,    &tiles->v,    &tiles->scores,
                      &tiles->weights, &tiles->sums, &tiles->most, &tiles->total};
  long used = 0;
  for (int i = 0; i < 8; ++i) {
    if (base) *places[i] = base + used;
    used += gemm_round_up(gemm_max(sizes[i], 1), 16);
  }
  return used;
}

long lig_attention_workspace(const lig_attention *p, int threads) {
  attention_tiles tiles;
  return place_tiles(p, NULL, &tiles) * threads * (long)sizeof(float);
}

typedef struct {
  const lig_attention *plan;
  const float *q, *k, *v, *mask;
  float *y, *workspace;
  long row_tasks;
} attention_job;

static long offset(const lig_attention_steps *steps, long batch, long head) {
  return batch * steps->batch + head * steps->head;
}

// Softmax goes from tile to tile: what was summed so far shrinks when a larger score comes.
static void add_keys(
    const attention_job *job, const attention_tiles *t, const float *k, const float *v, const float *mask, long first,
    long keys, long rows) {
  const lig_attention *p = job->plan;
  const long keys_wide = keys_of_tile(p);
  gemm_pack_b(t->k, k + first * p->k.row, p->k.column, p->k.row, p->depth, keys, p->width);
  gemm_block product = {
    .depth = p->depth, .a = t->q, .height = p->height, .b = t->k, .b_panel = p->depth * p->width, .b_row = p->width,
    .c = t->scores, .c_row = keys_wide, .rows = rows, .columns = keys, .last = 1,
  };
  gemm_run(p->isa, &product);
  for (long row = 0; row < rows; ++row) {
    float *scores = t->scores + row * keys_wide;
    const float *hidden = mask ? mask + row * p->mask.row + first * p->mask.column : NULL;
    float shrink = VARIANT(p->isa, weigh_row)(scores, hidden, p->mask.column, keys, t->most + row, t->total + row);
    float *sums = t->sums + row * p->values;
    if (first > 0 && shrink != 1) VARIANT(p->isa, scale_row)(sums, shrink, p->values, sums);
  }
  gemm_pack_a(t->weights, t->scores, keys_wide, 1, rows, keys, p->height, 1);
  gemm_pack_b(t->v, v + first * p->v.row, p->v.row, p->v.column, keys, p->values, p->width);
  gemm_block sum = {
    .depth = keys, .a = t->weights, .height = p->height, .b = t->v, .b_panel = keys * p->width, .b_row = p->width,
    .c = t->sums, .c_row = p->values, .rows = rows, .columns = p->values, .accumulate = first > 0, .last = 1,
  };
  gemm_run(p->isa, &sum);
}

static void attention_task(void *context, long index, int worker) {
  const attention_job *job = context;
  const lig_attention *p = job->plan;
  attention_tiles t;
  place_tiles(p, job->workspace + worker * place_tiles(p, NULL, &t), &t);
  const long first = index % job->row_tasks * row_block, rows = gemm_min(row_block, p->rows - first);
  const long batch = index / job->row_tasks / p->heads, head = index / job->row_tasks % p->heads;
  const float *k = job->k + offset(&p->k, batch, head), *v = job->v + offset(&p->v, batch, head);
  const float *mask = job->mask ? job->mask + offset(&p->mask, batch, head) + first * p->mask.row : NULL;
  gemm_pack_a(t.q, job->q + offset(&p->q, batch, head) + first * p->q.row, p->q.row, p->q.column, rows, p->depth,
              p->height, p->scale);
  for (long row = 0; row < rows; ++row) t.most[row] = -INFINITY, t.total[row] = 0;
  for (long key = 0; key < p->keys; key += key_block) {
    add_keys(job, &t, k, v, mask, key, gemm_min(key_block, p->keys - key), rows);
  }
  float *y = job->y + offset(&p->y, batch, head) + first * p->y.row;
  for (long row = 0; row < rows; ++row) {
    VARIANT(p->isa, scale_row)(t.sums + row * p->values, 1 / t.total[row], p->values, y + row * p->y.row);
  }
}

void lig_attention_run(
    const lig_attention *p, lig_pool *pool, const float *q, const float *k, const float *v, const float *mask,
    float *y, void *workspace) {
  attention_job job = {p, q, k, v, mask, y, workspace, (p->rows + row_block - 1) / row_block};
  lig_parallel(pool, p->batch * p->heads * job.row_tasks, attention_task, &job);
}

// ── The twin ────────────────────────────────────────────────────────────────
static void attend_row(
    const lig_attention *p, const float *q, const float *k, const float *v, const float *mask, double *scores,
    float *y) {
  double most = -INFINITY, total = 0;
  for (long key = 0; key < p->keys; ++key) {
    double sum = 0;
    for (long d = 0; d < p->depth; ++d) sum += (double)q[d * p->q.column] * (double)k[key * p->k.row + d * p->k.column];
    scores[key] = sum * (double)p->scale + (mask ? (double)mask[key * p->mask.column] : 0);
    most = scores[key] > most ? scores[key] : most;
  }
  if (most == -INFINITY) most = 0;
  for (long key = 0; key < p->keys; ++key) total += scores[key] = exp(scores[key] - most);
  for (long column = 0; column < p->values; ++column) {
    double sum = 0;
    for (long key = 0; key < p->keys; ++key) sum += scores[key] * (double)v[key * p->v.row + column * p->v.column];
    y[column] = (float)(sum / total);
  }
}

int lig_attention_plain(
    const lig_attention *p, const float *q, const float *k, const float *v, const float *mask, float *y) {
  double *scores = malloc((size_t)gemm_max(p->keys, 1) * sizeof *scores);
  if (!scores) return -1;
  for (long index = 0; index < p->batch * p->heads * p->rows; ++index) {
    long row = index % p->rows, head = index / p->rows % p->heads, batch = index / p->rows / p->heads;
    attend_row(
        p, q + offset(&p->q, batch, head) + row * p->q.row, k + offset(&p->k, batch, head),
        v + offset(&p->v, batch, head), mask ? mask + offset(&p->mask, batch, head) + row * p->mask.row : NULL, scores,
        y + offset(&p->y, batch, head) + row * p->y.row);
  }
  free(scores);
  return 0;
}
