#ifndef LIG_ACTIVATION_H
#define LIG_ACTIVATION_H

#include <math.h>

/// What a kernel does with a value before it writes it.
typedef enum {
  LIG_IDENTITY = 0,
  LIG_RELU,
  /// min(max(x, alpha), beta)
  LIG_CLIP,
  /// x for x > 0, alpha * x otherwise
  LIG_LEAKY_RELU,
  /// min(max(alpha * x + beta, 0), 1)
  LIG_HARD_SIGMOID,
  /// x * min(max(alpha * x + beta, 0), 1)
  LIG_HARD_SWISH,
  LIG_SIGMOID,
  /// x * sigmoid(x)
  LIG_SILU,
  LIG_TANH,
} lig_activation_kind;

typedef struct {
  lig_activation_kind kind;
  float alpha, beta;
} lig_activation;

/// The scalar twin of what kernels fuse.
static inline float lig_activate(lig_activation f, float x) {
  switch (f.kind) {
    case LIG_IDENTITY: return x;
    case LIG_RELU: return x < 0 ? 0 : x;
    case LIG_CLIP: x = x < f.alpha ? f.alpha : x; return x > f.beta ? f.beta : x;
    case LIG_LEAKY_RELU: return x < 0 ? f.alpha * x : x;
    case LIG_HARD_SIGMOID:
    case LIG_HARD_SWISH: {
      float gate = f.alpha * x + f.beta;
      gate = gate < 0 ? 0 : gate > 1 ? 1 : gate;
      return f.kind == LIG_HARD_SIGMOID ? gate : x * gate;
    }
    case LIG_SIGMOID: return 1 / (1 + expf(-x));
    case LIG_SILU: return x / (1 + expf(-x));
    case LIG_TANH: return tanhf(x);
  }
  return x;
}

#endif
