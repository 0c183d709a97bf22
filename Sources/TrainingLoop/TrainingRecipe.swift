internal import Architectures
internal import FoundationEssentials
internal import TensorCore

/// What `ligature train` does: read from YAML, where unknown keys are errors.
public struct TrainingRecipe: Sendable {
  /// What the model is called.
  public let name: String
  public let architecture: String
  let options: [String: String]
  /// The classes of a recogniser, without the blank.
  let dictionary: [String]
  let image: ImageSize
  let wordAugmentation: WordAugmentation
  let pageAugmentation: PageAugmentation
  let data: [DataRecipe]
  let validation: Validation?
  public let batch: Int
  let length: Length
  let optimizer: OptimizerRecipe
  let schedule: ScheduleRecipe
  /// The largest norm of all gradients together; nil: as they are.
  let clipping: Double?
  let seed: UInt64
  /// Threads that decode and augment.
  let workers: Int
  /// Batches that may wait, ready to be learned.
  let prefetch: Int
  public var threads: Int?
  let memoryLimit: Int?
  let checkpoints: Checkpoints
  let logInterval: Int
  /// A file that parameters start from: `.pth`, `.safetensors` or `.onnx`.
  let initial: String?
  /// Whether what the file lacks, or has in another shape, starts afresh.
  let isInitialPartial: Bool
  /// Where log, curve, checkpoints and models go.
  public let folder: String
  let licence: String

  /// What a network reads while it is trained.
  struct ImageSize: Sendable, Equatable {
    /// Of a recogniser; a detector's crops are squares of `width`.
    var height: Int
    var width: Int
    var isGrey: Bool
    /// Lines keep their proportions, and are filled up to the width.
    var keepsRatio = false
  }

  enum Length: Sendable, Equatable {
    case steps(Int)
    case epochs(Double)
  }

  struct Validation: Sendable {
    var data: [DataRecipe]
    /// Steps between two.
    var interval: Int
    /// Of each source, at most so many samples.
    var samples: Int?
    var metric: String?
  }

  struct Checkpoints: Sendable, Equatable {
    var interval: Int
    var keep: Int
  }

  /// - Parameters:
  ///   - path: a YAML file.
  ///   - changes: assignments such as `optimizer.lr=0.01`.
  public init(contentsOf path: String, changes: [String] = []) throws {
    let text = try unsafe TensorStorage(mapping: path).withUnsafeBytes { bytes in
      guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
        throw LigatureError(.format, "'\(path)' is not UTF-8")
      }
      return text
    }
    try self.init(yaml: text, name: path, changes: changes)
  }

  public init(yaml text: String, name: String, changes: [String] = []) throws {
    var tree = try RecipeTree(yaml: text, name: name)
    for change in changes { try tree.set(change) }
    var map = try RecipeMap(tree, name: "")
    guard let architecture = try map.text("architecture") else {
      throw map.missing("architecture", "the network to train, as 'ligature architectures' lists them")
    }
    let task = try Architectures.named(architecture).task
    self.architecture = architecture
    self.name = try map.text("name") ?? architecture
    options = try map.texts("options") ?? [:]
    licence = try map.text("licence") ?? "unknown"
    let root = try map.text("data_root")
    dictionary = try TrainingRecipe.dictionary(&map, isRecognition: task == .recognition)
    image = try TrainingRecipe.image(map.map("image"), isRecognition: task == .recognition)
    (wordAugmentation, pageAugmentation) = try TrainingRecipe.augmentation(
      map.map("augmentation"), isRecognition: task == .recognition)
    guard let data = try map.maps("data"), !data.isEmpty else {
      throw map.missing("data", "a list of sources of samples")
    }
    self.data = try data.map { try DataRecipe($0, root: root) }
    validation = try map.map("validation").map { try TrainingRecipe.validation($0, root: root) }
    batch = try map.integer("batch", in: 1...65536) ?? 32
    length = try TrainingRecipe.length(&map)
    optimizer = try OptimizerRecipe(map.map("optimizer"), map)
    schedule = try ScheduleRecipe(map.map("schedule"))
    clipping = try map.number("clip_norm", in: 1e-6...1e9)
    seed = UInt64(try map.integer("seed", in: 0...Int.max) ?? 0)
    workers = try map.integer("workers", in: 1...64) ?? 1
    prefetch = try map.integer("prefetch", in: 1...256) ?? 4
    threads = try map.integer("threads", in: 1...256)
    memoryLimit = try map.text("memory_limit").map { try TrainingRecipe.byteCount($0, map) }
    checkpoints = try TrainingRecipe.checkpoints(map.map("checkpoint"))
    logInterval = try map.integer("log_interval", in: 1...1_000_000) ?? 10
    initial = try map.text("initial")
    isInitialPartial = try map.flag("initial_partial") ?? false
    guard let folder = try map.text("folder") else { throw map.missing("folder", "where log and checkpoints go") }
    self.folder = folder
    try map.finish()
  }
}

// ── Parts ───────────────────────────────────────────────────────────────────
extension TrainingRecipe {
  /// `DICT36` and its like, or a file with a character a line.
  private static func dictionary(_ map: inout RecipeMap, isRecognition: Bool) throws -> [String] {
    let name = try map.text("dictionary")
    let file = try map.text("dictionary_file")
    guard isRecognition else {
      guard name == nil, file == nil else { throw map.wrong("dictionary", "is of use to recognisers only") }
      return []
    }
    if let file {
      guard name == nil else { throw map.wrong("dictionary", "cannot be given together with 'dictionary_file'") }
      let storage = try TensorStorage(mapping: file)
      guard storage.byteCount <= 4 << 20 else { throw LigatureError(.limit, "the dictionary '\(file)' is too large") }
      let text = unsafe storage.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
      return try CharacterDictionary(lines: text).characters
    }
    return try CharacterDictionary(named: name ?? "DICT36").characters
  }

  private static func image(_ map: RecipeMap?, isRecognition: Bool) throws -> ImageSize {
    guard var map else {
      return isRecognition
        ? ImageSize(height: 32, width: 100, isGrey: true) : ImageSize(height: 640, width: 640, isGrey: false)
    }
    let size: ImageSize
    if isRecognition {
      size = ImageSize(
        height: try map.integer("height", in: 8...1024) ?? 32, width: try map.integer("width", in: 8...8192) ?? 100,
        isGrey: try map.flag("grey") ?? true, keepsRatio: try map.flag("keep_ratio") ?? false)
    } else {
      let side = try map.integer("side", in: 64...4096) ?? 640
      guard side % 32 == 0 else { throw map.wrong("side", "must be a multiple of 32, not \(side)") }
      size = ImageSize(height: side, width: side, isGrey: false)
    }
    try map.finish()
    return size
  }

  private static func augmentation(
    _ map: RecipeMap?, isRecognition: Bool
  ) throws -> (WordAugmentation, PageAugmentation) {
    var (word, page) = (WordAugmentation(), PageAugmentation())
    guard var map else { return (word, page) }
    func read(_ target: inout Double, _ key: String, _ range: ClosedRange<Double>) throws {
      if let value = try map.number(key, in: range) { target = value }
    }
    if isRecognition {
      try read(&word.probability, "probability", 0...1)
      try read(&word.rotation, "rotation", 0...45)
      try read(&word.perspective, "perspective", 0...0.4)
      try read(&word.margin, "margin", 0...0.4)
      try read(&word.blur, "blur", 0...10)
      try read(&word.resolution, "resolution", 0...1)
      try read(&word.noise, "noise", 0...128)
      try read(&word.contrast, "contrast", 0...1)
      try read(&word.brightness, "brightness", 0...255)
      try read(&word.inversion, "inversion", 0...1)
    } else {
      try read(&page.mirror, "mirror", 0...1)
      try read(&page.rotation, "rotation", 0...45)
      if let scale = try map.numbers("scale", count: 2...2, in: 0.05...20) {
        guard scale[0] <= scale[1] else { throw map.wrong("scale", "must be [least, most]") }
        page.scale = scale[0]...scale[1]
      }
      try read(&page.brightness, "brightness", 0...1)
      try read(&page.saturation, "saturation", 0...1)
      page.cropTries = try map.integer("crop_tries", in: 0...1000) ?? page.cropTries
      try read(&page.minimalCropSide, "min_crop_side_ratio", 0...1)
    }
    try map.finish()
    return (word, page)
  }

  private static func validation(_ map: RecipeMap, root: String?) throws -> Validation {
    var map = map
    guard let data = try map.maps("data"), !data.isEmpty else {
      throw map.missing("data", "a list of sources of samples")
    }
    let result = Validation(
      data: try data.map { try DataRecipe($0, root: root) },
      interval: try map.integer("interval", in: 1...100_000_000) ?? 500,
      samples: try map.integer("samples", in: 1...100_000_000), metric: try map.text("metric"))
    try map.finish()
    return result
  }

  private static func length(_ map: inout RecipeMap) throws -> Length {
    let steps = try map.integer("steps", in: 1...1_000_000_000)
    let epochs = try map.number("epochs", in: 1e-6...1e6)
    switch (steps, epochs) {
    case (let steps?, nil): return .steps(steps)
    case (nil, let epochs?): return .epochs(epochs)
    default: throw map.missing("steps", "give either steps or epochs")
    }
  }

  private static func checkpoints(_ map: RecipeMap?) throws -> Checkpoints {
    guard var map else { return Checkpoints(interval: 500, keep: 3) }
    let result = Checkpoints(
      interval: try map.integer("interval", in: 1...100_000_000) ?? 500,
      keep: try map.integer("keep", in: 1...1000) ?? 3)
    try map.finish()
    return result
  }

  private static func byteCount(_ text: String, _ map: RecipeMap) throws -> Int {
    let units = ["": 0, "B": 0, "KIB": 10, "MIB": 20, "GIB": 30, "TIB": 40]
    let digits = text.prefix { $0.isNumber || $0 == "." }
    guard let number = Double(digits), let shift = units[text.dropFirst(digits.count).uppercased()],
      case let bytes = number * Double(1 << shift), bytes >= 1, bytes < 0x1p60
    else { throw map.wrong("memory_limit", "must be a number of bytes, as in 4GiB, not '\(text.prefix(40))'") }
    return Int(bytes)
  }
}

/// The optimiser under PyTorch's names; its numbers by default, too.
struct OptimizerRecipe: Sendable, Equatable {
  enum Kind: String, Sendable, CaseIterable { case SGD, Adam, AdamW, Adadelta }

  var kind: Kind
  var learningRate: Double
  var momentum = 0.0
  var nesterov = false
  var weightDecay: Double
  var betas = [0.9, 0.999]
  var epsilon: Double
  var rho = 0.9

  init(_ map: RecipeMap?, _ parent: RecipeMap) throws {
    guard var map else { throw parent.missing("optimizer", "its kind and lr") }
    guard let kind = try map.choice("kind", Kind.self) else {
      throw map.missing("kind", "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let rate = try map.number("lr", in: 0...1e38) else { throw map.missing("lr", "the learning rate") }
    self.kind = kind
    learningRate = rate
    weightDecay = try map.number("weight_decay", in: 0...1) ?? (kind == .AdamW ? 0.01 : 0)
    epsilon = kind == .Adadelta ? 1e-6 : 1e-8
    switch kind {
    case .SGD:
      momentum = try map.number("momentum", in: 0...1) ?? 0
      nesterov = try map.flag("nesterov") ?? false
    case .Adam, .AdamW:
      betas = try map.numbers("betas", count: 2...2, in: 0...0.999999) ?? betas
      epsilon = try map.number("eps", in: 1e-16...1) ?? epsilon
    case .Adadelta:
      rho = try map.number("rho", in: 0...0.999999) ?? rho
      epsilon = try map.number("eps", in: 1e-16...1) ?? epsilon
    }
    try map.finish()
  }
}

/// How the learning rate goes.
struct ScheduleRecipe: Sendable, Equatable {
  enum Kind: String, Sendable, CaseIterable { case constant, step, poly, cosine }

  var kind = Kind.constant
  /// In steps of the training.
  var milestones: [Int] = []
  var gamma = 0.1
  var power = 0.9
  /// The rate at the end, as a share of the rate at the start (poly, cosine).
  var final = 0.0
  /// Steps in which the rate grows from `warmupRatio` of itself to all of it.
  var warmup = 0
  var warmupRatio = 0.001

  init(_ map: RecipeMap?) throws {
    guard var map else { return }
    kind = try map.choice("kind") ?? .constant
    switch kind {
    case .constant: break
    case .step:
      guard let steps = try map.numbers("milestones", count: 1...1000, in: 1...1e9) else {
        throw map.missing("milestones", "the steps at which the rate falls")
      }
      milestones = steps.map { Int($0) }
      gamma = try map.number("gamma", in: 0...1) ?? gamma
    case .poly:
      power = try map.number("power", in: 0.01...100) ?? power
      final = try map.number("final", in: 0...1) ?? final
    case .cosine: final = try map.number("final", in: 0...1) ?? final
    }
    warmup = try map.integer("warmup", in: 0...1_000_000_000) ?? 0
    warmupRatio = try map.number("warmup_ratio", in: 0...1) ?? warmupRatio
    try map.finish()
  }
}
