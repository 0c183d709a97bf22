internal import CSynthesis
internal import Imaging
internal import TensorCore

/// A colour as pixels hold it.
struct RGB: Sendable, Equatable {
  var (red, green, blue): (UInt8, UInt8, UInt8)

  init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }

  init(grey: Double) {
    let value = UInt8(min(max(grey, 0), 1) * 255)
    self.init(value, value, value)
  }

  /// 0.299 R + 0.587 G + 0.114 B, from 0 to 1.
  var luma: Double { (0.299 * Double(red) + 0.587 * Double(green) + 0.114 * Double(blue)) / 255 }

  var bytes: [UInt8] { [red, green, blue] }

  /// Any hue with that luma; `saturation` 1 is as coloured as the luma allows.
  static func random(luma: Double, saturation: Double, _ dice: inout Dice) -> RGB {
    let luma = min(max(luma, 0), 1)
    let any = (dice.unit(), dice.unit(), dice.unit())
    let own = 0.299 * any.0 + 0.587 * any.1 + 0.114 * any.2
    let offsets = [any.0 - own, any.1 - own, any.2 - own]
    // How far the offsets, whose luma is 0, can be stretched before a channel leaves its range.
    var reach = 4.0
    for offset in offsets where abs(offset) > 1e-6 { reach = min(reach, (offset > 0 ? 1 - luma : luma) / abs(offset)) }
    let parts = offsets.map { UInt8(min(max((luma + $0 * reach * saturation) * 255 + 0.5, 0), 255)) }
    return RGB(parts[0], parts[1], parts[2])
  }
}

// ── Pictures of three channels ──────────────────────────────────────────────
extension Image {
  static func filled(_ colour: RGB, width: Int, height: Int) throws -> Image {
    try mapped(try Image(width: width, height: height, channels: 1), from: colour, to: colour)
  }

  /// A picture that goes from one colour, where the map is 0, to another, where it is 255.
  static func mapped(_ map: Image, from: RGB, to: RGB) throws -> Image {
    try unsafe Image(width: map.width, height: map.height, channels: 3) { rgb in
      unsafe ligature_pixels_map(rgb.baseAddress, map.pixels, map.width * map.height, from.bytes, to.bytes)
    }
  }

  /// Lays a colour over as much as the mask covers, its top left at (x, y).
  mutating func paint(
    _ mask: Image, x: Int = 0, y: Int = 0, _ colour: RGB, to bottom: RGB? = nil, opacity: Double = 1
  ) {
    let (width, height) = (width, height)
    unsafe withMutablePixels { rgb in
      let patch = unsafe ligature_patch(
        rgb: rgb.baseAddress, picture_width: Int32(width), picture_height: Int32(height), x: Int32(x), y: Int32(y),
        width: Int32(mask.width), height: Int32(mask.height))
      unsafe ligature_pixels_paint(patch, mask.pixels, colour.bytes, (bottom ?? colour).bytes, opacity)
    }
  }

  /// Another picture of the same size wherever the mask is; between the two at its edges.
  func covered(by other: Image, _ mask: Image) throws -> Image {
    guard other.pixels.count == pixels.count, mask.pixels.count * 3 == pixels.count else {
      throw LigatureError(.shape, "pictures of different sizes cannot be laid over each other")
    }
    var result = self
    unsafe result.withMutablePixels {
      unsafe ligature_pixels_cover($0.baseAddress, other.pixels, mask.pixels, mask.pixels.count)
    }
    return result
  }

  /// Brighter where the map is above 128, darker below.
  mutating func shade(_ map: Image, strength: Double) {
    unsafe withMutablePixels { rgb in
      unsafe ligature_pixels_shade(rgb.baseAddress, map.pixels, rgb.count / 3, strength)
    }
  }

  mutating func addNoise(deviation: Double, isGrey: Bool, _ dice: inout Dice) {
    let seed = dice.next()
    unsafe withMutablePixels { rgb in
      unsafe ligature_pixels_noise(rgb.baseAddress, rgb.count / 3, deviation, isGrey ? 1 : 0, seed)
    }
  }

  /// Every byte replaced; `formula` takes and gives 0 to 1.
  mutating func replace(_ formula: (Double) -> Double) {
    let table = (0..<256).map { UInt8(min(max(formula(Double($0) / 255) * 255 + 0.5, 0), 255)) }
    unsafe withMutablePixels { unsafe ligature_pixels_replace($0.baseAddress, $0.count, table) }
  }

  /// mask * map / 255
  mutating func multiply(_ map: Image) {
    let count = min(pixels.count, map.pixels.count)
    unsafe withMutablePixels { unsafe ligature_pixels_multiply($0.baseAddress, map.pixels, count) }
  }
}

// ── Maps: one channel, smooth and random ────────────────────────────────────
extension Image {
  static func randomBytes(width: Int, height: Int, _ dice: inout Dice) throws -> Image {
    let seed = dice.next()
    return try unsafe Image(width: width, height: height, channels: 1) { bytes in
      unsafe ligature_pixels_random(bytes.baseAddress, bytes.count, seed)
    }
  }

  /// Hills and valleys about `cell` pixels apart; finer ones are added `octaves` - 1 times.
  static func clouds(width: Int, height: Int, cell: Double, octaves: Int = 1, _ dice: inout Dice) throws -> Image {
    func octave(_ cell: Double, _ dice: inout Dice) throws -> Image {
      let columns = min(max(Int(Double(width) / cell) + 1, 2), width)
      let rows = min(max(Int(Double(height) / cell) + 1, 2), height)
      return try randomBytes(width: columns, height: rows, &dice)
        .resized(width: width, height: height, interpolation: cell > 2 ? .cubic : .linear)
    }
    var sum = try octave(cell, &dice)
    for level in 1..<max(octaves, 1) {
      let finer = try octave(max(cell / Double(1 << level), 1), &dice)
      unsafe sum.withMutablePixels { unsafe ligature_pixels_mix($0.baseAddress, finer.pixels, $0.count, 0.36) }
    }
    return sum
  }

  /// Light that falls unevenly on the whole picture.
  static func light(width: Int, height: Int, _ dice: inout Dice) throws -> Image {
    try randomBytes(width: 2, height: 2, &dice).resized(width: width, height: height, interpolation: .linear)
  }
}
