internal import Glibc
internal import Imaging
internal import TensorCore

/// What cameras, scanners and files do to text. Drawn by lot first, so that it costs nothing where it is nothing.
struct Degradation {
  let style: TextStyle
  /// Standard deviation for a height of 32 pixels.
  var blur = 0.0
  var motion = 0.0
  var motionDegrees = 0.0
  var light = 0.0
  var noise = 0.0
  var isGreyNoise = true
  /// Quality of the JPEG that the picture was in, if it was.
  var quality: Int?
  var sharpness = 0.0
  /// The levels' gain, offset and exponent.
  var (gain, offset, gamma) = (1.0, 0.0, 1.0)
  /// How far levels are pushed to black and white.
  var harshness = 0.0
  var isNegative = false

  init(_ style: TextStyle, _ dice: inout Dice) {
    self.style = style
    let isScene = style == .scene
    if dice.chance(isScene ? 0.65 : 0.5) { blur = dice.within(0.3, isScene ? 1.9 : 1.3) }
    if dice.chance(isScene ? 0.12 : 0.03) {
      (motion, motionDegrees) = (dice.within(2, 6), dice.within(0, 180))
    }
    if dice.chance(isScene ? 0.4 : 0.25) { light = dice.within(0.05, isScene ? 0.6 : 0.3) }
    if dice.chance(0.5) {
      (noise, isGreyNoise) = (dice.chance(0.85) ? dice.within(1, 7) : dice.within(7, 18), dice.chance(0.7))
    }
    if dice.chance(0.4) { quality = dice.chance(0.7) ? dice.within(45...92) : dice.within(15...45) }
    if dice.chance(isScene ? 0.08 : 0.15) { sharpness = dice.within(0.3, 1.5) }
    if dice.chance(0.4) {
      gamma = dice.within(0.65, 1.5)
      gain = isScene ? dice.within(0.35, 1.15) : dice.within(0.75, 1.1)
      offset = isScene ? dice.within(-0.08, 0.15) : dice.within(-0.05, 0.1)
    }
    if !isScene, dice.chance(0.2) { harshness = dice.within(1.5, 8) }
    isNegative = dice.chance(isScene ? 0.02 : 0.012)
  }

  /// The same, but faint text does not drown in noise or darkness.
  func limited(toContrast contrast: Double) -> Degradation {
    var copy = self
    copy.noise = min(noise, contrast * 255 * 0.16)
    copy.gain = max(gain, min(0.1 / max(contrast, 0.01), 1))
    copy.light = min(light, contrast * 1.5)
    // Uneven light cannot be told from ink once levels are pushed to black and white.
    if harshness > 0 { copy.light = min(light, 0.1) }
    if contrast < 0.2 { (copy.blur, copy.motion) = (min(blur, 1), 0) }
    return copy
  }

  /// Before the picture gets its final size. `scale` is its letters' size, compared with words of 32 pixels' height.
  func apply(to picture: Image, scale: Double, _ dice: inout Dice) throws -> Image {
    var picture = picture
    if light > 0 {
      picture.shade(try .light(width: picture.width, height: picture.height, &dice), strength: light)
    }
    if blur * scale > 0.2 { picture = try picture.blurred(deviation: blur * scale) }
    if motion * scale > 1.5 { picture = try moved(picture, length: motion * scale) }
    return picture
  }

  /// After that: what happens to pixels where they are.
  func finish(_ picture: Image, _ dice: inout Dice) throws -> Image {
    var picture = picture
    if sharpness > 0 {
      let s = Float(sharpness)
      picture = try picture.filtered([0, -s / 4, 0, -s / 4, 1 + s, -s / 4, 0, -s / 4, 0], width: 3, height: 3)
    }
    if gain != 1 || harshness > 0 || isNegative {
      let middle = picture.meanColour.luma * 0.85
      picture.replace { value in
        var level = pow(value, gamma) * gain + offset
        if harshness > 0 { level = (level - middle) * harshness + middle }
        return isNegative ? 1 - level : level
      }
    }
    if noise > 0 { picture.addNoise(deviation: noise, isGrey: isGreyNoise, &dice) }
    if let quality { picture = try Image.decode(picture.encoded(as: .jpeg, quality: quality)) }
    return picture
  }

  /// Blur along a line, as by a hand that moves.
  private func moved(_ picture: Image, length: Double) throws -> Image {
    let side = min(Int(length.rounded(.up)) | 1, 31)
    let (sine, cosine) = sineAndCosine(degrees: motionDegrees)
    var weights = [Float](repeating: 0, count: side * side)
    let steps = side * 4
    for step in 0...steps {
      let along = (Float(step) / Float(steps) - 0.5) * Float(side - 1)
      let (x, y) = (Int((along * cosine).rounded()) + side / 2, Int((along * sine).rounded()) + side / 2)
      weights[y * side + x] += 1
    }
    let sum = weights.reduce(0, +)
    return try picture.filtered(weights.map { $0 / sum }, width: side, height: side)
  }
}
