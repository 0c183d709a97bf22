import Imaging
import TensorCore
import Testing

/// Equality with pyclipper's offsets and shapely's measures.
@Suite struct PolygonTests {
  let fixtures: Fixtures
  let polygons: [Polygon]

  init() throws {
    fixtures = try Fixtures()
    polygons = try fixtures.polygons("polygons")
  }

  @Test func areasAndLengths() throws {
    let areas = try fixtures.doubles("polygons.area")
    let lengths = try fixtures.doubles("polygons.length")
    let valid = try fixtures.bytes("polygons.valid")
    #expect(Set(valid) == [0, 1])
    for (index, polygon) in polygons.enumerated() {
      #expect(try polygon.polygonArea() == areas[index])
      #expect(try polygon.polygonLength() == lengths[index])
      #expect(try polygon.isValidPolygon() == (valid[index] == 1))
    }
  }

  /// GEOS may order the corners of an overlay otherwise from version to version: the sum then differs in its last bits.
  @Test func overlays() throws {
    let pairs = try fixtures.integers("pairs").map(Int.init)
    let intersections = try fixtures.doubles("pairs.intersection")
    let unions = try fixtures.doubles("pairs.union")
    for index in 0..<pairs.count / 2 {
      let (a, b) = (polygons[pairs[2 * index]], polygons[pairs[2 * index + 1]])
      #expect(abs(try a.intersectionArea(with: b) - intersections[index]) <= 1e-9 * max(intersections[index], 1))
      #expect(abs(try a.unionArea(with: b) - unions[index]) <= 1e-9 * unions[index])
    }
  }

  @Test func offsets() throws {
    for (index, polygon) in polygons.enumerated() {
      for ratio in ["2.0", "1.6", "-0.4"] {
        let number = try #require(Double(ratio))
        let distance = try polygon.polygonArea() * number / max(polygon.polygonLength(), 1e-9)
        #expect(try polygon.offset(by: distance) == fixtures.outlines("offset.\(index).\(ratio)"), "\(index) \(ratio)")
      }
    }
  }

  @Test func whatCannotBeMeasuredIsAnErrorOrNothing() throws {
    #expect(try Polygon().polygonArea() == 0)
    #expect(try [Point(1, 1), Point(2, 2)].polygonLength() == 0)
    #expect(try [Point(1, 1), Point(2, 2)].isValidPolygon() == false)
    #expect(try Contour().offset(by: 3).isEmpty)
    let square = [Point(0, 0), Point(9, 0), Point(9, 9), Point(0, 9)]
    let bow = [Point(0, 0), Point(9, 9), Point(9, 0), Point(0, 9)]
    #expect(throws: LigatureError.self) { try square.intersectionArea(with: bow) }
    #expect(throws: LigatureError.self) { try [Point(.nan, 0), Point(9, 0), Point(9, 9)].polygonArea() }
    #expect(throws: LigatureError.self) { try square.offset(by: .infinity) }
    #expect(throws: LigatureError.self) { try square.offset(by: 1e300) }
    #expect(throws: LigatureError.self) { try [Point(1e30, 0), Point(9, 0), Point(9, 9)].offset(by: 1) }
  }
}
