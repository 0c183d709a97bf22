public import GraphIR
public import Kernels
import Passes

extension Session {
  /// Turns a portable graph into one for this machine (`Pipelines.prepared`), then makes the session.
  public convenience init(
    preparing graph: Graph, options: Options = Options(), kernels: KernelTable = .standard
  ) throws {
    var prepared = graph
    try Pipelines.prepared(evaluate: Session.evaluator(options, kernels: kernels)).run(&prepared)
    var options = options
    options.precision = options.precision ?? .float32
    try self.init(prepared, options: options, kernels: kernels)
  }
}
