import GraphIR
import Operators
import TensorCore

/// CRNN's decoder (`CRNNDecoder` with `rnn_flag`): two bidirectional LSTMs, each with a linear layer behind it.
/// `[N, C, 1, T] → logits [N, T, classes]`.
struct CRNNDecoder {
  var hidden: Int
  var classes: Int

  func callAsFunction(_ features: ValueID, _ m: inout ModuleBuilder) throws -> ValueID {
    guard let shape = m.type(features).shape, shape.count == 4, shape[2] == 1 else {
      throw LigatureError(.shape, "CRNNDecoder takes features of height 1, not \(m.type(features))")
    }
    return try m.scoped("decoder") { m in
      let columns = try m.builder.append(Squeeze(), [features, m.builder.integers([2], name: "axes")])
      var x = try m.builder.transpose(columns, [2, 0, 1])
      for (index, out) in [hidden, classes].enumerated() {
        x = try m.scoped("\(index)") { m in
          let states = try m.lstm(x, "rnn", hidden: hidden, bidirectional: true)
          return try m.linear(states, "embedding", out: out)
        }
      }
      return try m.builder.transpose(x, [1, 0, 2])
    }
  }
}
