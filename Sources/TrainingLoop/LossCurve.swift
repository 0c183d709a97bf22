internal import FoundationEssentials
internal import Glibc
internal import TensorCore

/// `curve.svg`: the loss on a logarithmic scale at the left, the validation metric at the right, over the steps.
struct LossCurve {
  private let width = 860.0, height = 420.0
  private let left = 70.0, right = 70.0, top = 44.0, bottom = 56.0
  let title: String
  let losses: [(step: Int, value: Double)]
  let metrics: [(step: Int, value: Double)]
  let metricName: String?

  init(title: String, entries: [LogEntry], metric: String?) {
    self.title = title
    metricName = metric
    losses = entries.compactMap { entry in
      entry.loss.flatMap { $0.isFinite && $0 > 0 ? (entry.step, $0) : nil }
    }
    metrics =
      metric.map { name in
        entries.compactMap { entry in entry.metrics?[name].flatMap { $0.isFinite ? (entry.step, $0) : nil } }
      } ?? []
  }

  private var lastStep: Int { max(1, losses.last?.step ?? 1, metrics.last?.step ?? 1) }

  private func x(_ step: Double) -> Double { left + (width - left - right) * step / Double(lastStep) }

  /// Powers of ten around what is to be shown.
  private var exponents: ClosedRange<Double> {
    let values = losses.map { log10($0.value) }
    let least = values.min() ?? -1
    let most = values.max() ?? 1
    return most - least < 0.2 ? (least - 0.1)...(most + 0.1) : least...most
  }

  private func lossY(_ value: Double) -> Double {
    let range = exponents
    return bottomEdge - (bottomEdge - top) * (log10(value) - range.lowerBound) / (range.upperBound - range.lowerBound)
  }

  private var bottomEdge: Double { height - bottom }

  private func metricY(_ value: Double) -> Double { bottomEdge - (bottomEdge - top) * min(max(value, 0), 1) }

  var svg: String {
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" font-family="sans-serif" \
      font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(n(left))" y="24" font-size="15">\(escaped(title))</text>

      """
    text += axes()
    text += line(losses, lossY, colour: "#9ec1e4", thickness: 1)
    text += line(smoothed(losses, reach: max(2, min(25, losses.count / 20))), lossY, colour: "#1f66ad", thickness: 2)
    text += line(metrics, metricY, colour: "#c2571a", thickness: 2)
    for point in metrics {
      text +=
        "<circle cx=\"\(n(x(Double(point.step))))\" cy=\"\(n(metricY(point.value)))\" r=\"2.5\" fill=\"#c2571a\"/>\n"
    }
    return text + "</svg>\n"
  }

  func write(to path: String) throws { try AtomicFile.write(Array(svg.utf8), to: path) }

  // ── Parts ─────────────────────────────────────────────────────────────────

  private func axes() -> String {
    var text = """
      <g stroke="#888" fill="none"><path d="M\(n(left)) \(n(top))V\(n(bottomEdge))H\(n(width - right))\
      \(metricName == nil ? "" : "V\(n(top))")"/></g>
      <text x="\(n((left + width - right) / 2))" y="\(n(height - 14))" text-anchor="middle">step</text>
      <text transform="translate(18 \(n((top + bottomEdge) / 2))) rotate(-90)" text-anchor="middle" \
      fill="#1f66ad">loss (logarithmic)</text>

      """
    for tick in ticks(0, Double(lastStep)) {
      text += label(n(x(tick)), n(bottomEdge + 18), "middle", "\(Int(tick))")
      text += "<path d=\"M\(n(x(tick))) \(n(bottomEdge))v5\" stroke=\"#888\"/>\n"
    }
    for value in lossTicks() {
      text += label(n(left - 8), n(lossY(value) + 4), "end", number(value))
      text += "<path d=\"M\(n(left)) \(n(lossY(value)))H\(n(width - right))\" stroke=\"#e6e6e6\"/>\n"
    }
    if let metricName {
      text +=
        "<text transform=\"translate(\(n(width - 16)) \(n((top + bottomEdge) / 2))) rotate(90)\" "
        + "text-anchor=\"middle\" fill=\"#c2571a\">\(escaped(metricName))</text>\n"
      for value in [0, 0.2, 0.4, 0.6, 0.8, 1] {
        text += label(n(width - right + 8), n(metricY(value) + 4), "start", number(value))
      }
      if let last = metrics.last {
        text += label(n(width - right), n(top - 8), "end", "\(number(last.value)) at step \(last.step)")
      }
    }
    return text
  }

  private func label(_ x: String, _ y: String, _ anchor: String, _ text: String) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(escaped(text))</text>\n"
  }

  /// 1, 2 and 5 times powers of ten inside the range; when these are too few, the ends.
  private func lossTicks() -> [Double] {
    let range = exponents
    let all = stride(from: range.lowerBound.rounded(.down), through: range.upperBound, by: 1).flatMap { exponent in
      [1.0, 2, 5].map { $0 * pow(10, exponent) }
    }
    let inside = all.filter { range.contains(log10($0)) }
    if inside.count >= 2 { return inside }
    return losses.isEmpty ? [] : [pow(10, range.lowerBound), pow(10, range.upperBound)]
  }

  private func ticks(_ least: Double, _ most: Double) -> [Double] {
    let rough = (most - least) / 6
    let power = pow(10, log10(max(rough, 1)).rounded(.down))
    let step = max(1, [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough)
    return Array(stride(from: least, through: most, by: step))
  }

  /// Geometric means over some entries to either side: they do not lag behind.
  private func smoothed(
    _ points: [(step: Int, value: Double)], reach: Int
  ) -> [(step: Int, value: Double)] {
    let logs = points.map { log($0.value) }
    return points.indices.map { index in
      // Fewer near the ends, as many on both sides.
      let near = min(reach, index, points.count - 1 - index)
      let window = logs[index - near...index + near]
      return (points[index].step, exp(window.reduce(0, +) / Double(window.count)))
    }
  }

  /// A line of at most about 2000 points: pictures have no more columns than that.
  private func line(
    _ points: [(step: Int, value: Double)], _ y: (Double) -> Double, colour: String, thickness: Int
  ) -> String {
    guard points.count > 1 else { return "" }
    let every = max(1, points.count / 2000)
    let kept = points.enumerated().filter { $0.offset % every == 0 || $0.offset == points.count - 1 }.map(\.element)
    let path = kept.map { "\(n(x(Double($0.step)))) \(n(y($0.value)))" }.joined(separator: "L")
    return "<path d=\"M\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(thickness)\"/>\n"
  }

  private func n(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  private func number(_ value: Double) -> String {
    if value == 0 { return "0" }
    let digits = max(0, 2 - Int(log10(abs(value)).rounded(.down)))
    let factor = pow(10, Double(min(digits, 8)))
    let rounded = (value * factor).rounded() / factor
    return rounded == rounded.rounded() && abs(rounded) < 1e9 ? "\(Int(rounded))" : "\(rounded)"
  }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
