import Architectures
import Foundation
import TensorCore
import Testing

@Suite struct RecipeTests {
  static let names = ["ppocrv4-det", "ppocrv4-rec", "ppocrv4-cls"]

  @Test(arguments: names) func shippedRecipesSurviveARoundTrip(_ name: String) throws {
    let recipe = try Recipe(json: Fixtures.recipe(name))
    #expect(try Recipe(json: recipe.json()) == recipe)
    #expect(recipe.licence == "Apache-2.0")
    #expect(recipe.origin.sha256?.count == 64)
  }

  @Test func metadataWithoutARecipeHasNone() throws {
    #expect(try Recipe(metadata: ["character": "a"]) == nil)
  }

  @Test func valuesOutOfRangeAreRefused() throws {
    let changes: [(String, String, String)] = [
      ("ppocrv4-det", "\"limit\": 736", "\"limit\": 900000000000"),
      ("ppocrv4-det", "\"multipleOf\": 32 }", "\"multipleOf\": 0 }"),
      ("ppocrv4-det", "\"std\": [0.5, 0.5, 0.5]", "\"std\": [0.5, 0, 0.5]"),
      ("ppocrv4-det", "\"mean\": [0.5, 0.5, 0.5]", "\"mean\": [0.5]"),
      ("ppocrv4-det", "\"threshold\": 0.3", "\"threshold\": -1"),
      ("ppocrv4-det", "\"maximalCandidates\": 1000", "\"maximalCandidates\": -1"),
      ("ppocrv4-det", "\"unclipRatio\": 1.6", "\"unclipRatio\": 1e300"),
      ("ppocrv4-det", "\"minimalSide\": 30", "\"minimalSide\": 4000"),
      ("ppocrv4-det", "\"kind\": \"db\"", "\"kind\": \"magic\""),
      ("ppocrv4-det", "\"format\": 1", "\"format\": 2"),
      ("ppocrv4-det", "\"task\": \"textdet\"", "\"task\": \"textrecog\""),
      ("ppocrv4-rec", "\"batch\": 6", "\"batch\": 0"),
      ("ppocrv4-rec", "\"height\": 48", "\"height\": 1e9"),
      ("ppocrv4-rec", "\"divisor\": 255", "\"divisor\": 0"),
      ("ppocrv4-rec", "\"divisor\": 255", "\"other\": 255"),
      ("ppocrv4-rec", "\"metadata\": \"character\"", "\"other\": \"character\""),
      ("ppocrv4-cls", "\"labels\": [\"0\", \"180\"]", "\"labels\": []"),
      ("ppocrv4-cls", "\"labels\": [\"0\", \"180\"]", "\"labels\": [\"0\", \"90\"]"),
    ]
    for (name, old, new) in changes {
      let json = try Fixtures.recipe(name)
      let changed = json.replacingOccurrences(of: old, with: new)
      try #require(changed != json, "\(old)")
      #expect(throws: LigatureError.self, "\(new)") { try Recipe(json: changed) }
    }
  }

  /// Damaged recipes are read or refused, and never stop the program.
  @Test func damagedRecipesAreErrors() throws {
    var random = SplitMix64(7)
    var refused = 0
    for name in RecipeTests.names {
      let bytes = Array(try Fixtures.recipe(name).utf8)
      for _ in 0..<150 {
        var damaged = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          damaged[Int.random(in: 0..<damaged.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        if Bool.random(using: &random) { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
        do {
          _ = try Recipe(json: String(decoding: damaged, as: UTF8.self))
        } catch let error as LigatureError {
          refused += 1
          #expect(!error.message.isEmpty)
        }
      }
    }
    #expect(refused > 200)
    #expect(throws: LigatureError.self) { try Recipe(json: String(repeating: "[", count: 100_000)) }
    #expect(throws: LigatureError.self) { try Recipe(json: String(repeating: " ", count: 9 << 20)) }
  }

  @Test func dictionariesComeFromTheFile() throws {
    #expect(Recipe.Dictionary.lines(of: "a\nb\r\n\u{301}\n\n字\n") == ["a", "b", "\u{301}", "", "字"])
    #expect(Recipe.Dictionary.lines(of: "").isEmpty)
    let dictionary = Recipe.Dictionary(characters: nil, metadata: "character", append: [" "])
    #expect(try dictionary.resolved(["character": "x\ny"]) == ["x", "y", " "])
    #expect(throws: LigatureError.self) { try dictionary.resolved([:]) }
  }

  @Test func aModelForAnotherTaskIsRefused() throws {
    struct Nothing: TensorFunction { func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] { [] } }
    let metadata = [Recipe.metadataKey: try Fixtures.recipe("ppocrv4-cls")]
    #expect(throws: LigatureError.self) { try OCRModel(metadata: metadata, task: .detection, function: Nothing()) }
    #expect(throws: LigatureError.self) { try OCRModel(metadata: [:], task: .detection, function: Nothing()) }
    let model = try OCRModel(metadata: metadata, task: .angle, function: Nothing())
    #expect(throws: LigatureError.self) { try model.run(Tensor(scalar: Float(0)), rank: 2) }
  }
}
