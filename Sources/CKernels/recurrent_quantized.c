#include <string.h>

#include "recurrent_state.h"

igemm_order quantized_order(const lig_recurrent *p) {
  return (igemm_order){.lanes = p->lanes, .groups = p->gates, .size = p->hidden};
}

static long columns_of(const lig_recurrent *p) { return p->phase_panels[0] * p->gates * p->lanes; }
static long units_of(const lig_recurrent *p) { return igemm_units(p->integer_projection.isa, p->hidden); }

/// Panels of all directions, then the sums of their columns.
long quantized_packed_r_size(const lig_recurrent *p) { return 4 * p->directions * columns_of(p) * (units_of(p) + 1); }

void quantized_pack_r(const lig_recurrent *p, const void *r, void *packed) {
  const int isa = p->integer_projection.isa;
  const long columns = columns_of(p), width = p->gates * p->hidden;
  int32_t *sums = (int32_t *)packed + p->directions * columns * units_of(p);
  for (int d = 0; d < p->directions; ++d) {
    igemm_pack_b(isa, (uint32_t *)packed + d * columns * units_of(p), (const uint8_t *)r + d * p->hidden * width, width,
                 p->hidden, columns, quantized_order(p), igemm_reading(isa, p->r_is_signed, 1), sums + d * columns);
  }
}

// ── The workspace ───────────────────────────────────────────────────────────
typedef struct {
  // x in bytes and its products are needed only before the first step.
  long x, products, projection;
  long column_sum, column_zero, column_scale, bytes, packed_h, row_sum, row_zero, scale, end;
} quantized_layout;

static quantized_layout lay_out(const lig_recurrent *p) {
  quantized_layout at;
  const long rows = p->steps * p->batch, both = p->directions;
  const long height = igemm_height(p->integer_projection.isa, p->batch);
  long next = 0;
#define PLACE(field, bytes) at.field = next, next += gemm_round_up(bytes, 64)
  PLACE(x, rows * p->input);
  PLACE(products, 4 * both * rows * p->gates * p->hidden);
  PLACE(projection, lig_matmul_integer_workspace(&p->integer_projection));
  PLACE(column_sum, 4 * both * columns_of(p));
  PLACE(column_zero, 4 * both * columns_of(p));
  PLACE(column_scale, 4 * both * columns_of(p));
  PLACE(bytes, both * p->batch * p->hidden);
  PLACE(packed_h, 4 * both * gemm_round_up(p->batch, height) * units_of(p));
  PLACE(row_sum, 4 * both * p->batch);
  PLACE(row_zero, 4 * both * p->batch);
  PLACE(scale, 4 * both * p->batch);
#undef PLACE
  at.end = next;
  return at;
}

long quantized_workspace(const lig_recurrent *p) { return lay_out(p).end; }

// ── Running ─────────────────────────────────────────────────────────────────
typedef struct {
  const lig_recurrent *plan;
  const float *scale;
  const int *products;
  float *projected;
  float x_scale;
} scale_job;

static void scale_task(void *context, long row, int worker) {
  (void)worker;
  const scale_job *job = context;
  const lig_recurrent *p = job->plan;
  const long width = p->gates * p->hidden;
  for (int d = 0; d < p->directions; ++d) {
    const int *from = job->products + (d * p->steps * p->batch + row) * width;
    const float *scale = job->scale + d * p->w_scales;
    float *to = job->projected + (row * p->directions + d) * width;
    const float all = job->x_scale * scale[0];
    if (p->w_scales == 1) for (long i = 0; i < width; ++i) to[i] = (float)from[i] * all;
    else for (long i = 0; i < width; ++i) to[i] = (float)from[i] * (job->x_scale * scale[i]);
  }
}

static void project(const recurrent_state *s, const void *packed_w, float *projected, char *memory) {
  const lig_recurrent *p = s->plan;
  const quantized_layout at = lay_out(p);
  const long count = p->steps * p->batch * p->input;
  uint8_t *x = (uint8_t *)memory + at.x;
  int *products = (int *)(memory + at.products);
  const lig_dynamic_scale to = lig_dynamic_range(s->data->x, count, s->pool);
  lig_dynamic_quantize(s->data->x, count, to, x, s->pool);
  lig_matmul_integer_run(&p->integer_projection, s->pool, x, packed_w, &to.zero, s->data->w_zero, products,
                         memory + at.projection);
  scale_job job = {p, s->data->w_scale, products, projected, to.scale};
  lig_parallel(s->pool, p->steps * p->batch, scale_task, &job);
}

/// What is known of the columns of the recurrent weights, in packed order.
static void describe_columns(const recurrent_state *s, quantized_state *q, char *memory) {
  const lig_recurrent *p = s->plan;
  const quantized_layout at = lay_out(p);
  const int shift = igemm_reading(q->isa, p->r_is_signed, 1).shift;
  const int32_t *packed_sum = (const int32_t *)q->packed_r + p->directions * q->columns * q->units;
  int32_t *sum = (int32_t *)(memory + at.column_sum), *zero = (int32_t *)(memory + at.column_zero), any = 0;
  float *scale = (float *)(memory + at.column_scale);
  for (int d = 0; d < p->directions; ++d) {
    for (long j = 0; j < q->columns; ++j) {
      const long column = igemm_column(quantized_order(p), j), to = d * q->columns + j;
      const long from = d * p->r_scales + (p->r_scales > 1 ? column : 0);
      scale[to] = column < 0 ? 0 : s->data->r_scale[from];
      zero[to] = 0;
      if (column >= 0) {
        const uint8_t *zeros = s->data->r_zero;
        zero[to] = (!zeros ? 0 : p->r_is_signed ? (int8_t)zeros[from] : zeros[from]) - shift;
      }
      any |= zero[to];
      sum[to] = (int32_t)((uint32_t)packed_sum[to] - (uint32_t)p->hidden * (uint32_t)zero[to]);
    }
  }
  q->column_sum = sum;
  q->column_zero = any ? zero : NULL;
  q->column_scale = scale;
}

void quantized_start(recurrent_state *s, const void *packed_w, float *projected, quantized_state *q, void *memory_) {
  const lig_recurrent *p = s->plan;
  const quantized_layout at = lay_out(p);
  char *memory = memory_;
  project(s, packed_w, projected, memory);
  *q = (quantized_state){
    .isa = p->integer_projection.isa,
    .height = igemm_height(p->integer_projection.isa, p->batch),
    .units = units_of(p),
    .columns = columns_of(p),
    .packed_r = s->packed_r,
    .bytes = (uint8_t *)memory + at.bytes,
    .packed_h = (uint32_t *)(memory + at.packed_h),
    .row_sum = (int32_t *)(memory + at.row_sum),
    .row_zero = (int32_t *)(memory + at.row_zero),
    .scale = (float *)(memory + at.scale),
  };
  describe_columns(s, q, memory);
  s->quantized = q;
}

void quantized_read_state(const recurrent_state *s, int d, long step, long first_row, long end_row) {
  const lig_recurrent *p = s->plan;
  const quantized_state *q = s->quantized;
  const long before = d * p->batch;
  for (long row = before + first_row; row < before + end_row; ++row) {
    const float *state = s->h[step & 1] + row * p->stride;
    uint8_t *bytes = q->bytes + row * p->hidden;
    lig_dynamic_scale to = {0};
    if (step < recurrent_length(s, row - before)) {
      to = lig_dynamic_range(state, p->hidden, NULL);
      lig_dynamic_quantize(state, p->hidden, to, bytes, NULL);
    } else {
      memset(bytes, 0, (size_t)p->hidden);
    }
    q->row_zero[row] = to.zero;
    q->scale[row] = to.scale;
  }
  igemm_pack_a(q->isa, q->packed_h + (d * gemm_round_up(p->batch, q->height) + first_row) * q->units,
               q->bytes + (before + first_row) * p->hidden, p->hidden, 1, end_row - first_row, p->hidden, q->height,
               igemm_reading(q->isa, 0, 0), q->column_zero ? q->row_sum + before + first_row : NULL);
}
