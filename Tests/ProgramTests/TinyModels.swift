import GraphIR
import Imaging
import ONNXFormat
import Operators
import TensorCore

/// Models of a few bytes that do what the real ones do, so that tests of the program take milliseconds.
enum TinyModels {
  /// `x [N, 3] → y [N, 2]`, `positive [N, 2]` (bool).
  static func affine() throws -> Model {
    var graph = Graph(name: "affine")
    let x = try graph.addInput("x", TensorType(.float32, [.symbol("N"), 3]))
    let w = try graph.addParameter("w", Tensor([1, -1, 2, 0, 0.5, 3] as [Float], [3, 2]))
    let y = try graph.node("MatMul", [x, w], "y")
    let zero = try graph.addConstant("zero", Tensor(scalar: Float(0)))
    let positive = try graph.node("Greater", [y, zero], "positive")
    try graph.addOutput(y)
    try graph.addOutput(positive)
    return Model(graph: graph)
  }

  /// `x [1, 1, H, W] → y`: operators of many kinds, for damaging.
  static func mixed() throws -> Model {
    var graph = Graph(name: "mixed")
    let x = try graph.addInput("x", TensorType(.float32, [1, 1, .symbol("H"), .symbol("W")]))
    let kernel = try graph.addParameter("kernel", Tensor((0..<36).map { Float($0) / 20 - 0.9 }, [4, 1, 3, 3]))
    let target = try graph.addConstant("target", Tensor([1, 4, -1] as [Int64], [3]))
    let starts = try graph.addConstant("starts", Tensor([0] as [Int64], [1]))
    let ends = try graph.addConstant("ends", Tensor([1000] as [Int64], [1]))
    let axes = try graph.addConstant("axes", Tensor([2] as [Int64], [1]))
    let conv = try graph.node("Conv", [x, kernel], "conv", ["pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2])])
    let pool = try graph.node("MaxPool", [conv], "pool", ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    let flat = try graph.node("Reshape", [pool, target], "flat")
    let part = try graph.node("Slice", [flat, starts, ends, axes], "part")
    let turned = try graph.node("Transpose", [part], "turned", ["perm": .ints([0, 2, 1])])
    try graph.addOutput(try graph.node("Softmax", [turned], "y", ["axis": .int(-1)]))
    return Model(graph: graph)
  }

  // ── The three of a page reader ────────────────────────────────────────────

  /// Dark pixels are text.
  static func detector() throws -> Model {
    var graph = Graph(name: "detector")
    let x = try graph.addInput("x", TensorType(.float32, [.symbol("N"), 3, .symbol("H"), .symbol("W")]))
    let axes = try graph.addConstant("axes", Tensor([1] as [Int64], [1]))
    let grey = try graph.node("ReduceMean", [x, axes], "grey")
    let gain = try graph.addConstant("gain", Tensor(scalar: Float(-8)))
    let dark = try graph.node("Mul", [grey, gain], "dark")
    try graph.addOutput(try graph.node("Sigmoid", [dark], "map"))
    return model(
      graph, "textdet", resize: #"{"kind":"limitedSide","limitType":"min","limit":64,"multipleOf":32}"#,
      post:
        #"{"kind":"db","threshold":0.3,"boxThreshold":0.5,"unclipRatio":1.6,"maximalCandidates":100,"minimalSide":3,"dilation":false}"#,
      more: #","page":{"maximalSide":2000,"minimalSide":30,"multipleOf":32,"letterboxHeight":30,"letterboxRatio":8}"#)
  }

  /// Dark columns read as `a`, light ones as `b`.
  static func recognizer() throws -> Model {
    var graph = Graph(name: "recognizer")
    let x = try graph.addInput("x", TensorType(.float32, [.symbol("N"), 3, 48, .symbol("W")]))
    let rows = try graph.addConstant("rows", Tensor([1, 2] as [Int64], [2]))
    let columns = try graph.node("ReduceMean", [x, rows], "columns", ["keepdims": .int(0)])
    let last = try graph.addConstant("last", Tensor([2] as [Int64], [1]))
    let open = try graph.node("Unsqueeze", [columns, last], "open")
    let w = try graph.addParameter("w", Tensor([0, -20, 20] as [Float], [1, 3]))
    let scores = try graph.node("MatMul", [open, w], "scores")
    try graph.addOutput(try graph.node("Softmax", [scores], "probabilities", ["axis": .int(-1)]))
    return model(
      graph, "textrecog", resize: #"{"kind":"height","height":48,"width":64,"batch":6}"#,
      post: #"{"kind":"ctc","blank":0,"minimalScore":0.1}"#, more: #","dictionary":{"characters":["a","b"]}"#)
  }

  /// Everything is upright.
  static func classifier() throws -> Model {
    var graph = Graph(name: "classifier")
    let x = try graph.addInput("x", TensorType(.float32, [.symbol("N"), 3, 48, 192]))
    let pooled = try graph.node("GlobalAveragePool", [x], "pooled")
    let flat = try graph.node("Flatten", [pooled], "flat", ["axis": .int(1)])
    let w = try graph.addParameter("w", Tensor([0, 0, 0, 0, 0, 0] as [Float], [3, 2]))
    let scores = try graph.node("MatMul", [flat, w], "scores")
    try graph.addOutput(try graph.node("Softmax", [scores], "probabilities", ["axis": .int(-1)]))
    return model(
      graph, "textcls", resize: #"{"kind":"fixed","height":48,"width":192,"batch":6}"#,
      post: #"{"kind":"angle","labels":["0","180"],"threshold":0.9}"#)
  }

  private static func model(_ graph: Graph, _ task: String, resize: String, post: String, more: String = "") -> Model {
    var model = Model(graph: graph)
    model.metadata["ligature.recipe"] = """
      {"format":1,"name":"tiny \(task)","task":"\(task)","architecture":"tiny","preprocess":{"channels":"BGR",\
      "divisor":255,"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"resize":\(resize)},"postprocess":\(post)\(more),\
      "licence":"Apache-2.0","origin":{}}
      """
    return model
  }

  /// Writes all three; gives the options that `read` takes them by.
  static func writeReader(to folder: Folder) throws -> [String] {
    try folder.write(detector().encoded(), "det.onnx")
    try folder.write(recognizer().encoded(), "rec.onnx")
    try folder.write(classifier().encoded(), "cls.onnx")
    return [
      "--detector", folder("det.onnx"), "--recognizer", folder("rec.onnx"), "--classifier", folder("cls.onnx"),
    ]
  }

  /// What the tiny reader makes of `picture()`: the bar and the margin that a box has are light on the whole.
  static let pictureText = "b"

  /// White, with one black bar that the tiny reader takes for a line.
  static func picture(width: Int = 96, height: Int = 64) throws -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let isDark = (16..<80).contains(x) && (24..<40).contains(y)
        pixels += Array(repeating: isDark ? 8 : 250, count: 3)
      }
    }
    return try Image(width: width, height: height, channels: 3, pixels: pixels)
  }
}

extension Graph {
  /// Appends an operator of the standard set with one result.
  fileprivate mutating func node(
    _ type: String, _ inputs: [ValueID], _ output: String, _ attributes: [String: Attribute] = [:]
  ) throws -> ValueID {
    guard let op = try OperatorSet.standard.decode(OperatorName(type), Attributes(attributes)),
      let result = try append(op, inputs, name: output, outputs: [output]).first ?? nil
    else { throw LigatureError(.unsupported, "there is no operator \(type)") }
    return result
  }
}
