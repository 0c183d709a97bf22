import Architectures
import Imaging
import TensorCore
import Testing

@Suite struct DetectionTests {
  private struct MapCase: Decodable {
    var map: String, width: Int, height: Int, boxes: [[[Float]]], scores: [Double]
  }
  private struct Geometry: Decodable {
    struct Corners: Decodable { var box: [[Float]], kept: [[Float]]? }
    struct Order: Decodable { var boxes: [[Float]], sorted: [[Float]] }
    struct Page: Decodable {
      var size: [Int], fitted: [Int], box: [[Float]], back: [[Float]], detector: [Int]
    }
    var corners: [Corners]
    var order: [Order]
    var pages: [Page]
  }

  private func box(_ corners: [[Float]]) throws -> Quadrilateral {
    try Quadrilateral(corners.map { Point($0[0], $0[1]) })
  }

  @Test func boxesOfMapsEqualTheReference() throws {
    for example in try Fixtures.json("db.json", as: [MapCase].self) {
      let levels = try Image.load(path: Fixtures.path("architectures/\(example.map)"))
      let map = try FloatImage(
        width: levels.width, height: levels.height, channels: 1, pixels: levels.pixels.map { Float($0) / 255 })
      let boxes = try PaddleDBPostprocessor(Fixtures.db())(map, width: example.width, height: example.height)
      #expect(boxes.map { $0.corners.points.map { [$0.x, $0.y] } } == example.boxes)
      #expect(boxes.map(\.score) == example.scores)
    }
  }

  @Test func candidatesAreBounded() throws {
    var parameters = try Fixtures.db()
    let levels = try Image.load(path: Fixtures.path("architectures/db_1.png"))
    let map = try FloatImage(
      width: levels.width, height: levels.height, channels: 1, pixels: levels.pixels.map { Float($0) / 255 })
    let all = try PaddleDBPostprocessor(parameters)(map, width: 100, height: 100)
    parameters.maximalCandidates = 5
    let few = try PaddleDBPostprocessor(parameters)(map, width: 100, height: 100)
    #expect(few.count <= 5 && few.count < all.count)
    #expect(Array(all.prefix(few.count)) == few)
  }

  @Test func mapsThatAreNotProbabilitiesGiveNoBoxes() throws {
    for value in [Float.nan, -Float.infinity] {
      let map = try FloatImage(width: 32, height: 32, channels: 1, filledWith: value)
      #expect(try PaddleDBPostprocessor(Fixtures.db())(map, width: 32, height: 32).isEmpty)
    }
  }

  @Test func cornersAreOrderedAndClipped() throws {
    for example in try Fixtures.json("geometry.json", as: Geometry.self).corners {
      let kept = TextDetector.usable(try box(example.box), width: 200, height: 180)
      #expect(kept?.points.map { [$0.x, $0.y] } == example.kept)
    }
  }

  @Test func boxesAreSortedForReading() throws {
    for example in try Fixtures.json("geometry.json", as: Geometry.self).order {
      let boxes = example.boxes.map { Quadrilateral(x: $0[0], y: $0[1], width: 20, height: 9) }
      #expect(readingOrder(boxes).map { [$0.first.x, $0.first.y] } == example.sorted)
    }
  }

  @Test func pagesAreFittedAndBoxesFindTheWayBack() throws {
    let recipe = try Recipe(json: Fixtures.recipe("ppocrv4-det"))
    guard case .limitedSide(let size) = recipe.preprocess.resize else {
      Issue.record("the detection recipe has no limitedSide")
      return
    }
    for example in try Fixtures.json("geometry.json", as: Geometry.self).pages {
      let page = try FittedPage(Image(width: example.size[0], height: example.size[1], channels: 3), recipe.page)
      #expect([page.image.width, page.image.height] == example.fitted)
      #expect(page.onPage(try box(example.box)).points.map { [$0.x, $0.y] } == example.back)
      let scaled = size.scaled(width: page.image.width, height: page.image.height)
      #expect([scaled.width, scaled.height] == example.detector)
    }
  }

  @Test func stripsTooNarrowToBeReadAreRefused() throws {
    let limits = try Recipe(json: Fixtures.recipe("ppocrv4-det")).page
    let strip = try Image(width: 1, height: 1999, channels: 3)
    #expect(throws: LigatureError.self) { try FittedPage(strip, limits) }
  }

  @Test func uprightLinesAreLaidOnTheirSide() throws {
    var page = try Image(width: 60, height: 100, channels: 3)
    page[20, 10, 0] = 255
    let (line, turns) = try page.line(inside: Quadrilateral(x: 20, y: 10, width: 20, height: 60))
    #expect(turns == 1)
    #expect(line.width == 60 && line.height == 20)
    // Turned anticlockwise: what was at the top left is now at the bottom left.
    #expect(line[0, 19, 0] == 255)
  }
}
