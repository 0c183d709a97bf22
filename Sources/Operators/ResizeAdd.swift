public import GraphIR
import TensorCore

/// Adds an image to one that is resized by nearest neighbours, in one pass over memory: `x [N, C, h, w], other [N, C,
/// H, W], scales? float32 [n], sizes? int64 [n] → [N, C, H, W]`. The way down a feature pyramid.
///
/// For prepared graphs. Rows and columns alone are resized, and then broadcast as `Add` does.
public struct ResizeAdd: Operator {
  public static let names = [OperatorName("ResizeAdd", domain: "ligature")]
  public var name: OperatorName { ResizeAdd.names[0] }
  package let resize: Resize

  /// - Throws: `.attribute` unless it takes nearest neighbours of the whole input.
  public init(_ resize: Resize) throws {
    guard resize.mode == .nearest, resize.coordinates != .cropAndResize else {
      throw LigatureError(.attribute, "ResizeAdd takes nearest neighbours only; use Resize and Add")
    }
    self.resize = resize
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    try self.init(Resize(name: Resize.names[0], attributes: attributes))
  }
  public var attributes: Attributes { resize.attributes }

  /// What is known of the resize alone: its inputs are x, no region, scales and sizes.
  package func resizing(_ context: InferenceContext) -> InferenceContext {
    func pick<T>(_ items: [T?]) -> [T?] {
      func item(_ index: Int) -> T? { index < items.count ? items[index] : nil }
      return [item(0), nil, item(2), item(3)]
    }
    return InferenceContext(
      inputs: pick(context.inputs), constants: pick(context.constants), contents: pick(context.contents),
      outputCount: 1)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let (x, other) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([x, other]), in: .floats, "the input")
    let resized = try resize.inferTypes(resizing(context))[0]
    guard let before = x.shape, let after = resized.shape, let shape = other.shape else { return [other] }
    guard before.count == 4, shape.count == 4, before[..<2] == after[..<2] else {
      throw LigatureError(.shape, "resizes rows and columns of [N, C, H, W], not \(x) to \(resized) for \(other)")
    }
    let same = TensorType(.undefined, Array(after[..<2])).isCompatible(with: TensorType(.undefined, Array(shape[..<2])))
    guard same else { throw LigatureError(.shape, "\(x) and \(other) differ in number or channels") }
    return [TensorType(other.element, try broadcastShape([after, shape]))]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
  /// Each element of the other image is read where the result is written.
  public var traits: Traits { .canReuseInput1 }
}
