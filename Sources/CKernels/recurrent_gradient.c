#include "recurrent_gradient.h"

#include <stddef.h>
#include <string.h>

#include "gemm.h"

#define KERNELS "recurrent_gradient.inc"
#include "each_simd.h"

// The states h of all steps are known (they are y), so the gates of all steps are made anew by two large products
// rather than kept. Then one loop runs back through time; the gradients of x and of the weights are large products
// again.
enum { most_rows = 32 };

static long rows(const lig_recurrent_gradient *p) { return p->steps * p->batch; }
static long columns(const lig_recurrent_gradient *p) { return p->gates * p->hidden; }

static void prepare_reset(lig_recurrent_gradient *p) {
  if (!p->resets_before) return;
  long h = p->hidden, n = columns(p);
  p->from_reset = (lig_matmul){
    .m = rows(p), .n = h, .k = h, .a_row = h, .a_column = 1, .b_row = 1, .b_column = h, .alpha = 1,
  };
  p->back_reset = (lig_matmul){
    .m = p->rows_per_task, .n = h, .k = h, .a_row = n, .a_column = 1, .b_row = h, .b_column = 1, .alpha = 1,
    .b_is_packed = 1,
  };
  p->to_reset = (lig_matmul){
    .m = h, .n = h, .k = rows(p), .a_row = 1, .a_column = n, .b_row = h, .b_column = 1, .alpha = 1,
  };
  lig_matmul_prepare(&p->from_reset);
  lig_matmul_prepare(&p->back_reset);
  lig_matmul_prepare(&p->to_reset);
}

void lig_recurrent_gradient_prepare(lig_recurrent_gradient *p) {
  p->isa = (int)lig_isa();
  p->gates = p->is_gru ? 3 : 4;
  // Sequences do not meet on their way back, so a task takes some of them through all steps. Each task reads all
  // weights at each step: a few sequences are not worth that.
  long groups = (p->batch + most_rows - 1) / most_rows;
  p->rows_per_task = gemm_max(1, (p->batch + groups - 1) / gemm_max(groups, 1));
  long n = columns(p);
  p->from_x = (lig_matmul){
    .m = rows(p), .n = n, .k = p->input, .a_row = p->input, .a_column = 1, .b_row = 1, .b_column = p->input, .alpha = 1,
  };
  p->from_h = (lig_matmul){
    .m = rows(p), .n = n, .k = p->hidden, .a_row = p->hidden, .a_column = 1, .b_row = 1, .b_column = p->hidden,
    .alpha = 1, .accumulates = !p->is_gru,
  };
  p->back = (lig_matmul){
    .m = p->rows_per_task, .n = p->hidden, .k = n, .a_row = n, .a_column = 1, .b_row = p->hidden, .b_column = 1, .alpha = 1,
    .b_is_packed = 1, .accumulates = p->is_gru,
  };
  p->to_x = (lig_matmul){
    .m = rows(p), .n = p->input, .k = n, .a_row = n, .a_column = 1, .b_row = p->input, .b_column = 1, .alpha = 1,
  };
  p->to_w = (lig_matmul){
    .m = n, .n = p->input, .k = rows(p), .a_row = 1, .a_column = n, .b_row = p->input, .b_column = 1, .alpha = 1,
  };
  p->to_r = p->to_w;
  p->to_r.n = p->to_r.b_row = p->hidden;
  prepare_reset(p);
  lig_matmul *all[] = {&p->from_x, &p->from_h, &p->back, &p->to_x, &p->to_w, &p->to_r};
  for (int i = 0; i < 6; ++i) lig_matmul_prepare(all[i]);
}

// What one direction keeps.
typedef struct {
  /// `[rows, columns]`: gates, then their gradients; s the same for what h gives (GRU), else p.
  float *p, *s;
  /// `[rows, hidden]`: the h before each step, and the cell after it (LSTM).
  float *before, *c;
  /// `[batch, columns]`, `[batch, hidden]` twice: one step.
  float *step, *dh, *dc;
  float *packed_r, *bias;
  /// Where the reset comes before the product: `[rows, hidden]`, the scaled states and their products, and
  /// `[batch, hidden]`, the gradient of the former at one step.
  float *reset, *q, *dreset, *packed_reset;
} direction_memory;

static long padded(long floats) { return gemm_round_up(floats, 16); }

static long direction_floats(const lig_recurrent_gradient *p) {
  long of_gates = padded(rows(p) * columns(p)), of_states = padded(rows(p) * p->hidden);
  return 2 * of_gates + (p->is_gru ? 1 : 2) * of_states - (p->is_gru ? 0 : of_gates) + padded(p->batch * columns(p)) +
         2 * padded(p->batch * p->hidden) + padded(lig_matmul_packed_count(&p->back)) + padded(2 * columns(p));
}

// The part that only a reset before the product needs.
static long reset_floats(const lig_recurrent_gradient *p) {
  if (!p->resets_before) return 0;
  long packed = padded(lig_matmul_packed_count(&p->back_reset));
  return 2 * padded(rows(p) * p->hidden) + padded(p->batch * p->hidden) + packed;
}

static direction_memory lay_out(const lig_recurrent_gradient *p, int d, float *workspace) {
  float *next = workspace + d * (direction_floats(p) + reset_floats(p));
  direction_memory m = {.p = next};
  next += padded(rows(p) * columns(p));
  m.s = m.p;
  if (p->is_gru) {
    m.s = next;
    next += padded(rows(p) * columns(p));
  }
  m.before = next;
  next += padded(rows(p) * p->hidden);
  if (!p->is_gru) {
    m.c = next;
    next += padded(rows(p) * p->hidden);
  }
  m.step = next;
  m.dh = m.step + padded(p->batch * columns(p));
  m.dc = m.dh + padded(p->batch * p->hidden);
  m.packed_r = m.dc + padded(p->batch * p->hidden);
  m.bias = m.packed_r + padded(lig_matmul_packed_count(&p->back));
  if (p->resets_before) {
    m.reset = m.bias + padded(2 * columns(p));
    m.q = m.reset + padded(rows(p) * p->hidden);
    m.dreset = m.q + padded(rows(p) * p->hidden);
    m.packed_reset = m.dreset + padded(p->batch * p->hidden);
  }
  return m;
}

// Products of a single thread, one for each worker.
static long back_bytes(const lig_recurrent_gradient *p) {
  long bytes = lig_matmul_workspace(&p->back, 1);
  if (p->resets_before) bytes = gemm_max(bytes, lig_matmul_workspace(&p->back_reset, 1));
  return gemm_round_up(bytes, 64);
}

static long matmul_bytes(const lig_recurrent_gradient *p, int threads) {
  const lig_matmul *all[] = {&p->from_x, &p->from_h, &p->to_x, &p->to_w, &p->to_r};
  long most = back_bytes(p) * threads;
  for (int i = 0; i < 5; ++i) most = gemm_max(most, lig_matmul_workspace(all[i], threads));
  const lig_matmul *more[] = {&p->from_reset, &p->to_reset};
  for (int i = 0; p->resets_before && i < 2; ++i) most = gemm_max(most, lig_matmul_workspace(more[i], threads));
  return most;
}

long lig_recurrent_gradient_workspace(const lig_recurrent_gradient *p, int threads) {
  return p->directions * (direction_floats(p) + reset_floats(p)) * (long)sizeof(float) + matmul_bytes(p, threads);
}

typedef struct {
  const lig_recurrent_gradient *plan;
  const lig_recurrent_gradient_data *data;
  direction_memory memory[2];
  char *scratch;
} gradient_job;

static long length_of(const gradient_job *j, long n) { return j->data->lengths ? j->data->lengths[n] : j->plan->steps; }
static int runs_back(const gradient_job *j, int d) { return j->plan->directions == 2 ? d == 1 : j->plan->reverse; }

// The time of the s-th step of a sequence.
static long time_of(const gradient_job *j, int d, long n, long s) {
  return runs_back(j, d) ? length_of(j, n) - 1 - s : s;
}
// Row of x and of the gates.
static long row_of(const lig_recurrent_gradient *p, long time, long n) {
  return p->batch_first ? n * p->steps + time : time * p->batch + n;
}
// First float of a row of y.
static long y_at(const lig_recurrent_gradient *p, int d, long time, long n) {
  long row = p->batch_first ? (n * p->steps + time) * p->directions + d : (time * p->directions + d) * p->batch + n;
  return row * p->hidden;
}
// First float of a row of an initial or last state.
static long state_at(const lig_recurrent_gradient *p, int d, long n) {
  return (p->batch_first ? n * p->directions + d : d * p->batch + n) * p->hidden;
}

// The h before each step of one sequence, zeros past its end.
static void before_task(void *context, long index, int worker) {
  (void)worker;
  const gradient_job *j = context;
  const lig_recurrent_gradient *p = j->plan;
  int d = (int)(index / p->batch);
  long n = index % p->batch, length = length_of(j, n);
  size_t bytes = (size_t)p->hidden * sizeof(float);
  for (long s = 0; s < p->steps; ++s) {
    long time = s < length ? time_of(j, d, n, s) : s;
    float *to = j->memory[d].before + row_of(p, time, n) * p->hidden;
    if (s > 0 && s < length) {
      memcpy(to, j->data->y + y_at(p, d, time_of(j, d, n, s - 1), n), bytes);
    } else if (s == 0 && s < length && j->data->initial_h) {
      memcpy(to, j->data->initial_h + state_at(p, d, n), bytes);
    } else {
      memset(to, 0, bytes);
    }
  }
}

static const float *cell_before(const gradient_job *j, int d, long n, long s) {
  const lig_recurrent_gradient *p = j->plan;
  if (s > 0) return j->memory[d].c + row_of(p, time_of(j, d, n, s - 1), n) * p->hidden;
  return j->data->initial_c ? j->data->initial_c + state_at(p, d, n) : NULL;
}

// The gates of one sequence that the candidate has to wait for.
static void reset_task(void *context, long index, int worker) {
  (void)worker;
  const gradient_job *j = context;
  const lig_recurrent_gradient *p = j->plan;
  int d = (int)(index / p->batch);
  long n = index % p->batch, length = length_of(j, n), h = p->hidden;
  const direction_memory *m = &j->memory[d];
  for (long time = 0; time < p->steps; ++time) {
    long row = row_of(p, time, n);
    if (time < length) {
      VARIANT(p->isa, gru_reset_row)(
          m->p + row * columns(p), m->s + row * columns(p), m->before + row * h, m->reset + row * h, h);
    } else {
      memset(m->reset + row * h, 0, (size_t)h * sizeof(float));
    }
  }
}

// Gates and cells of one sequence.
static void forward_task(void *context, long index, int worker) {
  (void)worker;
  const gradient_job *j = context;
  const lig_recurrent_gradient *p = j->plan;
  int d = (int)(index / p->batch);
  long n = index % p->batch, length = length_of(j, n);
  const direction_memory *m = &j->memory[d];
  for (long s = 0; s < length; ++s) {
    long row = row_of(p, time_of(j, d, n, s), n);
    if (p->resets_before) {
      VARIANT(p->isa, gru_candidate_row)(m->p + row * columns(p), m->q + row * p->hidden, p->hidden);
    } else if (p->is_gru) {
      VARIANT(p->isa, gru_forward_row)(m->p + row * columns(p), m->s + row * columns(p), p->hidden);
    } else {
      VARIANT(p->isa, lstm_forward_row)(
          m->p + row * columns(p), cell_before(j, d, n, s), m->c + row * p->hidden, p->hidden);
    }
  }
  // Past its end nothing has a gradient.
  for (long time = length; time < p->steps; ++time) {
    long at = row_of(p, time, n) * columns(p);
    memset(m->p + at, 0, (size_t)columns(p) * sizeof(float));
    memset(m->s + at, 0, (size_t)columns(p) * sizeof(float));
  }
}

static void load_state(const lig_recurrent_gradient *p, int d, long n, const float *from, float *to) {
  if (from) {
    memcpy(to, from + state_at(p, d, n), (size_t)p->hidden * sizeof(float));
  } else {
    memset(to, 0, (size_t)p->hidden * sizeof(float));
  }
}

// One sequence's part of a step back that comes before the product with the candidate's weights.
static void backward_candidate_row(const gradient_job *j, int d, long n, long s) {
  const lig_recurrent_gradient *p = j->plan;
  const direction_memory *m = &j->memory[d];
  long length = length_of(j, n), h = p->hidden;
  float *step = m->step + n * columns(p), *dh = m->dh + n * h;
  if (s >= length) {
    memset(step, 0, (size_t)columns(p) * sizeof(float));
    return;
  }
  if (s == length - 1) load_state(p, d, n, j->data->dlast_h, dh);
  long time = time_of(j, d, n, s), row = row_of(p, time, n);
  const float *dy = j->data->dy ? j->data->dy + y_at(p, d, time, n) : NULL;
  VARIANT(p->isa, gru_backward_candidate_row)(m->p + row * columns(p), step, m->before + row * h, dy, dh, h);
}

static void backward_row(const gradient_job *j, int d, long n, long s) {
  const lig_recurrent_gradient *p = j->plan;
  const direction_memory *m = &j->memory[d];
  long length = length_of(j, n), h = p->hidden;
  float *step = m->step + n * columns(p), *dh = m->dh + n * h, *dc = m->dc + n * h;
  if (s >= length) {
    memset(step, 0, (size_t)columns(p) * sizeof(float));
    memset(dh, 0, (size_t)h * sizeof(float));
    return;
  }
  long time = time_of(j, d, n, s), row = row_of(p, time, n);
  if (p->resets_before) {
    VARIANT(p->isa, gru_backward_reset_row)(
        m->p + row * columns(p), m->s + row * columns(p), step, m->before + row * h, m->dreset + n * h, dh, h);
    return;
  }
  if (s == length - 1) {
    load_state(p, d, n, j->data->dlast_h, dh);
    load_state(p, d, n, j->data->dlast_c, dc);
  }
  const float *dy = j->data->dy ? j->data->dy + y_at(p, d, time, n) : NULL;
  if (p->is_gru) {
    VARIANT(p->isa, gru_backward_row)(
        m->p + row * columns(p), m->s + row * columns(p), step, m->before + row * h, dy, dh, h);
  } else {
    VARIANT(p->isa, lstm_backward_row)(
        m->p + row * columns(p), step, cell_before(j, d, n, s), m->c + row * h, dy, dh, dc, h);
  }
}

// Some sequences of one direction, from their ends to their starts.
static void backward_task(void *context, long index, int worker) {
  const gradient_job *j = context;
  const lig_recurrent_gradient *p = j->plan;
  int d = (int)(index % p->directions);
  long first = index / p->directions * p->rows_per_task, end = gemm_min(first + p->rows_per_task, p->batch);
  const direction_memory *m = &j->memory[d];
  lig_matmul back = p->back, back_reset = p->back_reset;
  if (end - first != p->back.m) {
    lig_matmul_set_rows(&back, end - first);
    if (p->resets_before) lig_matmul_set_rows(&back_reset, end - first);
  }
  float *step_rows = m->step + first * columns(p);
  char *scratch = j->scratch + worker * back_bytes(p);
  for (long step = p->steps - 1; step >= 0; --step) {
    if (p->resets_before) {
      for (long n = first; n < end; ++n) backward_candidate_row(j, d, n, step);
      lig_matmul_run(&back_reset, NULL, step_rows + 2 * p->hidden, m->packed_reset, NULL, m->dreset + first * p->hidden,
                     scratch);
    }
    for (long n = first; n < end; ++n) backward_row(j, d, n, step);
    lig_matmul_run(&back, NULL, step_rows, m->packed_r, NULL, m->dh + first * p->hidden, scratch);
  }
}

enum { sum_columns = 64 };

static void bias_task(void *context, long index, int worker) {
  (void)worker;
  const gradient_job *j = context;
  const lig_recurrent_gradient *p = j->plan;
  long tasks = (columns(p) + sum_columns - 1) / sum_columns, first = index % tasks * sum_columns;
  int d = (int)(index / tasks);
  long count = gemm_min(sum_columns, columns(p) - first);
  float *to = j->data->dbias + d * 2 * columns(p) + first;
  VARIANT(p->isa, column_sums)(j->memory[d].p + first, rows(p), columns(p), count, to);
  // What h gives has gradients of its own only where it is scaled by the reset gate.
  if (p->is_gru && !p->resets_before) {
    VARIANT(p->isa, column_sums)(j->memory[d].s + first, rows(p), columns(p), count, to + columns(p));
  } else {
    memcpy(to + columns(p), to, (size_t)count * sizeof(float));
  }
}

// The bias of a direction: what is added to the gates with x, and with h.
static void load_bias(const lig_recurrent_gradient *p, const float *bias, int d, float *to) {
  const float *from = bias + d * 2 * columns(p);
  for (long i = 0; i < columns(p); ++i) {
    to[i] = p->is_gru ? from[i] : from[i] + from[columns(p) + i];
    to[columns(p) + i] = from[columns(p) + i];
  }
}

// A sequence of no steps makes states of zeros, on which its initial ones have no effect.
static void store_state(const gradient_job *j, int d, long n, const float *from, float *to) {
  if (!to) return;
  size_t bytes = (size_t)j->plan->hidden * sizeof(float);
  to += state_at(j->plan, d, n);
  if (length_of(j, n) > 0) {
    memcpy(to, from + n * j->plan->hidden, bytes);
  } else {
    memset(to, 0, bytes);
  }
}

static void store_states(const gradient_job *j) {
  for (int d = 0; d < j->plan->directions; ++d) {
    for (long n = 0; n < j->plan->batch; ++n) {
      store_state(j, d, n, j->memory[d].dh, j->data->dinitial_h);
      store_state(j, d, n, j->memory[d].dc, j->data->dinitial_c);
    }
  }
}

long lig_recurrent_gradient_run(
    const lig_recurrent_gradient *p, lig_pool *pool, const lig_recurrent_gradient_data *data, void *workspace) {
  for (long n = 0; data->lengths && n < p->batch; ++n) {
    if (data->lengths[n] < 0 || data->lengths[n] > p->steps) return n + 1;
  }
  gradient_job job = {.plan = p, .data = data};
  float *scratch = (float *)workspace + p->directions * (direction_floats(p) + reset_floats(p));
  for (int d = 0; d < p->directions; ++d) job.memory[d] = lay_out(p, d, workspace);
  long both = p->directions * p->batch, of_w = columns(p) * p->input, of_r = columns(p) * p->hidden;
  lig_parallel(pool, both, before_task, &job);
  for (int d = 0; d < p->directions; ++d) {
    const direction_memory *m = &job.memory[d];
    if (data->bias) load_bias(p, data->bias, d, m->bias);
    lig_matmul_run(&p->from_x, pool, data->x, data->w + d * of_w, data->bias ? m->bias : NULL, m->p, scratch);
    const float *with_h = data->bias && p->is_gru ? m->bias + columns(p) : NULL;
    lig_matmul_run(&p->from_h, pool, m->before, data->r + d * of_r, with_h, m->s, scratch);
    lig_matmul_pack(&p->back, data->r + d * of_r, m->packed_r);
  }
  if (p->resets_before) lig_parallel(pool, both, reset_task, &job);
  for (int d = 0; p->resets_before && d < p->directions; ++d) {
    const direction_memory *m = &job.memory[d];
    const float *weights = data->r + d * of_r + 2 * p->hidden * p->hidden;
    const float *bias = data->bias ? data->bias + (2 * d + 1) * columns(p) + 2 * p->hidden : NULL;
    lig_matmul_run(&p->from_reset, pool, m->reset, weights, bias, m->q, scratch);
    lig_matmul_pack(&p->back_reset, weights, m->packed_reset);
  }
  lig_parallel(pool, both, forward_task, &job);
  job.scratch = (char *)scratch;
  long groups = (p->batch + p->rows_per_task - 1) / p->rows_per_task;
  lig_parallel(pool, p->directions * groups, backward_task, &job);
  store_states(&job);
  for (int d = 0; d < p->directions; ++d) {
    const direction_memory *m = &job.memory[d];
    lig_matmul to_x = p->to_x;
    to_x.accumulates = d > 0;
    if (data->dx) lig_matmul_run(&to_x, pool, m->p, data->w + d * of_w, NULL, data->dx, scratch);
    if (data->dw) lig_matmul_run(&p->to_w, pool, m->p, data->x, NULL, data->dw + d * of_w, scratch);
    if (data->dr) lig_matmul_run(&p->to_r, pool, m->s, m->before, NULL, data->dr + d * of_r, scratch);
    if (data->dr && p->resets_before) {
      float *to = data->dr + d * of_r + 2 * p->hidden * p->hidden;
      lig_matmul_run(&p->to_reset, pool, m->p + 2 * p->hidden, m->reset, NULL, to, scratch);
    }
  }
  if (data->dbias) {
    lig_parallel(pool, p->directions * ((columns(p) + sum_columns - 1) / sum_columns), bias_task, &job);
  }
  return 0;
}
