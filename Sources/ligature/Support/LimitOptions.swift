import ArgumentParser
import TensorCore

/// What every command takes that reads models.
struct LimitOptions: ParsableArguments {
  /// One limit as people write it: `nodes=5000`, `memory=4GiB`.
  struct Setting {
    let name: String
    let value: Double

    init(_ text: String) throws {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let value = Double(parts[1]) ?? ByteCount(argument: parts[1]).map({ Double($0.bytes) })
      else { throw ValidationError("--limit takes name=number, as in nodes=5000, not '\(text)'") }
      (name, self.value) = (parts[0], value)
      var trial = Limits()
      do {
        try trial.set(name, value)
      } catch let error as LigatureError {
        throw ValidationError("--limit: \(error.message)")
      }
    }
  }

  @Option(
    name: .customLong("limit"),
    help: ArgumentHelp(
      "What a file and a run may cost at most, as in nodes=5000. May be repeated. The limits: "
        + "\(Limits.names.joined(separator: ", ")).", valueName: "name=number"),
    transform: Setting.init)
  var settings: [Setting] = []

  @Option(
    help: ArgumentHelp(
      "The most memory that intermediate tensors may take, as in 512MiB; the limit 'memory'. Default: "
        + "\(ByteCount(bytes: Limits().memory)).", valueName: "bytes"))
  var memoryLimit: ByteCount?

  func limits() throws -> Limits {
    var limits = Limits()
    for setting in settings { try limits.set(setting.name, setting.value) }
    if let memoryLimit { limits.memory = memoryLimit.bytes }
    return limits
  }
}
