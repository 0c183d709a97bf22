/// A profile drawn as a flame: a bar for each module, as wide as its share of the time, above what it consists of.
/// Plain SVG; the title of each bar says what it is and how long it took.
public struct FlameGraph {
  /// A module, or with no children a node.
  struct Bar {
    var name: String
    /// Milliseconds.
    var time = 0.0
    var title = ""
    /// What decides the colour.
    var kind = ""
    var children: [Bar] = []

    /// Adds a node below a path of modules, in the order in which they come.
    mutating func add(_ leaf: Bar, below path: ArraySlice<String>) {
      time += leaf.time
      guard let first = path.first else {
        children.append(leaf)
        return
      }
      let place: Int
      if let found = children.firstIndex(where: { $0.name == first && !$0.children.isEmpty }) {
        place = found
      } else {
        children.append(Bar(name: first))
        place = children.count - 1
      }
      children[place].add(leaf, below: path.dropFirst())
    }

    var depth: Int { 1 + (children.map(\.depth).max() ?? 0) }
  }

  private static let width = 1200.0
  private static let rowHeight = 18.0
  private static let margin = 10.0
  private static let top = 34.0
  /// Narrower bars are left out: nobody sees them.
  private static let least = 0.3

  let root: Bar
  private let kinds: [String]

  public init(_ profile: Profile, model: String) {
    var root = Bar(name: model)
    for step in profile.steps {
      let name = step.name.split(separator: "/").last.map(String.init) ?? step.kind
      var leaf = Bar(name: name, time: step.median, kind: step.operator)
      leaf.title =
        "\(step.name) · \(step.kind) · \(step.output.map(String.init).joined(separator: "x")) · "
        + "\(rounded(step.rates.gigaflops)) GFLOP/s · \(rounded(step.rates.gigabytes)) GB/s"
      root.add(leaf, below: step.scope[...])
    }
    self.root = root
    kinds = profile.operators.map(\.name)
  }

  public var svg: String {
    let height = FlameGraph.top + Double(root.depth) * FlameGraph.rowHeight + 3 * FlameGraph.rowHeight
    var lines = [
      """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(rounded(FlameGraph.width))" height="\(rounded(height))" \
      viewBox="0 0 \(rounded(FlameGraph.width)) \(rounded(height))" font-family="sans-serif" font-size="11">
      """,
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
      "<text x=\"10\" y=\"20\" font-size=\"14\">\(escaped(root.name)): \(rounded(root.time)) ms in steps</text>",
    ]
    let scale = root.time > 0 ? (FlameGraph.width - 2 * FlameGraph.margin) / root.time : 0
    draw(root, x: FlameGraph.margin, y: FlameGraph.top, scale: scale, into: &lines)
    lines += legend(y: height - 1.5 * FlameGraph.rowHeight)
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  private func draw(_ bar: Bar, x: Double, y: Double, scale: Double, into lines: inout [String]) {
    let width = bar.time * scale
    guard width >= FlameGraph.least else { return }
    let share = root.time > 0 ? bar.time / root.time * 100 : 0
    let title = "\(bar.title.isEmpty ? bar.name : bar.title) · \(rounded(bar.time)) ms · \(rounded(share)) %"
    let fill = bar.children.isEmpty ? color(bar.kind) : "#e4e4e0"
    lines.append(
      "<g><title>\(escaped(title))</title><rect x=\"\(rounded(x))\" y=\"\(rounded(y))\" width=\"\(rounded(width))\" "
        + "height=\"\(rounded(FlameGraph.rowHeight - 1))\" fill=\"\(fill)\" stroke=\"#ffffff\" stroke-width=\"0.5\"/>")
    // About 6.2 units a letter.
    let letters = Int((width - 6) / 6.2)
    if letters >= 2 {
      let text = bar.name.count <= letters ? bar.name : bar.name.prefix(letters - 1) + "…"
      lines.append("<text x=\"\(rounded(x + 3))\" y=\"\(rounded(y + 13))\">\(escaped(String(text)))</text>")
    }
    lines.append("</g>")
    var place = x
    for child in bar.children {
      draw(child, x: place, y: y + FlameGraph.rowHeight, scale: scale, into: &lines)
      place += child.time * scale
    }
  }

  /// The operators that take the most time, with their colours.
  private func legend(y: Double) -> [String] {
    var lines: [String] = []
    var x = FlameGraph.margin
    for kind in kinds.prefix(10) {
      let width = Double(kind.count) * 6.4 + 26
      guard x + width < FlameGraph.width else { break }
      lines.append(
        "<rect x=\"\(rounded(x))\" y=\"\(rounded(y - 10))\" width=\"12\" height=\"12\" fill=\"\(color(kind))\"/>"
          + "<text x=\"\(rounded(x + 16))\" y=\"\(rounded(y))\">\(escaped(kind))</text>")
      x += width
    }
    return lines
  }

  /// Of its own for each of the slowest operators, for they must be told apart.
  private func color(_ kind: String) -> String {
    let palette = [
      "#f2a65a", "#7fb7be", "#d98cb3", "#a3c76d", "#c5a3ff", "#f4d35e", "#86a8e7", "#e07a5f", "#95d5b2", "#b8b8a8",
    ]
    guard let index = kinds.firstIndex(of: kind), index < palette.count else { return "#cfcfcf" }
    return palette[index]
  }
}

/// With at most two decimals, and none that are zero.
private func rounded(_ value: Double) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return "0" }
  let hundredths = Int((abs(value) * 100).rounded())
  let sign = value < 0 && hundredths > 0 ? "-" : ""
  let (whole, rest) = (hundredths / 100, hundredths % 100)
  if rest == 0 { return "\(sign)\(whole)" }
  return "\(sign)\(whole)." + (rest < 10 ? "0\(rest)" : rest % 10 == 0 ? "\(rest / 10)" : "\(rest)")
}

/// As XML takes it; control characters, which it cannot hold, become a mark.
private func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case _ where scalar.properties.generalCategory == .control || scalar.value & 0xFFFE == 0xFFFE:
      result += "\u{FFFD}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
