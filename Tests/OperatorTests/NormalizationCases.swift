import GraphIR
import Operators
import TensorCore
import TestSupport
import Testing

@Suite("Normalisation and softmax") struct NormalizationCases {
  @Test("laws", arguments: try OperatorCase.load("Normalization")) func laws(_ sample: OperatorCase) throws {
    try check(sample)
  }

  @Test("parameters that do not fit are refused") func misfits() throws {
    let x = TensorType(.float32, sizes: [2, 3, 4])
    let wrong = TensorType(.float32, sizes: [4])
    #expect(throws: LigatureError.self) {
      try BatchNormalization().inferTypes(InferenceContext([x, wrong, wrong, wrong, wrong]))
    }
    #expect(throws: LigatureError.self) { try InstanceNormalization().inferTypes(InferenceContext([x, wrong, wrong])) }
    #expect(throws: LigatureError.self) { try LayerNormalization(axis: 1).inferTypes(InferenceContext([x, wrong])) }
    #expect(throws: LigatureError.self) { try LayerNormalization(axis: 3).inferTypes(InferenceContext([x, wrong])) }
    #expect(throws: LigatureError.self) { try Softmax(axis: -4).inferTypes(InferenceContext([x])) }
    #expect(throws: LigatureError.self) {
      let fine = TensorType(.float32, sizes: [3])
      _ = try BatchNormalization().inferTypes(InferenceContext([x, fine, fine, fine, fine], outputCount: 3))
    }
  }
}
