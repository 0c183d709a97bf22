import Foundation
import Imaging
import Synthesis
import TensorCore
import Testing

@Suite struct PageTests {
  private func synthesizer(_ change: (inout PageOptions) -> Void = { _ in }) throws -> PageSynthesizer {
    var options = PageOptions()
    (options.width, options.height) = (320, 256)
    change(&options)
    return try PageSynthesizer(options)
  }

  @Test func samplesDependOnSeedAndIndexOnly() throws {
    let pages = try synthesizer()
    let count = 12
    let inOrder = try (0..<count).map { try pages.sample(index: $0, seed: 5) }
    let same = Flags(count: count)
    DispatchQueue.concurrentPerform(iterations: count) { step in
      let index = count - 1 - step
      guard let page = try? synthesizer().sample(index: index, seed: 5) else { return }
      if page.image == inOrder[index].image, page.regions == inOrder[index].regions { same.set(index) }
    }
    #expect(same.all)
    #expect(try pages.sample(index: 0, seed: 6).image != inOrder[0].image)
  }

  @Test(arguments: TextStyle.allCases, TextLevel.allCases)
  func regionsLieInThePicture(_ style: TextStyle, _ level: TextLevel) throws {
    let pages = try synthesizer {
      $0.style = style
      $0.level = level
    }
    var (readable, all) = (0, 0)
    for index in 0..<12 {
      let (image, regions) = try pages.sample(index: index, seed: 1)
      #expect(image.width == 320 && image.height == 256 && image.channels == 3)
      for region in regions {
        all += 1
        readable += region.isIgnored ? 0 : 1
        #expect(!region.text.isEmpty && region.text.contains { $0 != " " })
        #expect(region.corners.points.allSatisfy { (0...319).contains($0.x) && (0...255).contains($0.y) })
        if level == .word { #expect(!region.text.contains(" ")) }
        // Clockwise as the picture is seen: y grows downwards.
        if !region.isIgnored { #expect(signedArea(region.corners) > 0, "\(region)") }
      }
    }
    #expect(all > 30 && readable > all / 4, "\(readable) of \(all)")
  }

  /// Blank paper but for the ink: it all lies inside the quadrilaterals, and each of them holds some.
  @Test func inkLiesInsideItsCorners() throws {
    let pages = try synthesizer {
      $0.style = .documents
      $0.isDegraded = false
      $0.leastHeight = 0
      ($0.width, $0.height) = (640, 640)
    }
    var checked = 0
    for index in 0..<30 {
      let (image, regions) = try pages.sample(index: index, seed: 2)
      let grey = try image.grey()
      for region in regions where !region.isIgnored {
        let points = region.corners.points
        let (xs, ys) = (points.map { Int($0.x) }, points.map { Int($0.y) })
        var (darkest, lightest) = (255, 0)
        for y in ys.min()!...ys.max()! {
          for x in xs.min()!...xs.max()! where try points.signedDistance(to: Point(Float(x), Float(y))) >= 0 {
            darkest = min(darkest, Int(grey[x, y]))
            lightest = max(lightest, Int(grey[x, y]))
          }
        }
        #expect(lightest - darkest > 30, "page \(index): \(region)")
        checked += 1
      }
      guard index < 4 else { break }
    }
    #expect(checked > 100)
  }

  /// The corners are those of the ink, not of the font's height: a frame a few pixels outside touches none of it.
  @Test func cornersAreTight() throws {
    let pages = try synthesizer {
      $0.style = .receipts
      $0.level = .line
      $0.isDegraded = false
      $0.words = ["HHHH"]
    }
    var checked = 0
    for index in 0..<20 {
      let (image, regions) = try pages.sample(index: index, seed: 3)
      let grey = try image.grey()
      for region in regions where !region.isIgnored && region.text.allSatisfy({ $0.isUppercase }) {
        // Along the middle of each side, from outside to inside, the first dark pixel is near the side.
        let c = region.corners
        let height = c.first.distance(to: c.fourth)
        guard height > 10 else { continue }
        let left = Point((c.first.x + c.fourth.x) / 2, (c.first.y + c.fourth.y) / 2)
        let right = Point((c.second.x + c.third.x) / 2, (c.second.y + c.third.y) / 2)
        let inside = along(left, right, grey, from: -0.02 * height, to: 0.5 * height)
        let outside = along(left, right, grey, from: -0.2 * height, to: -0.1 * height)
        guard let inside, let outside else { continue }
        #expect(outside > inside + 20, "page \(index): \(region)")
        checked += 1
      }
    }
    #expect(checked > 20)
  }

  /// The darkest of the pixels between two distances from `a` towards `b`; nil outside the picture.
  private func along(_ a: Point, _ b: Point, _ grey: Image, from: Float, to: Float) -> Int? {
    let length = max(a.distance(to: b), 1)
    var darkest = 255
    for distance in stride(from: from, through: to, by: 0.5) {
      let (x, y) = (a.x + (b.x - a.x) * distance / length, a.y + (b.y - a.y) * distance / length)
      guard (0..<Float(grey.width - 1)).contains(x), (0..<Float(grey.height - 1)).contains(y) else { return nil }
      darkest = min(darkest, Int(grey[Int(x.rounded()), Int(y.rounded())]))
    }
    return darkest
  }

  @Test func optionsThatCannotBe() throws {
    #expect(throws: LigatureError.self) { try synthesizer { $0.width = 8 } }
    #expect(throws: LigatureError.self) { try synthesizer { $0.minimumContrast = 2 } }
    #expect(throws: LigatureError.self) { try synthesizer { $0.leastHeight = -.infinity } }
    #expect(throws: LigatureError.self) { try synthesizer { $0.words = ["\u{10F0F0}"] } }
  }

  private func signedArea(_ corners: Quadrilateral) -> Float {
    let p = corners.points
    return zip(p, p[1...] + p[..<1]).reduce(0) { $0 + $1.0.x * $1.1.y - $1.1.x * $1.0.y } / 2
  }
}

final class Flags: @unchecked Sendable {
  private let lock = NSLock()
  private var flags: [Bool]
  init(count: Int) { flags = Array(repeating: false, count: count) }
  func set(_ index: Int) { lock.withLock { flags[index] = true } }
  var all: Bool { lock.withLock { flags.allSatisfy { $0 } } }
}
