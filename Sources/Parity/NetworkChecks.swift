import Autodiff
import GraphIR
import Runtime
import TensorCore

/// What a network computes in evaluation mode.
struct ForwardCheck {
  let bundle: Bundle
  let subject: any Subject
  let options: Session.Options

  func run() throws -> [Check] {
    guard let recorded = try bundle.tensors("forward") else { return [] }
    let graph = try subject.inferenceGraph()
    let inputs = try subject.inferenceInputs(recorded)
    let produced = try subject.outputs(Session(preparing: graph, options: options).run(inputs))
    var checks: [Check] = []
    for (name, expected) in recorded.sorted(by: { $0.key < $1.key }) where name.hasPrefix("out.") {
      guard let own = produced[name] else {
        throw LigatureError(.unsupported, "the bundle's output '\(name)' has no counterpart in \(bundle.architecture)")
      }
      checks.append(try compare(name, own, expected))
    }
    return checks + (try features(graph, inputs, recorded))
  }

  private func compare(_ name: String, _ own: Tensor, _ expected: Tensor) throws -> Check {
    let scale = max(try expected.maximalMagnitude, .leastNormalMagnitude)
    return Check(
      .forward, name, error: try own.maximalDifference(from: expected) / scale, tolerance: Tolerances.forward,
      measure: "of scale")
  }

  /// Features on the way (`mid.*`): the last result of the module's scope that has the recorded shape.
  private func features(_ graph: Graph, _ inputs: [String: Tensor], _ recorded: [String: Tensor]) throws -> [Check] {
    var graph = graph
    var found: [(name: String, output: String)] = []
    for (module, shape) in (bundle.model["mid"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let shape = shape.integers, let value = result(of: module, rank: shape.count, in: graph) else { continue }
      let output = graph.freshName("mid.\(module)")
      if !graph.isOutput(value) {
        try graph.addOutput(value, name: output)
        found.append((module, output))
      }
    }
    let produced = try Session(graph, options: options).run(inputs)
    return try found.flatMap { feature -> [Check] in
      guard let own = produced[feature.output], let shape = bundle.model["mid"]?[feature.name]?.integers else {
        return []
      }
      guard own.shape == shape else {
        return [Check(.forward, "mid.\(feature.name) \(own.shape) for \(shape)", differences: 1)]
      }
      let values = try own.floats()
      let sample = try Tensor((0..<64).map { values[$0 * values.count / 64] }, [64])
      guard let expected = recorded["mid.\(feature.name).strided"] else { return [] }
      return [try compare("mid.\(feature.name)", sample, expected)]
    }
  }

  private func result(of module: String, rank: Int, in graph: Graph) -> ValueID? {
    let scope = "/" + module.split(separator: ".").joined(separator: "/")
    let last = graph.order.last { graph[$0].name == scope || graph[$0].name.hasPrefix(scope + "/") }
    guard let last, let value = graph[last].outputs.first, let value, graph[value].type.rank == rank else { return nil }
    return value
  }
}

/// Loss terms, gradients and running statistics of one pass in training mode.
struct LossCheck {
  let bundle: Bundle
  let subject: any Subject
  let options: Session.Options
  let tolerances: Tolerances

  func run() throws -> [Check] {
    guard let recorded = try bundle.tensors("loss") else { return [] }
    var objective = try subject.trainingObjective()
    let gradients = try differentiate(&objective.graph, loss: objective.loss, wrt: objective.trainable)
    let produced = try evaluate(objective, gradients, subject.trainingInputs(recorded))
    let names = objective.trainable.map { objective.graph[$0].name }
    let terms = objective.terms.map(\.name) + ["total"]
    return try terms.map { try compareLoss($0, produced, recorded) }
      + (try compareGradients(names, produced, recorded)) + (try compareStatistics(produced, recorded))
  }

  private func evaluate(
    _ objective: TrainingObjective, _ gradients: [ValueID: ValueID], _ inputs: [String: Tensor]
  ) throws -> [String: Tensor] {
    var graph = objective.graph
    for term in objective.terms { try graph.addOutput(term.value, name: "loss.\(term.name)") }
    try graph.addOutput(objective.loss, name: "loss.total")
    for parameter in objective.trainable {
      guard let gradient = gradients[parameter] else { continue }
      try graph.addOutput(gradient, name: "grad.\(graph[parameter].name)")
    }
    for update in objective.updates { try graph.addOutput(update.next, name: "stat.\(graph[update.state].name)") }
    return try Session(graph, options: options).run(inputs)
  }

  private func compareLoss(_ term: String, _ produced: [String: Tensor], _ recorded: [String: Tensor]) throws -> Check {
    let name = "loss.\(term)"
    guard let own = try produced[name]?.doubles().first, let expected = try recorded[name]?.doubles().first else {
      throw LigatureError(.format, "the bundle has no '\(name)'")
    }
    let error = own.isNaN && expected.isNaN ? 0 : abs(own - expected) / max(abs(expected), .leastNormalMagnitude)
    return Check(
      .losses, name, error: own == expected ? 0 : error, tolerance: Tolerances.loss, measure: "relative")
  }

  private func compareGradients(
    _ names: [String], _ produced: [String: Tensor], _ recorded: [String: Tensor]
  ) throws -> [Check] {
    let zero = Set(bundle.model["parameters_with_zero_gradient"]?.strings ?? zeroInDeviation)
    let norms = try recorded.filter { $0.key.hasPrefix("norm.") }.mapValues { try $0.doubles().first ?? 0 }
    let largest = norms.values.max() ?? 0
    var checks: [Check] = []
    for name in names {
      guard let gradient = produced["grad.\(name)"] else { continue }
      guard let norm = norms["norm.\(name)"] else {
        // Without a record, the reference has no gradient there.
        checks.append(
          Check(
            .gradients, "\(name) (none in the reference)", error: try gradient.norm, tolerance: 0, measure: "absolute"))
        continue
      }
      if zero.contains(name) {
        checks.append(
          Check(
            .gradients, "norm.\(name) (exactly 0)", error: try gradient.norm / largest,
            tolerance: Tolerances.zeroGradient, measure: "of the largest norm"))
        continue
      }
      let own = try gradient.norm
      checks.append(
        Check(
          .gradients, "norm.\(name)", error: abs(own - norm) / max(norm, .leastNormalMagnitude),
          tolerance: tolerances.gradientNorm, measure: "relative"))
      checks += try compareElements(name, gradient, norm, recorded)
    }
    let missing = norms.keys.filter { key in !names.contains(String(key.dropFirst("norm.".count))) }
    return checks + missing.sorted().map { Check(.gradients, "\($0) is not trained", differences: 1) }
  }

  /// The first 8 elements (or all), in units of the gradient's root mean square, or of the element where that is more.
  private func compareElements(
    _ name: String, _ gradient: Tensor, _ norm: Double, _ recorded: [String: Tensor]
  ) throws -> [Check] {
    let rms = norm / Double(max(gradient.count, 1)).squareRoot()
    return try ["grad", "gradx"].compactMap { kind in
      guard let expected = try recorded["\(kind).\(name)"]?.doubles() else { return nil }
      let error = try zip(gradient.doubles(), expected).reduce(0.0) { worst, pair in
        max(worst, abs(pair.0 - pair.1) / max(abs(pair.1), rms, .leastNormalMagnitude))
      }
      // The record is a share of the norm, which says little of tensors with many elements.
      let noise = min(
        tolerances.gradientElement * norm / max(rms, .leastNormalMagnitude), Tolerances.gradientElementLimit)
      return Check(
        .gradients, "\(kind).\(name)", error: error, tolerance: max(tolerances.gradientNorm, noise),
        measure: "of element or rms")
    }
  }

  /// Where a bundle lists them with its deviation from double precision instead.
  private var zeroInDeviation: [String] {
    bundle.model["float64_deviation"]?["zero in exact arithmetic (float32 gives rounding noise)"]?.strings ?? []
  }

  private func compareStatistics(_ produced: [String: Tensor], _ recorded: [String: Tensor]) throws -> [Check] {
    try recorded.filter { $0.key.hasPrefix("stat.") }.sorted { $0.key < $1.key }.map { name, expected in
      guard let own = produced[name] else { return Check(.statistics, "\(name) is not updated", differences: 1) }
      let first = try Tensor(Array(own.floats().prefix(expected.count)), expected.shape)
      return Check(
        .statistics, name,
        error: try first.maximalDifference(from: expected) / max(expected.maximalMagnitude, .leastNormalMagnitude),
        tolerance: Tolerances.statistics, measure: "of scale")
    }
  }
}

/// Losses on maps that the bundle gives.
struct LossCasesCheck {
  let bundle: Bundle
  let subject: any Subject
  let options: Session.Options

  func run() throws -> [Check] {
    guard let cases = try bundle.json("loss_cases")?["cases"]?.array, let recorded = try bundle.tensors("loss_cases")
    else { return [] }
    return try cases.flatMap { description in try compare(description, recorded) }
  }

  private func compare(_ description: JSONValue, _ recorded: [String: Tensor]) throws -> [Check] {
    let name = try description["name"].required("loss_cases.name", \.string)
    guard var loss = try subject.lossCase(description, recorded) else { return [] }
    let gradients = try differentiate(&loss.graph, loss: loss.loss, wrt: [loss.prediction])
    for term in loss.terms { try loss.graph.addOutput(term.value, name: term.name) }
    try loss.graph.addOutput(loss.loss, name: "total")
    if let gradient = gradients[loss.prediction] { try loss.graph.addOutput(gradient, name: "grad") }
    let produced = try Session(loss.graph, options: options).run(loss.inputs)
    var checks: [Check] = []
    var expected = (description["losses"]?.object ?? [:]).compactMapValues(\.double)
    expected["total"] = description["total"]?.double
    for (term, value) in expected.sorted(by: { $0.key < $1.key }) {
      guard let own = try produced[term]?.doubles().first else {
        throw LigatureError(.format, "the loss case '\(name)' has a term '\(term)' that the loss does not")
      }
      let error = own == value ? 0 : abs(own - value) / max(abs(value), .leastNormalMagnitude)
      checks.append(
        Check(.lossCases, "\(name).\(term)", error: error, tolerance: Tolerances.loss, measure: "relative"))
    }
    if let gradient = try compareGradient(description, produced["grad"], recorded, name) { checks.append(gradient) }
    return checks
  }

  private func compareGradient(
    _ description: JSONValue, _ produced: Tensor?, _ recorded: [String: Tensor], _ name: String
  ) throws -> Check? {
    guard let record = description["grad"], let tensor = record["tensor"]?.string, let expected = recorded[tensor],
      let produced
    else { return nil }
    let stride = record["stride"]?.integer ?? 1
    let own = try produced.floats().enumerated().filter { $0.offset % max(stride, 1) == 0 }.map(\.element)
    let sample = try Tensor(own, [own.count])
    let error = try sample.maximalDifference(from: expected.reshaped([expected.count]))
    return Check(
      .lossCases, "\(name).grad", error: error / max(try expected.maximalMagnitude, .leastNormalMagnitude),
      tolerance: Tolerances.gradient, measure: "of scale")
  }
}
