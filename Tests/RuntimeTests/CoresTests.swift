import Foundation
import Kernels
import Testing

/// How many cores a container leaves to a process, read from folders made like those of the system.
@Suite struct CoresTests {
  private func quota(_ files: [String: String]) throws -> Double? {
    let root = FileManager.default.temporaryDirectory.appending(path: "cores-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files {
      let file = root.appending(path: path)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return AvailableCores.quota(root: root.path)
  }

  @Test func version2TakesTheLeastOfAllGroupsAround() throws {
    let group = "proc/self/cgroup"
    let folder = "sys/fs/cgroup"
    #expect(try quota([group: "0::/\n", "\(folder)/cpu.max": "150000 100000\n"]) == 1.5)
    #expect(try quota([group: "0::/\n", "\(folder)/cpu.max": "max 100000\n"]) == nil)
    #expect(
      try quota([
        group: "0::/a/b\n", "\(folder)/cpu.max": "max 100000\n", "\(folder)/a/cpu.max": "200000 100000\n",
        "\(folder)/a/b/cpu.max": "400000 100000\n",
      ]) == 2)
    // In a container the path is the host's, and only the root is there.
    #expect(try quota([group: "0::/docker/abc\n", "\(folder)/cpu.max": "50000 100000\n"]) == 0.5)
  }

  @Test func version1HasQuotaAndPeriod() throws {
    let group = "proc/self/cgroup"
    let folder = "sys/fs/cgroup/cpu,cpuacct"
    let groups = "7:memory:/x\n4:cpu,cpuacct:/x\n"
    #expect(
      try quota([
        group: groups, "\(folder)/x/cpu.cfs_quota_us": "300000\n", "\(folder)/x/cpu.cfs_period_us": "100000\n",
      ]) == 3)
    #expect(
      try quota([
        group: groups, "\(folder)/cpu.cfs_quota_us": "-1\n", "\(folder)/cpu.cfs_period_us": "100000\n",
      ]) == nil)
  }

  @Test func whatIsNotThereOrMakesNoSenseIsNoBound() throws {
    #expect(try quota([:]) == nil)
    for text in ["", "nonsense", "0 100000", "-5 100000", "100000 0", "1 2 3", "nan 5"] {
      #expect(try quota(["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": text]) == nil)
    }
    #expect(try quota(["proc/self/cgroup": "junk\n::\n0::/../../etc\n"]) == nil)
    #expect(AvailableCores.count >= 1)
    #expect(ThreadPool().threads == AvailableCores.count)
  }
}
