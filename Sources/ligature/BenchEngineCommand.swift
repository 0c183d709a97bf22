import ArgumentParser
import FoundationEssentials
import Glibc
import Measuring
import Runtime
import TensorCore

/// Our side of `bench --against`: measured in a process of its own, as the other engines are.
struct BenchEngineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-engine", abstract: "What 'bench --against' starts.", shouldDisplay: false)

  func run() throws {
    guard let line = readLine(), let task = try? JSONDecoder().decode(EngineTask.self, from: Data(line.utf8)) else {
      throw LigatureError(.usage, "this command is for 'ligature bench --against' alone")
    }
    do {
      try serve(task)
    } catch let error as LigatureError {
      var reply = EngineReply()
      reply.error = "\(error)"
      try say(reply)
    }
  }

  private func serve(_ task: EngineTask) throws {
    try Processors.pin(to: task.processors)
    let inputs = try task.inputs.map { try $0.tensor() }
    var reply = EngineReply()
    reply.resident = ResidentMemory.now
    let start = ContinuousClock.now
    var options = Session.Options(threads: task.threads)
    options.cache = task.cache
    let loaded = try LoadedModel(task.model, options: options)
    reply.load = start.duration(to: .now).seconds * 1000
    reply.version = Ligature.configuration.version
    try say(reply)
    while let words = readLine()?.split(separator: " ", maxSplits: 1), let command = words.first {
      let argument = words.count > 1 ? String(words[1]) : ""
      guard command != "quit" else { return }
      try say(answer(String(command), argument, loaded.session, inputs))
    }
  }

  private func answer(
    _ command: String, _ argument: String, _ session: Session, _ inputs: [Tensor]
  ) throws -> EngineReply {
    var reply = EngineReply()
    switch command {
    case "run":
      reply.times = try (0..<max(Int(argument) ?? 1, 0)).map { _ in
        let start = ContinuousClock.now
        try session.run(inputs) { _ in }
        return start.duration(to: .now).seconds * 1000
      }
    case "memory":
      reply.peak = ResidentMemory.peak
    case "outputs":
      reply.outputs = try zip(session.outputNames, session.run(inputs)).enumerated().map { index, output in
        let path = argument + "/ligature-\(index)"
        try unsafe output.1.withUnsafeBytes { unsafe try Data($0).write(to: URL(filePath: path)) }
        return EngineTask.RawTensor(
          name: output.0, element: output.1.element.description, shape: output.1.shape, file: path)
      }
    default:
      throw LigatureError(.usage, "'\(command)' is none of: run, memory, outputs, quit")
    }
    return reply
  }

  private func say(_ reply: EngineReply) throws {
    print(String(decoding: try JSONEncoder().encode(reply), as: UTF8.self))
    fflush(nil)
  }
}
