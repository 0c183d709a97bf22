import GraphIR
import Operators
import TensorCore
import Testing

/// What profiles divide by, against numbers worked out by hand.
@Suite struct CostTests {
  private func cost(
    _ name: String, _ inputs: [[Int]?], _ attributes: [String: Attribute] = [:], domain: String = "", outputs: Int = 1
  ) throws -> Cost {
    let op = try #require(
      try OperatorSet.standard.decode(OperatorName(name, domain: domain), Attributes(attributes)))
    let context = InferenceContext(inputs.map { $0.map { TensorType(.float32, sizes: $0) } }, outputCount: outputs)
    return op.cost(context, outputs: Array(try op.inferTypes(context).prefix(outputs)))
  }

  @Test func convolution() throws {
    // [2, 8, 10, 12] by [16, 8, 3, 3], padded: 2 · 16 · 10 · 12 values of 8 · 9 products.
    let padded: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]
    let dense = try cost("Conv", [[2, 8, 10, 12], [16, 8, 3, 3], [16]], padded)
    #expect(dense.multiplyAdds == 3840 * 72)
    #expect(dense.bytesRead == 4 * (1920 + 1152 + 16))
    #expect(dense.bytesWritten == 4 * 3840)
    // Depthwise with stride 2: 8 · 5 · 6 values of 9 products.
    let deep = try cost(
      "Conv", [[1, 8, 10, 12], [8, 1, 3, 3]],
      ["pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2]), "group": .int(8)])
    #expect(deep.multiplyAdds == 240 * 9)
    // Two groups of four channels, 1x1.
    #expect(try cost("Conv", [[1, 8, 5, 5], [6, 4, 1, 1]], ["group": .int(2)]).multiplyAdds == 6 * 25 * 4)
    // A residual is read as well.
    let fused = try cost(
      "FusedConv", [[1, 8, 5, 5], [8, 8, 1, 1], nil, [1, 8, 5, 5]], ["activation": .string("Relu")], domain: "ligature")
    #expect(fused.bytesRead == 4 * (200 + 64 + 200))
  }

  @Test func transposedConvolution() throws {
    // Each of 4 · 5 · 6 inputs goes into 3 · 2 · 2 outputs.
    let cost = try cost("ConvTranspose", [[1, 4, 5, 6], [4, 3, 2, 2]], ["strides": .ints([2, 2])])
    #expect(cost.multiplyAdds == 120 * 12)
    #expect(cost.bytesWritten == 4 * 3 * 10 * 12)
  }

  @Test func deformableConvolution() throws {
    // 6 · 4 · 5 values of 2 · 9 products; 2 · 9 · 4 · 5 samples of four neighbours, and with a mask one more.
    let padded: [String: Attribute] = ["pads": .ints([1, 1, 1, 1])]
    let shapes: [[Int]?] = [[1, 2, 4, 5], [6, 2, 3, 3], [1, 18, 4, 5]]
    #expect(try cost("DeformConv", shapes, padded).multiplyAdds == 120 * 18 + 360 * 4)
    #expect(try cost("DeformConv", shapes + [nil, [1, 9, 4, 5]], padded).multiplyAdds == 120 * 18 + 360 * 5)
  }

  @Test func products() throws {
    // [3, 5, 7] · [7, 11], once for each of 3.
    #expect(try cost("MatMul", [[3, 5, 7], [7, 11]]).multiplyAdds == 3 * 5 * 7 * 11)
    #expect(try cost("MatMul", [[2, 1, 5, 7], [3, 7, 4]]).multiplyAdds == 2 * 3 * 5 * 7 * 4)
    #expect(try cost("Gemm", [[7, 5], [11, 7]], ["transA": .int(1), "transB": .int(1)]).multiplyAdds == 5 * 7 * 11)
  }

  @Test func recurrent() throws {
    // 6 steps of 3 sequences, 2 directions, 4 gates of 5 units, each over 7 inputs and 5 states.
    let lstm = try cost(
      "LSTM", [[6, 3, 7], [2, 20, 7], [2, 20, 5], [2, 40]],
      ["hidden_size": .int(5), "direction": .string("bidirectional")])
    #expect(lstm.multiplyAdds == 6 * 3 * 2 * 4 * 5 * (7 + 5))
    let gru = try cost("GRU", [[6, 3, 7], [1, 15, 7], [1, 15, 5]], ["hidden_size": .int(5)])
    #expect(gru.multiplyAdds == 6 * 3 * 3 * 5 * 12)
  }

  @Test func movingData() throws {
    // 4 rows of 100 are taken from a table of 1000.
    let table = InferenceContext([TensorType(.float32, sizes: [1000, 100]), TensorType(.int64, sizes: [4])])
    let gather = Gather().cost(table, outputs: [TensorType(.float32, sizes: [4, 100])])
    #expect(gather.multiplyAdds == 0)
    #expect(gather.bytesWritten == 1600)
    #expect(gather.bytesRead == 32 + 1600)
    let add = try cost("Add", [[2, 3, 4], [4]])
    #expect(add.bytesRead == 4 * (24 + 4))
    #expect(add.multiplyAdds == 24)
    // 3 · 3 windows over 1 · 2 · 4 · 4 outputs.
    let pool = try cost("MaxPool", [[1, 2, 6, 6]], ["kernel_shape": .ints([3, 3])])
    #expect(pool.multiplyAdds == 32 * 9)
  }
}
