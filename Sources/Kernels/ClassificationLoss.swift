import Glibc
import GraphIR
import Operators
import TensorCore

enum ClassificationLossKernels {
  static func register(in table: inout KernelTable) {
    table.register(ClassificationLoss.self, prepare: prepare)
  }

  private static func prepare(_ op: ClassificationLoss, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let line = try Line(x.shape, axis: 1)
    let places = line.outer * line.inner
    return try .portable(context, scratch: [x.count]) { operands in
      let (x, labels, weights) = (try operands.input(0), try operands.input(1), operands.optional(2))
      let loss = operands.optionalOutput(0)
      // The scratch comes last.
      let scratch = try operands.output(operands.outputs.count - 1)
      let logarithms = op.takesScores ? scratch : x
      if op.takesScores { logSoftmax(x, scratch, line) }
      if operands.outputs.count > 2, let wanted = operands.optionalOutput(1) {
        for index in 0..<x.count { wanted[index] = scratch[index] }
      }
      var (sum, weight) = (0.0, 0.0)
      for place in 0..<places {
        let label = try labels.integer(place, "a label")
        var value = 0.0
        if label != op.ignoredLabel {
          guard (0..<line.count).contains(label) else {
            throw LigatureError(.numeric, "label \(label) at place \(place) is none of \(line.count) classes")
          }
          let factor = weights?[label] ?? 1
          value = -factor * logarithms[(place / line.inner * line.count + label) * line.inner + place % line.inner]
          weight += factor
        }
        sum += value
        if op.reduction == .none { loss?[place] = value }
      }
      if op.reduction != .none { loss?[0] = op.reduction == .mean ? sum / weight : sum }
    }
  }

  private static func logSoftmax(_ x: Numbers, _ y: Numbers, _ line: Line) {
    for place in 0..<line.outer * line.inner {
      let start = place / line.inner * line.count * line.inner + place % line.inner
      func at(_ index: Int) -> Int { start + index * line.inner }
      var (largest, sum) = (-Double.infinity, 0.0)
      for index in 0..<line.count { largest = max(largest, x[at(index)]) }
      for index in 0..<line.count { sum += exp(x[at(index)] - largest) }
      for index in 0..<line.count { y[at(index)] = x[at(index)] - largest - log(sum) }
    }
  }
}
