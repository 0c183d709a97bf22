import Architectures
import ArgumentParser
import FoundationEssentials
import MMOCRConverter
import TensorCore

/// What commands that write a network take.
struct NetworkOptions: ParsableArguments {
  @Option(
    name: .customLong("option"),
    help: ArgumentHelp(
      "An option of the architecture, as in depth=50; see 'ligature architectures'. May be repeated.",
      valueName: "key=value"))
  var given: [String] = []

  @Option(
    help: ArgumentHelp(
      "The characters of a recogniser in class order: DICT36, DICT37, DICT90, DICT91, or a file with one a line.",
      valueName: "name|file"))
  var dictionary: String?

  @Option(help: "The name that the file's recipe gives the model.")
  var name: String?

  @Option(help: "The licence of the weights, for the recipe.")
  var licence: String?

  @Flag(help: "Store matrices and kernels as float16: half the size, a little less exact.")
  var float16 = false

  func options() throws -> [String: String] {
    var result: [String: String] = [:]
    for text in given {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw LigatureError(.usage, "--option takes key=value, as in depth=50, not '\(text)'")
      }
      guard result.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw LigatureError(.usage, "--option is given twice for '\(parts[0])'; give it once")
      }
    }
    return result
  }

  func characters() throws -> CharacterDictionary? {
    guard let dictionary else { return nil }
    guard !dictionary.hasPrefix("DICT") || FileManager.default.fileExists(atPath: dictionary) else {
      return try CharacterDictionary(named: dictionary)
    }
    let text = unsafe try TensorStorage(mapping: dictionary).withUnsafeBytes {
      unsafe String(decoding: $0, as: UTF8.self)
    }
    return try CharacterDictionary(lines: text)
  }

  /// Overrides what is known of a recipe by what the command line says.
  func complete(_ details: inout RecipeDetails) throws {
    if let characters = try characters() { details.dictionary = characters }
    if let name { details.name = name }
    if let licence { details.licence = licence }
  }

  /// Writes the file and says what it is.
  func write(_ network: any Architecture, _ parameters: any ParameterSource, _ recipe: Recipe, to path: String) throws {
    var file = NetworkFile(network, parameters, recipe: recipe)
    file.storesFloat16 = float16
    try file.write(to: path)
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    let count = try network.parameterCount().grouped
    print("wrote \(path): \(type(of: network).name), \(count) parameters, \(ByteCount(bytes: size))")
  }
}

/// Options that differ from their defaults, as text.
func differences(_ network: any Architecture) -> String {
  let type = type(of: network)
  let fallbacks = Dictionary(uniqueKeysWithValues: type.options.map { ($0.name, $0.fallback) })
  let chosen = type.options.compactMap { option -> String? in
    guard let value = network.chosen[option.name], value != fallbacks[option.name],
      Double(value) == nil
        || Double(value) != Double(fallbacks[option.name] ?? "")
    else { return nil }
    return "\(option.name)=\(value)"
  }
  return chosen.joined(separator: " ")
}
