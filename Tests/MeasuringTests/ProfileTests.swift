import Foundation
import GraphIR
import Kernels
import Measuring
import Operators
import Runtime
import TensorCore
import Testing

@Suite struct ProfileTests {
  static let machine = MachinePeak(
    processor: "a <fast> one", threads: 1, gigaflops: 100, gigabytes: 10, byInstructionSet: ["plain": 10])

  /// Three convolutions in two modules, and a node without a scope.
  static func graph() throws -> Graph {
    var graph = Graph(name: "modules")
    let x = try graph.addInput("x", TensorType(.float32, [1, 4, 8, 8]))
    let dense = try graph.addParameter("dense", Tensor([Float](repeating: 0.1, count: 8 * 4 * 9), [8, 4, 3, 3]))
    let deep = try graph.addParameter("deep", Tensor([Float](repeating: 0.1, count: 8 * 9), [8, 1, 3, 3]))
    let point = try graph.addParameter("point", Tensor([Float](repeating: 0.1, count: 16 * 8), [16, 8, 1, 1]))
    func window(_ group: Int = 1, stride: Int = 1, pad: Int = 1) throws -> Conv {
      Conv(try ConvolutionWindow(strides: [stride, stride], pads: [pad, pad, pad, pad], group: group))
    }
    let a = try graph.append(try window(), [x, dense], name: "/body/first/conv", outputs: ["a"])[0]
    let b = try graph.append(try window(8, stride: 2), [a, deep], name: "/body/second/deep", outputs: ["b"])[0]
    let c = try graph.append(try window(pad: 0), [b, point], name: "/body/second/\"point\"", outputs: ["c"])[0]
    let y = try graph.append(Softmax(axis: -1), [c], name: "soft", outputs: ["y"])[0]
    if let y { try graph.addOutput(y) }
    return graph
  }

  static func profile(runs: Int = 3) throws -> Profile {
    let graph = try graph()
    let session = try Session(graph, options: .init(threads: 1))
    return try Profile(session, [Tensor(zeros: .float32, [1, 4, 8, 8])], runs: runs, machine: machine)
  }

  @Test func steps() throws {
    let profile = try ProfileTests.profile()
    #expect(profile.runs == 3)
    #expect(profile.steps.map(\.kind) == ["Conv 3x3", "Conv depthwise 3x3 stride 2", "Conv 1x1", "Softmax"])
    #expect(profile.steps.map(\.scope) == [["body", "first"], ["body", "second"], ["body", "second"], ["Softmax"]])
    #expect(profile.steps.map(\.output) == [[1, 8, 8, 8], [1, 8, 4, 4], [1, 16, 4, 4], [1, 16, 4, 4]])
    #expect(profile.steps.prefix(3).map(\.multiplyAdds) == [8 * 64 * 36, 8 * 16 * 9, 16 * 16 * 8])
    // What steps take lies within the run that is shown, one after the other.
    #expect(profile.minimum > 0 && profile.minimum <= profile.total)
    for (step, next) in zip(profile.steps, profile.steps.dropFirst()) {
      #expect(step.minimum > 0 && step.minimum <= step.median)
      #expect(abs(step.start + step.duration - next.start) < 1e-9)
    }
  }

  @Test func groupsAndRates() throws {
    let profile = try ProfileTests.profile()
    #expect(Set(profile.operators.map(\.name)) == ["Conv", "Softmax"])
    #expect(profile.kinds.count == 4)
    for groups in [profile.operators, profile.kinds] {
      #expect(abs(groups.reduce(0) { $0 + $1.rates.share } - 1) < 1e-9)
      #expect(groups.map(\.time) == groups.map(\.time).sorted(by: >))
    }
    let conv = try #require(profile.operators.first { $0.name == "Conv" })
    #expect(conv.nodes == 3)
    let expected = 2 * Double(conv.multiplyAdds) / conv.time * 1e-6
    #expect(abs(conv.rates.gigaflops - expected) < 1e-9 * expected)
    #expect(abs(conv.rates.peakShare - expected / 100) < 1e-9 * expected)
  }

  /// Bars must nest, or a viewer shows nonsense.
  @Test func trace() throws {
    let profile = try ProfileTests.profile()
    let trace = ChromeTrace(profile, model: "tiny.onnx")
    let decoded = try JSONDecoder().decode(ChromeTrace.self, from: trace.encoded())
    #expect(decoded.displayTimeUnit == "ms")
    let bars = decoded.traceEvents.filter { $0.ph == "X" }
    #expect(decoded.traceEvents.filter { $0.ph == "M" }.count == 2)
    #expect(
      Set(bars.map(\.name))
        == [
          "body", "first", "second", "Softmax", "/body/first/conv", "/body/second/deep", "/body/second/\"point\"",
          "soft",
        ])
    func span(_ name: String) throws -> ClosedRange<Double> {
      let bar = try #require(bars.first { $0.name == name })
      let (start, length) = (try #require(bar.ts), try #require(bar.dur))
      return start...start + length
    }
    for (inner, outer) in [
      ("first", "body"), ("second", "body"), ("/body/first/conv", "first"), ("/body/second/deep", "second"),
      ("soft", "Softmax"),
    ] {
      let (a, b) = (try span(inner), try span(outer))
      #expect(b.lowerBound - 1e-6 <= a.lowerBound && a.upperBound <= b.upperBound + 1e-6, "\(inner) in \(outer)")
    }
    #expect(try span("body").upperBound <= span("soft").lowerBound + 1e-6)
  }

  @Test func flame() throws {
    let profile = try ProfileTests.profile()
    let svg = FlameGraph(profile, model: "<tiny> & \"co\".onnx").svg
    #expect(svg.contains("&lt;tiny&gt; &amp; &quot;co&quot;.onnx"))
    #expect(svg.contains("/body/second/&quot;point&quot;"))
    for tag in ["g", "title", "text"] {
      #expect(svg.components(separatedBy: "<\(tag)").count == svg.components(separatedBy: "</\(tag)>").count, "\(tag)")
    }
    #expect(!svg.contains("<script"))
    let parser = XMLParserProbe()
    #expect(parser.accepts(svg))
    #expect(!parser.accepts("<svg><g></svg>"))
  }

  /// A profile of nothing is empty, not a crash.
  @Test func emptyGraph() throws {
    var graph = Graph(name: "empty")
    let x = try graph.addInput("x", TensorType(.float32, [1]))
    try graph.addOutput(x)
    let session = try Session(graph, options: .init(threads: 1))
    let profile = try Profile(session, [Tensor([1] as [Float], [1])], runs: 2, machine: ProfileTests.machine)
    #expect(profile.steps.isEmpty)
    #expect(FlameGraph(profile, model: "empty").svg.hasSuffix("</svg>\n"))
    #expect(ChromeTrace(profile, model: "empty").traceEvents.count == 2)
  }

  @Test func machinePeak() {
    let peak = MachinePeak.measure(ThreadPool(threads: 1))
    #expect(peak.gigaflops > 0.05)
    #expect(peak.gigabytes > 0.05)
    #expect((peak.byInstructionSet["plain"] ?? 0) > 0)
    #expect(peak.byInstructionSet.values.allSatisfy { $0 <= peak.gigaflops })
  }

  @Test func processors() throws {
    let allowed = try Processors.allowed()
    #expect(!allowed.isEmpty && allowed == allowed.sorted())
    #expect(throws: LigatureError.self) { try Processors.pin(to: [-1]) }
    #expect(throws: LigatureError.self) { try Processors.pin(to: []) }
    #expect(ResidentMemory.now > 1 << 20 && ResidentMemory.now <= ResidentMemory.peak)
  }
}

/// Whether every tag is closed in order: as much of XML as the drawing uses.
struct XMLParserProbe {
  func accepts(_ text: String) -> Bool {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      guard let end = rest[start...].firstIndex(of: ">") else { return false }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.contains("<") { return false }
      if tag.hasPrefix("/") {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if !tag.hasSuffix("/") {
        open.append(tag.prefix { $0 != " " && $0 != "\n" })
      }
    }
    return open.isEmpty
  }
}
