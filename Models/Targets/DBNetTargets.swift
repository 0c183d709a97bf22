public import Imaging
public import TensorCore

/// What DBNet learns from (Liao et al., 2020): MMOCR 0.x's `DBNetTargets`, with its parameters and defaults.
///
/// From outlines of text to four maps of the picture's size: shrunken text, where that counts, the threshold around
/// the outlines, and where that counts.
public struct DBNetTargets: Codable, Sendable, Equatable {
  public var shrinkRatio: Double
  public var thrMin: Double
  public var thrMax: Double
  /// Text whose smallest rectangle has a shorter side is ignored, in pixels.
  public var minShortSize: Double

  public init(shrinkRatio: Double = 0.4, thrMin: Double = 0.3, thrMax: Double = 0.7, minShortSize: Double = 8) {
    self.shrinkRatio = shrinkRatio
    self.thrMin = thrMin
    self.thrMax = thrMax
    self.minShortSize = minShortSize
  }

  /// Missing keys have MMOCR's defaults. A decoder that converts from snake case reads MMOCR's configs.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let standard = DBNetTargets()
    self.init(
      shrinkRatio: try values.decode(.shrinkRatio, default: standard.shrinkRatio),
      thrMin: try values.decode(.thrMin, default: standard.thrMin),
      thrMax: try values.decode(.thrMax, default: standard.thrMax),
      minShortSize: try values.decode(.minShortSize, default: standard.minShortSize))
  }

  /// The maps of one picture, one channel each.
  public struct Maps: Sendable, Equatable {
    /// 1 + the number of the text whose shrunken outline covers the pixel, 0 elsewhere; losses ask whether it is > 0.
    public var shrink: FloatImage
    /// 0 inside ignored text, 1 elsewhere.
    public var shrinkMask: FloatImage
    /// From `thrMax` on an outline to `thrMin` away from it.
    public var thr: FloatImage
    /// 1 inside the widened outlines, 0 elsewhere.
    public var thrMask: FloatImage
  }

  /// - Parameters:
  ///   - polygons: outlines of the text that is learnt, in pixels; they may reach beyond the picture.
  ///   - ignored: outlines of text that is neither right nor wrong.
  /// - Throws: `.shape` for an outline of fewer than 3 corners, `.numeric` for one that is not finite.
  public func callAsFunction(polygons: [Polygon], ignored: [Polygon] = [], width: Int, height: Int) throws -> Maps {
    guard shrinkRatio.isFinite, (0...1).contains(shrinkRatio), thrMin.isFinite, thrMax.isFinite else {
      throw LigatureError(.numeric, "DBNetTargets: shrinkRatio lies in 0...1, and thrMin and thrMax are finite")
    }
    for polygon in polygons + ignored {
      guard polygon.count >= 3 else {
        throw LigatureError(.shape, "an outline of text has \(polygon.count) corners; it needs at least 3")
      }
    }
    var ignored = ignored
    var texts: [Polygon] = []
    for polygon in polygons {
      if try isInvalid(polygon) { ignored.append(polygon) } else { texts.append(polygon) }
    }
    var shrink = try FloatImage(width: width, height: height, channels: 1)
    var learnt: [Polygon] = []
    for (index, polygon) in texts.enumerated() {
      if let kernel = try ShrunkText.kernel(of: polygon, ratio: shrinkRatio) {
        try shrink.fill(polygon: kernel, value: [Double(index + 1)])
        learnt.append(polygon)
      } else {
        ignored.append(polygon)
      }
    }
    var shrinkMask = try FloatImage(width: width, height: height, channels: 1, filledWith: 1)
    for polygon in ignored { try shrinkMask.fill(polygon: polygon.truncated(), value: [0]) }
    let (thr, thrMask) = try thresholds(of: learnt, width, height)
    return Maps(shrink: shrink, shrinkMask: shrinkMask, thr: thr, thrMask: thrMask)
  }

  /// Text without an area, or too thin.
  private func isInvalid(_ polygon: Polygon) throws -> Bool {
    var area: Float = 0
    for (index, corner) in polygon.enumerated() {
      let next = polygon[(index + 1) % polygon.count]
      area += (next.x - corner.x) * (next.y + corner.y)
    }
    guard abs(area / 2) >= 1 else { return true }
    let rectangle = try polygon.truncated().minimumAreaRectangle()
    return Double(min(rectangle.width, rectangle.height)) < minShortSize
  }

  // ── The threshold map ─────────────────────────────────────────────────────

  private func thresholds(
    of polygons: [Polygon], _ width: Int, _ height: Int
  ) throws -> (map: FloatImage, mask: FloatImage) {
    var mask = try FloatImage(width: width, height: height, channels: 1)
    var values = [Float](repeating: 0, count: width * height)
    for polygon in polygons {
      guard let border = try TextBorder(polygon, shrinkRatio, width, height) else { continue }
      try mask.fill(polygon: border.outline, value: [1])
      unsafe values.withUnsafeMutableBufferPointer { unsafe border.draw(into: $0, width: width) }
    }
    let (range, least) = (Float(thrMax - thrMin), Float(thrMin))
    for index in values.indices { values[index] = values[index] * range + least }
    return (try FloatImage(width: width, height: height, channels: 1, pixels: values), mask)
  }
}

extension DBNetTargets {
  /// The maps of a batch under the names that MMOCR's loss has for them, each float32 `[N, 1, H, W]`. Throws `.shape`
  /// for maps of different sizes.
  public static func tensors(_ batch: [Maps]) throws -> [String: Tensor] {
    guard let first = batch.first,
      batch.allSatisfy({ $0.shrink.width == first.shrink.width && $0.shrink.height == first.shrink.height })
    else { throw LigatureError(.shape, "a batch of targets is of one size, and not empty") }
    let shape = [batch.count, 1, first.shrink.height, first.shrink.width]
    func stacked(_ map: KeyPath<Maps, FloatImage>) throws -> Tensor {
      try Tensor(batch.flatMap { $0[keyPath: map].pixels }, shape)
    }
    return [
      "gt_shrink": try stacked(\.shrink), "gt_shrink_mask": try stacked(\.shrinkMask),
      "gt_thr": try stacked(\.thr), "gt_thr_mask": try stacked(\.thrMask),
    ]
  }
}

/// The shrunken text that DBNet, PSENet and PANet learn.
enum ShrunkText {
  /// The outline moved inwards by area * (1 - ratio^2) / length, rounded to whole pixels; nil where nothing is left.
  /// Of several parts, the first.
  static func kernel(of polygon: Polygon, ratio: Double, maxShrink: Int = .max) throws -> Contour? {
    let corners = try polygon.truncated()
    let area = try corners.map { Point($0) }.polygonArea()
    let length = try corners.arcLength()
    let distance = (area * (1 - ratio * ratio) / (length + 0.001) + 0.5).rounded(.towardZero)
    let parts = try corners.offset(by: -min(distance, Double(maxShrink)))
    return parts.first.flatMap { $0.isEmpty ? nil : $0 }
  }
}

extension Array where Element == Point {
  /// Corners cut to whole pixels, towards zero.
  func truncated() throws -> Contour { try map { try PixelPoint(truncating: $0) } }
}

/// The band around one text in which the threshold rises: 1 on its outline, 0 at `distance` pixels from it.
private struct TextBorder {
  /// The text widened by `distance`.
  let outline: Contour
  private let corners: Polygon
  private let distance: Double
  /// The part of the outline's box that lies on the map, and the box's first column and row.
  private let columns: ClosedRange<Int>
  private let rows: ClosedRange<Int>
  private let (left, top): (Int, Int)

  /// Nil where the widened text lies wholly off the map.
  init?(_ polygon: Polygon, _ ratio: Double, _ width: Int, _ height: Int) throws {
    distance = try polygon.polygonArea() * (1 - ratio * ratio) / polygon.polygonLength()
    outline = try polygon.offset(by: distance).first ?? polygon.truncated()
    let (xs, ys) = (outline.map { Int($0.x) }, outline.map { Int($0.y) })
    guard let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max(),
      right >= 0, left < width, bottom >= 0, top < height
    else { return nil }
    columns = max(left, 0)...min(right, width - 1)
    rows = max(top, 0)...min(bottom, height - 1)
    (self.left, self.top) = (left, top)
    // From here on positions are counted from the box's corner, in single precision, as MMOCR does.
    corners = polygon.map { Point($0.x - Float(left), $0.y - Float(top)) }
  }

  /// Raises the map to 1 - distance to the nearest edge / `distance`, where that is higher.
  func draw(into map: UnsafeMutableBufferPointer<Float>, width: Int) {
    // Squares suffice to find the nearest edge; beyond `distance` nothing changes.
    var nearest = [Double](repeating: distance * distance, count: columns.count * rows.count)
    for (index, corner) in corners.enumerated() {
      let edge = Edge(corner, corners[(index + 1) % corners.count])
      let box = edge.box(margin: distance + 2)
      let reachedColumns = box.columns.clamped(to: (columns.lowerBound - left)...(columns.upperBound - left))
      let reachedRows = box.rows.clamped(to: (rows.lowerBound - top)...(rows.upperBound - top))
      unsafe nearest.withUnsafeMutableBufferPointer { buffer in
        for y in reachedRows {
          let start = (y + top - rows.lowerBound) * columns.count + left - columns.lowerBound
          // In range: both ranges are clamped to the part of the box that the buffer holds.
          guard let row = unsafe buffer.baseAddress.map({ unsafe $0 + start }) else { return }
          unsafe edge.lower(row, y: Double(y), columns: reachedColumns)
        }
      }
    }
    for y in rows {
      for x in columns {
        let square = nearest[(y - rows.lowerBound) * columns.count + x - columns.lowerBound]
        let height = 1 - Float(min(max(square.squareRoot() / distance, 0), 1))
        if unsafe height > map[y * width + x] { unsafe map[y * width + x] = height }
      }
    }
  }
}

/// An edge of a text, and MMOCR's measure of the distance to it (`point2line`): from the law of cosines where the
/// edge is seen at an obtuse angle, else the distance to the nearer end.
private struct Edge {
  private static let epsilon = Double(Float.ulpOfOne)
  private let (x1, y1, x2, y2): (Double, Double, Double, Double)
  private let square: Double
  private let divisor: Double

  init(_ first: Point, _ second: Point) {
    (x1, y1, x2, y2) = (Double(first.x), Double(first.y), Double(second.x), Double(second.y))
    let (dx, dy) = (first.x - second.x, first.y - second.y)
    // The edge's own length is in single precision: it shows in the last digits.
    let square = dx * dx + dy * dy
    self.square = Double(square)
    divisor = Double(Float.ulpOfOne + square)
  }

  /// Whole positions within `margin` of the edge.
  func box(margin: Double) -> (columns: ClosedRange<Int>, rows: ClosedRange<Int>) {
    func range(_ a: Double, _ b: Double) -> ClosedRange<Int> {
      Int((min(a, b) - margin).rounded(.down))...Int((max(a, b) + margin).rounded(.up))
    }
    return (range(x1, x2), range(y1, y2))
  }

  /// Lowers a row of squared distances to those from this edge, where they are smaller.
  func lower(_ row: UnsafeMutablePointer<Double>, y: Double, columns: ClosedRange<Int>) {
    let (dy1, dy2) = ((y - y1) * (y - y1), (y - y2) * (y - y2))
    for column in columns.lowerBound...columns.upperBound {
      let x = Double(column)
      let a = (x - x1) * (x - x1) + dy1
      let b = (x - x2) * (x - x2) + dy2
      let product = a * b
      let numerator = square - a - b
      let cosine = numerator / (Edge.epsilon + 2 * product.squareRoot())
      let across = product * (1 - cosine * cosine) / divisor
      let found = numerator < 0 ? min(a, b) : across
      // False for what is no number.
      if unsafe found < row[column] { unsafe row[column] = found }
    }
  }
}
