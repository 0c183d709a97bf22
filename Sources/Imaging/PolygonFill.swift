internal import TensorCore

extension Raster {
  /// Fills a polygon, its edges included (`cv2.fillPoly`); what lies outside the picture is left out.
  ///
  /// This is OpenCV's rule as of its version 4.11, written out, because releases differ where a polygon crosses the
  /// picture's border, and what models learn from should not depend on the library at hand. Throws `.numeric` for
  /// corners farther than 2^29 pixels away.
  public mutating func fill(polygon: [PixelPoint], value: [Double]) throws {
    guard !polygon.isEmpty else { return }
    guard polygon.allSatisfy({ abs(Int($0.x)) <= 1 << 29 && abs(Int($0.y)) <= 1 << 29 }) else {
      throw LigatureError(.numeric, "fillPoly: a corner is farther than 2^29 pixels away")
    }
    let colour = (0..<channels).map { Scalar(saturating: $0 < value.count ? value[$0] : 0) }
    let filling = PolygonFilling(polygon, width: width, height: height)
    let (width, channels) = (width, channels)
    unsafe pixels.withUnsafeMutableBufferPointer { pixels in
      filling.spans { y, columns in
        // In range: rows and columns are those of the picture.
        let start = y * width
        guard channels > 1 else {
          let span = unsafe UnsafeMutableBufferPointer(
            rebasing: pixels[start + columns.lowerBound...start + columns.upperBound])
          return unsafe span.update(repeating: colour[0])
        }
        for x in columns {
          for channel in 0..<channels { unsafe pixels[(start + x) * channels + channel] = colour[channel] }
        }
      }
    }
  }
}

/// Which pixels a polygon covers: those that its edges touch, as lines are drawn, and those between its edges row by
/// row, by the even-odd rule, at 16 binary places.
private struct PolygonFilling {
  private struct Edge {
    /// Rows first..<end are crossed, the first at `x`, each further one `step` to the right.
    var first: Int, end: Int
    var x: Int, step: Int
  }

  private typealias Position = (x: Int, y: Int)

  private static let places = 16

  private let width: Int
  private let height: Int
  private var edges: [Edge] = []
  private var lines: [(Position, Position)] = []

  init(_ polygon: [PixelPoint], width: Int, height: Int) {
    self.width = width
    self.height = height
    guard var from = polygon.last.map({ (x: Int($0.x), y: Int($0.y)) }) else { return }
    for corner in polygon {
      let to = (x: Int(corner.x), y: Int(corner.y))
      add(from, to)
      from = to
    }
  }

  private mutating func add(_ from: Position, _ to: Position) {
    let clipped = clip(from, to)
    if clipped.isVisible { lines.append((clipped.from, clipped.to)) }
    guard from.y != to.y else { return }
    // The slope is that of the part inside, between whole pixels, unless that part is level: then the end that was
    // moved sideways keeps its own row.
    let isLevel = clipped.from.y == clipped.to.y
    let start = (x: clipped.from.x << PolygonFilling.places, y: isLevel ? from.y : clipped.from.y)
    let end = (x: clipped.to.x << PolygonFilling.places, y: isLevel ? to.y : clipped.to.y)
    let step = (end.x - start.x) / (end.y - start.y)
    // Wrapping: only edges of millions of pixels get that far, and those positions lie off every picture.
    if from.y < to.y {
      edges.append(Edge(first: from.y, end: to.y, x: start.x &+ (from.y - start.y) &* step, step: step))
    } else {
      edges.append(Edge(first: to.y, end: from.y, x: end.x &+ (to.y - end.y) &* step, step: step))
    }
  }

  /// The ends moved along the line into the picture, first to its rows, then to its columns. Ends of a line that
  /// misses the picture may stay outside.
  private func clip(_ from: Position, _ to: Position) -> (isVisible: Bool, from: Position, to: Position) {
    var (a, b) = (from, to)
    func sides(_ p: Position) -> (column: Int, row: Int) {
      (p.x < 0 ? -1 : p.x > width - 1 ? 1 : 0, p.y < 0 ? -1 : p.y > height - 1 ? 1 : 0)
    }
    func isOnOneSide() -> Bool {
      let (first, second) = (sides(a), sides(b))
      return first.column * second.column > 0 || first.row * second.row > 0
    }
    guard !isOnOneSide() else { return (false, a, b) }
    if sides(a).row != 0 {
      let row = sides(a).row < 0 ? 0 : height - 1
      a = (a.x + (row - a.y) * (b.x - a.x) / (b.y - a.y), row)
    }
    if sides(b).row != 0 {
      let row = sides(b).row < 0 ? 0 : height - 1
      b = (b.x + (row - b.y) * (b.x - a.x) / (b.y - a.y), row)
    }
    guard !isOnOneSide() else { return (false, a, b) }
    if sides(a).column != 0 {
      let column = sides(a).column < 0 ? 0 : width - 1
      a = (column, a.y + (column - a.x) * (b.y - a.y) / (b.x - a.x))
    }
    if sides(b).column != 0 {
      let column = sides(b).column < 0 ? 0 : width - 1
      b = (column, b.y + (column - b.x) * (b.y - a.y) / (b.x - a.x))
    }
    return (true, a, b)
  }

  /// Calls for runs of pixels; some come more than once.
  func spans(_ visit: (_ row: Int, _ columns: ClosedRange<Int>) -> Void) {
    for (from, to) in lines { drawLine(from, to, visit) }
    guard let first = edges.map(\.first).min(), let end = edges.map(\.end).max() else { return }
    let half = (1 << PolygonFilling.places) - 1
    var crossings: [Int] = []
    for y in max(first, 0)..<max(min(end, height), max(first, 0)) {
      crossings.removeAll(keepingCapacity: true)
      for edge in edges where edge.first <= y && y < edge.end {
        crossings.append(edge.x &+ (y - edge.first) &* edge.step)
      }
      crossings.sort()
      for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
        let left = max((crossings[pair] &+ half) >> PolygonFilling.places, 0)
        let right = min(crossings[pair + 1] >> PolygonFilling.places, width - 1)
        if left <= right { visit(y, left...right) }
      }
    }
  }

  /// Bresenham's line from left to right, neighbours by side or corner.
  private func drawLine(_ from: Position, _ to: Position, _ visit: (Int, ClosedRange<Int>) -> Void) {
    let (left, right) = from.x <= to.x ? (from, to) : (to, from)
    let (across, down) = (right.x - left.x, abs(right.y - left.y))
    let rowStep = right.y < left.y ? -1 : 1
    let isSteep = down > across
    let (long, short) = isSteep ? (down, across) : (across, down)
    var (x, y) = left
    var rest = long - 2 * short
    for _ in 0...long {
      visit(y, x...x)
      let turns = rest < 0
      rest += (turns ? 2 * long : 0) - 2 * short
      if isSteep || turns { y += rowStep }
      if !isSteep || turns { x += 1 }
    }
  }
}
