import Architectures
import Foundation
import GraphIR
import Operators
import Runtime
import TensorCore
import Training

/// Runs training steps on made-up data and says how long each took: the Swift half of `training_speed.py`.
///
///     training-bench crnn|dbnet THREADS [--profile [--nodes]]
///
/// Prints one JSON line with the planned memory, then runs one step for each line of input and prints its seconds and
/// the most memory held so far. With `--profile` it prints where the time goes instead.
@main struct TrainingBench {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 3, let threads = Int(arguments[2]), (1...256).contains(threads),
      ["crnn", "dbnet"].contains(arguments[1])
    else {
      print("usage: training-bench crnn|dbnet THREADS [--profile [--nodes]]")
      exit(64)
    }
    let step = try arguments[1] == "crnn" ? TrainingBench.crnn() : TrainingBench.dbnet()
    if arguments.contains("--profile") {
      try profile(step, threads: threads, perNode: arguments.contains("--nodes"))
    } else {
      try serve(step, threads: threads)
    }
  }

  struct Step {
    let graph: TrainingGraph
    let inputs: [String: Tensor]
    let batch: Int
  }

  // ── The two steps ─────────────────────────────────────────────────────────
  static func crnn() throws -> Step {
    let objective = try CRNN().training(InitialParameters(seed: 1))
    let graph = try TrainingGraph(objective, optimizer: .adadelta())
    var random = SystemRandomNumberGenerator()
    let batch = 32
    let targets = (0..<batch * 8).map { _ in Int64.random(in: 1..<37, using: &random) }
    return Step(
      graph: graph,
      inputs: [
        "image": try uniform([batch, 1, 32, 100], -1...1), "targets": try Tensor(targets, [batch, 8]),
        "target_lengths": try Tensor([Int64](repeating: 8, count: batch), [batch]),
      ], batch: batch)
  }

  static func dbnet() throws -> Step {
    let objective = try DBNet().training(InitialParameters(seed: 1))
    let graph = try TrainingGraph(
      objective, optimizer: .sgd(learningRate: 0.007, momentum: 0.9, weightDecay: 1e-4))
    let (batch, size) = (2, 640)
    let map = [batch, 1, size, size]
    let text = try uniform(map, 0...1).floats().map { $0 > 0.9 ? Float(1) : 0 }
    let ones = try Tensor([Float](repeating: 1, count: text.count), map)
    return Step(
      graph: graph,
      inputs: [
        "image": try uniform([batch, 3, size, size], -2...2), "gt_shrink": try Tensor(text, map),
        "gt_shrink_mask": ones, "gt_thr": try uniform(map, 0...1), "gt_thr_mask": ones,
      ], batch: batch)
  }

  static func uniform(_ shape: [Int], _ range: ClosedRange<Float>) throws -> Tensor {
    try Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: range) }, shape)
  }

  // ── Timing ────────────────────────────────────────────────────────────────
  static func serve(_ step: Step, threads: Int) throws {
    let before = peakResident()
    let trainer = try Trainer(step.graph, options: .init(threads: threads))
    let use = try trainer.memoryUse(step.inputs.mapValues(\.shape))
    print(
      "{\"batch\": \(step.batch), \"arena\": \(use.arena), \"lower_bound\": \(use.lowerBound), "
        + "\"start\": \(before)}")
    flush()
    while readLine() != nil {
      let start = ContinuousClock.now
      let result = try trainer.step(step.inputs)
      let seconds = seconds(start.duration(to: .now))
      print("{\"seconds\": \(seconds), \"loss\": \(result.loss), \"peak\": \(peakResident())}")
      flush()
    }
  }

  static func flush() { _ = fflush(nil) }

  static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  /// Bytes that this process has held at most.
  static func peakResident() -> Int {
    var usage = rusage()
    guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    return usage.ru_maxrss * 1024
  }

  // ── Profile ───────────────────────────────────────────────────────────────
  final class Observer: StepObserver, @unchecked Sendable {
    var times: [Int: Double] = [:]
    var last = 0.0
    func didRun(_ step: Int) {
      let now = TrainingBench.processorSeconds()
      times[step] = min(times[step] ?? .infinity, now - last)
      last = now
    }
  }

  /// Of all threads together: what other programs take meanwhile does not count.
  static func processorSeconds() -> Double {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  static func profile(_ step: Step, threads: Int, perNode: Bool) throws {
    var options = Session.Options(threads: threads)
    options.memoryLimit = .max
    let session = try Session(step.graph.graph, updates: step.graph.updates, options: options)
    let inputs = try session.inputs.map { input in
      guard let tensor = step.inputs[input.name] else { throw LigatureError(.usage, "no input \(input.name)") }
      return tensor
    }
    let observer = Observer()
    for round in 0..<4 {
      if round == 1 { observer.times = [:] }
      observer.last = processorSeconds()
      try session.run(inputs, observer: observer) { _ in }
    }
    let nodes = try session.steps(for: inputs)
    var kinds: [String: (count: Int, seconds: Double)] = [:]
    for (index, node) in nodes.enumerated() {
      let time = observer.times[index] ?? 0
      let name = session.graph[node].op.name.type
      kinds[name, default: (0, 0)].count += 1
      kinds[name, default: (0, 0)].seconds += time
    }
    let total = kinds.values.reduce(0) { $0 + $1.seconds }
    print("total \(text(total * 1000)) ms, arena \(session.arenaByteCount >> 20) MiB")
    for (name, entry) in kinds.sorted(by: { $0.value.seconds > $1.value.seconds }) {
      print("\(text(entry.seconds * 1000)) ms  \(entry.count)x  \(name)")
    }
    guard perNode else { return }
    for (index, node) in nodes.enumerated().sorted(by: { (observer.times[$0.0] ?? 0) > (observer.times[$1.0] ?? 0) })
      .prefix(70)
    {
      print(
        "\(text((observer.times[index] ?? 0) * 1000)) ms  #\(index) \(session.graph[node].op.name.type) \(session.graph[node].name)"
      )
    }
  }

  static func text(_ value: Double) -> String {
    let digits = String(Int((value * 100).rounded()))
    let padded = String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    return String(repeating: " ", count: max(0, 8 - padded.count)) + padded.dropLast(2) + "." + padded.suffix(2)
  }
}
