import TensorCore
import Testing

@Suite struct TensorTests {
  @Test func scalarsRoundTrip() throws {
    let tensor = try Tensor([1, 2, 3, 4, 5, 6] as [Float], [2, 3])
    #expect(tensor.element == .float32)
    #expect(tensor.byteCount == 24)
    #expect(try tensor.scalars(as: Float.self) == [1, 2, 3, 4, 5, 6])
    #expect(throws: LigatureError.self) { try tensor.scalars(as: Int64.self) }
  }

  @Test func shapesThatOverflowOrAreNegativeAreErrors() {
    #expect(throws: LigatureError.self) { try Checked.elementCount([1 << 40, 1 << 40]) }
    #expect(throws: LigatureError.self) { try Checked.elementCount([3, -1]) }
    #expect(throws: LigatureError.self) { try Tensor([1, 2] as [Float], [3]) }
    #expect(throws: LigatureError.self) { try Tensor(.float32, [5], storage: TensorStorage(byteCount: 16)) }
    #expect(throws: LigatureError.self) {
      try Tensor(.float32, [1], storage: TensorStorage(byteCount: 16), byteOffset: .max)
    }
  }

  @Test func emptyShapesAreFine() throws {
    #expect(try Tensor(zeros: .int64, [0, 1 << 62, 4]).count == 0)
    #expect(try Tensor(zeros: .int64, []).count == 1)
  }

  @Test func everyHalfRoundTrips() {
    for bits in UInt16.min...UInt16.max {
      let value = floatFromHalf(bits)
      if value.isNaN {
        #expect(floatFromHalf(halfFromFloat(value)).isNaN)
      } else {
        #expect(halfFromFloat(value) == bits)
      }
    }
    #expect(halfFromFloat(65520) == 0x7C00)
    #expect(halfFromFloat(65519) == 0x7BFF)
    #expect(halfFromFloat(1 + 0x1p-11) == 0x3C00)
    #expect(halfFromFloat(1 + 0x3p-11) == 0x3C02)
  }
}
