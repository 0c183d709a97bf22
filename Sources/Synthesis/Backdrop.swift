internal import Imaging
internal import TensorCore

/// What lies behind text.
enum Backdrop {
  /// A picture of that size, RGB, whose brightness varies little enough that text stays legible on it.
  static func picture(
    _ style: TextStyle, width: Int, height: Int, _ pictures: [Image], _ dice: inout Dice
  ) throws -> Image {
    switch style {
    case .receipts, .documents: try paper(width, height, isReceipt: style == .receipts, &dice)
    case .scene, .mixed:
      if !pictures.isEmpty, dice.chance(0.5) {
        try piece(of: dice.pick(pictures), width, height, &dice)
      } else {
        try surface(width, height, &dice)
      }
    }
  }

  /// White, grey or yellowed, with a grain.
  static func paper(_ width: Int, _ height: Int, isReceipt: Bool, _ dice: inout Dice) throws -> Image {
    let luma = dice.chance(0.6) ? dice.within(0.9, 1) : dice.within(0.6, 0.95)
    let tint = dice.chance(0.1) ? dice.within(0.1, 0.5) : dice.within(0, 0.06)
    let light = RGB.random(luma: luma, saturation: tint, &dice)
    guard dice.chance(0.4) else { return try .filled(light, width: width, height: height) }
    let dark = RGB.random(luma: luma - dice.within(0.01, 0.12), saturation: tint, &dice)
    let cell = dice.chance(0.5) ? dice.within(1, 4) : Double(height) * dice.within(0.3, 2)
    return try .mapped(.clouds(width: width, height: height, cell: cell, &dice), from: dark, to: light)
  }

  /// Paint, plastic, metal, cloth, glass: flat, shaded or with a grain.
  static func surface(_ width: Int, _ height: Int, _ dice: inout Dice) throws -> Image {
    let luma = dice.chance(0.3) ? dice.within(0.75, 1) : dice.within(0.03, 0.8)
    let saturation = dice.chance(0.5) ? dice.unit() : dice.within(0, 0.3)
    let first = RGB.random(luma: luma, saturation: saturation, &dice)
    let kind = dice.unit()
    if kind < 0.35 { return try .filled(first, width: width, height: height) }
    let second = RGB.random(luma: luma + dice.bell(0, deviation: 0.06), saturation: saturation * dice.unit(), &dice)
    let map: Image
    switch kind {
    case ..<0.6: map = try .light(width: width, height: height, &dice)
    case ..<0.85:
      map = try .clouds(
        width: width, height: height, cell: Double(height) * dice.within(0.08, 1), octaves: dice.within(1...3), &dice)
    default: map = try stripes(width, height, &dice)
    }
    return try .mapped(map, from: first, to: second)
  }

  /// Boards, blinds and brushed metal.
  private static func stripes(_ width: Int, _ height: Int, _ dice: inout Dice) throws -> Image {
    let count = dice.within(3...24)
    let isUpright = dice.chance(0.4)
    let lines = try Image.randomBytes(width: isUpright ? count : 1, height: isUpright ? 1 : count, &dice)
    return try lines.resized(width: width, height: height, interpolation: dice.chance(0.5) ? .nearest : .linear)
  }

  /// A piece of a picture, made calmer where it is too lively for text.
  static func piece(of picture: Image, _ width: Int, _ height: Int, _ dice: inout Dice) throws -> Image {
    // At one scale in both directions, between a close look and the whole.
    let largest = min(Double(picture.width) / Double(width), Double(picture.height) / Double(height))
    let scale = largest * dice.within(0.1, 1)
    let cropWidth = min(max(Int(Double(width) * scale), 1), picture.width)
    let cropHeight = min(max(Int(Double(height) * scale), 1), picture.height)
    let crop = try picture.cropped(
      x: dice.below(picture.width - cropWidth + 1), y: dice.below(picture.height - cropHeight + 1), width: cropWidth,
      height: cropHeight)
    var piece = try crop.resized(width: width, height: height, interpolation: scale > 1 ? .area : .linear)
    let mean = piece.meanColour.luma
    let calm = dice.within(0.25, 0.7)
    // Towards its own mean, which itself keeps away from the middle greys that leave little room for contrast.
    let target = abs(mean - 0.5) < 0.12 ? (dice.chance(0.5) ? mean - 0.15 : mean + 0.15) : mean
    piece.replace { target + ($0 - mean) * calm }
    return piece
  }
}
