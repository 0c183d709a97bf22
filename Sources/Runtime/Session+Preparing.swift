public import GraphIR
public import Kernels
import Passes

extension Session {
  /// Turns a portable graph into one for this machine (`Pipelines.prepared`), then makes the session.
  public convenience init(
    preparing graph: Graph, options: Options = Options(), kernels: KernelTable = .standard
  ) throws {
    var prepared = graph
    let pipeline = Pipelines.prepared(evaluate: Session.evaluator(options, kernels: kernels))
    try pipeline.run(&prepared)
    try prepared.updateBodies { try pipeline.run(&$0) }
    try self.init(prepared: prepared, options: options, kernels: kernels)
  }

  /// Of a graph that passes have been over.
  package convenience init(prepared graph: Graph, options: Options, kernels: KernelTable) throws {
    var options = options
    options.precision = options.precision ?? .float32
    try self.init(graph, options: options, kernels: kernels)
  }
}
