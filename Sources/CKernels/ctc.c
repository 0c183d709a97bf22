#include "ctc.h"

#include <math.h>
#include <stddef.h>

// A target of L labels becomes 2 L + 1 states: blanks between, before and after the labels. A task is a sequence.

static long integer(const void *values, int wide, long at) {
  return wide ? (long)((const int64_t *)values)[at] : (long)((const int32_t *)values)[at];
}

static long states_of(const lig_ctc *p) { return 2 * p->labels + 1; }
// Forward variables of all steps, two rows of backward ones.
static long worker_doubles(const lig_ctc *p) { return (p->steps + 2) * states_of(p); }

long lig_ctc_workspace(const lig_ctc *p, int threads) { return worker_doubles(p) * (long)sizeof(double) * threads; }

typedef struct {
  const lig_ctc *plan;
  const lig_ctc_data *data;
  const float *g;
  float *out;
  double *workspace;
} ctc_job;

typedef struct {
  long n, steps, labels, states;
  const ctc_job *job;
} sequence;

static sequence sequence_of(const ctc_job *j, long n) {
  sequence s = {.n = n, .job = j};
  s.steps = integer(j->data->input_lengths, j->plan->wide_input_lengths, n);
  s.labels = integer(j->data->target_lengths, j->plan->wide_target_lengths, n);
  s.states = 2 * s.labels + 1;
  return s;
}

static long class_of(const sequence *s, long state) {
  const lig_ctc *p = s->job->plan;
  return state % 2 == 0 ? p->blank : integer(s->job->data->targets, p->wide_targets, s->n * p->labels + state / 2);
}

static double log_probability(const sequence *s, long t, long c) {
  const lig_ctc *p = s->job->plan;
  return (double)s->job->data->log_probabilities[(t * p->batch + s->n) * p->classes + c];
}

// Whether a state can be reached from the label before, past the blank between.
static int skips(const sequence *s, long state) {
  return state % 2 == 1 && state >= 3 && class_of(s, state) != class_of(s, state - 2);
}

static double log_sum(double a, double b, double c) {
  double most = fmax(a, fmax(b, c));
  if (most == -INFINITY) return -INFINITY;
  return most + log(exp(a - most) + exp(b - most) + exp(c - most));
}

// Fills alpha[t, state]: the logarithm of all paths that are in that state after t. Returns that of the whole.
static double forward(const sequence *s, double *alpha, long width) {
  if (s->steps == 0) return s->labels == 0 ? 0 : -INFINITY;
  for (long i = 0; i < s->states; ++i) alpha[i] = i < 2 ? log_probability(s, 0, class_of(s, i)) : -INFINITY;
  for (long t = 1; t < s->steps; ++t) {
    const double *before = alpha + (t - 1) * width;
    double *now = alpha + t * width;
    for (long i = 0; i < s->states; ++i) {
      double sum = log_sum(
          before[i], i >= 1 ? before[i - 1] : -INFINITY, skips(s, i) ? before[i - 2] : -INFINITY);
      now[i] = sum + log_probability(s, t, class_of(s, i));
    }
  }
  const double *last = alpha + (s->steps - 1) * width;
  return log_sum(last[s->states - 1], s->labels > 0 ? last[s->states - 2] : -INFINITY, -INFINITY);
}

int lig_ctc_check(const lig_ctc *p, const lig_ctc_data *data, long *at) {
  for (long n = 0; n < p->batch; ++n) {
    *at = n;
    long steps = integer(data->input_lengths, p->wide_input_lengths, n);
    if (steps < 0 || steps > p->steps) return LIG_CTC_INPUT_LENGTH;
    long labels = integer(data->target_lengths, p->wide_target_lengths, n);
    if (labels < 0 || labels > p->labels) return LIG_CTC_TARGET_LENGTH;
    for (long i = 0; i < labels; ++i) {
      long label = integer(data->targets, p->wide_targets, n * p->labels + i);
      if (label < 0 || label >= p->classes) return LIG_CTC_TARGET;
    }
  }
  return LIG_CTC_FINE;
}

static void loss_task(void *context, long n, int worker) {
  const ctc_job *j = context;
  sequence s = sequence_of(j, n);
  double total = forward(&s, j->workspace + worker * worker_doubles(j->plan), states_of(j->plan));
  j->out[n] = total == -INFINITY && j->plan->zero_infinity ? 0 : (float)-total;
}

void lig_ctc_loss(const lig_ctc *p, lig_pool *pool, const lig_ctc_data *data, float *losses, void *workspace) {
  ctc_job job = {.plan = p, .data = data, .out = losses, .workspace = workspace};
  lig_parallel(pool, p->batch, loss_task, &job);
}

static void fill(const sequence *s, long t, float value) {
  const lig_ctc *p = s->job->plan;
  float *row = s->job->out + (t * p->batch + s->n) * p->classes;
  for (long c = 0; c < p->classes; ++c) row[c] = value;
}

static void gradient_task(void *context, long n, int worker) {
  const ctc_job *j = context;
  const lig_ctc *p = j->plan;
  sequence s = sequence_of(j, n);
  long width = states_of(p);
  double *alpha = j->workspace + worker * worker_doubles(p), *beta = alpha + p->steps * width, *next = beta + width;
  double total = forward(&s, alpha, width);
  int lost = !(total > -INFINITY);  // NaN as well
  float empty = !lost || (total == -INFINITY && p->zero_infinity) ? 0 : NAN;
  for (long t = 0; t < p->steps; ++t) fill(&s, t, t < s.steps ? empty : 0);
  if (lost) return;
  // beta: the logarithm of all ways from a state at t to the end, what t itself emits left out.
  for (long t = s.steps - 1; t >= 0; --t) {
    float *row = j->out + (t * p->batch + n) * p->classes;
    for (long i = 0; i < s.states; ++i) {
      if (t == s.steps - 1) {
        beta[i] = i >= s.states - 2 ? 0 : -INFINITY;
      } else {
        double stay = next[i] + log_probability(&s, t + 1, class_of(&s, i)), step = -INFINITY, skip = -INFINITY;
        if (i + 1 < s.states) step = next[i + 1] + log_probability(&s, t + 1, class_of(&s, i + 1));
        if (i + 2 < s.states && skips(&s, i + 2)) {
          skip = next[i + 2] + log_probability(&s, t + 1, class_of(&s, i + 2));
        }
        beta[i] = log_sum(stay, step, skip);
      }
      double share = exp(alpha[t * width + i] + beta[i] - total);
      row[class_of(&s, i)] -= (float)share * j->g[n];
    }
    double *swap = beta;
    beta = next;
    next = swap;
  }
}

void lig_ctc_gradient(
    const lig_ctc *p, lig_pool *pool, const lig_ctc_data *data, const float *g, float *d, void *workspace) {
  ctc_job job = {.plan = p, .data = data, .g = g, .out = d, .workspace = workspace};
  lig_parallel(pool, p->batch, gradient_task, &job);
}
