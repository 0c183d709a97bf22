import Imaging
import TensorCore
import Testing

@Suite struct RasterTests {
  /// A small picture whose every scalar differs from its neighbours.
  static func gradient(_ width: Int, _ height: Int, _ channels: Int) throws -> Image {
    try Image(
      width: width, height: height, channels: channels,
      pixels: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 11) })
  }

  @Test func sizesThatAreWrongAreErrors() {
    #expect(throws: LigatureError.self) { try Image(width: 2, height: 2, channels: 3, pixels: [1, 2, 3]) }
    #expect(throws: LigatureError.self) { try Image(width: 0, height: 2, channels: 3) }
    #expect(throws: LigatureError.self) { try Image(width: -1, height: -2, channels: 1) }
    #expect(throws: LigatureError.self) { try Image(width: .max, height: .max, channels: 1) }
    #expect(throws: LigatureError.self) { try Image(width: 2, height: 2, channels: 5) }
  }

  @Test func cropsAreCutToThePicture() throws {
    let image = try Self.gradient(7, 5, 3)
    let crop = try image.cropped(x: -2, y: 3, width: 5, height: 100)
    #expect((crop.width, crop.height) == (3, 2))
    #expect(crop[2, 1, 1] == image[2, 4, 1])
    #expect(throws: LigatureError.self) { try image.cropped(x: 7, y: 0, width: 1, height: 1) }
    #expect(throws: LigatureError.self) { try image.cropped(x: .max, y: 0, width: .max, height: 1) }
    #expect(throws: LigatureError.self) { try image.cropped(x: 2, y: 0, width: -1, height: 1) }
  }

  @Test func turnsAreExact() throws {
    let image = try Self.gradient(7, 5, 3)
    let clockwise = try image.turned(.clockwise)
    #expect((clockwise.width, clockwise.height) == (5, 7))
    #expect(clockwise[4, 0, 2] == image[0, 0, 2])
    #expect(try clockwise.turned(.counterclockwise) == image)
    #expect(try image.turned(.half).turned(.half) == image)
    #expect(try image.turned(.transpose)[3, 6] == image[6, 3])
    #expect(try image.turned(.flipHorizontally)[0, 1] == image[6, 1])
    #expect(try image.turned(.flipVertically)[1, 0] == image[1, 4])
  }

  @Test func coloursConvert() throws {
    let image = try Self.gradient(4, 3, 3)
    let swapped = image.swappingRedAndBlue()
    #expect(swapped[2, 1, 0] == image[2, 1, 2])
    #expect(swapped.swappingRedAndBlue() == image)
    let grey = try image.grey()
    #expect(grey.channels == 1)
    #expect(try grey.rgb().channel(2) == grey)
    let translucent = try Image(width: 1, height: 1, channels: 4, pixels: [200, 100, 0, 128])
    #expect(try translucent.rgb().pixels == [227, 177, 127])
    #expect(try translucent.flattened(background: (0, 0, 0)).pixels == [100, 50, 0])
  }

  @Test func tensorsHoldPlanesAndPadding() throws {
    let image = try Self.gradient(3, 2, 3)
    let table = try PixelTable(mean: [0.5, 0.25, 0], standardDeviation: [0.5, 1, 2])
    let tensor = try Image.tensor(of: [image, image], width: 4, height: 3, table, padding: -7)
    #expect(tensor.shape == [2, 3, 3, 4])
    let values: [Float] = try tensor.scalars()
    #expect(values[36 + 12 + 4 + 2] == Float(Double(Float(image[2, 1, 1]) * (1 / 255)) - 0.25))
    #expect(values[3] == -7)
    #expect(values[8] == -7)
    #expect(throws: LigatureError.self) { try Image.tensor(of: [image], width: 2, height: 2, table) }
    #expect(throws: LigatureError.self) { try image.channel(0).tensor(table) }
    #expect(throws: LigatureError.self) { try PixelTable(mean: [0], standardDeviation: [0]) }
  }

  @Test func mapsComeOutOfTensors() throws {
    let tensor = try Tensor((0..<24).map { Float($0) }, [2, 2, 2, 3])
    let map = try FloatImage(tensor, batch: 1, channel: 1)
    #expect(map.pixels == [18, 19, 20, 21, 22, 23])
    #expect(try map.thresholded(above: 20).pixels == [0, 0, 0, 255, 255, 255])
    #expect(throws: LigatureError.self) { try FloatImage(tensor, batch: 2) }
    let colour = try FloatImage(width: 2, height: 1, channels: 2, pixels: [1, 2, 3, 4])
    #expect(try colour.tensor().scalars() == [1, 3, 2, 4] as [Float])
  }
}
