import CKernels
import Operators

/// As C kernels take it.
func fused(_ epilogue: Epilogue) -> lig_activation {
  var result = fused(epilogue.activation)
  result.is_scaled = epilogue.isScaled ? 1 : 0
  (result.scale, result.shift) = (epilogue.scale, epilogue.shift)
  return result
}

private func fused(_ activation: FusedActivation) -> lig_activation {
  func make(_ kind: lig_activation_kind, _ alpha: Float = 0, _ beta: Float = 0) -> lig_activation {
    lig_activation(kind: kind, alpha: alpha, beta: beta)
  }
  return switch activation {
  case .none: make(LIG_IDENTITY)
  case .relu: make(LIG_RELU)
  case .sigmoid: make(LIG_SIGMOID)
  case .silu: make(LIG_SILU)
  case .tanh: make(LIG_TANH)
  case .gelu: make(LIG_GELU)
  case .geluTanh: make(LIG_GELU_TANH)
  case .clip(let low, let high): make(LIG_CLIP, low, high)
  case .leakyRelu(let slope): make(LIG_LEAKY_RELU, slope)
  case .hardSigmoid(let alpha, let beta): make(LIG_HARD_SIGMOID, alpha, beta)
  case .hardSwish(let alpha, let beta): make(LIG_HARD_SWISH, alpha, beta)
  }
}
