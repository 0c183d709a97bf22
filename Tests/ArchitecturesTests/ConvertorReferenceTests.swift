import Architectures
import TensorCore
import Testing

/// Label convertors against MMOCR's.
@Suite struct ConvertorReferenceTests {
  private struct File: Decodable {
    struct Arguments: Decodable {
      var type: String, dictType: String, withUnknown: Bool?, lower: Bool?, maxSeqLen: Int?, startEndSame: Bool?
    }
    struct Facts: Decodable { var numClasses: Int, startIdx: Int?, endIdx: Int?, paddingIdx: Int? }
    struct Encoded: Decodable {
      struct Targets: Decodable { var targets: [[Int]], targetLengths: [Int]?, paddedTargets: [[Int]]? }
      var strings: [String], str2idx: [[Int]], str2tensor: Targets?
    }
    struct Decoded: Decodable {
      struct TopK: Decodable { var k: Int, indexes: [[[Int]]], scores: [[[Double]]] }
      var outputs: String, validRatios: [Double?]?, indexes: [[Int]], scores: [[Double]], strings: [String], topk: TopK?
    }
    struct Refused: Decodable { var strings: [String] }
    struct Spelled: Decodable { var indexes: [[Int]], strings: [String] }
    struct Case: Decodable {
      var name: String, args: Arguments, facts: Facts, encode: Encoded, decode: Decoded?, errors: [Refused]?
      var idx2str: Spelled?
    }
    struct Views: Decodable {
      struct View: Decodable { var text: String, score: [Double] }
      struct Answer: Decodable { var text: String, score: Double }
      var augResults: [[View]], result: [Answer]
    }
    struct Segmentation: Decodable {
      struct Map: Decodable {
        var classes: String, logits: String?, validRatios: [Double], texts: [String], scores: [[Double]]
      }
      var convertor: Arguments, cases: [Map]
    }
    var cases: [Case]
    var mergeAugResults: [Views]
    var segmentation: Segmentation
  }

  private let reference = Reference("convertors")

  private func cases(_ types: Set<String>) throws -> [File.Case] {
    try reference.json("convertors.json", as: File.self).cases.filter { types.contains($0.args.type) }
  }

  @Test func ctcConvertorsEqualTheReference() throws {
    let outputs = try reference.tensors("convertors.safetensors")
    let cases = try cases(["CTCConvertor"])
    try #require(!cases.isEmpty)
    for example in cases {
      let convertor = try CTCConvertor(
        dictionary: CharacterDictionary(named: example.args.dictType).characters,
        withUnknown: example.args.withUnknown ?? true, lower: example.args.lower ?? false, isLogits: true)
      #expect(convertor.classes.count == example.facts.numClasses)
      #expect(try example.encode.strings.map { try convertor.str2idx($0) } == example.encode.str2idx)
      if let expected = example.encode.str2tensor {
        let made = try convertor.str2tensor(example.encode.strings)
        let (lengths, rows) = (try made.lengths.integers(), try made.targets.integers())
        #expect(lengths == expected.targetLengths)
        let width = made.targets.shape[1]
        #expect(lengths.indices.map { Array(rows[$0 * width..<$0 * width + lengths[$0]]) } == expected.targets)
        #expect(lengths.indices.allSatisfy { rows[$0 * width + lengths[$0]..<($0 + 1) * width].allSatisfy { $0 == 0 } })
      }
      for refused in example.errors ?? [] {
        #expect(throws: LigatureError.self) { try convertor.str2tensor(refused.strings) }
      }
      if let spelled = example.idx2str {
        #expect(try spelled.indexes.map { try convertor.idx2str($0) } == spelled.strings)
      }
      guard let decoded = example.decode else { continue }
      let ratios = decoded.validRatios?.map { $0 ?? 1 }
      let tensor = try #require(outputs[decoded.outputs])
      let found = try convertor.tensor2idx(tensor, validRatios: ratios, topK: decoded.topk?.k ?? 0)
      try check(found, decoded)
      #expect(try convertor.decode(tensor, validRatios: ratios).map(\.text) == decoded.strings)
      if let top = decoded.topk {
        #expect(found.map(\.best) == top.indexes)
        for (a, b) in zip(found.flatMap(\.bestScores).flatMap(\.self), top.scores.flatMap(\.self).flatMap(\.self)) {
          #expect(abs(a - b) < 1e-6)
        }
      }
    }
  }

  @Test func attentionConvertorsEqualTheReference() throws {
    let outputs = try reference.tensors("convertors.safetensors")
    let cases = try cases(["AttnConvertor", "ABIConvertor"])
    try #require(!cases.isEmpty)
    for example in cases {
      let convertor = try AttnConvertor(
        dictionary: CharacterDictionary(named: example.args.dictType).characters,
        padding: example.args.type == "ABIConvertor" ? .abi : .attn, withUnknown: example.args.withUnknown ?? true,
        lower: example.args.lower ?? false, maxSeqLen: example.args.maxSeqLen ?? 40,
        startEndSame: example.args.startEndSame ?? true)
      #expect(convertor.classes.count == example.facts.numClasses)
      #expect(convertor.startIndex == example.facts.startIdx)
      #expect(convertor.endIndex == example.facts.endIdx)
      #expect(convertor.paddingIndex == example.facts.paddingIdx)
      #expect(try example.encode.strings.map { try convertor.str2idx($0) } == example.encode.str2idx)
      if let expected = example.encode.str2tensor {
        let made = try convertor.str2tensor(example.encode.strings)
        #expect(made.targets == expected.targets)
        #expect(try made.padded.integers() == expected.paddedTargets?.flatMap(\.self))
      }
      for refused in example.errors ?? [] {
        #expect(throws: LigatureError.self) { try convertor.str2tensor(refused.strings) }
      }
      if let spelled = example.idx2str {
        #expect(try spelled.indexes.map { try convertor.idx2str($0) } == spelled.strings)
      }
      guard let decoded = example.decode else { continue }
      let tensor = try #require(outputs[decoded.outputs])
      try check(convertor.tensor2idx(tensor), decoded)
      #expect(try convertor.decode(tensor).map(\.text) == decoded.strings)
    }
  }

  @Test func segmentationsEqualTheReference() throws {
    for example in try cases(["SegConvertor"]) {
      let convertor = try segConvertor(example.args)
      #expect(convertor.classes.count == example.facts.numClasses)
      #expect(try example.encode.strings.map { try convertor.str2idx($0) } == example.encode.str2idx)
      for refused in example.errors ?? [] {
        #expect(throws: LigatureError.self) { try refused.strings.map { try convertor.str2idx($0) } }
      }
    }
    let tensors = try reference.tensors("convertors.safetensors")
    let segmentation = try reference.json("convertors.json", as: File.self).segmentation
    let convertor = try segConvertor(segmentation.convertor)
    for example in segmentation.cases {
      let maps = try #require(tensors[example.classes])
      let scores = try example.logits.map { try #require(tensors[$0]) } ?? oneHot(maps, convertor.classes.count)
      let found = try convertor.decode(scores, validRatios: example.validRatios)
      #expect(found.map(\.text) == example.texts)
      #expect(found.map(\.scores) == example.scores)
    }
  }

  private func segConvertor(_ arguments: File.Arguments) throws -> SegConvertor {
    SegConvertor(
      dictionary: try CharacterDictionary(named: arguments.dictType).characters,
      withUnknown: arguments.withUnknown ?? true, lower: arguments.lower ?? false)
  }

  /// `[N, H, W]` of classes as `[N, C, H, W]`.
  private func oneHot(_ maps: Tensor, _ count: Int) throws -> Tensor {
    let (classes, size) = (try maps.scalars(as: UInt8.self), maps.shape[1] * maps.shape[2])
    var values = [Float](repeating: 0, count: maps.shape[0] * count * size)
    for (index, value) in classes.enumerated() {
      values[(index / size * count + Int(value)) * size + index % size] = 1
    }
    return try Tensor(values, [maps.shape[0], count, maps.shape[1], maps.shape[2]])
  }

  private func check(_ found: [LabelIndices], _ expected: File.Decoded) throws {
    #expect(found.map(\.indices) == expected.indexes)
    for (line, scores) in zip(found, expected.scores) {
      try #require(line.scores.count == scores.count)
      for (a, b) in zip(line.scores, scores) { #expect(abs(a - b) < 1e-6) }
    }
  }

  @Test func theSurestViewCounts() throws {
    let cases = try reference.json("convertors.json", as: File.self).mergeAugResults
    try #require(!cases.isEmpty)
    for example in cases {
      let views = example.augResults.flatMap(\.self).map { RecognizedText(text: $0.text, score: 0, scores: $0.score) }
      let answer = RecognizedText.surest(of: views)
      #expect(answer.text == example.result.first?.text)
      #expect(abs(answer.score - (example.result.first?.score ?? .nan)) < 1e-12)
    }
  }

  /// A line whose padding is cut off by the valid ratio, and the scores of its characters.
  @Test func crnnIsDecodedAsTheReferenceDoes() throws {
    struct Post: Decodable {
      struct Recognition: Decodable {
        struct Meta: Decodable { var resizeShape: [Int] }
        struct Answer: Decodable { var text: String, score: [Double] }
        var imgMetas: [Meta], results: [Answer]
      }
      var recognition: Recognition
    }
    let bundle = Reference("crnn")
    let logits = try #require(bundle.tensors("forward.safetensors")["out.decoder"])
    let expected = try bundle.json("post.json", as: Post.self).recognition
    let recipe = Recipe.crnn()
    guard case .ctc(let parameters) = recipe.postprocess else { return #expect(Bool(false)) }
    let convertor = try CTCConvertor(parameters, dictionary: recipe.dictionary?.resolved([:]) ?? [])
    let texts = try convertor.decode(logits, validRatios: expected.imgMetas.map { Double($0.resizeShape[1]) / 100 })
    #expect(texts.map(\.text) == expected.results.map(\.text))
    for (text, answer) in zip(texts, expected.results) {
      #expect(zip(text.scores, answer.score).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }

  @Test func dictionariesAreChecked() throws {
    #expect(try CharacterDictionary(lines: "a\nb\r\n\nc\n").characters == ["a", "b", "c"])
    for text in ["ab\n", "a\nb\na\n"] { #expect(throws: LigatureError.self) { try CharacterDictionary(lines: text) } }
    #expect(throws: LigatureError.self) { try CharacterDictionary(named: "DICT12") }
    #expect(try CTCConvertor(dictionary: ["a", "b"]).neededSteps("aabba") == 7)
    // To Swift these two are equal; to a model they are different classes.
    let convertor = try CTCConvertor(dictionary: ["\u{c5}", "\u{212b}"])
    #expect(try convertor.str2idx("\u{212b}\u{c5}") == [2, 1])
  }

  @Test func damagedTargetsAndRatiosAreErrors() throws {
    let convertor = try CTCConvertor(dictionary: ["a", "b"])
    let scores = try Tensor(zeros: .float32, [2, 4, 3])
    for ratios in [[1.0], [1, .nan], [1, 2], [-1, 1]] {
      #expect(throws: LigatureError.self) { try convertor.decode(scores, validRatios: ratios) }
    }
    #expect(throws: LigatureError.self) { try convertor.idx2str([3]) }
    #expect(throws: LigatureError.self) { try CTCConvertor(dictionary: ["a"], blank: 1, withUnknown: true) }
    #expect(throws: LigatureError.self) { try AttnConvertor(dictionary: ["a"], maxSeqLen: 0) }
    #expect(throws: LigatureError.self) {
      try AttnConvertor(dictionary: ["a"]).decode(Tensor(zeros: .float32, [1, 2, 9]))
    }
    #expect(try convertor.str2tensor([]).targets.shape == [0, 1])
    #expect(try convertor.str2tensor([""]).lengths.integers() == [0])
  }
}
