import Architectures
import Foundation
import TensorCore

enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")
  static let recipes = root.deletingLastPathComponent().deletingLastPathComponent().appending(path: "Models/Recipes")

  static func path(_ name: String) -> String { root.appending(path: name).path }

  static func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(contentsOf: root.appending(path: "architectures/\(name)")))
  }

  static func recipe(_ name: String) throws -> String {
    try String(contentsOf: recipes.appending(path: "\(name).json"), encoding: .utf8)
  }

  /// What the detection recipe says about boxes.
  static func db() throws -> Recipe.DB {
    guard case .db(let parameters) = try Recipe(json: recipe("ppocrv4-det")).postprocess else {
      throw LigatureError(.format, "the detection recipe has no db parameters")
    }
    return parameters
  }
}
