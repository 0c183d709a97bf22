import Imaging
import TensorCore
import Testing

/// Equality, to the last bit, with what OpenCV gives in Python for the same input.
@Suite struct OpenCVParityTests {
  let fixtures: Fixtures

  init() throws { fixtures = try Fixtures() }

  static let interpolations: [String: Interpolation] = [
    "nearest": .nearest, "linear": .linear, "cubic": .cubic, "area": .area,
  ]
  static let borders: [String: Border] = [
    "constant": .constant(), "replicate": .replicate, "reflect": .reflect, "reflect101": .reflect101,
  ]

  @Test func resize() throws {
    let sources = ["rgb": try fixtures.image("photo"), "grey": try fixtures.image("grey")]
    for name in try fixtures.names("resize.") {
      let parts = name.split(separator: ".").map(String.init)
      let size = parts[3].split(separator: "x").compactMap { Int($0) }
      let interpolation = try #require(Self.interpolations[parts[2]])
      if let source = sources[parts[1]] {
        let result = try source.resized(width: size[0], height: size[1], interpolation: interpolation)
        #expect(try result == fixtures.image(name), "\(name)")
      } else {
        let result = try fixtures.floatImage("floats")
          .resized(width: size[0], height: size[1], interpolation: interpolation)
        #expect(try result == fixtures.floatImage(name), "\(name)")
      }
    }
  }

  @Test func warps() throws {
    let photo = try fixtures.image("photo")
    let perspective = try fixtures.doubles("perspective.matrices")
    let affine = try fixtures.doubles("affine.matrices")
    for name in try fixtures.names("perspective.").filter({ $0.split(separator: ".").count == 4 }) {
      let parts = name.split(separator: ".").map(String.init)
      let index = try #require(Int(parts[1]))
      let shape = try fixtures.shape(name)
      let interpolation = try #require(Self.interpolations[parts[2]])
      let border = try #require(Self.borders[parts[3]])
      let homography = try Homography(Array(perspective[9 * index..<9 * index + 9]))
      let warped = try photo.warpedPerspective(
        homography, width: shape[1], height: shape[0], interpolation: interpolation, border: border)
      #expect(try warped == fixtures.image(name), "\(name)")
      let transform = try AffineTransform(Array(affine[6 * index..<6 * index + 6]))
      let moved = try photo.warpedAffine(
        transform, width: shape[1], height: shape[0], interpolation: interpolation, border: border)
      let affineName = (["affine"] + parts[1...]).joined(separator: ".")
      #expect(try moved == fixtures.image(affineName), "\(affineName)")
    }
  }

  @Test func matrices() throws {
    let quads = try fixtures.floats("quads")
    let perspective = try fixtures.doubles("perspective.matrices")
    let inverses = try fixtures.doubles("perspective.inverses")
    let affine = try fixtures.doubles("affine.matrices")
    for index in 0..<quads.count / 10 {
      let (source, target) = try Self.quad(quads, index)
      let matrix = try Homography(from: source, to: target)
      #expect(matrix.elements == Array(perspective[9 * index..<9 * index + 9]))
      #expect(try matrix.inverted().elements == Array(inverses[9 * index..<9 * index + 9]))
      #expect(matrix(source.third).distance(to: target.third) < 1e-3)
      let transform = try AffineTransform(
        from: Array(source.points.prefix(3)), to: Array(target.points.prefix(3)))
      #expect(transform.elements == Array(affine[6 * index..<6 * index + 6]))
    }
    let rotation = try AffineTransform(rotatingAbout: Point(31.5, 17.25), degrees: 33.3, scale: 1.2)
    #expect(try rotation.elements == fixtures.doubles("rotation"))
  }

  private static func quad(_ numbers: [Float], _ index: Int) throws -> (Quadrilateral, Quadrilateral) {
    let row = Array(numbers[10 * index..<10 * index + 10])
    let corners = stride(from: 0, to: 8, by: 2).map { Point(row[$0], row[$0 + 1]) }
    return (try Quadrilateral(corners), Quadrilateral(x: 0, y: 0, width: row[8], height: row[9]))
  }

  /// The whole way of a text line: matrix, cubic warp with repeated edges, a quarter turn for tall ones.
  @Test func lineCrops() throws {
    let photo = try fixtures.image("photo")
    let quads = try fixtures.floats("quads")
    for index in 0..<quads.count / 10 {
      var corners = try Self.quad(quads, index).0.points
      if index % 2 == 0 { corners = [corners[3]] + corners[..<3] }
      let width = Int(max(corners[0].distance(to: corners[1]), corners[2].distance(to: corners[3])))
      let height = Int(max(corners[0].distance(to: corners[3]), corners[1].distance(to: corners[2])))
      let matrix = try Homography(
        from: Quadrilateral(corners), to: Quadrilateral(x: 0, y: 0, width: Float(width), height: Float(height)))
      var line = try photo.warpedPerspective(
        matrix, width: width, height: height, interpolation: .cubic, border: .replicate)
      if Double(height) >= 1.5 * Double(width) { line = try line.turned(.counterclockwise) }
      #expect(try line == fixtures.image("crop.\(index)"))
    }
  }

  @Test func bordersAndMorphology() throws {
    let photo = try fixtures.image("photo")
    let grey = try fixtures.image("grey")
    for (name, border) in Self.borders {
      let border = name == "constant" ? Border.constant([9, 8, 7]) : border
      #expect(try photo.padded(top: 1, bottom: 2, left: 3, right: 4, border: border) == fixtures.image("pad.\(name)"))
    }
    for size in [2, 3] {
      #expect(try grey.dilated(width: size, height: size) == fixtures.image("dilate.\(size)"))
      #expect(try grey.eroded(width: size, height: size) == fixtures.image("erode.\(size)"))
    }
    #expect(try photo.grey() == fixtures.image("grey_of_rgb"))
    #expect(try photo.mean() == fixtures.doubles("mean.rgb"))
  }

  @Test func contours() throws {
    let shape = try fixtures.shape("masks")
    let all = try fixtures.bytes("masks")
    let size = shape[1] * shape[2]
    for index in 0..<shape[0] {
      let mask = try Image(
        width: shape[2], height: shape[1], channels: 1, pixels: Array(all[index * size..<(index + 1) * size]))
      #expect(try mask.contours() == fixtures.outlines("contours.list.\(index)"))
      #expect(try mask.contours(mode: .external) == fixtures.outlines("contours.external.\(index)"))
    }
  }

  @Test func measuresOfOutlines() throws {
    let outlines = try fixtures.outlines("outlines")
    let (lengths, areas) = (try fixtures.doubles("outlines.length"), try fixtures.doubles("outlines.area"))
    let distances = try fixtures.doubles("outlines.distance")
    let hulls = try fixtures.outlines("outlines.hull")
    let approximations = try fixtures.outlines("outlines.approximated")
    #expect(outlines.count > 20)
    for (index, outline) in outlines.enumerated() {
      #expect(try outline.arcLength() == lengths[index])
      #expect(try outline.contourArea() == areas[index])
      #expect(try outline.signedDistance(to: Point(20.5, 18.25)) == distances[index])
      #expect(try outline.convexHull() == hulls[index])
      #expect(try outline.approximated(epsilon: 1.5) == approximations[index])
    }
    try expectRectangles("outlines", outlines.map { try $0.minimumAreaRectangle() })
    try expectRectangles("polygons", fixtures.polygons("polygons").map { try $0.minimumAreaRectangle() })
  }

  private func expectRectangles(_ name: String, _ rectangles: [RotatedRectangle]) throws {
    let flat = rectangles.flatMap { [$0.center.x, $0.center.y, $0.width, $0.height, $0.angle] }
    #expect(try flat == fixtures.floats("\(name).rectangle"))
    let boxes = try rectangles.flatMap { try $0.corners().points.flatMap { [$0.x, $0.y] } }
    #expect(try boxes == fixtures.floats("\(name).box"))
  }

  @Test func fillsAndMaskedMeans() throws {
    let polygons = try fixtures.outlines("fill")
    let scores = try fixtures.floatImage("scores")
    let means = try fixtures.doubles("scores.means")
    for (index, polygon) in polygons.enumerated() {
      var mask = try Image(width: 50, height: 30, channels: 1)
      try mask.fill(polygon: polygon, value: [1])
      #expect(try mask == fixtures.image("fill.\(index)"))
      #expect(try scores.mean(mask: mask) == [means[index]])
    }
  }

  @Test func whatOpenCVRefusesIsAnError() throws {
    let image = try fixtures.image("photo")
    #expect(throws: LigatureError.self) { try image.contours() }
    #expect(throws: LigatureError.self) { try image.resized(width: 0, height: 5) }
    #expect(throws: LigatureError.self) { try image.resized(width: 1 << 40, height: 5) }
    let identity = try Homography([1, 0, 0, 0, 1, 0, 0, 0, 1])
    #expect(throws: LigatureError.self) {
      try Image(width: 40_000, height: 2, channels: 1).warpedPerspective(identity, width: 4, height: 2)
    }
    #expect(throws: LigatureError.self) { try image.warpedPerspective(Homography([1]), width: 4, height: 2) }
    let broken = try Homography([.nan, 0, 0, 0, 1, 0, 0, 0, 1])
    #expect(throws: LigatureError.self) { try image.warpedPerspective(broken, width: 4, height: 2) }
    #expect(throws: LigatureError.self) { try Homography([Double](repeating: 0, count: 9)).inverted() }
    #expect(throws: LigatureError.self) { try Contour().minimumAreaRectangle() }
    #expect(throws: LigatureError.self) { try [Point(.infinity, 0), Point(0, 0)].minimumAreaRectangle() }
    #expect(throws: LigatureError.self) { try image.mean(mask: Image(width: 1, height: 1, channels: 1)) }
    #expect(throws: LigatureError.self) { try image.padded(top: -1) }
    #expect(throws: LigatureError.self) { try image.padded(right: .max) }
    #expect(throws: LigatureError.self) { try image.dilated(width: 0, height: 2) }
    var target = image
    let far = [PixelPoint(.max, 0), PixelPoint(0, .min), PixelPoint(3, 3)]
    #expect(throws: LigatureError.self) { try target.fill(polygon: far, value: [1]) }
  }
}
