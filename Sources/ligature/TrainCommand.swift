import ArgumentParser
import Glibc
import Synchronization
import TensorCore
import TrainingLoop

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a network as a recipe says.",
    discussion: """
      The recipe is YAML: network, data, augmentation, optimiser, schedule (see Models/Recipes). Its folder gets \
      log.jsonl, curve.svg, checkpoints (step-*.onnx, which hold all of the training), best.onnx and model.onnx, which \
      read pictures at once. Ctrl-C stops after the step at hand and writes a checkpoint. Whatever ended a run, \
      --resume goes on from the last checkpoint, to the same bits that the run would have had without the end.
      """)

  @Argument(help: "The recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Flag(help: "Go on from the newest checkpoint in the recipe's folder.")
  var resume = false

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Change a value of the recipe, as in optimizer.lr=0.01 or data.0.samples=5000. May be repeated.",
      valueName: "key=value"))
  var changes: [String] = []

  @Option(help: "Threads to compute with; results do not depend on it. Default: the recipe's, else all cores.")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads must lie between 1 and 256") }
  }

  func run() throws {
    var recipe = try TrainingRecipe(contentsOf: recipe, changes: changes)
    if let threads { recipe.threads = threads }
    StopRequest.listen()
    let display = TrainingDisplay()
    let run = try TrainingRun(recipe, resuming: resume, observer: display)
    let ending = try withExtendedLifetime(display) {
      defer { display.end() }
      return try run.run { StopRequest.isRaised }
    }
    if case .stopped(let step) = ending {
      print("stopped after step \(step); go on with --resume")
    }
  }
}

/// Ctrl-C and `kill` ask for an end; the second time they are obeyed at once.
private enum StopRequest {
  private static let raised = Atomic(false)
  static var isRaised: Bool { raised.load(ordering: .relaxed) }

  static func listen() {
    // Whoever started this may have blocked them, which is inherited.
    var asked = sigset_t()
    unsafe sigemptyset(&asked)
    for number in [SIGINT, SIGTERM] { unsafe sigaddset(&asked, number) }
    unsafe pthread_sigmask(SIG_UNBLOCK, &asked, nil)
    for number in [SIGINT, SIGTERM] {
      // Nothing but an atomic store: this runs between any two instructions.
      signal(number) { number in
        StopRequest.raised.store(true, ordering: .relaxed)
        signal(number, SIG_DFL)
      }
    }
  }
}

/// A line that is rewritten on a terminal; elsewhere a line for each entry of the log.
private final class TrainingDisplay: TrainingObserver {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var shown = ContinuousClock.now - .seconds(1)

  func note(_ text: String) {
    clear()
    writeToStandardError(text.printable + "\n")
  }

  func progress(_ progress: TrainingProgress) {
    guard isTerminal else {
      if progress.isLogged { writeToStandardError(line(progress) + "\n") }
      return
    }
    guard shown.duration(to: .now) > .milliseconds(200) || progress.step == progress.stepCount else { return }
    shown = .now
    writeToStandardError("\r\u{1B}[K" + line(progress))
  }

  func end() { if isTerminal { writeToStandardError("\n") } }

  private func clear() { if isTerminal { writeToStandardError("\r\u{1B}[K") } }

  private func line(_ progress: TrainingProgress) -> String {
    let metric = progress.metric.map { "  \($0.name) \($0.value.fixed(4))" } ?? ""
    return "epoch \(progress.epoch + 1)  step \(progress.step)/\(progress.stepCount)  loss \(progress.loss.fixed(4))"
      + "  lr \(progress.learningRate.significant)  \(progress.imagesPerSecond.fixed(1)) images/s\(metric)"
      + "  \(duration(progress.secondsLeft)) left"
  }

  private func duration(_ seconds: Double) -> String {
    let seconds = Int(max(0, min(seconds, 1e8)))
    if seconds >= 3600 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
    return seconds >= 60 ? "\(seconds / 60) min \(seconds % 60) s" : "\(seconds) s"
  }
}

extension Double {
  /// Three digits that count: `0.000123`, `1.5e-07`.
  fileprivate var significant: String { printed(self, "%.3g") }
}
