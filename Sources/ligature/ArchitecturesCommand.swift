import Architectures
import ArgumentParser
import TensorCore

struct ArchitecturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "architectures",
    abstract: "Lists the networks that can be exported, converted and trained, with their options.",
    discussion: "With a name, only that one. Counts are for the options as given; defaults otherwise.")

  @Argument(help: "The name of an architecture.")
  var name: String?

  @Option(
    name: .customLong("option"),
    help: ArgumentHelp("An option of the architecture that is named. May be repeated.", valueName: "key=value"))
  var given: [String] = []

  @Flag(help: "Print JSON.")
  var json = false

  struct Entry: Codable {
    struct Option: Codable {
      var name: String
      var value: String
      var help: String
    }
    var name: String
    var task: String
    var summary: String
    var parameters: Int
    var options: [Option]
  }

  func validate() throws {
    if name == nil, !given.isEmpty { throw ValidationError("--option needs the name of an architecture") }
  }

  func run() throws {
    var network = NetworkOptions()
    network.given = given
    let options = try network.options()
    let entries = try (name.map { [try Architectures.named($0)] } ?? Architectures.all).map { type in
      let network = try type.init(options: options)
      return Entry(
        name: type.name, task: type.task.rawValue, summary: type.summary, parameters: try network.parameterCount(),
        options: type.options.map { .init(name: $0.name, value: network.chosen[$0.name] ?? "", help: $0.help) })
    }
    print(json ? try encodeJSON(entries) : text(entries))
  }

  private func text(_ entries: [Entry]) -> String {
    var table = TextTable([("architecture", .left), ("task", .left), ("parameters", .right), ("", .left)])
    for entry in entries { table.append([entry.name, entry.task, entry.parameters.grouped, entry.summary]) }
    let details = entries.map { entry in
      var options = TextTable([("\(entry.name) --option", .left), ("", .left)])
      for option in entry.options { options.append(["  \(option.name)=\(option.value)", option.help]) }
      return options.text
    }
    return ([table.text] + details).joined(separator: "\n\n")
  }
}
