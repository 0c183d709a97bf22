package import Foundation
import TensorCore

/// An engine in a process of its own, spoken to line by line. It ends with its last reference.
package final class EngineProcess {
  private let name: String
  private let process = Process()
  private let questions = Pipe()
  private let answers = Pipe()
  private let errors: URL
  private var buffer: [UInt8] = []

  /// - Parameter folder: where what it says on standard error is kept.
  package init(_ name: String, _ command: [String], folder: URL) throws {
    self.name = name
    errors = folder.appending(path: "\(name)-\(UUID().uuidString).log")
    guard let program = command.first else { throw LigatureError(.usage, "no program runs \(name)") }
    process.executableURL = URL(filePath: program)
    process.arguments = Array(command.dropFirst())
    process.standardInput = questions
    process.standardOutput = answers
    do {
      try Data().write(to: errors)
      process.standardError = try FileHandle(forWritingTo: errors)
      try process.run()
    } catch {
      throw LigatureError(.file, "cannot start '\(program)', which runs \(name); check --python", cause: error)
    }
    // An engine that died must be an error, not our end.
    signal(SIGPIPE, SIG_IGN)
  }

  deinit {
    try? questions.fileHandleForWriting.close()
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
  }

  /// Sends a line and waits for the answer.
  ///
  /// - Throws: `.file` when the engine ended, is silent for longer than `seconds`, or speaks of something else;
  ///   `.unsupported` with its own words when it cannot do what it was told.
  package func ask(_ line: String, seconds: Int) throws -> EngineReply {
    try? questions.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    let answer = try readLine(seconds: seconds)
    guard let reply = try? JSONDecoder().decode(EngineReply.self, from: Data(answer)) else {
      let text = String(decoding: answer.prefix(200), as: UTF8.self)
      throw LigatureError(.file, "\(name) answered '\(text)', which is no reply")
    }
    return reply
  }

  private func readLine(seconds: Int) throws -> [UInt8] {
    let descriptor = answers.fileHandleForReading.fileDescriptor
    let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeFirst(end + 1) }
        return Array(buffer[..<end])
      }
      var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = unsafe poll(&wanted, 1, 500)
      if ready == 0 || ready < 0 && errno == EINTR {
        guard ContinuousClock.now < deadline else {
          throw LigatureError(.limit, "\(name) gave no answer for \(seconds) s; try a smaller model or input")
        }
        continue
      }
      var chunk = [UInt8](repeating: 0, count: 1 << 16)
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw LigatureError(.file, "\(name) ended early\(lastWords)") }
      buffer += chunk[..<count]
    }
  }

  private var lastWords: String {
    let text = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
    let lines = text.split(separator: "\n").suffix(3)
    return lines.isEmpty ? " and said nothing" : ": " + lines.joined(separator: " | ")
  }
}
