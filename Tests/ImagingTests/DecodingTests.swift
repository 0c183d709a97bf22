import Foundation
import Imaging
import TensorCore
import Testing

/// Decoding equals Pillow's and OpenCV's; bad files are errors.
@Suite struct DecodingTests {
  let fixtures: Fixtures

  init() throws { fixtures = try Fixtures() }

  @Test func everyKindEqualsTheReference() throws {
    let names = try Fixtures.samples()
    #expect(names.count == 36)
    for name in names {
      let expected = try fixtures.image("decoded.\(name.prefix { $0 != "." })")
      let bytes = try fixtures.file(name)
      let image = try Image.decode(bytes)
      let metadata = try Image.metadata(of: bytes)
      #expect(metadata.channels == image.channels)
      #expect(metadata.uprightSize == (image.width, image.height))
      if name.hasPrefix("webp_animated") {
        #expect(try image.rgb() == expected.rgb(), "\(name)")
      } else {
        #expect(image == expected, "\(name)")
      }
    }
  }

  private struct Grey: Decodable { var width: Int, height: Int, sum: Int, places: Int }

  /// In grey, files are read as OpenCV does, not by turning their colours grey.
  @Test func greyEqualsTheReference() throws {
    let expected = try JSONDecoder().decode(
      [String: Grey].self, from: Data(contentsOf: Fixtures.folder.appendingPathComponent("grey.json")))
    #expect(expected.count > 30)
    // OpenCV weighs 16 bits before it cuts them, and inks without going through colours: half a level and one level
    // of difference. It does not turn WebP.
    let others: Set = ["png_rgb16.png", "png_rgba16.png", "jpeg_cmyk.jpg", "webp_exif6.webp"]
    for (name, grey) in expected {
      guard !others.contains(name) else {
        let mean = try Image.decodeGrey(fixtures.file(name)).pixels.reduce(0) { $0 + Double($1) }
        #expect(abs(mean - Double(grey.sum)) < 1.05 * Double(grey.width * grey.height), "\(name)")
        continue
      }
      let image = try Image.decodeGrey(fixtures.file(name))
      #expect(image.channels == 1)
      #expect((image.width, image.height) == (grey.width, grey.height), "\(name)")
      #expect(image.pixels.reduce(0) { $0 + Int($1) } == grey.sum, "\(name)")
      #expect(image.pixels.enumerated().reduce(0) { $0 + ($1.offset + 1) * Int($1.element) } == grey.places, "\(name)")
    }
  }

  @Test func orientationIsAppliedOrLeft() throws {
    for orientation in Orientation.allCases {
      let bytes = try fixtures.file("jpeg_exif\(orientation.rawValue).jpg")
      #expect(try Image.metadata(of: bytes).orientation == orientation)
      let stored = try Image.decode(bytes, applyingOrientation: false)
      #expect((stored.width, stored.height) == (40, 28))
    }
    #expect(try Image.metadata(of: fixtures.file("png_exif6.png")).orientation == .rightTop)
    #expect(try Image.metadata(of: fixtures.file("webp_exif6.webp")).orientation == .rightTop)
  }

  // ── Bad files ─────────────────────────────────────────────────────────────

  @Test func nothingAndNonsenseAreErrors() {
    #expect(code { try Image.decode([]) } == .format)
    #expect(code { try Image.decode(Array("GIF89a, a long time ago".utf8)) } == .format)
    #expect(code { try Image.load(path: "/nowhere/at/all.png") } == .file)
    #expect(code { try Image.load(path: "/") } == .file)
  }

  /// Every prefix of every sample: an error, or the whole picture where only trailing bytes are missing.
  @Test func truncatedFilesAreErrors() throws {
    for name in try Fixtures.samples() {
      let bytes = try fixtures.file(name)
      let whole = try Image.decode(bytes)
      for count in Set(stride(from: 0, to: bytes.count, by: max(bytes.count / 97, 1)).map { $0 } + [bytes.count - 1]) {
        do {
          let image = try Image.decode(Array(bytes[..<count]), applyingOrientation: true)
          // The pixels may all be there; an orientation behind them may not.
          #expect(image.pixels.count == whole.pixels.count && count > bytes.count * 3 / 4, "\(name) up to \(count)")
        } catch let error as LigatureError {
          #expect(error.code == .format, "\(name) up to \(count): \(error)")
        }
      }
      #expect(code { try Image.decode(Array(bytes[..<(bytes.count / 2)])) } == .format, "\(name)")
    }
  }

  /// 200 damaged copies of each sample: a picture or an error of ours, never a crash.
  @Test func damagedFilesAreErrorsOrPictures() throws {
    var random = SplitMix64(20)
    for name in try Fixtures.samples() {
      let bytes = try fixtures.file(name)
      for round in 0..<200 {
        var damaged = bytes
        for _ in 0...Int.random(in: 0..<8, using: &random) {
          // Half of the blows to the headers, where they hurt most.
          let range = Bool.random(using: &random) ? 0..<damaged.count : 0..<min(64, damaged.count)
          damaged[Int.random(in: range, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        if round % 4 == 0 { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
        do {
          var limits = Limits()
          limits.pixels = 4_000_000
          let image = try Image.decode(damaged, limits: limits)
          #expect(image.pixels.count == image.width * image.height * image.channels)
        } catch let error as LigatureError {
          #expect([.format, .limit].contains(error.code), "\(name): \(error)")
        }
      }
    }
  }

  @Test func bombsAreRefusedByTheirHeader() throws {
    var png = try fixtures.file("png_rgb8.png")
    png.replaceSubrange(16..<24, with: [0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0])  // 100000 x 100000.
    png.replaceSubrange(29..<33, with: Self.crc(png[12..<29]))
    #expect(code { try Image.decode(png) } == .limit)
    #expect(code { try Image.metadata(of: png) } == .limit)

    var jpeg = try fixtures.file("jpeg_420.jpg")
    let frame = try #require((0..<jpeg.count - 1).first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0x00, 0xFF, 0x00])  // 65280 x 65280.
    #expect(code { try Image.decode(jpeg) } == .limit)

    var limits = Limits()
    limits.pixels = 40 * 28 - 1
    for name in ["jpeg_420.jpg", "png_rgb8.png", "webp_lossy.webp", "webp_animated.webp"] {
      #expect(code { try Image.decode(fixtures.file(name), limits: limits) } == .limit, "\(name)")
    }
    limits = Limits()
    limits.bytes = 100
    let path = Fixtures.folder.appendingPathComponent("samples/png_rgb8.png").path
    #expect(code { try Image.load(path: path, limits: limits) } == .limit)
  }

  /// A progressive JPEG with thousands of copies of one scan: each would cost a pass over the picture.
  @Test func scanBombsAreRefused() throws {
    let jpeg = try fixtures.file("jpeg_progressive.jpg")
    let scans = (0..<jpeg.count - 1).filter { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xDA }
    let (first, second) = (try #require(scans.first), try #require(scans.dropFirst().first))
    var bomb = Array(jpeg[..<second])
    for _ in 0..<3000 { bomb += jpeg[first..<second] }
    bomb += jpeg[second...]
    #expect(code { try Image.decode(bomb) } == .format)
  }

  // ── Writing ───────────────────────────────────────────────────────────────

  @Test func writtenFilesReadBack() throws {
    let photo = try fixtures.image("photo")
    let grey = try fixtures.image("grey")
    let translucent = try Image.decode(fixtures.file("png_rgba8.png"))
    for image in [photo, grey, translucent] { #expect(try Image.decode(image.encoded(as: .png)) == image) }
    let lossy = try Image.decode(photo.encoded(as: .jpeg, quality: 95))
    let error = zip(lossy.pixels, photo.pixels).map { abs(Int($0) - Int($1)) }.reduce(0, +) / photo.pixels.count
    #expect(error < 8)
    #expect(try Image.decode(grey.encoded(as: .jpeg)).channels == 1)
    #expect(code { try translucent.encoded(as: .jpeg) } == .shape)
    #expect(code { try photo.encoded(as: .webp) } == .unsupported)
  }

  @Test func filesAreReplacedWhole() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ligature-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("picture.png").path
    let photo = try fixtures.image("photo")
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    try photo.save(path: path)
    #expect(try Image.load(path: path) == photo)
    #expect(try Image.metadata(path: path).width == photo.width)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["picture.png"])
    #expect(code { try photo.save(path: folder.appendingPathComponent("missing/p.png").path) } == .file)
    #expect(code { try photo.save(path: folder.appendingPathComponent("p.bmp").path) } == .usage)
  }

  // ── Helpers ───────────────────────────────────────────────────────────────

  /// The code of the error that is thrown; `nil` when there is none, or another one.
  private func code<Result>(_ body: () throws -> Result) -> LigatureError.Code? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? LigatureError)?.code
    }
  }

  /// PNG's checksum, for headers that are wrong on purpose but not damaged.
  private static func crc(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    crc = ~crc
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: crc >> $0) }
  }
}
