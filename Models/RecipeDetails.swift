import TensorCore

/// What a recipe says beside the network: whatever is nil follows MMOCR's configuration of the architecture.
public struct RecipeDetails: Sendable {
  public var name: String?
  /// The characters in class order, without blank and `<UKN>`.
  public var dictionary: CharacterDictionary?
  public var lower: Bool?
  public var withUnknown: Bool?
  /// Of the channels as the network reads them, 0…255.
  public var mean: [Double]?
  public var std: [Double]?
  /// The limits of the longer and the shorter side of a page.
  public var scale: (long: Int, short: Int)?
  public var postprocessor: DBPostprocessor?
  public var licence: String?
  public var origin: Recipe.Origin?

  public init() {}
}

extension CRNN {
  /// - Throws: `.usage` when the dictionary does not fit the classes, or none is given and the number of classes is
  ///   that of none of MMOCR's dictionaries.
  public func recipe(_ details: RecipeDetails) throws -> Recipe {
    let withUnknown = details.withUnknown ?? false
    let dictionary = try details.dictionary ?? standardDictionary(withUnknown: withUnknown)
    let wanted = dictionary.characters.count + 1 + (withUnknown ? 1 : 0)
    guard wanted == classes else {
      throw LigatureError(
        .usage,
        "a dictionary of \(dictionary.characters.count) characters \(withUnknown ? "with" : "without") <UKN> takes "
          + "\(wanted) classes with the blank, but the network has \(classes)")
    }
    let isStandard = dictionary == .dict36 || dictionary == .dict37
    var recipe = Recipe.crnn(
      name: details.name ?? CRNN.name, dictionary: dictionary.characters, lower: details.lower ?? isStandard,
      withUnknown: withUnknown, licence: details.licence ?? "unknown", origin: details.origin ?? Recipe.Origin())
    if channels == 3 {
      recipe.preprocess.channels = .rgb
      recipe.preprocess.mean = [127, 127, 127]
      recipe.preprocess.std = [127, 127, 127]
    }
    if let mean = details.mean, let std = details.std, mean.count >= channels, std.count >= channels {
      recipe.preprocess.mean = Array(mean.prefix(channels))
      recipe.preprocess.std = Array(std.prefix(channels))
    }
    return try recipe.checked()
  }

  /// MMOCR's dictionary of that size.
  private func standardDictionary(withUnknown: Bool) throws -> CharacterDictionary {
    let known: [CharacterDictionary] = [.dict36, .dict37, .dict90, .dict91]
    let count = classes - 1 - (withUnknown ? 1 : 0)
    guard let found = known.first(where: { $0.characters.count == count }) else {
      throw LigatureError(
        .usage, "no dictionary of MMOCR has the \(count) characters of \(classes) classes; give one with --dictionary")
    }
    return found
  }
}

extension DBNet {
  public func recipe(_ details: RecipeDetails) throws -> Recipe {
    // MMOCR's configurations of the two backbones differ in these.
    let isDeformable = !backbone.deformableStages.isEmpty
    let mean = isDeformable ? [122.67891434, 116.66876762, 104.00698793] : [123.675, 116.28, 103.53]
    return try Recipe.dbnet(
      name: details.name ?? DBNet.name, postprocessor: details.postprocessor ?? DBPostprocessor(),
      scale: details.scale ?? (isDeformable ? (4068, 1024) : (1333, 736)), mean: details.mean ?? mean,
      std: details.std ?? [58.395, 57.12, 57.375], licence: details.licence ?? "unknown",
      origin: details.origin ?? Recipe.Origin()
    ).checked()
  }
}

extension Recipe {
  /// Itself, if a file with it could be read again.
  fileprivate func checked() throws -> Recipe { try Recipe(json: json()) }
}
