#include "recurrent.h"

#include <math.h>
#include <string.h>

#include "gemm.h"
#include "recurrent_state.h"

static long recurrent_r_per_direction(const lig_recurrent *p) {
  long floats = 0;
  for (int phase = 0; phase < p->phases; ++phase) {
    floats += p->phase_panels[phase] * p->phase_gates[phase] * p->phase_units[phase] * p->lanes * p->hidden;
  }
  return floats;
}

#define KERNELS "recurrent.inc"
#include "each_simd.h"

// Work of a task in multiply-adds. Less than `step_work` in a step is not worth sharing it: then a task takes whole
// rows of the batch through all steps.
enum { step_work = 1 << 19, task_work = 1 << 17, most_rows = 12 };

static void choose_phases(lig_recurrent *p) {
  p->phases = 1;
  p->gates = p->cell == LIG_CELL_LSTM ? 4 : p->cell == LIG_CELL_GRU ? 3 : 1;
  p->phase_gates[0] = p->gates;
  p->phase_units[0] = p->cell == LIG_CELL_RNN ? 4 : 1;
  if (p->cell == LIG_CELL_GRU && !p->linear_before_reset) {
    // The candidate multiplies the reset state, which all of the gates before it have to make first.
    p->phases = 2;
    p->phase_gates[0] = 2;
    p->phase_units[0] = 2;
    p->phase_gates[1] = 1;
    p->phase_units[1] = 4;
  }
}

void lig_recurrent_prepare(lig_recurrent *p) {
  choose_phases(p);
  p->isa = (int)lig_isa();
  p->lanes = p->isa == LIG_ISA_AVX512 ? 16 : p->isa == LIG_ISA_AVX2 ? 8 : 4;
  p->stride = (int)gemm_round_up(p->hidden, 64);
  const int cost = p->quantized ? 4 : 1;  // bytes go four times as fast
  double work = (double)p->batch * p->gates * (double)p->hidden * (double)p->hidden / cost;
  for (int phase = 0; phase < p->phases; ++phase) {
    long width = p->phase_units[phase] * p->lanes;
    p->phase_panels[phase] = (p->hidden + width - 1) / width;
    double of_panel = (double)p->batch * p->phase_gates[phase] * (double)width * (double)p->hidden / cost;
    long panels = of_panel >= task_work ? 1 : (long)(task_work / gemm_max((long)of_panel, 1));
    p->panels_per_task[phase] = work >= step_work ? gemm_min(panels, p->phase_panels[phase]) : 0;
  }
  // Packed bytes are cut by panels.
  p->rows_per_task = p->quantized ? igemm_height(igemm_best(), p->batch) : most_rows;
  p->projection = (lig_matmul){
    .m = p->steps * p->batch,
    .n = p->directions * p->gates * p->hidden,
    .k = p->input,
    .a_row = p->input,
    .a_column = 1,
    .b_row = 1,
    .b_column = p->input,
    .alpha = 1,
    .b_is_packed = 1,
  };
  lig_matmul_prepare(&p->projection);
  p->integer_projection = (lig_matmul_integer){
    .m = p->steps * p->batch,
    .n = p->gates * p->hidden,
    .k = p->input,
    .b_is_signed = p->w_is_signed,
    .batch_rank = 1,
    .batch_shape = {p->directions},
    .b_batch = {1},
    .b_zero_batch = {p->w_scales},
    .b_zero_step = p->w_scales > 1,
    .a_matrices = 1,
    .b_matrices = p->directions,
    .b_is_packed = 1,
  };
  lig_matmul_integer_prepare(&p->integer_projection);
}

long lig_recurrent_packed_w_size(const lig_recurrent *p) {
  if (p->quantized) return lig_matmul_integer_packed_size(&p->integer_projection);
  return lig_matmul_packed_count(&p->projection) * (long)sizeof(float);
}

void lig_recurrent_pack_w(const lig_recurrent *p, const void *w, void *packed) {
  if (p->quantized) lig_matmul_integer_pack(&p->integer_projection, w, packed);
  else lig_matmul_pack(&p->projection, w, packed);
}

long lig_recurrent_packed_r_size(const lig_recurrent *p) {
  if (p->quantized) return quantized_packed_r_size(p);
  return p->directions * recurrent_r_per_direction(p) * (long)sizeof(float);
}

static void pack_float_r(const lig_recurrent *p, const float *r, float *packed) {
  for (int d = 0; d < p->directions; ++d) {
    for (int phase = 0, first = 0; phase < p->phases; first += p->phase_gates[phase++]) {
      const int gates = p->phase_gates[phase], units = p->phase_units[phase];
      for (long panel = 0; panel < p->phase_panels[phase]; ++panel) {
        const long step = (long)units * gates * p->lanes;
        for (int part = 0; part < units * gates; ++part) {
          long unit = (panel * units + part / gates) * p->lanes;
          long gate = (long)d * p->gates + first + part % gates;
          long some = gemm_max(gemm_min(p->hidden - unit, p->lanes), 0);
          const float *from = some ? r + (gate * p->hidden + unit) * p->hidden : r;
          VARIANT(p->isa, turn_units)(from, p->hidden, some, packed + part * p->lanes, step);
        }
        packed += p->hidden * step;
      }
    }
  }
}

void lig_recurrent_pack_r(const lig_recurrent *p, const void *r, void *packed) {
  if (p->quantized) quantized_pack_r(p, r, packed);
  else pack_float_r(p, r, packed);
}

// ── The workspace ───────────────────────────────────────────────────────────
typedef struct {
  long projected, bias, h[2], c, update, reset_h, packed_w, packed_r, projection, quantized, end;
} recurrent_layout;

static recurrent_layout lay_out(const lig_recurrent *p, int threads) {
  recurrent_layout at;
  // Everything is counted in floats: four bytes.
  long next = 0, states = p->directions * p->batch * p->stride;
#define PLACE(field, floats) at.field = next, next += gemm_round_up(floats, 16)
  PLACE(projected, p->projection.m * p->projection.n);
  PLACE(bias, p->directions * (p->gates + 1) * p->stride);
  PLACE(h[0], states);
  PLACE(h[1], states);
  PLACE(c, p->cell == LIG_CELL_LSTM ? states : 0);
  PLACE(update, p->phases == 2 ? states : 0);
  PLACE(reset_h, p->phases == 2 ? states : 0);
  PLACE(packed_w, p->w_is_packed ? 0 : lig_recurrent_packed_w_size(p) / 4);
  PLACE(packed_r, p->r_is_packed ? 0 : lig_recurrent_packed_r_size(p) / 4);
  PLACE(projection, p->quantized ? 0 : lig_matmul_workspace(&p->projection, threads) / 4);
  PLACE(quantized, p->quantized ? quantized_workspace(p) / 4 : 0);
#undef PLACE
  at.end = next;
  return at;
}

long lig_recurrent_workspace(const lig_recurrent *p, int threads) {
  return lay_out(p, threads).end * (long)sizeof(float);
}

// ── Running ─────────────────────────────────────────────────────────────────
static void fold_bias(const lig_recurrent *p, const float *bias, float *folded) {
  memset(folded, 0, sizeof(float) * p->directions * (p->gates + 1) * p->stride);
  if (!bias) return;
  const int apart = p->cell == LIG_CELL_GRU && p->linear_before_reset;
  for (int d = 0; d < p->directions; ++d) {
    const float *of_input = bias + 2L * d * p->gates * p->hidden, *of_state = of_input + p->gates * p->hidden;
    float *to = folded + (long)d * (p->gates + 1) * p->stride;
    for (int gate = 0; gate < p->gates; ++gate) {
      for (long unit = 0; unit < p->hidden; ++unit) {
        float x = of_input[gate * p->hidden + unit], state = of_state[gate * p->hidden + unit];
        if (apart && gate == 2) to[3 * p->stride + unit] = state;
        else x += state;
        to[gate * p->stride + unit] = x;
      }
    }
  }
}

static void start_states(const lig_recurrent *p, const float *initial, float *states) {
  memset(states, 0, sizeof(float) * p->directions * p->batch * p->stride);
  if (!initial) return;
  for (int d = 0; d < p->directions; ++d) {
    for (long row = 0; row < p->batch; ++row) {
      memcpy(states + (d * p->batch + row) * p->stride, initial + recurrent_state_offset(p, d, row),
             sizeof(float) * p->hidden);
    }
  }
}

/// The last state of a sequence; zeros for one without steps, as ONNX Runtime has it.
static void finish_state(float *out, const float *state, long to, long length, long hidden) {
  if (!out) return;
  if (length) memcpy(out + to, state, sizeof(float) * hidden);
  else memset(out + to, 0, sizeof(float) * hidden);
}

static void finish_states(const recurrent_state *s) {
  const lig_recurrent *p = s->plan;
  for (int d = 0; d < p->directions; ++d) {
    for (long row = 0; row < p->batch; ++row) {
      long from = (d * p->batch + row) * p->stride, to = recurrent_state_offset(p, d, row);
      long length = recurrent_length(s, row);
      finish_state(s->data->y_h, s->h[length & 1] + from, to, length, p->hidden);
      finish_state(s->data->y_c, s->c + from, to, length, p->hidden);
    }
  }
}

static void clear_after_ends(const recurrent_state *s) {
  const lig_recurrent *p = s->plan;
  if (!s->data->y || !s->data->lengths) return;
  for (long row = 0; row < p->batch; ++row) {
    for (long time = recurrent_length(s, row); time < p->steps; ++time) {
      for (int d = 0; d < p->directions; ++d) {
        memset(s->data->y + recurrent_y_offset(p, time, d, row), 0, sizeof(float) * p->hidden);
      }
    }
  }
}

/// Rows of the batch through all steps.
static void rows_task(void *context, long index, int worker) {
  (void)worker;
  const recurrent_state *s = context;
  const lig_recurrent *p = s->plan;
  recurrent_range range = {.direction = (int)(index % p->directions)};
  range.first_row = index / p->directions * p->rows_per_task;
  range.end_row = gemm_min(range.first_row + p->rows_per_task, p->batch);
  for (range.step = 0; range.step < s->longest; ++range.step) {
    if (s->quantized) quantized_read_state(s, range.direction, range.step, range.first_row, range.end_row);
    for (range.phase = 0; range.phase < p->phases; ++range.phase) {
      range.end_panel = p->phase_panels[range.phase];
      VARIANT(p->isa, recurrent_step)(s, &range);
    }
  }
}

/// Some hidden units of one step, for the whole batch.
static void panels_task(void *context, long index, int worker) {
  (void)worker;
  const recurrent_state *s = context;
  const lig_recurrent *p = s->plan;
  recurrent_range range = {.direction = (int)(index % p->directions), .phase = s->phase, .step = s->step};
  range.end_row = p->batch;
  range.first_panel = index / p->directions * p->panels_per_task[s->phase];
  range.end_panel = gemm_min(range.first_panel + p->panels_per_task[s->phase], p->phase_panels[s->phase]);
  VARIANT(p->isa, recurrent_step)(s, &range);
}

static void state_task(void *context, long direction, int worker) {
  (void)worker;
  const recurrent_state *s = context;
  quantized_read_state(s, (int)direction, s->step, 0, s->plan->batch);
}

static void run_steps(recurrent_state *s) {
  const lig_recurrent *p = s->plan;
  if (!p->panels_per_task[0]) {
    long groups = (p->batch + p->rows_per_task - 1) / p->rows_per_task;
    lig_parallel(s->pool, groups * p->directions, rows_task, s);
    return;
  }
  for (s->step = 0; s->step < s->longest; ++s->step) {
    if (s->quantized) lig_parallel(s->pool, p->directions, state_task, s);
    for (s->phase = 0; s->phase < p->phases; ++s->phase) {
      long tasks = (p->phase_panels[s->phase] + p->panels_per_task[s->phase] - 1) / p->panels_per_task[s->phase];
      lig_parallel(s->pool, tasks * p->directions, panels_task, s);
    }
  }
}

long lig_recurrent_run(
    const lig_recurrent *p, lig_pool *pool, const lig_recurrent_data *data, void *workspace) {
  recurrent_state s = {.plan = p, .pool = pool, .data = data};
  for (long row = 0; row < p->batch; ++row) {
    long length = recurrent_length(&s, row);
    if (length < 0 || length > p->steps) return 1 + row;
    s.longest = gemm_max(s.longest, length);
  }
  float *base = workspace;
  const recurrent_layout at = lay_out(p, lig_pool_threads(pool));
  const void *packed_w = data->w;
  s.packed_r = data->r;
  if (!p->w_is_packed) lig_recurrent_pack_w(p, data->w, base + at.packed_w), packed_w = base + at.packed_w;
  if (!p->r_is_packed) lig_recurrent_pack_r(p, data->r, base + at.packed_r), s.packed_r = base + at.packed_r;
  s.projected = base + at.projected;
  s.bias = base + at.bias;
  s.h[0] = base + at.h[0];
  s.h[1] = base + at.h[1];
  s.c = base + at.c;
  s.update = base + at.update;
  s.reset_h = base + at.reset_h;
  fold_bias(p, data->bias, base + at.bias);
  start_states(p, data->initial_h, s.h[0]);
  if (p->cell == LIG_CELL_LSTM) start_states(p, data->initial_c, s.c);
  clear_after_ends(&s);
  quantized_state q;
  if (p->quantized) quantized_start(&s, packed_w, base + at.projected, &q, base + at.quantized);
  else lig_matmul_run(&p->projection, pool, data->x, packed_w, NULL, base + at.projected, base + at.projection);
  run_steps(&s);
  finish_states(&s);
  return 0;
}
