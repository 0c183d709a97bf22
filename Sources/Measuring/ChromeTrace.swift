public import FoundationEssentials

/// A profile as a trace that chrome://tracing and Perfetto open: one run, its nodes below the modules that they stand
/// in. Microseconds, as the format wants them.
public struct ChromeTrace: Codable {
  public struct Event: Codable {
    public var name: String
    public var cat: String
    /// X: a whole event; M: what something is called.
    public var ph: String
    public var ts: Double?
    public var dur: Double?
    public var pid = 1
    public var tid = 1
    public var args: [String: String]
  }

  public var traceEvents: [Event]
  public var displayTimeUnit = "ms"

  public init(_ profile: Profile, model: String) {
    traceEvents = [
      Event(name: "process_name", cat: "", ph: "M", args: ["name": model]),
      Event(name: "thread_name", cat: "", ph: "M", args: ["name": "steps, \(profile.machine.threads) threads"]),
    ]
    var open: [(name: String, start: Double)] = []
    var end = 0.0
    func close(to depth: Int) {
      while open.count > depth {
        let scope = open.removeLast()
        traceEvents.append(
          Event(
            name: scope.name, cat: "scope", ph: "X", ts: scope.start * 1000, dur: (end - scope.start) * 1000, args: [:])
        )
      }
    }
    for step in profile.steps {
      let common = zip(open, step.scope).prefix { $0.name == $1 }.count
      close(to: common)
      for name in step.scope.dropFirst(common) { open.append((name, step.start)) }
      end = step.start + step.duration
      traceEvents.append(
        Event(
          name: step.name.isEmpty ? step.kind : step.name, cat: step.operator, ph: "X", ts: step.start * 1000,
          dur: step.duration * 1000,
          args: [
            "kind": step.kind, "output": step.output.map(String.init).joined(separator: "x"),
            "GFLOP/s": "\(step.rates.gigaflops)", "share of peak": "\(step.rates.peakShare)",
            "GB/s": "\(step.rates.gigabytes)",
          ]))
    }
    close(to: 0)
  }

  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }
}
