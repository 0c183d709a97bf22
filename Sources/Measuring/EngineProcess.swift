package import FoundationEssentials
import Glibc
import TensorCore

/// An engine in a process of its own, spoken to line by line. It ends with its last reference.
package final class EngineProcess {
  private let name: String
  private let process: pid_t
  /// Our ends of the pipes to its standard input and from its standard output.
  private let questions: Int32
  private let answers: Int32
  private let errors: URL
  private var buffer: [UInt8] = []

  /// - Parameter folder: where what it says on standard error is kept.
  package init(_ name: String, _ command: [String], folder: URL) throws {
    self.name = name
    errors = folder.appending(path: "\(name)-\(UUID().uuidString).log")
    guard let program = command.first else { throw LigatureError(.usage, "no program runs \(name)") }
    let (input, output) = (try EngineProcess.pipe(), try EngineProcess.pipe())
    defer {
      close(input.read)
      close(output.write)
    }
    (questions, answers) = (input.write, output.read)
    process =
      try EngineProcess.start(command, input: input.read, output: output.write, errors: errors.path)
      ?? {
        close(input.write)
        close(output.read)
        throw LigatureError(
          .file, "cannot start '\(program)', which runs \(name): \(systemErrorText()); check --python")
      }()
    // An engine that died must be an error, not our end.
    signal(SIGPIPE, SIG_IGN)
  }

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard unsafe Glibc.pipe(&ends) == 0 else {
      throw LigatureError(.file, "the system gives no pipe: \(systemErrorText())")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// Nil, with the reason in `errno`, when it cannot be started.
  private static func start(_ command: [String], input: Int32, output: Int32, errors: String) throws -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    var (arguments, variables) = unsafe (
      command.map { unsafe strdup($0) } + [nil], environment.map { unsafe strdup($0) } + [nil]
    )
    defer { unsafe (arguments + variables).forEach { unsafe free($0) } }
    var process = pid_t()
    let problem = unsafe posix_spawn(&process, command[0], &actions, nil, &arguments, &variables)
    errno = problem
    return problem == 0 ? process : nil
  }

  deinit {
    close(questions)
    close(answers)
    kill(process, SIGTERM)
    while waitpid(process, nil, 0) < 0, errno == EINTR {}
  }

  /// Sends a line and waits for the answer.
  ///
  /// - Throws: `.file` when the engine ended, is silent for longer than `seconds`, or speaks of something else;
  ///   `.unsupported` with its own words when it cannot do what it was told.
  package func ask(_ line: String, seconds: Int) throws -> EngineReply {
    send(Array((line + "\n").utf8))
    let answer = try readLine(seconds: seconds)
    guard let reply = try? JSONDecoder().decode(EngineReply.self, from: Data(answer)) else {
      let text = String(decoding: answer.prefix(200), as: UTF8.self)
      throw LigatureError(.file, "\(name) answered '\(text)', which is no reply")
    }
    return reply
  }

  /// Whether it was heard shows when it answers.
  private func send(_ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe write(questions, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      done += count
    }
  }

  private func readLine(seconds: Int) throws -> [UInt8] {
    let descriptor = answers
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
