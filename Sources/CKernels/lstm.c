#include "lstm.h"

#include <string.h>

#include "gemm.h"
#include "lstm_cell.h"

#define KERNELS "lstm.inc"
#include "each_simd.h"

enum { shared_step_work = 1 << 17 };  // multiply-adds of a step from which it is worth waking threads

void lig_lstm_prepare(lig_lstm *p) {
  p->isa = (int)lig_isa();
  p->width = gemm_width(p->isa);
  p->height = gemm_height(p->isa, p->batch);
  p->blocks = (p->hidden + LIG_LSTM_UNITS - 1) / LIG_LSTM_UNITS;
  p->columns = p->blocks * lstm_block_columns;
  p->depth = gemm_depth(p->hidden);
  double work = (double)p->batch * (double)p->columns * (double)p->hidden * p->directions;
  p->shares_steps = work >= shared_step_work;
  p->projection = (lig_matmul){
    .m = p->steps * p->batch, .n = p->columns, .k = p->inputs, .a_row = p->inputs, .a_column = 1, .alpha = 1,
    .b_is_packed = 1,
  };
  lig_matmul_prepare(&p->projection);
}

long lig_lstm_packed_w_count(const lig_lstm *p) { return p->directions * p->columns * p->inputs; }
long lig_lstm_packed_r_count(const lig_lstm *p) { return p->directions * p->columns * p->hidden; }
long lig_lstm_packed_b_count(const lig_lstm *p) { return p->directions * p->columns; }

// `[directions, 4 * hidden, k]` to panels whose columns are sorted by block, then gate; as `lig_matmul_pack` lays out.
static void pack_gates(const lig_lstm *p, const float *weights, long k, float *packed) {
  memset(packed, 0, (size_t)(p->directions * p->columns * k) * sizeof(float));
  long most = gemm_depth(k);
  for (long d = 0; d < p->directions; ++d, weights += 4 * p->hidden * k, packed += p->columns * k) {
    for (long from = 0; from < k; from += most) {
      long depth = gemm_min(most, k - from);
      for (long block = 0; block < p->blocks; ++block) {
        long unit = block * LIG_LSTM_UNITS, units = gemm_min(LIG_LSTM_UNITS, p->hidden - unit);
        for (long gate = 0; gate < 4; ++gate) {
          float *to = packed + from * p->columns + (block * 4 + gate) * LIG_LSTM_UNITS * depth;
          gemm_pack_b(to, weights + (gate * p->hidden + unit) * k + from, 1, k, depth, units, p->width);
        }
      }
    }
  }
}

void lig_lstm_pack_w(const lig_lstm *p, const float *w, float *packed) { pack_gates(p, w, p->inputs, packed); }
void lig_lstm_pack_r(const lig_lstm *p, const float *r, float *packed) { pack_gates(p, r, p->hidden, packed); }

void lig_lstm_pack_b(const lig_lstm *p, const float *b, float *packed) {
  memset(packed, 0, (size_t)(p->directions * p->columns) * sizeof(float));
  if (!b) return;
  for (long d = 0; d < p->directions; ++d) {
    const float *input = b + d * 8 * p->hidden, *recurrent = input + 4 * p->hidden;
    for (long gate = 0; gate < 4; ++gate) {
      for (long unit = 0; unit < p->hidden; ++unit) {
        long column = (unit / LIG_LSTM_UNITS * 4 + gate) * LIG_LSTM_UNITS + unit % LIG_LSTM_UNITS;
        packed[d * p->columns + column] = input[gate * p->hidden + unit] + recurrent[gate * p->hidden + unit];
      }
    }
  }
}

void lstm_cell(
    const lig_lstm *p, const lig_lstm_operands *o, int direction, long block, long t, const float *gates, float *c,
    const float *h_before, float *h_after) {
  long unit = block * LIG_LSTM_UNITS, units = gemm_min(LIG_LSTM_UNITS, p->hidden - unit);
  const float *peephole = o->peepholes ? o->peepholes + direction * 3 * p->hidden + unit : NULL;
  float h[LIG_LSTM_UNITS] __attribute__((aligned(64)));
  for (long row = 0; row < p->batch; ++row) {
    int runs = t < lstm_length(o, p, row);
    long time = runs ? lstm_time(o, p, direction, t, row) : t;
    long at = p->batch_first ? (row * p->steps + time) * p->directions + direction
                             : (time * p->directions + direction) * p->batch + row;
    float *y = o->y ? o->y + at * p->hidden + unit : NULL;
    if (runs) {
      VARIANT(p->isa, lstm_row)(
          p, p->activations[direction], gates + row * lstm_block_columns, peephole, units,
          c + row * lstm_padded_hidden(p) + unit, h);
      for (long u = 0; u < units; ++u) h_after[lstm_state_index(p, row, unit + u)] = h[u];
      if (y) memcpy(y, h, (size_t)units * sizeof(float));
    } else {
      for (long u = 0; u < units; ++u) {
        long index = lstm_state_index(p, row, unit + u);
        h_after[index] = h_before[index];
      }
      if (y) memset(y, 0, (size_t)units * sizeof(float));
    }
  }
}

static long state_row(const lig_lstm *p, int direction, long row) {
  return (p->batch_first ? row * p->directions + direction : direction * p->batch + row) * p->hidden;
}

void lstm_begin(const lig_lstm *p, const lig_lstm_operands *o, int direction, float *h, float *c) {
  memset(h, 0, (size_t)lstm_state_floats(p) * sizeof(float));
  memset(c, 0, (size_t)(p->batch * lstm_padded_hidden(p)) * sizeof(float));
  for (long row = 0; row < p->batch; ++row) {
    long from = state_row(p, direction, row);
    if (o->initial_c) {
      memcpy(c + row * lstm_padded_hidden(p), o->initial_c + from, (size_t)p->hidden * sizeof(float));
    }
    if (o->initial_h) {
      for (long u = 0; u < p->hidden; ++u) h[lstm_state_index(p, row, u)] = o->initial_h[from + u];
    }
  }
}

void lstm_end(const lig_lstm *p, const lig_lstm_operands *o, int direction, const float *h, const float *c) {
  for (long row = 0; row < p->batch; ++row) {
    long to = state_row(p, direction, row);
    if (o->last_c) memcpy(o->last_c + to, c + row * lstm_padded_hidden(p), (size_t)p->hidden * sizeof(float));
    if (o->last_h) {
      for (long u = 0; u < p->hidden; ++u) o->last_h[to + u] = h[lstm_state_index(p, row, u)];
    }
  }
}

// ── Running ─────────────────────────────────────────────────────────────────
typedef struct {
  const lig_lstm *plan;
  const lig_lstm_operands *operands;
  float *projected, *h[2], *c, *gates;
  long t;
} lstm_job;

static long projected_floats(const lig_lstm *p) { return p->steps * p->batch * p->columns; }
static long cell_floats(const lig_lstm *p) { return gemm_round_up(p->batch * lstm_padded_hidden(p), 16); }
static long gate_floats(const lig_lstm *p) { return p->batch * lstm_block_columns; }

long lig_lstm_workspace(const lig_lstm *p, int threads) {
  long floats = p->directions * (projected_floats(p) + 2 * lstm_state_floats(p) + cell_floats(p)) +
                threads * gate_floats(p);
  return floats * (long)sizeof(float) + lig_matmul_workspace(&p->projection, threads);
}

static void step_block(const lstm_job *job, int direction, long block, long t, int worker) {
  const lig_lstm *p = job->plan;
  const float *before = job->h[t & 1] + direction * lstm_state_floats(p);
  float *after = job->h[(t & 1) ^ 1] + direction * lstm_state_floats(p);
  float *gates = job->gates + worker * gate_floats(p);
  for (long row = 0; row < p->batch; ++row) {
    long length = lstm_length(job->operands, p, row);
    long time = t < length ? lstm_time(job->operands, p, direction, t, row) : 0;
    const float *from = job->projected + direction * projected_floats(p) +
                        lstm_x_row(p, time, row) * p->columns + block * lstm_block_columns;
    memcpy(gates + row * lstm_block_columns, from, lstm_block_columns * sizeof(float));
  }
  const float *r = job->operands->packed_r + direction * p->columns * p->hidden;
  for (long k = 0; k < p->hidden; k += p->depth) {
    gemm_block g = {
      .depth = gemm_min(p->depth, p->hidden - k),
      .a = before + k * gemm_round_up(p->batch, p->height),
      .height = p->height,
      .b_row = p->width,
      .c = gates,
      .c_row = lstm_block_columns,
      .rows = p->batch,
      .columns = lstm_block_columns,
      .accumulate = 1,
    };
    g.b = r + k * p->columns + block * lstm_block_columns * g.depth;
    g.b_panel = g.depth * p->width;
    gemm_run(p->isa, &g);
  }
  lstm_cell(p, job->operands, direction, block, t, gates, job->c + direction * cell_floats(p), before, after);
}

static void block_task(void *context, long index, int worker) {
  const lstm_job *job = context;
  step_block(job, (int)(index / job->plan->blocks), index % job->plan->blocks, job->t, worker);
}

static void direction_task(void *context, long direction, int worker) {
  const lstm_job *job = context;
  for (long t = 0; t < job->plan->steps; ++t) {
    for (long block = 0; block < job->plan->blocks; ++block) step_block(job, (int)direction, block, t, worker);
  }
}

void lig_lstm_run(const lig_lstm *p, lig_pool *pool, const lig_lstm_operands *o, void *workspace) {
  float *next = workspace;
  lstm_job job = {.plan = p, .operands = o, .projected = next};
  next += p->directions * projected_floats(p);
  job.h[0] = next;
  job.h[1] = next + p->directions * lstm_state_floats(p);
  job.c = job.h[1] + p->directions * lstm_state_floats(p);
  job.gates = job.c + p->directions * cell_floats(p);
  float *rest = job.gates + lig_pool_threads(pool) * gate_floats(p);
  for (int d = 0; d < p->directions; ++d) {
    lig_matmul_run(&p->projection, pool, o->x, o->packed_w + d * p->columns * p->inputs,
                   o->packed_b + d * p->columns, job.projected + d * projected_floats(p), rest);
    lstm_begin(p, o, d, job.h[0] + d * lstm_state_floats(p), job.c + d * cell_floats(p));
    // The padding of the other buffer is read as well.
    memset(job.h[1] + d * lstm_state_floats(p), 0, (size_t)lstm_state_floats(p) * sizeof(float));
  }
  if (p->shares_steps) {
    for (job.t = 0; job.t < p->steps; ++job.t) lig_parallel(pool, p->directions * p->blocks, block_task, &job);
  } else {
    lig_parallel(pool, p->directions, direction_task, &job);
  }
  for (int d = 0; d < p->directions; ++d) {
    lstm_end(p, o, d, job.h[p->steps & 1] + d * lstm_state_floats(p), job.c + d * cell_floats(p));
  }
}
