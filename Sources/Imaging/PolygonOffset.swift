internal import CClipper
internal import TensorCore

/// How an offset outline goes around a corner.
public enum JoinStyle: Sendable {
  case square, round, miter

  fileprivate var cValue: ligature_clipper_join {
    switch self {
    case .square: ligature_join_square
    case .round: ligature_join_round
    case .miter: ligature_join_miter
    }
  }
}

extension Array where Element == PixelPoint {
  /// The closed outline moved outwards by `distance` pixels (inwards when negative): Clipper 6's offset with
  /// `pyclipper`'s defaults. May be several outlines, or none.
  ///
  /// Throws `.numeric` for a distance that is not finite or beyond 2^24, and for corners beyond 2^30.
  public func offset(
    by distance: Double, join: JoinStyle = .round, miterLimit: Double = 2, arcTolerance: Double = 0.25
  ) throws -> [Contour] {
    guard distance.isFinite, abs(distance) <= Double(1 << 24) else {
      throw LigatureError(.numeric, "a polygon offset by \(distance): it must be finite and at most 2^24")
    }
    guard allSatisfy({ abs(Int($0.x)) <= 1 << 30 && abs(Int($0.y)) <= 1 << 30 }) else {
      throw LigatureError(.numeric, "a polygon to offset has a corner farther than 2^30 pixels away")
    }
    let corners = map { ligature_clipper_point(x: Int64($0.x), y: Int64($0.y)) }
    var result = unsafe ligature_clipper_paths()
    let message = unsafe ligature_clipper_offset(
      corners, corners.count, distance, join.cValue, miterLimit, arcTolerance, &result)
    if let message = unsafe message {
      throw LigatureError(.numeric, "the polygon offset failed: \(unsafe String(cString: message))")
    }
    defer { unsafe ligature_clipper_release(&result) }
    var outlines: [Contour] = []
    var start = 0
    for index in unsafe 0..<result.count {
      let end = unsafe result.ends[index]
      // In range: corners up to 2^30 moved by at most miterLimit * 2^24.
      outlines.append(
        (start..<end).map {
          unsafe PixelPoint(Int32(clamping: result.points[$0].x), Int32(clamping: result.points[$0].y))
        })
      start = end
    }
    return outlines
  }
}

extension Array where Element == Point {
  /// The same for measured corners, which are first cut to whole pixels towards zero, as `pyclipper` does.
  public func offset(
    by distance: Double, join: JoinStyle = .round, miterLimit: Double = 2, arcTolerance: Double = 0.25
  ) throws -> [Contour] {
    try map { try PixelPoint(truncating: $0) }
      .offset(by: distance, join: join, miterLimit: miterLimit, arcTolerance: arcTolerance)
  }
}
