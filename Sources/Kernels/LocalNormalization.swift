import Glibc
import GraphIR
import Operators
import TensorCore

enum LocalNormalizationKernels {
  static func register(in table: inout KernelTable) {
    table.register(LocalResponseNormalization.self, prepare: prepareLocal)
    table.register(MeanVarianceNormalization.self, prepare: prepareMeanVariance)
    table.register(GroupNormalization.self, prepare: prepareGroups)
    table.register(LpNormalization.self, prepare: prepareNorm)
    table.register(Hardmax.self, prepare: prepareHardmax)
  }

  private static func prepareLocal(_ op: LocalResponseNormalization, _ context: KernelContext) throws -> Step {
    let shape = try context.input(0).shape
    guard shape.count >= 2 else { throw LigatureError(.rank, "takes [N, C, …], not \(shape)") }
    let line = try Line(shape, axis: 1)
    let (before, after) = ((op.size - 1) / 2, op.size - 1 - (op.size - 1) / 2)
    let (alpha, beta, bias) = (Double(op.alpha) / Double(op.size), Double(op.beta), Double(op.bias))
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      for outer in 0..<line.outer {
        for inner in 0..<line.inner {
          func at(_ channel: Int) -> Int { (outer * line.count + channel) * line.inner + inner }
          for channel in 0..<line.count {
            if channel % 64 == 0 { try checkTime() }
            var sum = 0.0
            for other in max(
              0, channel - before)...min(line.count - 1, channel.addingReportingOverflow(after).partialValue)
            {
              sum += x[at(other)] * x[at(other)]
            }
            y[at(channel)] = x[at(channel)] / pow(bias + alpha * sum, beta)
          }
        }
      }
    }
  }

  private static func prepareMeanVariance(_ op: MeanVarianceNormalization, _ context: KernelContext) throws -> Step {
    let shape = try context.input(0).shape
    let axes = try normalizedAxes(op.axes, rank: shape.count)
    let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
    // Where the statistics of an element lie.
    let steps = zip(rowMajorStrides(kept), kept).map { $1 == 1 ? 0 : $0 }
    let groups = extent(kept)
    let count = Double(extent(shape)) / Double(max(groups, 1))
    return try .portable(context, scratch: [groups, groups]) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      let (mean, variance) = (try operands.output(1), try operands.output(2))
      mean.fill(0)
      variance.fill(0)
      func each(_ body: (Int, Int) -> Void) throws {
        var index = 0
        try forEachPlace(shape) { place in
          body(index, zip(place, steps).reduce(0) { $0 + $1.0 * $1.1 })
          index += 1
        }
      }
      try each { mean[$1] += x[$0] / count }
      try each { variance[$1] += (x[$0] - mean[$1]) * (x[$0] - mean[$1]) / count }
      try each { y[$0] = (x[$0] - mean[$1]) / (variance[$1].squareRoot() + 1e-9) }
    }
  }

  private static func prepareGroups(_ op: GroupNormalization, _ context: KernelContext) throws -> Step {
    let shape = try context.input(0).shape
    guard shape.count >= 2, shape[1] % op.groups == 0 else {
      throw LigatureError(.shape, "\(shape) cannot be shared between \(op.groups) groups")
    }
    let line = try Line(shape, axis: 1)
    let (width, epsilon) = (line.count / op.groups, Double(op.epsilon))
    return try .portable(context) { operands in
      let (x, scale, bias) = (try operands.input(0), try operands.input(1), try operands.input(2))
      let y = try operands.output()
      let size = width * line.inner
      for group in 0..<line.outer * op.groups where size > 0 {
        let start = group * size
        var (mean, variance) = (0.0, 0.0)
        for index in start..<start + size { mean += x[index] }
        mean /= Double(size)
        for index in start..<start + size { variance += (x[index] - mean) * (x[index] - mean) }
        let inverse = 1 / (variance / Double(size) + epsilon).squareRoot()
        for index in start..<start + size {
          let channel = index / line.inner % line.count
          y[index] = (x[index] - mean) * inverse * scale[channel] + bias[channel]
        }
      }
    }
  }

  private static func prepareNorm(_ op: LpNormalization, _ context: KernelContext) throws -> Step {
    let line = try Line(context.input(0).shape, axis: op.axis)
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      for place in 0..<line.outer * line.inner {
        let start = place / line.inner * line.count * line.inner + place % line.inner
        var norm = 0.0
        for index in 0..<line.count {
          let value = x[start + index * line.inner]
          norm += op.p == 1 ? abs(value) : value * value
        }
        if op.p == 2 { norm = norm.squareRoot() }
        for index in 0..<line.count {
          let at = start + index * line.inner
          y[at] = norm == 0 ? 0 : x[at] / norm
        }
      }
    }
  }

  private static func prepareHardmax(_ op: Hardmax, _ context: KernelContext) throws -> Step {
    let line = try Line(context.input(0).shape, axis: op.axis)
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      y.fill(0)
      for place in 0..<line.outer * line.inner where line.count > 0 {
        let start = place / line.inner * line.count * line.inner + place % line.inner
        var best = 0
        for index in 1..<max(line.count, 1) where x[start + index * line.inner] > x[start + best * line.inner] {
          best = index
        }
        y[start + best * line.inner] = 1
      }
    }
  }
}
