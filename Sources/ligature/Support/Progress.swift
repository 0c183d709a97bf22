import Glibc

/// Says on standard error how far several inputs have come: a bar on a terminal, else a line for each. Of a single
/// input it says nothing.
struct Progress {
  private let count: Int
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var done = 0

  init(count: Int) {
    self.count = count
    showBar()
  }

  /// One more is done; `output` may print without touching the bar.
  mutating func finished(_ text: String, output: () -> Void) {
    done += 1
    clearBar()
    if count > 1, !isTerminal { write("[\(done)/\(count)] \(text.printable)\n") }
    output()
    showBar()
  }

  /// One more could not be handled.
  mutating func failed(_ text: String, output: () -> Void) {
    done += 1
    clearBar()
    let text = text.printable
    write(count > 1 && !isTerminal ? "[\(done)/\(count)] error: \(text)\n" : "error: \(text)\n")
    output()
    showBar()
  }

  /// Leaves the terminal without a bar.
  func end() { clearBar() }

  private func showBar() {
    guard isTerminal, count > 1, done < count else { return }
    let width = 30
    let filled = done * width / count
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    write("\r\(bar) \(done)/\(count)")
  }

  private func clearBar() {
    guard isTerminal, count > 1 else { return }
    write("\r\u{1B}[K")
  }

  private func write(_ text: String) { writeToStandardError(text) }
}
