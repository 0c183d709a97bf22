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
  /// x * (1 + erf(x / sqrt(2))) / 2
  LIG_GELU,
  /// x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
  LIG_GELU_TANH,
} lig_activation_kind;

typedef struct {
  lig_activation_kind kind;
  float alpha, beta;
  /// Not 0: what the activation gives is multiplied by `scale`, then `shift` is added.
  int is_scaled;
  float scale, shift;
} lig_activation;

/// For Swift: an activation whose result stays as it is.
__attribute__((swift_name("lig_activation.init(kind:alpha:beta:)")))
static inline lig_activation lig_activation_unscaled(lig_activation_kind kind, float alpha, float beta) {
  return (lig_activation){.kind = kind, .alpha = alpha, .beta = beta};
}

static inline float lig_activate_unscaled(lig_activation f, float x) {
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
    case LIG_GELU: return 0.5f * x * (1 + erff(x * 0.707106781f));
    case LIG_GELU_TANH: return 0.5f * x * (1 + tanhf(0.797884561f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

/// The scalar twin of what kernels fuse.
static inline float lig_activate(lig_activation f, float x) {
  x = lig_activate_unscaled(f, x);
  return f.is_scaled ? x * f.scale + f.shift : x;
}

#endif
