import GraphIR
import Runtime
import TensorCore
import Training

/// Optimiser steps on one batch: the loss before each and after the last, and parameters afterwards.
struct StepsCheck {
  let bundle: Bundle
  let subject: any Subject
  let options: Session.Options
  let tolerances: Tolerances

  func run() throws -> [Check] {
    guard let steps = try bundle.json("steps"), let recorded = try bundle.tensors("loss") else { return [] }
    let losses = try steps["loss.total"].required("steps.loss.total", \.doubles)
    let graph = try TrainingGraph(
      subject.trainingObjective(), optimizer: optimizer(steps["optimizer"]), clipping: clipping(steps["grad_clip"]))
    var trainerOptions = Trainer.Options()
    trainerOptions.session = options
    let trainer = try Trainer(graph, options: trainerOptions)
    let inputs = try subject.trainingInputs(recorded)
    var checks: [Check] = []
    for (index, expected) in losses.enumerated() {
      let result = try trainer.step(inputs)
      checks.append(compare("step \(index) loss.total", Double(result.loss), expected, tolerances.step(index)))
      for (term, value) in (steps["terms"]?.array?[safely: index]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
        guard let own = result.terms.first(where: { $0.name == term }), let value = value.double else { continue }
        let tolerance = tolerances.step(index, term: value, of: expected)
        checks.append(compare("step \(index) \(term)", Double(own.value), value, tolerance))
      }
    }
    checks += try compareParameters(steps, trainer, losses.count)
    if let after = steps["loss.after"]?.double {
      checks.append(compare("loss.after", Double(try trainer.step(inputs).loss), after, tolerances.step(losses.count)))
    }
    return checks
  }

  private func compare(_ name: String, _ own: Double, _ expected: Double, _ tolerance: Double) -> Check {
    Check(
      .steps, name, error: abs(own - expected) / max(abs(expected), .leastNormalMagnitude),
      tolerance: tolerance, measure: "relative")
  }

  /// The first elements of some parameters, in units of the element or the root mean square, and norms.
  private func compareParameters(_ steps: JSONValue, _ trainer: Trainer, _ count: Int) throws -> [Check] {
    var checks: [Check] = []
    for (name, record) in (steps["after_\(count)_steps"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
      let own = try trainer.state(named: name)
      let norm = try record["norm"].required("steps.\(name).norm", \.double)
      checks.append(compare("norm of \(name)", try own.norm, norm, tolerances.step(count)))
      let rms = norm / Double(max(own.count, 1)).squareRoot()
      let error = try zip(own.doubles(), record["first"]?.doubles ?? []).reduce(0.0) { worst, pair in
        max(worst, abs(pair.0 - pair.1) / max(abs(pair.1), rms, .leastNormalMagnitude))
      }
      checks.append(
        Check(.steps, name, error: error, tolerance: tolerances.step(count), measure: "of element or rms"))
    }
    for (name, norm) in (steps["norm_after"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let norm = norm.double else { continue }
      checks.append(compare("norm of \(name)", try trainer.state(named: name).norm, norm, tolerances.step(count)))
    }
    return checks
  }

  private func optimizer(_ record: JSONValue?) throws -> Optimizer {
    func number(_ key: String, _ fallback: Double) -> Float { Float(record?[key]?.double ?? fallback) }
    let rate = Float(try record?["lr"].required("optimizer.lr", \.double) ?? 0)
    let betas = record?["betas"]?.doubles ?? [0.9, 0.999]
    guard betas.count == 2, record?["amsgrad"]?.bool != true else {
      throw LigatureError(.unsupported, "the bundle's optimiser has no two betas, or uses amsgrad")
    }
    let (both, decay) = ((Float(betas[0]), Float(betas[1])), number("weight_decay", 0))
    switch record?["type"]?.string {
    case "SGD":
      return .sgd(
        learningRate: rate, momentum: number("momentum", 0), weightDecay: decay,
        nesterov: record?["nesterov"]?.bool ?? false)
    case "Adam": return .adam(learningRate: rate, betas: both, epsilon: number("eps", 1e-8), weightDecay: decay)
    case "AdamW": return .adamW(learningRate: rate, betas: both, epsilon: number("eps", 1e-8), weightDecay: decay)
    case "Adadelta":
      return .adadelta(
        learningRate: rate, rho: number("rho", 0.9), epsilon: number("eps", 1e-6), weightDecay: decay)
    case let type:
      throw LigatureError(.unsupported, "the bundle's optimiser '\(type ?? "")' is not known")
    }
  }

  private func clipping(_ record: JSONValue?) throws -> GradientClipping {
    guard let record else { return .none }
    guard let maximum = record["max_norm"]?.double, record["norm_type"]?.double ?? 2 == 2 else {
      throw LigatureError(.unsupported, "the bundle clips gradients in another way than by their norm")
    }
    return .norm(Float(maximum))
  }
}

extension Array {
  subscript(safely index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
