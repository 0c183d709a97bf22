/// Parts of file names, as POSIX has them.
package enum Path {
  /// What comes after the last slash; of `a/b/` it is `b`.
  package static func name(_ path: String) -> String {
    let parts = path.split(separator: "/")
    return parts.last.map(String.init) ?? (path.isEmpty ? "" : "/")
  }

  /// The folder that a path lies in: empty for a bare name.
  package static func folder(of path: String) -> String {
    let parts = path.split(separator: "/").dropLast()
    return (path.first == "/" ? "/" : "") + parts.joined(separator: "/")
  }

  /// What follows the last dot of the name, without it; a dot in front hides a file and begins no ending.
  package static func ending(of path: String) -> String {
    let name = name(path)
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return String(name[name.index(after: dot)...])
  }

  /// The path without its ending and the dot before that.
  package static func stem(_ path: String) -> String {
    let ending = ending(of: path)
    return ending.isEmpty ? path : String(path.dropLast(ending.count + 1))
  }

  /// A name in a folder.
  package static func join(_ folder: String, _ name: String) -> String {
    guard let last = folder.last else { return name }
    let name = name.drop { $0 == "/" }
    return last == "/" ? folder + name : folder + "/" + name
  }
}

/// Whether a name comes before another, with the numbers in them compared by value: `conv.2` before `conv.10`.
package func precedesByNumbers(_ a: String, _ b: String) -> Bool {
  func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
  var (x, y) = (a.utf8[...], b.utf8[...])
  while let first = x.first, let second = y.first {
    guard isDigit(first), isDigit(second) else {
      if first != second { return first < second }
      x.removeFirst()
      y.removeFirst()
      continue
    }
    let (left, right) = (x.prefix(while: isDigit).drop { $0 == 48 }, y.prefix(while: isDigit).drop { $0 == 48 })
    if left.count != right.count { return left.count < right.count }
    if !left.elementsEqual(right) { return left.lexicographicallyPrecedes(right) }
    (x, y) = (x.drop(while: isDigit), y.drop(while: isDigit))
  }
  return x.isEmpty == y.isEmpty ? a < b : x.isEmpty
}

extension StringProtocol {
  /// Without white space at both ends.
  package var trimmed: String {
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}
