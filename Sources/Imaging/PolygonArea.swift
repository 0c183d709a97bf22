internal import CGEOS
internal import TensorCore

/// Measures of polygons by GEOS, the engine of Shapely. Corners are measured points, the last joined to the first.
extension Array where Element == Point {
  /// Square pixels, never negative (`shapely.Polygon(…).area`). Fewer than 3 corners have none.
  public func polygonArea() throws -> Double {
    try GEOS.run("area") { geos in
      guard let polygon = try unsafe geos.polygon(self) else { return 0 }
      return try unsafe geos.measure(polygon, GEOSArea_r)
    }
  }

  /// Length of the closed outline in pixels (`shapely.Polygon(…).length`).
  public func polygonLength() throws -> Double {
    try GEOS.run("length") { geos in
      guard let polygon = try unsafe geos.polygon(self) else { return 0 }
      return try unsafe geos.measure(polygon, GEOSLength_r)
    }
  }

  /// Whether the outline neither crosses nor touches itself (`shapely.Polygon(…).is_valid`).
  public func isValidPolygon() throws -> Bool {
    try GEOS.run("validity") { geos in
      guard let polygon = try unsafe geos.polygon(self) else { return false }
      return try unsafe geos.truth(GEOSisValid_r(geos.context, polygon))
    }
  }

  /// Area that both polygons cover, in square pixels (`a.intersection(b).area`).
  /// Throws `.numeric` for outlines that cross themselves.
  public func intersectionArea(with other: Polygon) throws -> Double {
    try GEOS.run("intersection") { geos in
      guard let (a, b) = try unsafe geos.pair(self, other) else { return 0 }
      return try unsafe geos.measure(geos.keep(GEOSIntersection_r(geos.context, a, b)), GEOSArea_r)
    }
  }

  /// Area that at least one polygon covers, in square pixels. Errors as `intersectionArea(with:)`.
  public func unionArea(with other: Polygon) throws -> Double {
    try GEOS.run("union") { geos in
      guard let (a, b) = try unsafe geos.pair(self, other) else {
        return try polygonArea() + other.polygonArea()
      }
      return try unsafe geos.measure(geos.keep(GEOSUnion_r(geos.context, a, b)), GEOSArea_r)
    }
  }
}

/// What two polygons share, as MMOCR measures it for its metrics.
public struct PolygonOverlap: Sendable, Equatable {
  /// Square pixels that both cover.
  public var intersection: Double
  /// Square pixels that at least one covers.
  public var union: Double

  /// 0 where nothing is covered.
  public var intersectionOverUnion: Double { union == 0 ? 0 : intersection / union }

  public init(intersection: Double, union: Double) {
    self.intersection = intersection
    self.union = union
  }

  /// Outlines that cross themselves are repaired first, by GEOS's `buffer(0)`: what that keeps is GEOS's affair.
  public init(_ first: Polygon, _ second: Polygon) throws {
    (intersection, union) = try GEOS.run("overlap") { geos in
      guard let (a, b) = try unsafe geos.pair(first, second) else {
        return (0, try first.polygonArea() + second.polygonArea())
      }
      let (c, d) = try unsafe (geos.valid(a), geos.valid(b))
      return try unsafe (
        geos.measure(geos.keep(GEOSIntersection_r(geos.context, c, d)), GEOSArea_r),
        geos.measure(geos.keep(GEOSUnion_r(geos.context, c, d)), GEOSArea_r)
      )
    }
  }
}

/// One use of GEOS: its context, the geometries that it made, and its last message.
@safe private final class GEOS {
  let context: GEOSContextHandle_t
  private var geometries: [OpaquePointer]
  fileprivate var message = ""
  private let what: String

  static func run<Result>(_ what: String, _ body: (GEOS) throws -> Result) throws -> Result {
    let geos = try GEOS(what)
    return try withExtendedLifetime(geos) { try body(geos) }
  }

  private init(_ what: String) throws {
    self.what = what
    guard let context = unsafe GEOS_init_r() else { throw LigatureError(.limit, "no memory for GEOS") }
    unsafe self.context = context
    unsafe geometries = []
    let box = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe GEOSContext_setErrorMessageHandler_r(
      context,
      { text, box in
        guard let text = unsafe text, let box = unsafe box else { return }
        unsafe Unmanaged<GEOS>.fromOpaque(box).takeUnretainedValue().message = String(cString: text)
      }, box)
  }

  deinit {
    while let geometry = unsafe geometries.popLast() { unsafe GEOSGeom_destroy_r(context, geometry) }
    unsafe GEOS_finish_r(context)
  }

  /// Keeps a geometry until this use ends; throws where GEOS made none.
  func keep(_ geometry: OpaquePointer?) throws -> OpaquePointer {
    guard let geometry = unsafe geometry else { throw failure() }
    unsafe geometries.append(geometry)
    return unsafe geometry
  }

  /// `nil` for fewer than 3 corners.
  func polygon(_ corners: Polygon) throws -> OpaquePointer? {
    guard corners.count >= 3 else { return nil }
    guard corners.allSatisfy({ $0.x.isFinite && $0.y.isFinite }) else {
      throw LigatureError(.numeric, "the \(what) of a polygon with a corner that is not finite")
    }
    let closed = corners + [corners[0]]
    guard let sequence = unsafe GEOSCoordSeq_create_r(context, UInt32(closed.count), 2) else { throw failure() }
    for (index, corner) in closed.enumerated() {
      // Cannot fail: the index is inside.
      _ = unsafe GEOSCoordSeq_setXY_r(context, sequence, UInt32(index), Double(corner.x), Double(corner.y))
    }
    // The ring takes the sequence over, the polygon the ring.
    guard let ring = unsafe GEOSGeom_createLinearRing_r(context, sequence) else { throw failure() }
    return unsafe try keep(GEOSGeom_createPolygon_r(context, ring, nil, 0))
  }

  func pair(_ first: Polygon, _ second: Polygon) throws -> (OpaquePointer, OpaquePointer)? {
    guard let a = try unsafe polygon(first), let b = try unsafe polygon(second) else { return nil }
    return unsafe (a, b)
  }

  /// The same, or what is left of it without crossings.
  func valid(_ polygon: OpaquePointer) throws -> OpaquePointer {
    try unsafe truth(GEOSisValid_r(context, polygon)) ? polygon : keep(GEOSBuffer_r(context, polygon, 0, 16))
  }

  func measure(
    _ geometry: OpaquePointer,
    _ function: (GEOSContextHandle_t?, OpaquePointer?, UnsafeMutablePointer<Double>?) -> Int32
  ) throws -> Double {
    var result = 0.0
    guard unsafe function(context, geometry, &result) == 1 else { throw failure() }
    return result
  }

  /// GEOS answers 0, 1, or 2 for an error.
  func truth(_ answer: CChar) throws -> Bool {
    guard answer == 0 || answer == 1 else { throw failure() }
    return answer == 1
  }

  private func failure() -> LigatureError {
    LigatureError(.numeric, "the \(what) of a polygon failed: \(message.isEmpty ? "GEOS gave no reason" : message)")
  }
}
