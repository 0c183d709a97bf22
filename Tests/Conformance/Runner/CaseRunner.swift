import Foundation
import Loading
import ONNXFormat
import Operators
import Runtime
import TensorCore

/// Runs cases in this process.
struct CaseRunner {
  private let pool = Session.Options(threads: 2).pool

  /// Runs the cases and prints a line of JSON for each. Ends the process with code 124 when one takes too long.
  static func serve(_ cases: some Sequence<ConformanceCase>, seconds: Int) throws {
    let runner = CaseRunner()
    let clock = Watchdog(seconds: seconds)
    for item in cases {
      clock.restart()
      var line = try JSONEncoder().encode(runner.result(of: item))
      line.append(10)
      try FileHandle.standardOutput.write(contentsOf: line)
    }
    clock.stop()
  }

  private func result(of item: ConformanceCase) -> CaseResult {
    var result = CaseResult(suite: item.suite, name: item.name, subject: item.subject, outcome: .failed)
    do {
      let worst = try item.output == nil ? runRecorded(item) : runMadeUp(item)
      result.outcome = worst.problem == nil ? .passed : .failed
      result.detail = worst.problem ?? ""
      if worst.problem != nil, let dispute = item.dispute {
        result.outcome = .disputed
        result.detail = dispute
      }
      result.isClose = worst.isClose
    } catch let error as LigatureError where error.code == .unsupported {
      result.outcome = .unsupported
      result.detail = reason(error, item)
    } catch {
      result.detail = "an error: " + reason(error, item)
    }
    return result
  }

  /// Without the paths of this machine.
  private func reason(_ error: any Error, _ item: ConformanceCase) -> String {
    let text = (error as? LigatureError).map { $0.message } ?? "\(error)"
    let folder = (item.model as NSString).deletingLastPathComponent
    return text.replacing("'\(item.model)': ", with: "").replacing(folder + "/", with: "").replacing("\n", with: " ")
  }

  private func load(_ item: ConformanceCase) throws -> (model: Model, session: Session) {
    var options = Session.Options(threads: 1)
    options.pool = pool
    return try Session.load(item.model, options: options)
  }

  private func runRecorded(_ item: ConformanceCase) throws -> Comparison {
    let (model, session) = try load(item)
    guard !item.dataSets.isEmpty else {
      throw LigatureError(.unsupported, "the case has no recorded data")
    }
    var comparison = Comparison()
    for folder in item.dataSets {
      let inputs = try session.inputs.enumerated().map { index, input in
        try recorded("\(folder)/input_\(index).pb", model.kind(of: input.name), as: input.type.element)
      }
      for (index, made) in try session.run(data: inputs).enumerated() {
        let name = session.outputNames[index]
        var element = ElementType.undefined
        if case .tensor(let tensor) = made { element = tensor.element }
        let wanted = try recorded("\(folder)/output_\(index).pb", model.kind(of: name), as: element)
        var outcome = comparison
        try outcome.add(made, wanted, named: name, item)
        if outcome.problem != nil, comparison.problem == nil, item.isRandom {
          outcome = comparison
          outcome.add(random: made, wanted, named: name)
        }
        comparison = outcome
      }
    }
    return comparison
  }

  /// The data have bfloat16 as uint16, which is what numpy has for it.
  private func recorded(_ path: String, _ kind: DatumKind, as element: ElementType) throws -> Datum {
    guard case .tensor = kind else { return try TensorFile.readDatum(path, kind: kind) }
    let tensor = try TensorFile.read(path).tensor
    guard element == .bfloat16, tensor.element == .uint16 else { return .tensor(tensor) }
    return .tensor(try Tensor(.bfloat16, tensor.shape, storage: tensor.storage, byteOffset: tensor.byteOffset))
  }

  /// Inputs rise from 0 to 1, as the suite makes them for its whole networks.
  private func runMadeUp(_ item: ConformanceCase) throws -> Comparison {
    let session = try load(item).session
    let inputs = try session.inputs.map { input in
      let shape = (input.type.shape ?? []).map { $0.value ?? 1 }
      let count = try Checked.elementCount(shape)
      return try Tensor((0..<count).map { Float(Double($0) / Double(count)) }, shape)
    }
    var comparison = Comparison()
    let made = try session.run(inputs)
    if let output = item.output, let first = made.first {
      try comparison.add(first, TensorFile.read(output).tensor, named: session.outputNames[0], item)
    }
    return comparison
  }
}

/// Ends the process when it is not restarted in time.
private final class Watchdog: @unchecked Sendable {
  private let seconds: Int
  private let lock = NSLock()
  private var deadline: ContinuousClock.Instant?

  init(seconds: Int) {
    self.seconds = seconds
    Thread.detachNewThread { [self] in
      while true {
        Thread.sleep(forTimeInterval: 0.2)
        let isLate = lock.withLock { deadline.map { ContinuousClock.now > $0 } ?? false }
        if isLate { _exit(Worker.lateCode) }
      }
    }
  }

  func restart() { lock.withLock { deadline = ContinuousClock.now.advanced(by: .seconds(seconds)) } }
  func stop() { lock.withLock { deadline = nil } }
}
