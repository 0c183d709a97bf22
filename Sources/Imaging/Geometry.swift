internal import COpenCV
internal import TensorCore

/// A coordinate of a point: `Float` where positions are measured, `Int32` where they are pixels.
public protocol PointCoordinate: BitwiseCopyable, Sendable, Hashable {
  static var isFloatingPoint: Bool { get }
}
extension Float: PointCoordinate { public static var isFloatingPoint: Bool { true } }
extension Int32: PointCoordinate { public static var isFloatingPoint: Bool { false } }

/// A position in a picture, in pixels: x to the right, y downwards, (0, 0) the centre of the first pixel.
public struct PlanePoint<Coordinate: PointCoordinate>: Sendable, Hashable, BitwiseCopyable {
  public var x: Coordinate
  public var y: Coordinate

  public init(x: Coordinate, y: Coordinate) {
    self.x = x
    self.y = y
  }

  public init(_ x: Coordinate, _ y: Coordinate) { self.init(x: x, y: y) }
}

public typealias Point = PlanePoint<Float>
public typealias PixelPoint = PlanePoint<Int32>
/// The outline of an area of a mask, as `contours()` finds it.
public typealias Contour = [PixelPoint]
/// A closed outline; the last corner is joined to the first.
public typealias Polygon = [Point]

extension Point {
  public init(_ pixel: PixelPoint) { self.init(Float(pixel.x), Float(pixel.y)) }

  public func distance(to other: Point) -> Float {
    let (dx, dy) = (x - other.x, y - other.y)
    return (dx * dx + dy * dy).squareRoot()
  }
}

extension PixelPoint {
  /// Cut towards zero, as NumPy's `astype(int32)` does. Throws `.numeric` outside the range, and for NaN.
  public init(truncating point: Point) throws {
    guard let x = Int32(exactly: point.x.rounded(.towardZero)), let y = Int32(exactly: point.y.rounded(.towardZero))
    else { throw LigatureError(.numeric, "the point (\(point.x), \(point.y)) is no pixel position") }
    self.init(x, y)
  }
}

/// Four corners. The order is the maker's; `read` and the crops take it clockwise from the top left of the text.
public struct Quadrilateral: Sendable, Hashable {
  public var corners: (Point, Point, Point, Point) {
    get { (first, second, third, fourth) }
    set { (first, second, third, fourth) = newValue }
  }
  public var first: Point
  public var second: Point
  public var third: Point
  public var fourth: Point

  public init(_ first: Point, _ second: Point, _ third: Point, _ fourth: Point) {
    self.first = first
    self.second = second
    self.third = third
    self.fourth = fourth
  }

  /// Throws `.shape` unless there are four points.
  public init(_ points: [Point]) throws {
    guard points.count == 4 else { throw LigatureError(.shape, "a quadrilateral has 4 corners, not \(points.count)") }
    self.init(points[0], points[1], points[2], points[3])
  }

  /// The upright rectangle from (x, y) to (x + width, y + height), clockwise from the top left.
  public init(x: Float, y: Float, width: Float, height: Float) {
    self.init(
      Point(x, y), Point(x + width, y), Point(x + width, y + height), Point(x, y + height))
  }

  public var points: Polygon { [first, second, third, fourth] }
}

/// A rectangle turned by `angle` degrees, clockwise as the picture is seen.
public struct RotatedRectangle: Sendable, Hashable {
  public var center: Point
  public var width: Float
  public var height: Float
  public var angle: Float

  public init(center: Point, width: Float, height: Float, angle: Float) {
    self.center = center
    self.width = width
    self.height = height
    self.angle = angle
  }

  /// The corners, in the order of OpenCV's `boxPoints`.
  public func corners() throws -> Quadrilateral {
    var values = [Float](repeating: 0, count: 8)
    let rectangle = ligature_cv_rotated_rectangle(
      x: center.x, y: center.y, width: width, height: height, angle: angle)
    try unsafe openCV("boxPoints", ligature_cv_box_points(rectangle, &values))
    return Quadrilateral(
      Point(values[0], values[1]), Point(values[2], values[3]), Point(values[4], values[5]),
      Point(values[6], values[7]))
  }
}

// ── Laws of point sets, for pixels and for measured points alike ────────────
extension Array {
  private func withPoints<Coordinate: PointCoordinate, Result>(
    _ body: (ligature_cv_points) throws -> Result
  ) throws -> Result where Element == PlanePoint<Coordinate> {
    try unsafe withUnsafeBytes { bytes in
      try unsafe body(
        ligature_cv_points(
          coordinates: bytes.baseAddress, count: count, is_float: Coordinate.isFloatingPoint ? 1 : 0))
    }
  }

  /// OpenCV takes what is not finite for a number; the answers are then meaningless.
  private func requireFinite<Coordinate: PointCoordinate>(_ what: String) throws
  where Element == PlanePoint<Coordinate> {
    guard Coordinate.isFloatingPoint else { return }
    for point in self {
      guard let x = point.x as? Float, let y = point.y as? Float, x.isFinite, y.isFinite else {
        throw LigatureError(.numeric, "\(what) of a point that is not finite: (\(point.x), \(point.y))")
      }
    }
  }

  private func points<Coordinate: PointCoordinate>(
    _ what: String,
    _ body: (ligature_cv_points, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>) -> UnsafePointer<CChar>?
  ) throws -> [Element] where Element == PlanePoint<Coordinate> {
    try requireFinite(what)
    return try unsafe [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      try unsafe withPoints {
        try unsafe openCV(what, body($0, UnsafeMutableRawPointer(buffer.baseAddress), &initialized))
      }
    }
  }

  private func number<Coordinate: PointCoordinate>(
    _ what: String, _ body: (ligature_cv_points, UnsafeMutablePointer<Double>) -> UnsafePointer<CChar>?
  ) throws -> Double where Element == PlanePoint<Coordinate> {
    try requireFinite(what)
    var result = 0.0
    try unsafe withPoints { try unsafe openCV(what, body($0, &result)) }
    return result
  }

  /// The smallest rectangle, turned as needed, that holds all points (`cv2.minAreaRect`).
  public func minimumAreaRectangle<Coordinate: PointCoordinate>() throws -> RotatedRectangle
  where Element == PlanePoint<Coordinate> {
    try requireFinite("minAreaRect")
    guard !isEmpty else { throw LigatureError(.shape, "minAreaRect needs a point") }
    var result = ligature_cv_rotated_rectangle()
    try unsafe withPoints { try unsafe openCV("minAreaRect", ligature_cv_min_area_rect($0, &result)) }
    return RotatedRectangle(
      center: Point(result.x, result.y), width: result.width, height: result.height, angle: result.angle)
  }

  /// The corners of the convex hull (`cv2.convexHull`).
  public func convexHull<Coordinate: PointCoordinate>() throws -> [Element]
  where Element == PlanePoint<Coordinate> {
    guard !isEmpty else { return [] }
    return try unsafe points("convexHull") { unsafe ligature_cv_convex_hull($0, $1, $2) }
  }

  /// Fewer points, none of the outline farther than `epsilon` pixels away (Douglas and Peucker; `cv2.approxPolyDP`).
  public func approximated<Coordinate: PointCoordinate>(epsilon: Double, isClosed: Bool = true) throws -> [Element]
  where Element == PlanePoint<Coordinate> {
    guard !isEmpty else { return [] }
    return try unsafe points("approxPolyDP") { unsafe ligature_cv_approximate($0, epsilon, isClosed ? 1 : 0, $1, $2) }
  }

  /// Length of the outline in pixels (`cv2.arcLength`).
  public func arcLength<Coordinate: PointCoordinate>(isClosed: Bool = true) throws -> Double
  where Element == PlanePoint<Coordinate> {
    try unsafe number("arcLength") { unsafe ligature_cv_arc_length($0, isClosed ? 1 : 0, $1) }
  }

  /// Area inside the outline in square pixels, by Green's formula (`cv2.contourArea`).
  public func contourArea<Coordinate: PointCoordinate>() throws -> Double
  where Element == PlanePoint<Coordinate> {
    try unsafe number("contourArea") { unsafe ligature_cv_contour_area($0, $1) }
  }

  /// Distance of a point from the outline in pixels, negative outside (`cv2.pointPolygonTest`);
  /// only +1, 0 or -1 unless `measured`.
  public func signedDistance<Coordinate: PointCoordinate>(to point: Point, measured: Bool = true) throws -> Double
  where Element == PlanePoint<Coordinate> {
    guard !isEmpty else { throw LigatureError(.shape, "pointPolygonTest needs an outline") }
    return try unsafe number("pointPolygonTest") {
      unsafe ligature_cv_point_in_polygon($0, point.x, point.y, measured ? 1 : 0, $1)
    }
  }
}
