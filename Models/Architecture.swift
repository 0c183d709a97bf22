public import GraphIR
import TensorCore

/// A network of MMOCR: one description gives the graph that reads, the graph that learns, and the names, shapes and
/// order of its state dict.
///
/// Inputs and outputs bear fixed names, batch, height and width are symbols.
public protocol Architecture: Sendable {
  /// MMOCR's name of the network: `CRNN`, `DBNet`.
  static var name: String { get }
  static var task: Recipe.Task { get }
  static var summary: String { get }
  /// What can be chosen, with its default.
  static var options: [ArchitectureOption] { get }

  /// - Throws: `.usage` for options that are not known or out of their range.
  init(options: [String: String]) throws

  /// Every option as text, defaults included: `init(options:)` gives the same network again.
  var chosen: [String: String] { get }

  /// Standard operators only; parameters are constants under their names.
  func inference(_ parameters: any ParameterSource) throws -> Graph

  /// Pictures and targets in, loss out; parameters are graph parameters under their names.
  func training(_ parameters: any ParameterSource) throws -> TrainingObjective

  /// What an exported file says about its own use.
  func recipe(_ details: RecipeDetails) throws -> Recipe
}

/// Something that a network can be built with.
public struct ArchitectureOption: Sendable {
  public var name: String
  public var fallback: String
  public var help: String

  public init(_ name: String, _ fallback: String, _ help: String) {
    self.name = name
    self.fallback = fallback
    self.help = help
  }
}

extension Architecture {
  /// The state dict in its order.
  public func parameters() throws -> [ParameterSpec] {
    let collector = SpecCollector()
    _ = try training(collector)
    return collector.specs
  }

  /// Numbers that training changes.
  public func parameterCount() throws -> Int {
    try parameters().filter { !$0.isBuffer }.reduce(0) { try $0 + Checked.elementCount($1.shape) }
  }
}

/// Notes what a network asks for.
private final class SpecCollector: ParameterSource {
  private(set) var specs: [ParameterSpec] = []
  private let blank = BlankParameters()

  func tensor(named name: String, shape: [Int], element: ElementType, initializer: Initializer) throws -> Tensor {
    let buffers = ["running_mean", "running_var", "num_batches_tracked"]
    let isBuffer = buffers.contains(String(name.split(separator: ".").last ?? ""))
    specs.append(ParameterSpec(name: name, shape: shape, element: element, isTrained: !isBuffer, isBuffer: isBuffer))
    return try blank.tensor(named: name, shape: shape, element: element, initializer: initializer)
  }
}

/// The networks that Ligature knows.
public enum Architectures {
  public static let all: [any Architecture.Type] = [CRNN.self, DBNet.self]

  /// By name, in whatever case. Throws `.usage`, listing what there is.
  public static func named(_ name: String) throws -> any Architecture.Type {
    guard let found = all.first(where: { $0.name.lowercased() == name.lowercased() }) else {
      let known = all.map { $0.name }.joined(separator: ", ")
      throw LigatureError(.usage, "there is no architecture '\(name)'; known are: \(known)")
    }
    return found
  }
}

/// Options given as text, checked against what an architecture knows.
struct OptionValues {
  private let values: [String: String]
  private let owner: String

  init(_ given: [String: String], for type: any Architecture.Type) throws {
    owner = type.name
    let known = type.options
    for name in given.keys.sorted() where !known.contains(where: { $0.name == name }) {
      let names = known.map(\.name).joined(separator: ", ")
      throw LigatureError(.usage, "\(type.name) has no option '\(name)'; it has: \(names)")
    }
    values = Dictionary(uniqueKeysWithValues: known.map { ($0.name, given[$0.name] ?? $0.fallback) })
  }

  func text(_ name: String) -> String { values[name] ?? "" }

  private func wrong(_ name: String, _ wanted: String) -> LigatureError {
    LigatureError(.usage, "option '\(name)' of \(owner) must be \(wanted), not '\(text(name))'")
  }

  func integer(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
    guard let value = Int(text(name)), range.contains(value) else {
      throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func number(_ name: String, _ range: ClosedRange<Double>) throws -> Double {
    guard let value = Double(text(name)), range.contains(value) else {
      throw wrong(name, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func flag(_ name: String) throws -> Bool {
    switch text(name).lowercased() {
    case "true", "1", "yes": return true
    case "false", "0", "no": return false
    default: throw wrong(name, "true or false")
    }
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: String, _ type: Choice.Type) throws -> Choice {
    guard let value = Choice(rawValue: text(name)) else {
      throw wrong(name, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return value
  }
}
