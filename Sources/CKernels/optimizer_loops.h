// Included once for each instruction set by optimizer.c.

#define GRADIENT(i) (clamped(gradient[i] * g_rule.scale, g_rule.clip) + g_rule.decay * parameter[i])

static void LIG_NAME(sgd)(
    const lig_sgd_rule *rule, long n, const float *parameter, const float *gradient, const float *buffer, float *next,
    float *next_buffer) {
  const lig_gradient_rule g_rule = rule->gradient;
  const float rate = rule->rate, momentum = rule->momentum;
  if (!buffer) {
    LIG_LOOP for (long i = 0; i < n; ++i) next[i] = parameter[i] - rate * GRADIENT(i);
    return;
  }
  if (rule->nesterov) {
    LIG_LOOP for (long i = 0; i < n; ++i) {
      float g = GRADIENT(i), b = momentum * buffer[i] + g;
      next_buffer[i] = b;
      next[i] = parameter[i] - rate * (g + momentum * b);
    }
    return;
  }
  LIG_LOOP for (long i = 0; i < n; ++i) {
    float b = momentum * buffer[i] + GRADIENT(i);
    next_buffer[i] = b;
    next[i] = parameter[i] - rate * b;
  }
}

static void LIG_NAME(adam)(
    const lig_adam_rule *rule, long n, const float *parameter, const float *gradient, const float *first,
    const float *second, float *next, float *next_first, float *next_second) {
  const lig_adam_rule r = *rule;
  const lig_gradient_rule g_rule = r.gradient;
  LIG_LOOP for (long i = 0; i < n; ++i) {
    float g = GRADIENT(i);
    float m = first[i] + r.first * (g - first[i]);
    float v = r.second * second[i] + r.one_less_second * (g * g);
    next_first[i] = m;
    next_second[i] = v;
    next[i] = parameter[i] * r.shrink - r.size * m / (sqrtf(v) / r.root + r.epsilon);
  }
}

static void LIG_NAME(adadelta)(
    const lig_adadelta_rule *rule, long n, const float *parameter, const float *gradient, const float *squares,
    const float *deltas, float *next, float *next_squares, float *next_deltas) {
  const lig_adadelta_rule r = *rule;
  const lig_gradient_rule g_rule = r.gradient;
  LIG_LOOP for (long i = 0; i < n; ++i) {
    float g = GRADIENT(i);
    float s = r.rho * squares[i] + r.one_less_rho * (g * g);
    float d = sqrtf(deltas[i] + r.epsilon) / sqrtf(s + r.epsilon) * g;
    next_squares[i] = s;
    next_deltas[i] = r.rho * deltas[i] + r.one_less_rho * (d * d);
    next[i] = parameter[i] - r.rate * d;
  }
}

#undef GRADIENT

static double LIG_NAME(square_sum)(const float *x, long n) {
  enum { LANES = 16 };
  double sums[LANES] = {0};
  long i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int lane = 0; lane < LANES; ++lane) sums[lane] += (double)x[i + lane] * (double)x[i + lane];
  }
  for (; i < n; ++i) sums[0] += (double)x[i] * (double)x[i];
  double sum = 0;
  for (int lane = 0; lane < LANES; ++lane) sum += sums[lane];
  return sum;
}
