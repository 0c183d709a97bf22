import GraphIR
import Operators
import Runtime
import TensorCore
import Testing

/// Weights that passes have scaled are made when they are packed, and are not kept beside what they are packed to.
@Suite struct DeferredWeightsTests {
  private let channels = 32

  private func numbers(_ shape: [Int], _ factor: Float) throws -> Tensor {
    try Tensor((0..<shape.reduce(1, *)).map { (Float($0 * 7 % 23) - 11) * factor }, shape)
  }

  /// A convolution whose weights are scaled; `isRead` makes them a result as well.
  private func graph(transposed: Bool) throws -> Graph {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N", .fixed(channels), 12, 12]))
    let w = try graph.addConstant("w", numbers([channels, channels, 3, 3], 0.02))
    let scale = try graph.addConstant("scale", numbers([1, channels, 1, 1], 0.1))
    let window = try ConvolutionWindow(pads: [1, 1, 1, 1])
    let op: any Operator = try transposed ? ConvTranspose(window) : Conv(window)
    let y = try graph.append(op, [x, w], name: "layer")
    try graph.addOutput(try graph.append(Binary(.mul), [y, scale], name: "scaled"), name: "y")
    return graph
  }

  private func folded(_ session: Session) throws -> Tensor {
    try #require(session.graph.values.first { $0.name.hasSuffix(".folded") && $0.tensor?.shape.count == 4 }?.tensor)
  }

  @Test(arguments: [false, true]) func foldedWeightsAreNotKeptBesideThePackedOnes(transposed: Bool) throws {
    let session = try Session(preparing: graph(transposed: transposed), options: .init(threads: 2))
    let weights = try folded(session)
    #expect(weights.storage.isDeferred)
    let plain = try Session(graph(transposed: transposed), options: .init(threads: 1))
    for batch in [1, 3, 1] {
      let x = try numbers([batch, channels, 12, 12], 0.3)
      let (found, expected) = (try session.run([x])[0].floats(), try plain.run([x])[0].floats())
      let largest = expected.reduce(0) { max($0, abs($1)) }
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
    }
    #expect(session.packedByteCount > 0)
    #expect(!weights.storage.isKept)
  }

  /// What reads them by address has them made, whoever packs them besides.
  @Test func kernelsThatReadThemGetThem() throws {
    var graph = Graph()
    let made = try unsafe Tensor.deferred(.float32, [64, 128]) { bytes in
      for index in 0..<64 * 128 {
        unsafe bytes.storeBytes(of: Float(index % 31), toByteOffset: 4 * index, as: Float.self)
      }
    }
    let x = try graph.addInput("x", TensorType(.float32, ["N", 128]))
    let w = try graph.addConstant("w", made)
    try graph.addOutput(try graph.append(Gemm(transposesB: true), [x, w], name: "product"), name: "y")
    let flat = try graph.addConstant("flat", Tensor([Int64(8192)], [1]))
    try graph.addOutput(try graph.append(Reshape(), [w, flat], name: "view"), name: "z")
    try graph.addOutput(try graph.append(Unary(.neg), [w], name: "negative"), name: "n")
    let session = try Session(graph, options: .init(threads: 1))
    let results = try session.run([numbers([2, 128], 1)])
    let expected = (0..<64 * 128).map { Float($0 % 31) }
    #expect(try results[1].floats() == expected)
    #expect(try results[2].floats() == expected.map { -$0 })
    let x0 = try numbers([2, 128], 1).floats()
    let first = (0..<128).reduce(Float(0)) { $0 + x0[$1] * expected[$1] }
    #expect(abs(try results[0].floats()[0] - first) <= 1e-3 * abs(first))
  }
}
