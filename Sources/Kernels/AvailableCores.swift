import CSystem
import FoundationEssentials
import TensorCore

/// How many processor cores this process may keep busy.
///
/// Fewer than the machine has where it is bound to some (`taskset`, `cpuset`) or its container has a quota (`docker run
/// --cpus`): more threads than that would be stopped by the system in the middle of their work, each time for most of
/// a tenth of a second, while the others wait for them.
public enum AvailableCores {
  /// At least 1.
  public static let count = max(1, min(Int(lig_bound_cores()), quota(root: "").map { Int($0.rounded()) } ?? .max))

  /// The cores' worth of time that control groups grant, the least of the group and those around it; nil: no bound.
  ///
  /// - Parameter root: a folder in the place of `/`, for tests.
  package static func quota(root: String) -> Double? {
    var least: Double?
    for line in text(root + "/proc/self/cgroup").split(separator: "\n") {
      // "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",")
      guard parts[1].isEmpty || controllers.contains("cpu") else { continue }
      let mounts = parts[1].isEmpty ? ["", "/unified"] : ["/" + parts[1], "/cpu"]
      for group in groups(parts[2]) {
        for mount in mounts {
          let folder = root + "/sys/fs/cgroup" + mount + group
          let found = parts[1].isEmpty ? quota2(folder) : quota1(folder)
          least = [least, found].compactMap { $0 }.min()
        }
      }
    }
    return least
  }

  /// A group's path and those of the groups around it: `/a/b`, `/a`, and the empty one. In a container only the last
  /// may be there.
  private static func groups(_ path: String) -> [String] {
    let names = path.split(separator: "/").filter { $0 != ".." }
    return (0...names.count).reversed().map { names.prefix($0).map { "/" + $0 }.joined() }
  }

  private static func quota2(_ folder: String) -> Double? {
    let words = text(folder + "/cpu.max").split(whereSeparator: \.isWhitespace)
    guard words.count == 2 else { return nil }
    return share(Double(words[0]), Double(words[1]))
  }

  private static func quota1(_ folder: String) -> Double? {
    func number(_ name: String) -> Double? {
      Double(text(folder + "/" + name).trimmed)
    }
    return share(number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"))
  }

  private static func share(_ quota: Double?, _ period: Double?) -> Double? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return quota / period
  }

  /// What a file of the system says; nothing where there is none.
  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
