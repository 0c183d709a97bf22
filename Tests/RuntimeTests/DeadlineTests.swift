import GraphIR
import Operators
import Runtime
import TensorCore
import Testing

/// One step that would take minutes or hours ends soon after the time that a run may take.
@Suite struct DeadlineTests {
  enum Work: String, CaseIterable {
    /// On the pool.
    case product, convolution
    /// On the calling thread alone.
    case determinant, suppression
  }

  private func graph(_ work: Work, _ size: Int) throws -> (Graph, [Tensor]) {
    var graph = Graph(name: "long")
    func input(_ name: String, _ tensor: Tensor) throws -> ValueID {
      try graph.addInput(name, TensorType(tensor.element, sizes: tensor.shape))
    }
    func op(_ name: String, _ attributes: [String: Attribute] = [:]) throws -> any Operator {
      try #require(try OperatorSet.standard.decode(OperatorName(name), Attributes(attributes)))
    }
    let small = try Tensor(zeros: .float32, [size, size])
    let inputs: [Tensor]
    let result: ValueID
    switch work {
    case .product:
      inputs = [small, try Tensor(zeros: .float32, [size, size])]
      result = try graph.append(op("MatMul"), [input("a", inputs[0]), input("b", inputs[1])], name: "slow")
    case .convolution:
      inputs = [
        try Tensor(zeros: .float32, [1, 64, size, size]), try Tensor(zeros: .float32, [64, 64, 7, 7]),
      ]
      let padded = try op("Conv", ["pads": .ints([3, 3, 3, 3])])
      result = try graph.append(padded, [input("x", inputs[0]), input("w", inputs[1])], name: "slow")
    case .determinant:
      let unit = (0..<size * size).map { Float($0 / size == $0 % size ? 1 : 1 / Float(2 + $0)) }
      inputs = [try Tensor(unit, [size, size])]
      result = try graph.append(op("Det"), [input("x", inputs[0])], name: "slow")
    case .suppression:
      let boxes = (0..<size * 64).flatMap { (place: Int) -> [Float] in [Float(place), 0, Float(place) + 0.5, 1] }
      inputs = [
        try Tensor(boxes, [1, size * 64, 4]), try Tensor([Float](repeating: 1, count: size * 64), [1, 1, size * 64]),
        Tensor(scalar: Int64.max),
      ]
      result = try graph.append(
        op("NonMaxSuppression"), [input("boxes", inputs[0]), input("scores", inputs[1]), input("most", inputs[2])],
        name: "slow")
    }
    try graph.addOutput(result)
    return (graph, inputs)
  }

  @Test(arguments: Work.allCases, [1, 2]) func longStepsEnd(_ work: Work, threads: Int) throws {
    let (graph, inputs) = try graph(work, work == .product ? 6000 : work == .convolution ? 512 : 2500)
    var options = Session.Options(threads: threads)
    options.limits.seconds = 0.05
    let session = try Session(graph, options: options)
    let start = ContinuousClock.now
    do {
      _ = try session.run(inputs)
      Issue.record("it ended in time, so that nothing is tested")
    } catch let error as LigatureError {
      #expect(error.code == .limit)
      #expect(error.message.contains("'seconds'"))
      #expect(error.node?.contains("slow") == true)
    }
    #expect(start.duration(to: .now) < .seconds(3))
  }

  /// Who comes next on the same threads has its own time.
  @Test func laterRunsAreWhole() throws {
    let (graph, inputs) = try graph(.product, 2000)
    var options = Session.Options(threads: 2)
    options.limits.seconds = 0.02
    let hurried = try Session(graph, options: options)
    #expect(throws: LigatureError.self) { try hurried.run(inputs) }
    options.limits.seconds = 600
    var ones = Graph(name: "ones")
    let x = try ones.addInput("x", TensorType(.float32, [1000, 1000]))
    try ones.addOutput(ones.append(Unary(.exp), [x], name: "ones"))
    let patient = try Session(ones, options: options)
    let y = try patient.run([Tensor(zeros: .float32, [1000, 1000])])[0].floats()
    #expect(y.allSatisfy { abs($0 - 1) < 1e-6 })
  }
}
