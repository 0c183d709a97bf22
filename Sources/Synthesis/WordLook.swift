internal import Glibc
internal import Imaging
internal import TensorCore

func sineAndCosine(degrees: Double) -> (sine: Float, cosine: Float) {
  (Float(sin(degrees * .pi / 180)), Float(cos(degrees * .pi / 180)))
}

/// How one word looks: all that is drawn by lot before its pixels are.
struct WordLook {
  let style: TextStyle
  var monospacedShare = 0.05
  /// Between letters, in ems.
  var spacing = 0.0
  var stretch = 1.0
  /// How far the middle of the line lies from its ends, as a part of its height.
  var bend = 0.0
  var shear = 0.0
  var degrees = 0.0
  /// How far corners move, as a part of the height.
  var perspective = 0.0
  /// Bolder or thinner, as a part of the height.
  var stroke = 0.0
  var neighbourShare = 0.1
  var margins = (least: -0.03, most: 0.25)
  /// Text is drawn with this many pixels' height, and then resized.
  var renderedHeight: Int
  var degradation: Degradation

  init(_ style: TextStyle, _ options: WordOptions, _ dice: inout Dice) {
    self.style = style
    renderedHeight = options.height
    degradation = Degradation(style, &dice)
    switch style {
    case .scene, .mixed: drawScene(&dice)
    case .receipts: drawReceipt(&dice)
    case .documents: drawDocument(&dice)
    }
    if options.isDegraded {
      let lowest = style == .scene ? 0.34 : 0.4
      let factor = dice.chance(0.5) ? dice.within(lowest, 1) : dice.chance(0.3) ? dice.within(1, 1.8) : 1
      renderedHeight = max(Int(Double(options.height) * factor), min(options.height, 11))
    } else {
      neighbourShare = 0
      margins = (0.02, 0.2)
    }
  }

  func margin(_ dice: inout Dice) -> Double { dice.within(margins.least, margins.most) }

  private mutating func drawScene(_ dice: inout Dice) {
    monospacedShare = 0.03
    if dice.chance(0.28) { spacing = dice.chance(0.8) ? dice.within(0, 0.2) : dice.within(-0.06, 0) }
    stretch = dice.chance(0.5) ? 1 : min(max(dice.bell(1, deviation: 0.25), 0.55), 1.8)
    if dice.chance(0.12) { bend = dice.within(-0.5, 0.5) }
    shear = dice.chance(0.3) ? dice.bell(0, deviation: 0.15) : 0
    degrees = dice.chance(0.2) ? dice.within(-24, 24) : dice.bell(0, deviation: 3.5)
    perspective = dice.chance(0.6) ? dice.within(0, 0.13) : 0
    stroke = dice.chance(0.4) ? dice.within(-0.015, 0.05) : 0
    neighbourShare = 0.14
    margins = dice.chance(0.85) ? (-0.03, 0.22) : (0.1, 0.6)
  }

  private mutating func drawReceipt(_ dice: inout Dice) {
    monospacedShare = 0.5
    spacing = dice.chance(0.3) ? dice.within(-0.03, 0.12) : 0
    stretch = min(max(dice.bell(1, deviation: 0.25), 0.55), 1.9)
    degrees = dice.bell(0, deviation: 1)
    perspective = dice.chance(0.4) ? dice.within(0, 0.05) : 0
    stroke = dice.chance(0.5) ? dice.within(-0.03, 0.05) : 0
    neighbourShare = 0.12
    margins = dice.chance(0.9) ? (-0.03, 0.2) : (0.05, 0.45)
    if dice.chance(0.05) { bend = dice.within(-0.2, 0.2) }
  }

  private mutating func drawDocument(_ dice: inout Dice) {
    stretch = min(max(dice.bell(1, deviation: 0.1), 0.7), 1.4)
    degrees = dice.bell(0, deviation: 1.2)
    perspective = dice.chance(0.4) ? dice.within(0, 0.06) : 0
    stroke = dice.chance(0.3) ? dice.within(-0.02, 0.03) : 0
  }
}

// ── Painting ────────────────────────────────────────────────────────────────
extension WordLook {
  /// The picture that ink is laid on.
  func backgrounds(_ width: Int, _ height: Int, _ options: WordOptions, _ dice: inout Dice) throws -> Image {
    try Backdrop.picture(style, width: width, height: height, options.backgrounds, &dice)
  }

  /// Lays the ink on the picture, with what belongs to it: an outline, a shadow, gaps where it did not print.
  /// - Returns: the difference of luma between ink and ground, from 0 to 1.
  func paint(_ shapes: Outline, on picture: inout Image, _ options: WordOptions, _ dice: inout Dice) throws -> Double {
    let (width, height) = (picture.width, picture.height)
    let weight = stroke * Double(height)
    // A stroke under a tenth of a pixel costs time and shows nothing.
    var mask = try shapes.mask(width: width, height: height, stroke: abs(weight) < 0.1 ? 0 : weight)
    let ground = picture.meanColour
    let ink = Inking.colour(style, on: ground, minimumContrast: options.minimumContrast, &dice)
    if style == .scene, dice.chance(0.14) {
      let (x, y) = (dice.within(-2...3), dice.within(-1...3))
      let shadow = RGB(grey: ink.luma > 0.5 ? dice.within(0, 0.25) : dice.within(0.6, 1))
      let blurred = dice.chance(0.5) ? try mask.blurred(deviation: Double(height) * dice.within(0.01, 0.05)) : mask
      picture.paint(blurred, x: x, y: y, shadow, opacity: dice.within(0.3, 0.9))
    }
    if style == .scene, dice.chance(0.1) {
      let border = try shapes.mask(
        width: width, height: height, stroke: max(weight, 0) + Double(height) * dice.within(0.05, 0.12))
      picture.paint(border, Inking.colour(style, on: ink, minimumContrast: 0.3, &dice))
    }
    if style != .scene, options.isDegraded { try Inking.wear(&mask, style, &dice) }
    let isShaded = style == .scene && dice.chance(0.12)
    let second = isShaded ? Inking.near(ink, awayFrom: ground, &dice) : ink
    // Faint ink still keeps its distance from the ground.
    let room = abs(ink.luma - ground.luma)
    let least = room > 0 ? min(options.minimumContrast / room, 1) : 1
    let opacity = dice.chance(0.25) ? dice.within(max(least, 0.6), 1) : 1
    picture.paint(mask, ink, to: second, opacity: opacity)
    return room * opacity
  }
}
