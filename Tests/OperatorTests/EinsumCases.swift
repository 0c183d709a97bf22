import GraphIR
import Operators
import TensorCore
import TestSupport
import Testing

@Suite struct EinsumCases {
  @Test(arguments: try OperatorCase.load("Einsum"))
  func law(_ sample: OperatorCase) throws { try check(sample) }

  @Test(arguments: ["ij,jk->iz", "ij->ii", "i.j->i", "i......->i", "i1->i", "...i->i", "ij->->i", ""])
  func brokenEquations(_ equation: String) {
    #expect(throws: LigatureError.self) {
      _ = try Einsum(equation).inferTypes(InferenceContext([TensorType(.float32, ["N", 2])]))
    }
  }

  @Test func sizesMustAgree() throws {
    func infer(_ equation: String, _ shapes: [[Dimension]?]) throws -> [Dimension]? {
      try Einsum(equation).inferTypes(InferenceContext(shapes.map { TensorType(.float32, $0) }))[0].shape
    }
    #expect(throws: LigatureError.self) { try infer("ij,jk->ik", [[2, 3], [4, 5]]) }
    #expect(throws: LigatureError.self) { try infer("ij,jk->ik", [[2, 3]]) }
    #expect(throws: LigatureError.self) { try infer("ij,jk->ik", [[2, 3, 4], [4, 5]]) }
    #expect(try infer("ij,jk->ik", [["N", 3], [3, "M"]]) == ["N", "M"])
    #expect(try infer("...ij,...jk->...ik", [["N", 1, 2, 3], [7, 3, 5]]) == ["N", 7, 2, 5])
    #expect(try infer("ij,jk->ik", [nil, [3, "M"]]) == nil)
  }
}
