internal import COpenCV
internal import TensorCore

/// How pixels between pixels are computed. Raw values are OpenCV's.
public enum Interpolation: Int32, Sendable, CaseIterable {
  case nearest = 0
  case linear = 1
  case cubic = 2
  /// Means over areas: the best for making pictures smaller. Not for warps.
  case area = 3
}

/// What lies outside a picture.
public enum Border: Sendable, Equatable {
  /// One value for each of at most 4 channels.
  case constant([Double] = [])
  /// The edge pixel again and again: `aaa|abcd|ddd`.
  case replicate
  /// Mirrored, edge pixel included: `cba|abcd|dcb`.
  case reflect
  /// Mirrored around the edge pixel: `dcb|abcd|cba`.
  case reflect101

  var cValue: ligature_cv_border {
    let (kind, values): (Int32, [Double]) =
      switch self {
      case .constant(let values): (0, values)
      case .replicate: (1, [])
      case .reflect: (2, [])
      case .reflect101: (4, [])
      }
    let v = values + [Double](repeating: 0, count: max(4 - values.count, 0))
    return ligature_cv_border(kind: kind, value: (v[0], v[1], v[2], v[3]))
  }
}

/// A 3x3 matrix, row-major, that maps (x, y, 1) to homogeneous coordinates.
public struct Homography: Sendable, Equatable {
  public var elements: [Double]

  /// Throws `.shape` unless there are 9 elements.
  public init(_ elements: [Double]) throws {
    guard elements.count == 9 else { throw LigatureError(.shape, "a homography has 9 elements, not \(elements.count)") }
    self.elements = elements
  }

  /// The one that maps the corners of one quadrilateral to those of another (`cv2.getPerspectiveTransform`).
  /// Where three corners lie on a line there is none: the result is then as singular as OpenCV's.
  public init(from source: Quadrilateral, to destination: Quadrilateral) throws {
    var result = [Double](repeating: 0, count: 9)
    try unsafe openCV(
      "getPerspectiveTransform",
      ligature_cv_perspective_transform(flatten(source.points), flatten(destination.points), &result))
    elements = result
  }

  /// Throws `.numeric` when the matrix is singular.
  public func inverted() throws -> Homography {
    var result = [Double](repeating: 0, count: 9)
    try unsafe openCV("inverting a homography", ligature_cv_invert3(elements, &result))
    return try Homography(result)
  }

  public func callAsFunction(_ point: Point) -> Point {
    let (x, y) = (Double(point.x), Double(point.y))
    let w = elements[6] * x + elements[7] * y + elements[8]
    return Point(
      Float((elements[0] * x + elements[1] * y + elements[2]) / w),
      Float((elements[3] * x + elements[4] * y + elements[5]) / w))
  }
}

/// A 2x3 matrix, row-major, that maps (x, y, 1) to (x', y').
public struct AffineTransform: Sendable, Equatable {
  public var elements: [Double]

  /// Throws `.shape` unless there are 6 elements.
  public init(_ elements: [Double]) throws {
    guard elements.count == 6 else {
      throw LigatureError(.shape, "an affine transform has 6 elements, not \(elements.count)")
    }
    self.elements = elements
  }

  /// The one that maps three points to three others (`cv2.getAffineTransform`).
  public init(from source: [Point], to destination: [Point]) throws {
    guard source.count == 3, destination.count == 3 else {
      throw LigatureError(.shape, "an affine transform is defined by 3 pairs of points")
    }
    var result = [Double](repeating: 0, count: 6)
    try unsafe openCV(
      "getAffineTransform", ligature_cv_affine_transform(flatten(source), flatten(destination), &result))
    elements = result
  }

  /// Rotation counter-clockwise as the picture is seen, and scaling, about a point (`cv2.getRotationMatrix2D`).
  public init(rotatingAbout center: Point, degrees: Double, scale: Double = 1) throws {
    var result = [Double](repeating: 0, count: 6)
    try unsafe openCV(
      "getRotationMatrix2D", ligature_cv_rotation_matrix(center.x, center.y, degrees, scale, &result))
    elements = result
  }
}

private func flatten(_ points: [Point]) -> [Float] { points.flatMap { [$0.x, $0.y] } }

public enum Turn: Sendable, CaseIterable {
  case clockwise, half, counterclockwise, flipHorizontally, flipVertically, transpose

  var cValue: ligature_cv_turn {
    switch self {
    case .clockwise: ligature_cv_rotate_clockwise
    case .half: ligature_cv_rotate_half
    case .counterclockwise: ligature_cv_rotate_counterclockwise
    case .flipHorizontally: ligature_cv_flip_horizontal
    case .flipVertically: ligature_cv_flip_vertical
    case .transpose: ligature_cv_transpose
    }
  }

  var swapsSides: Bool {
    switch self {
    case .clockwise, .counterclockwise, .transpose: true
    case .half, .flipHorizontally, .flipVertically: false
    }
  }
}

extension Raster {
  /// The picture at another size (`cv2.resize`). Throws `.shape` for sizes outside 1...2^24.
  public func resized(width: Int, height: Int, interpolation: Interpolation = .linear) throws -> Raster {
    try unsafe transformed(width: width, height: height, "resize") {
      unsafe ligature_cv_resize($0, $1, interpolation.rawValue)
    }
  }

  /// `matrix` maps positions here to positions in the result (`cv2.warpPerspective`).
  /// Throws `.limit` when a side of this picture has more than 32767 pixels: OpenCV keeps positions in 16 bits.
  public func warpedPerspective(
    _ matrix: Homography, width: Int, height: Int, interpolation: Interpolation = .linear,
    border: Border = .constant()
  ) throws -> Raster {
    try requireWarpable(matrix.elements, "warpPerspective")
    return try unsafe transformed(width: width, height: height, "warpPerspective") {
      unsafe ligature_cv_warp_perspective($0, $1, matrix.elements, interpolation.rawValue, border.cValue)
    }
  }

  /// `matrix` maps positions here to positions in the result (`cv2.warpAffine`).
  /// Throws `.limit` when a side of this picture has more than 32767 pixels: OpenCV keeps positions in 16 bits.
  public func warpedAffine(
    _ matrix: AffineTransform, width: Int, height: Int, interpolation: Interpolation = .linear,
    border: Border = .constant()
  ) throws -> Raster {
    try requireWarpable(matrix.elements, "warpAffine")
    return try unsafe transformed(width: width, height: height, "warpAffine") {
      unsafe ligature_cv_warp_affine($0, $1, matrix.elements, interpolation.rawValue, border.cValue)
    }
  }

  /// Quarter turns and mirrorings, exact (`cv2.rotate`, `cv2.flip`; `np.rot90` is `.counterclockwise`).
  public func turned(_ turn: Turn) throws -> Raster {
    try unsafe transformed(
      width: turn.swapsSides ? height : width, height: turn.swapsSides ? width : height, "turning a picture"
    ) { unsafe ligature_cv_turn_image($0, $1, turn.cValue) }
  }

  /// A margin all around (`cv2.copyMakeBorder`). Negative margins are an error.
  public func padded(
    top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0, border: Border = .constant()
  ) throws -> Raster {
    guard min(top, bottom, left, right) >= 0 else {
      throw LigatureError(.shape, "a margin is negative; use cropped to remove pixels")
    }
    let newWidth = try Checked.add(Checked.add(width, left), right)
    let newHeight = try Checked.add(Checked.add(height, top), bottom)
    return try unsafe transformed(width: newWidth, height: newHeight, "copyMakeBorder") {
      unsafe ligature_cv_pad($0, $1, Int32(top), Int32(left), border.cValue)
    }
  }

  private func requireWarpable(_ elements: [Double], _ what: String) throws {
    guard width <= Int(Int16.max), height <= Int(Int16.max) else {
      throw LigatureError(
        .limit, "\(what) of a picture of \(width)x\(height): sides go up to \(Int16.max); crop or shrink it first")
    }
    guard elements.allSatisfy(\.isFinite) else {
      throw LigatureError(.numeric, "\(what): the matrix is not finite")
    }
  }
}
