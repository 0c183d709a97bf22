import GraphIR
import Operators
import TensorCore
import TestSupport
import Testing

@Suite("MatMul and Gemm") struct MatMulCases {
  @Test("laws", arguments: try OperatorCase.load("MatMul")) func laws(_ sample: OperatorCase) throws {
    try check(sample)
  }

  @Test("batches broadcast, symbols stay") func symbols() throws {
    let a = TensorType(.float32, ["N", 1, "T", 64])
    let b = TensorType(.float32, [8, 64, 10])
    #expect(try MatMul().inferTypes(InferenceContext([a, b]))[0].shape == ["N", 8, "T", 10])
    #expect(try MatMul().inferTypes(InferenceContext([a, TensorType(.float32, nil)]))[0].rank == nil)
  }

  @Test(
    "operands that do not fit are refused",
    arguments: [
      [[2, 3], [4, 5]], [[], [3, 4]], [[2, 3, 4], [3, 4, 5]], [[3], [4]],
    ]) func misfits(_ shapes: [[Int]]) throws
  {
    let types = shapes.map { TensorType(.float32, sizes: $0) }
    #expect(throws: LigatureError.self) { try MatMul().inferTypes(InferenceContext(types)) }
    #expect(throws: LigatureError.self) { try Gemm().inferTypes(InferenceContext(types)) }
  }

  @Test("a term that does not broadcast is refused") func term() throws {
    let types = [[2, 3], [3, 4], [3]].map { TensorType(.float32, sizes: $0) }
    #expect(throws: LigatureError.self) { try Gemm().inferTypes(InferenceContext(types)) }
  }
}
