public import Kernels
public import ONNXFormat
import Operators
public import Runtime

extension Session {
  /// Reads a model file and prepares it for this machine; with `options.cache`, only for the first time.
  ///
  /// - Parameter onlyFirstOutput: leaves out what no other output than the first needs, such as the branch of a
  ///   detector that only training reads.
  /// - Returns: what the file says (its graph is the prepared one where that came from the cache), and the session.
  /// - Throws: what `Model` throws of a file that cannot be read, and `Session` of a graph that cannot run.
  public static func load(
    _ path: String, options: Options = Options(), onlyFirstOutput: Bool = false, kernels: KernelTable = .standard
  ) throws -> (model: Model, session: Session) {
    guard let folder = options.cache else {
      let model = try Model(contentsOf: path, operators: .standard, limits: options.limits)
      return (model, try Session(preparing: model, onlyFirstOutput, options, kernels))
    }
    let cache = PreparedCache(folder: folder, limit: options.cacheLimit, log: options.log)
    let precision = options.precision ?? .float32
    let variant = "\(onlyFirstOutput) \(options.memoryLimit) \(precision.rawValue)"
    guard let entry = try cache.entry(model: path, variant: variant) else {
      let model = try Model(contentsOf: path, operators: .standard, limits: options.limits)
      return (model, try Session(preparing: model, onlyFirstOutput, options, kernels))
    }
    if let model = cache.graph(entry) {
      let session = try Session(prepared: model.graph, options: options, kernels: kernels)
      session.packed.restore(cache.packed(entry, of: model))
      session.keep(in: cache, entry)
      return (model, session)
    }
    let model = try Model(contentsOf: path, operators: .standard, limits: options.limits)
    let session = try Session(preparing: model, onlyFirstOutput, options, kernels)
    // Weights in other files may change while the model's own does not.
    if model.externalFiles.isEmpty {
      var prepared = model
      prepared.graph = session.graph
      cache.write(prepared, entry)
      session.keep(in: cache, entry)
    }
    return (model, session)
  }

  private convenience init(
    preparing model: Model, _ onlyFirstOutput: Bool, _ options: Options, _ kernels: KernelTable
  ) throws {
    var graph = model.graph
    if onlyFirstOutput, let output = graph.outputs.first, let name = graph.outputNames.first {
      graph.removeOutputs()
      try graph.addOutput(output, name: name)
    }
    try self.init(preparing: graph, options: options, kernels: kernels)
  }

  /// From now on what the session packs is kept.
  private func keep(in cache: PreparedCache, _ entry: PreparedCache.Entry) {
    var keeper = PreparedCache.Keeper(cache: cache, entry: entry, made: 0)
    self.keeper = { keeper.keep($0, of: $1) }
  }
}
