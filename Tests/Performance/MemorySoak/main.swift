import Foundation
import GraphIR
import ONNXFormat
import Operators
import Runtime
import TensorCore

// Runs a model on random input sizes, none of them twice while there are others, and looks whether memory stays flat:
//   swift run -c release memory-soak MODEL [runs] [largest side] [largest batch] [step of sides] [smallest side]
// Exits with 1 if it does not. See Tests/Performance/README.md.

struct Usage: Error {}

func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .ascii) else { return 0 }
  let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

func mebibytes(_ bytes: Int) -> String { String(format: "%8.1f", Double(bytes) / 1_048_576) }

func soak(_ arguments: [String]) throws -> Bool {
  guard let path = arguments.first else { throw Usage() }
  func number(_ index: Int, _ standard: Int) -> Int {
    index < arguments.count ? Int(arguments[index]) ?? standard : standard
  }
  let (runs, side, batch) = (number(1, 10_000), number(2, 320), number(3, 2))
  let step = max(number(4, 32), 1)
  let smallest = max(number(5, step), 1)
  let session = try Session(preparing: Model(contentsOf: path, operators: .standard).graph, options: .init(threads: 1))
  var random = UInt64(1)
  func below(_ count: Int) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((random >> 33) % UInt64(count))
  }
  func drawShapes() -> [[Int]] {
    var sizes: [String: Int] = [:]
    return session.inputs.map { input in
      (input.type.shape ?? []).enumerated().map { axis, dimension -> Int in
        if let size = dimension.value { return size }
        if let known = sizes["\(dimension)"] { return known }
        let size = axis == 0 ? 1 + below(batch) : smallest + step * below(max(side - smallest, 0) / step + 1)
        sizes["\(dimension)"] = size
        return size
      }
    }
  }
  // Of each size a number: sizes themselves would be memory that grows.
  var seen: Set<Int> = []
  seen.reserveCapacity(max(runs, 0))
  func inputs() throws -> [Tensor] {
    var shapes = drawShapes()
    var tries = 1
    while !seen.insert(shapes.hashValue).inserted, tries < 1000 {
      shapes = drawShapes()
      tries += 1
    }
    return try shapes.map { shape in
      try Tensor((0..<Checked.elementCount(shape)).map { Float($0 % 17) / 17 }, shape)
    }
  }
  print("    runs  resident     arena    packed  plans   (MiB)")
  var settled = 0
  for run in 1...max(runs, 10) {
    try session.run(inputs()) { _ in }
    if run == runs / 5 { settled = residentBytes() }
    if run % max(runs / 20, 1) == 0 {
      let count = String(repeating: " ", count: max(0, 8 - "\(run)".count)) + "\(run)"
      print(
        "\(count)  \(mebibytes(residentBytes()))  \(mebibytes(session.arenaByteCount))"
          + "  \(mebibytes(session.packedByteCount))  \(session.planCount)")
    }
  }
  let grown = residentBytes() - settled
  print("\(runs) runs on \(seen.count) sizes")
  print("after the first fifth resident memory grew by \(mebibytes(grown)) MiB")
  return grown <= settled / 20 + (4 << 20)
}

do {
  exit(try soak(Array(CommandLine.arguments.dropFirst())) ? 0 : 1)
} catch is Usage {
  print("usage: memory-soak MODEL [runs] [largest side] [largest batch] [step of sides] [smallest side]")
  exit(64)
} catch {
  print("error: \(error)")
  exit(2)
}
