import Architectures
import CKernels
import GraphIR
import Kernels
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

/// What preparing does to the networks that can be exported; `FetchedModelTests` do the same with trained ones.
@Suite(.serialized) struct NumericsTests {
  struct Network: Sendable, CustomStringConvertible {
    let name: String
    var options: [String: String] = [:]
    let inputs: [[Int]]
    var description: String { "\(name) \(options)" }

    /// With weights that are drawn; no block is the identity and no offset is zero, as fresh weights would have it.
    func graph() throws -> Graph {
      try Architectures.named(name).init(options: options).inference(
        ComputedParameters { name, shape, element, initializer in
          let seed = UInt64(name.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF })
          let fresh = try InitialParameters(seed: seed).tensor(
            named: name, shape: shape, element: element, initializer: initializer)
          guard element == .float32, shape.count <= 1 || name.contains("conv_offset") else { return fresh }
          // Means and biases lie around zero, variances and scales around one.
          let isAround = name.hasSuffix("running_var") || (name.hasSuffix("weight") && shape.count == 1)
          if name.contains("conv_offset") { return try Tensor.random(shape, -0.02, 0.02, seed: seed) }
          return try isAround ? Tensor.random(shape, 0.5, 1.5, seed: seed) : Tensor.random(shape, -0.1, 0.1, seed: seed)
        })
    }
  }

  static let networks = [
    Network(name: "CRNN", options: ["hidden": "64"], inputs: [[1, 1, 32, 100], [3, 1, 32, 64]]),
    Network(name: "DBNet", options: ["base_channels": "32"], inputs: [[1, 3, 96, 160], [2, 3, 64, 64]]),
    Network(
      name: "DBNet", options: ["depth": "50", "dcn": "2,3,4", "base_channels": "16"],
      inputs: [[1, 3, 96, 96], [1, 3, 64, 128]]),
  ]

  @Test(arguments: networks) func preparedGraphsComputeTheSame(_ network: Network) throws {
    try exclusively {
      let graph = try network.graph()
      let portable = try Session(graph, options: Session.Options(threads: 1))
      defer { lig_cpu_limit(~0) }
      for limit in [~0, UInt32(LIG_CPU_AVX2)] as [UInt32] {
        lig_cpu_limit(limit)
        for precision in [Precision.strict, .float32] {
          var options = Session.Options(threads: 1)
          options.precision = precision
          let prepared = try Session(preparing: graph, options: options)
          for shape in network.inputs {
            for (kind, input) in [("page", try pageLike(shape)), ("noise", try Tensor.random(shape, -2, 2))] {
              try checkPrepared(prepared, against: portable, [input], "\(kind) \(shape) \(precision) \(limit)")
            }
          }
        }
      }
    }
  }

  /// The check itself must be able to fail.
  @Test func aGraphThatComputesSomethingElseIsFound() throws {
    var graphs: [Graph] = []
    for factor in [1, 1.000_1] as [Float] {
      var builder = GraphBuilder()
      let x = try builder.graph.addInput("x", TensorType(.float32, sizes: [4, 8]))
      let y = try builder.append(Binary(.mul), [x, builder.constant(Tensor(scalar: factor))])
      try builder.graph.addOutput(y)
      graphs.append(builder.graph)
    }
    let sessions = try graphs.map { try Session($0, options: Session.Options(threads: 1)) }
    let input = try Tensor.random([4, 8])
    withKnownIssue { try checkPrepared(sessions[1], against: sessions[0], [input], "another factor") }
    try checkPrepared(sessions[0], against: sessions[0], [input], "the same")
  }
}
