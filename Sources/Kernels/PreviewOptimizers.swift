import Glibc
import GraphIR
import Operators
import TensorCore

enum PreviewOptimizerKernels {
  static func register(in table: inout KernelTable) { table.register(PreviewOptimizer.self, prepare: prepare) }

  private static func prepare(_ op: PreviewOptimizer, _ context: KernelContext) throws -> Step {
    let count = (context.inputs.count - 2) / op.kind.stateCount
    let (alpha, beta, norm) = (Double(op.alpha), Double(op.beta), Double(op.norm))
    return try .portable(context) { operands in
      let (rate, time) = (try operands.scalar(0), try operands.scalar(1))
      for parameter in 0..<count {
        func input(_ kind: Int) throws -> Numbers { try operands.input(2 + kind * count + parameter) }
        func output(_ kind: Int) -> Numbers? { operands.optionalOutput(kind * count + parameter) }
        let (x, g, first) = (try input(0), try input(1), try input(2))
        let second = op.kind == .adam ? try input(3) : first
        for index in 0..<x.count {
          let gradient = norm * x[index] + g[index]
          switch op.kind {
          case .adagrad:
            let squares = first[index] + gradient * gradient
            output(0)?[index] =
              x[index] - rate / (1 + time * alpha) * gradient / (squares.squareRoot() + Double(op.epsilon))
            output(1)?[index] = squares
          case .momentum:
            let momentum = alpha * first[index] + (time > 0 ? beta : 1) * gradient
            output(0)?[index] = x[index] - rate * (op.isNesterov ? gradient + alpha * momentum : momentum)
            output(1)?[index] = momentum
          case .adam:
            let momentum = alpha * first[index] + (1 - alpha) * gradient
            let squares = beta * second[index] + (1 - beta) * gradient * gradient
            let adjusted = time > 0 ? rate * (1 - pow(beta, time)).squareRoot() / (1 - pow(alpha, time)) : rate
            let moved = x[index] - adjusted * momentum / (squares.squareRoot() + Double(op.epsilon))
            output(0)?[index] = (1 - Double(op.normAfter)) * moved
            output(1)?[index] = momentum
            output(2)?[index] = squares
          }
        }
      }
    }
  }
}
