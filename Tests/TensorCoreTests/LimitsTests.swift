import TensorCore
import Testing

@Suite struct LimitsTests {
  @Test func eachHasItsName() throws {
    var limits = Limits()
    for (number, name) in Limits.names.enumerated() { try limits.set(name, Double(number + 2)) }
    var expected = Limits()
    expected.bytes = 2
    expected.nodes = 3
    expected.nesting = 4
    expected.elements = 5
    expected.pixels = 6
    expected.memory = 7
    expected.iterations = 8
    expected.seconds = 9
    #expect(limits == expected)
    try limits.set("seconds", 0.25)
    #expect(limits.seconds == 0.25)
    // Deeper than stacks bear is not to be had.
    try limits.set("nesting", 1e6)
    #expect(limits.nesting < 200)
  }

  @Test(arguments: [("magic", 1), ("bytes", 0), ("nodes", -1), ("seconds", 0), ("memory", 0.5), ("bytes", 0x1p62)])
  func nonsenseIsRefused(_ name: String, _ value: Double) throws {
    var limits = Limits()
    let error = try #require(throws: LigatureError.self) { try limits.set(name, value) }
    #expect(error.code == .usage && error.message.contains(name))
    #expect(throws: LigatureError.self) { try limits.set("bytes", .nan) }
    #expect(throws: LigatureError.self) { try limits.set("seconds", .infinity) }
    #expect(limits == Limits())
  }

  @Test func elementsAreCounted() throws {
    var limits = Limits()
    limits.elements = 24
    #expect(try limits.elementCount([2, 3, 4]) == 24)
    #expect(try limits.elementCount([]) == 1)
    #expect(try limits.elementCount([0, 24]) == 0)
    for shape in [[25], [5, 5], [0, 25], [1 << 40, 0, 1 << 40]] {
      #expect(try #require(throws: LigatureError.self) { try limits.elementCount(shape) }.code == .limit, "\(shape)")
    }
    #expect(try #require(throws: LigatureError.self) { try limits.elementCount([-1]) }.code == .shape)
  }
}
