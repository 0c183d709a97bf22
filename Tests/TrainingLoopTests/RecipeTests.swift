import TensorCore
import Testing
import TrainingLoop

@Suite struct RecipeTests {
  private static let whole = """
    name: test
    architecture: CRNN
    dictionary: DICT36
    image: {height: 32, width: 100}
    data:
      - {format: txt, annotations: words/label.txt, images: words}
      - {format: synthetic, samples: 100, options: {max_length: 9}}
    batch: 8
    steps: 20
    optimizer: {kind: AdamW, lr: 0.001}
    schedule: {kind: cosine, warmup: 5}
    folder: run
    """

  private func recipe(_ text: String = whole, _ changes: String...) throws -> TrainingRecipe {
    try TrainingRecipe(yaml: text, name: "test.yaml", changes: changes)
  }

  private func message(_ text: String = whole, _ changes: String...) -> String {
    do {
      _ = try TrainingRecipe(yaml: text, name: "test.yaml", changes: changes)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func wholeRecipe() throws {
    let recipe = try recipe()
    #expect(recipe.architecture == "CRNN" && recipe.batch == 8 && recipe.folder == "run")
  }

  @Test func changes() throws {
    #expect(try recipe(Self.whole, "batch=64", "folder=other").batch == 64)
    #expect(try recipe(Self.whole, "data.1.samples=7", "checkpoint.keep=2", "optimizer.lr=1e-2").batch == 8)
    #expect(message(Self.whole, "data.2.samples=7").contains("'2' is no entry of the list"))
    #expect(message(Self.whole, "batch.x=7").contains("below the plain value '8'"))
    #expect(message(Self.whole, "batch").contains("--set takes key=value"))
    #expect(message(Self.whole, "batch=[1").contains("is not YAML"))
    #expect(message(Self.whole, "batch=").isEmpty)
  }

  @Test func unknownKeys() {
    let misspelt = message(Self.whole.replacing("batch:", with: "bacth:"))
    #expect(misspelt.contains("test.yaml:8: the key 'bacth' is not known; did you mean 'batch'?"))
    #expect(message(Self.whole, "optimizer.weight_decy=0.1").contains("did you mean 'weight_decay'"))
    #expect(message(Self.whole, "optimizer.momentum=0.1").contains("'optimizer.momentum' is not known"))
    #expect(message(Self.whole, "data.0.anotations=x").contains("did you mean 'annotations'"))
  }

  @Test(arguments: [
    ("batch=0", "'batch' must be a whole number from 1"), ("batch=two", "not 'two'"),
    ("optimizer.kind=Lion", "SGD, Adam"),
    ("data.0.format=csv", "one of txt, jsonl"), ("architecture=CRNNN", "no architecture"),
    ("epochs=3", "either steps or epochs"),
    ("memory_limit=4 apples", "as in 4GiB"), ("image.side=640", "'image.side' is not known"),
    ("optimizer=", "'optimizer' is missing"),
    ("data.1.samples=", "'data.1.samples' is missing"), ("data=[]", "'data' is missing"),
    ("dictionary=DICT35", "DICT36"),
    ("data.1.images=x", "neither annotations"), ("data.0.options={a: 1}", "only synthetic"),
    ("augmentation.rotation=500", "from 0.0 to 45"),
  ])
  func wrongValues(_ change: String, _ says: String) {
    #expect(message(Self.whole, change).contains(says), "\(message(Self.whole, change))")
  }

  @Test func hostileYAML() {
    #expect(message("a: [1").contains("test.yaml' is not YAML: line "))
    #expect(message("").contains("is empty"))
    #expect(message("a: 1\na: 2").contains("twice"))
    #expect(message(String(repeating: "[", count: 100_000)).contains("brackets"))
    #expect(message(String(repeating: "- ", count: 900) + "x").contains("nested too deeply"))
    #expect(message(String(repeating: "x", count: 2 << 20)).contains("bytes"))
    // Ten to the tenth values by aliases.
    var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in 1...9 {
      bomb += "a\(level): &a\(level) [\((0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ","))]\n"
    }
    #expect(message(bomb).contains("aliases"))
  }
}
