internal import Imaging
internal import TensorCore

/// Colours of ink, and how it wears off.
enum Inking {
  /// A colour whose luma differs from the ground's by at least that much.
  static func colour(
    _ style: TextStyle, on ground: RGB, minimumContrast: Double, _ dice: inout Dice
  ) -> RGB {
    let base = ground.luma
    // One more hundredth: bytes and opacity are rounded.
    let least = minimumContrast + 0.01
    let (below, above) = (base - least, 1 - base - least)
    let isDarker: Bool
    switch style {
    case .receipts, .documents: isDarker = below >= 0
    case .scene, .mixed: isDarker = below < 0 ? false : above < 0 ? true : dice.chance(0.25 + 0.5 * base)
    }
    let room = max(isDarker ? below : above, 0)
    // Strong contrast is more common than weak; on paper, black is.
    let part = style == .scene ? 1 - dice.unit() * dice.unit() * 1.1 : 1 - dice.unit() * dice.unit() * 0.9
    let distance = least + room * min(max(part, 0), 1)
    let luma = isDarker ? base - distance : base + distance
    let saturation = style == .scene ? (dice.chance(0.45) ? dice.unit() : 0.1) : dice.chance(0.08) ? dice.unit() : 0.03
    return .random(luma: luma, saturation: saturation, &dice)
  }

  /// A colour beside another, not nearer to the ground.
  static func near(_ ink: RGB, awayFrom ground: RGB, _ dice: inout Dice) -> RGB {
    let step = dice.within(0, 0.3)
    return .random(luma: ink.luma + (ink.luma > ground.luma ? step : -step), saturation: dice.unit(), &dice)
  }

  /// Gaps and faint places, as tired printers and old paper leave them.
  static func wear(_ mask: inout Image, _ style: TextStyle, _ dice: inout Dice) throws {
    let (width, height) = (mask.width, mask.height)
    let share = style == .receipts ? 0.16 : 0.08
    if dice.chance(share) {
      // Broken strokes: ink is missing in small spots.
      let limit = dice.within(0.1, 0.42)
      var map = try Image.clouds(width: width, height: height, cell: dice.within(1.5, 5), octaves: 1, &dice)
      map.replace { ($0 - limit) * 5 + 0.6 }
      mask.multiply(map)
    }
    if dice.chance(share) {
      // Bands across the line of print, where the head did not heat.
      var map = try Image.randomBytes(width: 1, height: max(height / dice.within(1...4), 2), &dice)
        .resized(width: width, height: height, interpolation: .linear)
      let faint = dice.within(0.25, 0.8)
      map.replace { faint + (1 - faint) * min($0 * 2, 1) }
      mask.multiply(map)
    }
    if dice.chance(share) {
      // Fading along the line.
      var map = try Image.randomBytes(width: dice.within(2...4), height: 1, &dice)
        .resized(width: width, height: height, interpolation: .linear)
      map.replace { 0.45 + 0.55 * $0 }
      mask.multiply(map)
    }
    if style == .receipts, height >= 20, dice.chance(0.12) { try dot(&mask, &dice) }
  }

  /// The grid of a dot-matrix or thermal head.
  private static func dot(_ mask: inout Image, _ dice: inout Dice) throws {
    let pitch = max(Double(mask.height) / dice.within(11, 18), 1.6)
    let gap = dice.within(0.2, 0.7)
    let (width, height) = (mask.width, mask.height)
    func isGap(_ position: Int) -> Bool {
      (Double(position) / pitch).truncatingRemainder(dividingBy: 1) * pitch >= pitch - 0.9
    }
    let faint = UInt8(255 * (1 - gap))
    let columns = (0..<width).map { isGap($0) ? faint : 255 }
    let row = try Image(width: width, height: 1, channels: 1, pixels: columns)
    let column = try Image(width: 1, height: height, channels: 1, pixels: (0..<height).map { isGap($0) ? faint : 255 })
    mask.multiply(try row.resized(width: width, height: height, interpolation: .nearest))
    mask.multiply(try column.resized(width: width, height: height, interpolation: .nearest))
  }
}

extension Image {
  /// The mean of all pixels; RGB.
  var meanColour: RGB {
    guard let mean = try? mean(), mean.count >= 3 else { return RGB(128, 128, 128) }
    func byte(_ value: Double) -> UInt8 { UInt8(min(max(value, 0), 255)) }
    return RGB(byte(mean[0]), byte(mean[1]), byte(mean[2]))
  }
}
