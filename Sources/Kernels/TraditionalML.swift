import CKernels
import GraphIR
import Operators
import TensorCore

enum TraditionalMLKernels {
  static func register(in table: inout KernelTable) {
    table.register(ArrayFeatureExtractor.self, prepare: prepareColumns)
    table.register(Binarizer.self) { op, context in
      try .portable(context) { operands in
        let (x, y) = (try operands.input(0), try operands.output())
        for index in 0..<x.count { y[index] = x[index] > Double(op.threshold) ? 1 : 0 }
      }
    }
    table.register(TreeEnsemble.self, prepare: prepareTrees)
    table.register(TfIdfVectorizer.self, prepare: prepareCounts)
  }

  private static func prepareColumns(_ op: ArrayFeatureExtractor, _ context: KernelContext) throws -> Step {
    let (x, places, y) = (try context.input(0), try context.input(1), try context.output())
    let line = try Line(x.shape, axis: -1)
    let size = x.element.byteSize
    return Step { memory in
      for index in 0..<y.count {
        let place = unsafe memory.longs(places)[index % places.count]
        guard (0..<line.count).contains(place) else {
          throw LigatureError(.numeric, "column \(place) of \(line.count) is asked for")
        }
        unsafe (memory.raw(y) + index * size).copyMemory(
          from: memory.raw(x) + (index / places.count * line.count + place) * size, byteCount: size)
      }
    }
  }

  private static func prepareTrees(_ op: TreeEnsemble, _ context: KernelContext) throws -> Step {
    let features = try context.input(0).shape[1]
    guard op.nodes.allSatisfy({ $0.feature < features }) else {
      throw LigatureError(.shape, "a node asks for a feature past the \(features) that there are")
    }
    // What is compared has the input's precision.
    let isDouble = try context.input(0).element == .float64
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      switch op.aggregate {
      case .min: y.fill(isDouble ? .greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude))
      case .max: y.fill(isDouble ? -.greatestFiniteMagnitude : -Double(Float.greatestFiniteMagnitude))
      default: y.fill(0)
      }
      for row in 0..<y.count / op.targets {
        for root in op.roots {
          var place = (index: root, isLeaf: false)
          while !place.isLeaf {
            let node = op.nodes[place.index]
            place = isTrue(node, x[row * features + node.feature]) ? node.whenTrue : node.whenFalse
          }
          let leaf = op.leaves[place.index]
          let at = row * op.targets + leaf.target
          switch op.aggregate {
          case .sum: y[at] += leaf.weight
          case .average: y[at] += leaf.weight / Double(op.roots.count)
          case .min: y[at] = min(y[at], leaf.weight)
          case .max: y[at] = max(y[at], leaf.weight)
          }
        }
      }
    }
  }

  private static func isTrue(_ node: TreeEnsemble.Node, _ value: Double) -> Bool {
    if value.isNaN { return node.missingIsTrue }
    return switch node.comparison {
    case .atMost: value <= node.split
    case .below: value < node.split
    case .atLeast: value >= node.split
    case .above: value > node.split
    case .equal: value == node.split
    case .unequal: value != node.split
    case .member: node.members.contains(value)
    }
  }

  private static func prepareCounts(_ op: TfIdfVectorizer, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let length = x.shape.last ?? 0
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      y.fill(0)
      for row in 0..<(op.width == 0 ? 0 : y.count / op.width) {
        let words = try (0..<length).map { try x.integer(row * length + $0, "a word") }
        count(op, words) { y[row * op.width + op.indexes[$0]] += 1 }
        for (number, place) in op.indexes.enumerated() {
          let at = row * op.width + place
          let weight = Double(op.weights?[number] ?? 1)
          switch op.mode {
          case .count: break
          case .presence: y[at] = y[at] > 0 ? weight : 0
          case .weighted: y[at] *= weight
          }
        }
      }
    }
  }

  /// Calls `found` with the number of each known sequence, once for every place and number of skipped words.
  private static func count(_ op: TfIdfVectorizer, _ words: [Int], _ found: (Int) -> Void) {
    for size in op.lengths where size <= words.count {
      // Single words have nothing to skip between them.
      for skipped in 0...(size == 1 ? 0 : min(op.skips, words.count)) {
        let step = skipped + 1
        guard (size - 1) * step < words.count else { break }
        for first in 0..<words.count - (size - 1) * step {
          let sequence = (0..<size).map { words[first + $0 * step] }
          if let number = op.sequences[sequence] { found(number) }
        }
      }
    }
  }
}
