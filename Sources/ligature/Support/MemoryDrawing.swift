import GraphIR
import Runtime

/// Who lives where in the arena, and when: steps from left to right, addresses from bottom to top, as SVG.
struct MemoryDrawing {
  let graph: Graph
  let use: MemoryUse
  let map: MemoryMap
  let title: String
  let colours: Colours

  enum Colours: String, CaseIterable {
    /// The type of the node that makes a tensor.
    case `operator`
    /// The module that the node stands in.
    case scope
  }

  private static let palette = [
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#ff9da7", "#86bcb6",
    "#d37295", "#8cd17d",
  ]
  private let left = 86.0
  private let top = 62.0
  private let bottom = 52.0
  private let legend = 210.0
  private var width: Double { min(max(900, 7 * Double(map.order.count)), 2600) }
  private let height = 620.0

  var svg: String {
    let groups = self.groups
    var lines = [
      #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(number(left + width + legend)) \#(number(top + height + bottom))" font-family="system-ui, sans-serif" font-size="12">"#,
      "<style>.t{stroke:#fff;stroke-width:.5}.t:hover{stroke:#000;stroke-width:1.5}text{fill:#333}</style>",
      #"<rect width="100%" height="100%" fill="white"/>"#,
      #"<text x="\#(number(left))" y="24" font-size="16" font-weight="600">\#(escaped(title))</text>"#,
      #"<text x="\#(number(left))" y="44">\#(escaped(subtitle))</text>"#,
    ]
    lines += axes
    lines += map.blocks.sorted { $0.byteCount > $1.byteCount }.flatMap { block in draw(block, groups) }
    lines += outline + drawLegend(groups)
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  private var subtitle: String {
    "arena \(ByteCount(bytes: use.arena)), at least \(ByteCount(bytes: use.lowerBound)) are needed; most at step "
      + "\(map.peakStep), \(graph[map.order[map.peakStep]].name)"
  }

  // ── Places ──
  private func x(_ step: Double) -> Double { left + step * width / Double(map.order.count) }
  private func y(_ byte: Int) -> Double { top + height - Double(byte) * height / Double(max(use.arena, 1)) }

  private func number(_ value: Double) -> String { value.fixed(1) }

  private func escaped(_ text: String) -> String {
    text.printable.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
  }

  // ── Colours ──
  /// What nodes are coloured by, the one with most bytes first.
  private var groups: [String] {
    var weights: [String: Double] = [:]
    for tenant in map.blocks.flatMap(\.tenants) {
      weights[group(tenant.node), default: 0] += Double(tenant.byteCount) * Double(tenant.last - tenant.first + 1)
    }
    return weights.keys.sorted { (weights[$1] ?? 0, $0) < (weights[$0] ?? 0, $1) }
  }

  private func group(_ node: NodeID) -> String {
    switch colours {
    case .operator: return graph[node].op.name.type
    case .scope:
      let parts = graph[node].name.split(separator: "/").dropLast()
      return parts.isEmpty ? "(no scope)" : "/" + parts.prefix(2).joined(separator: "/")
    }
  }

  private func colour(_ node: NodeID, _ groups: [String]) -> String {
    let index = groups.firstIndex(of: group(node)) ?? groups.count
    return index < MemoryDrawing.palette.count ? MemoryDrawing.palette[index] : "silver"
  }

  // ── Parts ──
  private func draw(_ block: MemoryMap.Block, _ groups: [String]) -> [String] {
    var lines: [String] = []
    if block.tenants.count > 1 {
      lines.append(rectangle(block.offset, block.byteCount, block.first, block.last, #"fill="gainsboro""#, nil))
    }
    for tenant in block.tenants {
      let node = graph[tenant.node]
      let name = tenant.value.map { graph[$0].name } ?? "workspace"
      let size = ByteCount(bytes: tenant.byteCount)
      let about =
        "\(name)\n\(node.op.name) \(node.name)\n\(size) at \(ByteCount(bytes: tenant.offset)), steps \(tenant.first) to \(tenant.last)"
      let paint = tenant.value == nil ? #"fill-opacity=".45" stroke-dasharray="2""# : ""
      lines.append(
        rectangle(
          tenant.offset, tenant.byteCount, tenant.first, tenant.last,
          #"class="t" fill="\#(colour(tenant.node, groups))" \#(paint)"#, about))
      lines += label(tenant, node)
    }
    return lines
  }

  private func rectangle(
    _ offset: Int, _ bytes: Int, _ first: Int, _ last: Int, _ style: String, _ about: String?
  ) -> String {
    let (x0, x1) = (x(Double(first)), x(Double(last + 1)))
    let (y0, y1) = (y(offset + bytes), y(offset))
    let shape =
      #"<rect x="\#(number(x0))" y="\#(number(y0))" width="\#(number(x1 - x0))" height="\#(number(max(y1 - y0, 0.4)))" \#(style)"#
    guard let about else { return shape + "/>" }
    let lines = about.split(separator: "\n").map { escaped(String($0)) }.joined(separator: "&#10;")
    return shape + "><title>\(lines)</title></rect>"
  }

  /// A name where there is room for it.
  private func label(_ tenant: MemoryMap.Tenant, _ node: Node) -> [String] {
    let wide = x(Double(tenant.last + 1)) - x(Double(tenant.first))
    let high = y(tenant.offset) - y(tenant.offset + tenant.byteCount)
    let scope = node.name.split(separator: "/").suffix(2).joined(separator: "/")
    let text = scope.isEmpty ? node.op.name.type : scope
    guard high >= 14, wide >= 7 * Double(min(text.count, 6)) else { return [] }
    let room = Int(wide / 6.5)
    let shown = text.count <= room ? text : "…" + text.suffix(max(room - 1, 1))
    let (at, baseline) = (x(Double(tenant.first)) + 3, y(tenant.offset + tenant.byteCount) + 12)
    return [
      #"<text x="\#(number(at))" y="\#(number(baseline))" font-size="10" pointer-events="none" style="fill:#fff">\#(escaped(String(shown)))</text>"#
    ]
  }

  private var axes: [String] {
    var lines: [String] = []
    for byte in ticks(use.arena, 8, isBytes: true) {
      let at = number(y(byte))
      lines.append(
        #"<line x1="\#(number(left - 4))" x2="\#(number(left + width))" y1="\#(at)" y2="\#(at)" stroke="lightgray"/>"#)
      lines.append(
        #"<text x="\#(number(left - 8))" y="\#(number(y(byte) + 4))" text-anchor="end">\#(ByteCount(bytes: byte))</text>"#
      )
    }
    for step in ticks(map.order.count, 16, isBytes: false) {
      let at = x(Double(step))
      lines.append(
        #"<text x="\#(number(at))" y="\#(number(top + height + 18))" text-anchor="middle">\#(step)</text>"#)
    }
    lines.append(
      #"<text x="\#(number(left + width / 2))" y="\#(number(top + height + 40))" text-anchor="middle">steps</text>"#)
    return lines
  }

  private func ticks(_ end: Int, _ most: Int, isBytes: Bool) -> [Int] {
    var step = 1
    let factors = isBytes ? [2, 2, 2] : [2, 5, 10]
    var scale = 1
    while end / step > most {
      for factor in factors {
        step = isBytes ? step * factor : scale * factor
        if end / step <= most { break }
      }
      scale *= 10
    }
    return Array(stride(from: 0, through: end, by: step))
  }

  /// Bytes needed at each step, and the step with most.
  private var outline: [String] {
    var points: [String] = []
    for (step, bytes) in map.alive.enumerated() {
      points.append("\(number(x(Double(step)))),\(number(y(bytes)))")
      points.append("\(number(x(Double(step + 1)))),\(number(y(bytes)))")
    }
    let peak = number(x(Double(map.peakStep) + 0.5))
    return [
      #"<polyline points="\#(points.joined(separator: " "))" fill="none" stroke="black" stroke-width="1.2" stroke-opacity=".75" pointer-events="none"/>"#,
      #"<line x1="\#(peak)" x2="\#(peak)" y1="\#(number(top - 6))" y2="\#(number(top + height))" stroke="crimson" stroke-dasharray="4 3" pointer-events="none"/>"#,
    ]
  }

  private func drawLegend(_ groups: [String]) -> [String] {
    let at = left + width + 18
    var lines: [String] = []
    var row = top + 10
    func text(_ words: String) {
      lines.append(#"<text x="\#(number(at + 18))" y="\#(number(row + 10))">\#(escaped(words))</text>"#)
      row += 20
    }
    for (index, group) in groups.prefix(MemoryDrawing.palette.count).enumerated() {
      lines.append(
        #"<rect x="\#(number(at))" y="\#(number(row))" width="12" height="12" fill="\#(MemoryDrawing.palette[index])"/>"#
      )
      text(group)
    }
    if groups.count > MemoryDrawing.palette.count {
      lines.append(#"<rect x="\#(number(at))" y="\#(number(row))" width="12" height="12" fill="silver"/>"#)
      text("others")
    }
    lines.append(
      #"<rect x="\#(number(at))" y="\#(number(row))" width="12" height="12" fill="gray" fill-opacity=".45"/>"#)
    text("pale: workspace")
    lines.append(
      #"<line x1="\#(number(at))" x2="\#(number(at + 12))" y1="\#(number(row + 6))" y2="\#(number(row + 6))" stroke="black" stroke-width="1.2"/>"#
    )
    text("bytes needed at once")
    lines.append(
      #"<line x1="\#(number(at + 6))" x2="\#(number(at + 6))" y1="\#(number(row))" y2="\#(number(row + 12))" stroke="crimson" stroke-dasharray="4 3"/>"#
    )
    text("the step with most")
    return lines
  }
}
