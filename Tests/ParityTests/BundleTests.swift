import Foundation
import Parity
import Runtime
import TensorCore
import TensorFiles
import TestSupport
import Testing

/// Architectures against what their reference implementation computes.
@Suite(.serialized) struct BundleTests {
  static let names = ["crnn", "dbnet_r18", "dbnet_r50dcnv2"]

  private func folder(_ name: String) -> String { fixtures.appendingPathComponent("bundles/\(name)").path }

  @Test(arguments: names) func everyNumberLiesWithinItsTolerance(_ name: String) throws {
    let checks = try BundleVerifier(folder(name), options: Session.Options(threads: 2))
      .checks(Set(Check.Section.allCases))
    for check in checks where !check.passed {
      Issue.record("\(check.section) \(check.name): \(check.error), but at most \(check.tolerance) \(check.measure)")
    }
    #expect(checks.count > 100)
    let expected: Set<Check.Section> =
      name == "crnn"
      ? [.forward, .losses, .gradients, .statistics, .steps, .targets, .post, .pipeline]
      : [.forward, .losses, .gradients, .statistics, .steps, .lossCases, .targets, .post]
    #expect(Set(checks.map(\.section)) == expected)
  }

  private func copy(_ name: String) throws -> String {
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent("bundle-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: fixtures.appendingPathComponent("bundles/\(name)"), to: copy)
    return copy.path
  }

  /// A copy of a bundle with one text in one file replaced.
  private func damaged(_ name: String, _ file: String, _ text: String, _ other: String) throws -> String {
    let path = try copy(name)
    let url = URL(fileURLWithPath: path).appendingPathComponent(file)
    let content = try String(contentsOf: url, encoding: .utf8)
    try #require(content.contains(text))
    try content.replacingOccurrences(of: text, with: other).write(to: url, atomically: true, encoding: .utf8)
    return path
  }

  private func failures(_ path: String, _ section: Check.Section) throws -> Int {
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try BundleVerifier(path, options: Session.Options(threads: 1)).checks([section]).count { !$0.passed }
  }

  @Test func anotherLearningRateIsNoticed() throws {
    #expect(try failures(damaged("crnn", "steps.json", "\"lr\": 0.05", "\"lr\": 0.051"), .steps) > 0)
  }

  @Test func anotherSeedIsNoticed() throws {
    #expect(try failures(damaged("crnn", "model.json", "\"seed\": 1", "\"seed\": 2"), .forward) > 0)
  }

  @Test func anotherTextIsNoticed() throws {
    #expect(try failures(damaged("crnn", "post.json", "yaskgqby3", "yaskgqby4"), .post) == 1)
  }

  /// One element of one gradient, off by a part of itself or of the gradient's root mean square: more is excused
  /// where the bundle records how noisy the reference is.
  @Test(arguments: [
    ("crnn", "backbone.cnn.conv0.weight", 64 * 9, 0.01),
    ("dbnet_r50dcnv2", "backbone.layer1.0.conv2.weight", 64 * 64 * 9, 0.5),
  ])
  func anotherGradientIsNoticed(_ name: String, _ parameter: String, _ count: Int, _ part: Float) throws {
    let path = try copy(name)
    let file = path + "/loss.safetensors"
    var recorded = try SafeTensors(contentsOf: file)
    let norm = try #require(recorded.tensors["norm.\(parameter)"]?.floats().first)
    let gradient = try #require(recorded.tensors["grad.\(parameter)"])
    var elements = try gradient.floats()
    elements[3] += part * max(norm / Float(count).squareRoot(), abs(elements[3]))
    recorded.tensors["grad.\(parameter)"] = try Tensor(elements, gradient.shape)
    try recorded.write(to: file)
    #expect(try failures(path, .gradients) == 1)
  }

  @Test func anotherShrinkRatioIsNoticed() throws {
    let path = try damaged("dbnet_r18", "targets.json", "\"shrink_ratio\": 0.4", "\"shrink_ratio\": 0.5")
    #expect(try failures(path, .targets) > 0)
  }

  @Test func anUnknownArchitectureIsNamed() throws {
    let path = try damaged("crnn", "model.json", "\"architecture\": \"CRNN\"", "\"architecture\": \"CRMM\"")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = #expect(throws: LigatureError.self) { try BundleVerifier(path, options: Session.Options(threads: 1)) }
    #expect(error?.message.contains("CRMM") == true)
  }

  @Test func aTensorOfAnotherShapeIsNamed() throws {
    let path = try damaged("crnn", "model.json", "\"shape\": [128, 64, 3, 3]", "\"shape\": [128, 32, 3, 3]")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = #expect(throws: LigatureError.self) {
      try BundleVerifier(path, options: Session.Options(threads: 1)).checks([.forward])
    }
    #expect(error?.message.contains("backbone.cnn.conv1.weight") == true)
  }
}
