import CKernels
import FoundationEssentials
import TensorCore

/// Which processors a process may run on.
public enum Processors {
  /// Those that this process may run on, in order.
  public static func allowed() throws -> [Int] {
    var found = [Int32](repeating: 0, count: 1024)
    let count = unsafe lig_allowed_processors(&found, Int32(found.count))
    guard count > 0 else {
      throw LigatureError(.unsupported, "cannot ask which processors there are: \(systemErrorText())")
    }
    return found.prefix(Int(count)).map(Int.init)
  }

  /// Keeps this process, and every thread that it starts from now on, on these processors.
  ///
  /// - Throws: `.usage` when there is none of them.
  public static func pin(to processors: [Int]) throws {
    let wanted = processors.map { Int32(clamping: $0) }
    guard unsafe lig_keep_on_processors(wanted, Int32(wanted.count)) == 0 else {
      throw LigatureError(.usage, "cannot run on the processors \(processors): \(systemErrorText())")
    }
  }

  /// What the machine calls its processor.
  public static var modelName: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let name = lines.first { $0.hasPrefix("model name") }?.split(separator: ":", maxSplits: 1).last
    return name.map { $0.trimmed } ?? "unknown processor"
  }
}

/// The memory of this process, as the kernel counts it.
public enum ResidentMemory {
  /// Bytes that it holds now.
  public static var now: Int { field("VmRSS") }
  /// The most bytes that it has held since the program started. (`getrusage` would count what its parent held.)
  public static var peak: Int { field("VmHWM") }

  private static func field(_ name: String) -> Int {
    let lines = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
    let words = lines.first { $0.hasPrefix(name + ":") }?.split(whereSeparator: { $0 == " " || $0 == "\t" }) ?? []
    return words.count > 1 ? (Int(words[1]) ?? 0) * 1024 : 0
  }
}
