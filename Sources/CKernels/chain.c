#include "chain.h"

#include "broadcast_walk.h"
#include "elementwise_functions.h"
#include "tasks.h"

enum { block_elements = 512 };  // LIG_CHAIN_REGISTERS buffers of them are a third of the first cache

int lig_chain_prepare(lig_chain *c) {
  int inputs = c->walk.inputs, last_use[LIG_CHAIN_STEPS], free_count = LIG_CHAIN_REGISTERS;
  int free_registers[LIG_CHAIN_REGISTERS];
  if (c->steps < 1 || c->steps > LIG_CHAIN_STEPS) return -1;
  for (int i = 0; i < LIG_CHAIN_REGISTERS; i++) free_registers[i] = LIG_CHAIN_REGISTERS - 1 - i;
  for (int s = 0; s < c->steps; s++) {
    lig_chain_step *step = &c->step[s];
    last_use[s] = s;
    int operands[2] = {step->left, step->is_binary ? step->right : step->left};
    step->is_single = 1;
    for (int k = 0; k < 2; k++) {
      if (operands[k] < 0 || operands[k] >= inputs + s) return -1;
      int made = operands[k] - inputs;
      if (made >= 0) last_use[made] = s;
      step->is_single &= made >= 0 ? c->step[made].is_single : c->walk.step[operands[k]] == 0;
    }
    int is_known = step->is_binary ? lig_binary_f32_function(step->operation) != 0
                                   : lig_unary_f32_function(step->operation) != 0;
    if (!is_known) return -1;
  }
  for (int s = 0; s < c->steps; s++) {
    // What is needed here for the last time gives its place: functions may work in place.
    for (int made = 0; made < s; made++) {
      if (last_use[made] == s) free_registers[free_count++] = c->step[made].target;
    }
    if (free_count == 0) return -1;
    c->step[s].target = free_registers[--free_count];
  }
  return 0;
}

typedef struct {
  const lig_chain *chain;
  const float *const *inputs;
  float *y;
  long rows_per_task, pieces, piece;
  lig_unary_function unary[LIG_CHAIN_STEPS];
  lig_binary_function binary[LIG_CHAIN_STEPS];
} chain_job;

typedef float register_file[LIG_CHAIN_REGISTERS][block_elements] __attribute__((aligned(64)));

// Elements start..<start + n of a row, which lie at `rows` of the inputs.
static void run_block(
    const chain_job *job, const float *const *rows, long start, long n, register_file registers, float *y) {
  const lig_chain *c = job->chain;
  const int inputs = c->walk.inputs;
  for (int s = 0; s < c->steps; s++) {
    const lig_chain_step *step = &c->step[s];
    const float *operand[2];
    long advance[2];
    for (int k = 0; k < 2; k++) {
      int index = k ? (step->is_binary ? step->right : step->left) : step->left;
      if (index < inputs) {
        advance[k] = c->walk.step[index];
        operand[k] = rows[index] + start * advance[k];
      } else {
        advance[k] = !c->step[index - inputs].is_single;
        operand[k] = registers[c->step[index - inputs].target];
      }
    }
    float *to = s == c->steps - 1 ? y : registers[step->target];
    long count = step->is_single ? 1 : n;
    if (step->is_binary) job->binary[s](operand[0], operand[1], to, count, advance[0], advance[1]);
    else job->unary[s](operand[0], to, count, step->a, step->b);
  }
  // Only if no input has more than one element in a row.
  if (c->step[c->steps - 1].is_single) {
    for (long i = 1; i < n; i++) y[i] = y[0];
  }
}

static void chain_task(void *context, long index, int worker) {
  (void)worker;
  const chain_job *job = context;
  const lig_broadcast *walk = &job->chain->walk;
  register_file registers;
  long first = index / job->pieces * job->rows_per_task, skip = index % job->pieces * job->piece;
  long last = lig_min(first + job->rows_per_task, walk->rows), end = lig_min(skip + job->piece, walk->inner);
  cursor at;
  cursor_start(&at, walk, first);
  for (long row = first; row < last; row++, cursor_next(&at, walk)) {
    const float *rows[LIG_MAX_INPUTS];
    for (int k = 0; k < walk->inputs; k++) rows[k] = job->inputs[k] + at.offset[k];
    for (long start = skip; start < end; start += block_elements) {
      run_block(job, rows, start, lig_min(block_elements, end - start), registers, job->y + row * walk->inner + start);
    }
  }
}

void lig_chain_run(const lig_chain *c, lig_pool *pool, const float *const *inputs, float *y) {
  if (c->walk.rows == 0) return;
  chain_job job = {.chain = c, .inputs = inputs, .y = y};
  for (int s = 0; s < c->steps; s++) {
    if (c->step[s].is_binary) job.binary[s] = lig_binary_f32_function(c->step[s].operation);
    else job.unary[s] = lig_unary_f32_function(c->step[s].operation);
  }
  job.piece = lig_min(c->walk.inner, 2 * LIG_GRAIN);
  job.pieces = lig_tiles(c->walk.inner, job.piece);
  job.rows_per_task = job.pieces > 1 ? 1 : lig_max(1, LIG_GRAIN / c->walk.inner);
  lig_parallel(pool, lig_tiles(c->walk.rows, job.rows_per_task) * job.pieces, chain_task, &job);
}
