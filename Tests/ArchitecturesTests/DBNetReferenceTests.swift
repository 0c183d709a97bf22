import Architectures
import Foundation
import Imaging
import TensorCore
import Testing

/// DBNet's targets and post-processing against MMOCR's numbers.
@Suite struct DBNetReferenceTests {
  private struct Targets: Decodable {
    struct Case: Decodable {
      var name: String, generator: DBNetTargets, canvas: [Int], polygons: [[Double]], ignored: [[Double]]
    }
    var cases: [Case]
  }

  private struct Post: Decodable {
    struct Case: Decodable {
      var map: String, postprocessor: DBPostprocessor, boundaries: [[Double]], resized: [[Double]]?
      var scaleFactor: [Float]?
    }
    var cases: [Case]
  }

  @Test func targetsEqualTheReference() throws {
    for bundle in try Reference.bundles("dbnet_r18", "dbnet_r50dcnv2") {
      let expected = try bundle.tensors("targets.safetensors")
      for example in try bundle.json("targets.json", as: Targets.self).cases {
        let maps = try example.generator(
          polygons: example.polygons.map { outline($0) }, ignored: example.ignored.map { outline($0) },
          width: example.canvas[1], height: example.canvas[0])
        let tensors = try DBNetTargets.tensors([maps])
        for name in ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"] {
          let want = try #require(expected["\(example.name).\(name)"])
          let numbers = try want.element == .uint8 ? want.scalars(as: UInt8.self).map { Float($0) } : want.floats()
          let got = try #require(tensors[name])
          #expect(got.shape == [1] + want.shape)
          let worst = zip(try got.floats(), numbers).map { abs($0 - $1) }.max() ?? .infinity
          #expect(worst <= (name == "gt_thr" ? 1e-6 : 0), "\(bundle.folder.lastPathComponent) \(example.name) \(name)")
        }
      }
    }
  }

  @Test func boundariesEqualTheReference() throws {
    for bundle in try Reference.bundles("dbnet_r18", "dbnet_r50dcnv2") {
      let maps = try bundle.tensors("post.safetensors")
      for (index, example) in try bundle.json("post.json", as: Post.self).cases.enumerated() {
        let what = "\(bundle.folder.lastPathComponent) case \(index)"
        let map = try #require(maps[example.map])
        let found = try example.postprocessor(FloatImage(map.reshaped([1] + map.shape)))
        try check(found, example.boundaries, example.postprocessor, what)
        if let expected = example.resized, let scale = example.scaleFactor {
          let resized = found.map { $0.resized(scaleX: scale[0], scaleY: scale[1]) }
          try check(resized, expected, example.postprocessor, what + " resized")
        }
      }
    }
  }

  private func check(
    _ found: [TextBoundary], _ expected: [[Double]], _ postprocessor: DBPostprocessor, _ what: String
  ) throws {
    try #require(found.count == expected.count, "\(what)")
    for (boundary, numbers) in zip(found, expected) {
      let distance = difference(boundary.polygon, outline(numbers.dropLast()))
      #expect(distance <= (postprocessor.textReprType == .quad ? 0.01 : 0), "\(what)")
      #expect(abs(boundary.score - (numbers.last ?? 0)) < 1e-6, "\(what)")
    }
  }

  @Test func recipesCarryTheRules() throws {
    let recipe = Recipe.dbnet(postprocessor: DBPostprocessor(textReprType: .poly, minTextScore: 0.5))
    let read = try Recipe(json: recipe.json())
    #expect(read == recipe)
    #expect(read.postprocess == .dbPostprocessor(DBPostprocessor(textReprType: .poly, minTextScore: 0.5)))
    let short = try recipe.json().replacingOccurrences(of: "\"maskThr\":0.3,", with: "")
    #expect(try Recipe(json: short) == recipe)
    #expect(throws: LigatureError.self) {
      try Recipe(json: short.replacingOccurrences(of: "\"poly\"", with: "\"line\""))
    }
    #expect(throws: LigatureError.self) {
      try Recipe(json: short.replacingOccurrences(of: "\"longSide\":1333", with: "\"longSide\":99999999"))
    }
  }

  @Test func outlinesThatCannotBeTextAreRefused() throws {
    let targets = DBNetTargets()
    for outline in [[Point(0, 0), Point(9, 9)], [Point(0, 0), Point(.nan, 3), Point(4, 4)]] {
      #expect(throws: LigatureError.self) { try targets(polygons: [outline], width: 32, height: 32) }
    }
    let far = [Point(1e6, 1e6), Point(1.1e6, 1e6), Point(1.1e6, 1.1e6), Point(1e6, 1.1e6)]
    let maps = try targets(polygons: [far], width: 32, height: 32)
    #expect(maps.thr.pixels.allSatisfy { $0 == 0.3 } && maps.thrMask.pixels.allSatisfy { $0 == 0 })
    #expect(throws: LigatureError.self) { try DBNetTargets.tensors([]) }
  }
}
