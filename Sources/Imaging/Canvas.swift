internal import CPango
internal import Glibc
internal import TensorCore

/// A colour, each part from 0 to 1.
public struct Colour: Sendable, Equatable {
  public var red: Double
  public var green: Double
  public var blue: Double
  public var alpha: Double

  public init(red: Double, green: Double, blue: Double, alpha: Double = 1) {
    self.red = red
    self.green = green
    self.blue = blue
    self.alpha = alpha
  }

  /// Grey: 0 is black, 1 is white.
  public init(grey: Double, alpha: Double = 1) { self.init(red: grey, green: grey, blue: grey, alpha: alpha) }

  /// A clear colour of that hue, from 0 to 1 around the circle.
  public init(hue: Double, lightness: Double = 0.5, alpha: Double = 1) {
    // Triangles shifted by a third of the circle, full saturation.
    func part(_ shift: Double) -> Double {
      let position = (hue + shift).truncatingRemainder(dividingBy: 1) * 6
      let pure = min(max(abs(position - 3) - 1, 0), 1)
      return lightness < 0.5 ? pure * 2 * lightness : pure + (1 - pure) * (2 * lightness - 1)
    }
    self.init(red: part(0), green: part(2.0 / 3), blue: part(1.0 / 3), alpha: alpha)
  }

  public static let black = Colour(grey: 0)
  public static let white = Colour(grey: 1)

  public func with(alpha: Double) -> Colour { Colour(red: red, green: green, blue: blue, alpha: alpha) }

  fileprivate var cValue: ligature_colour { ligature_colour(red: red, green: green, blue: blue, alpha: alpha) }
}

/// An upright rectangle in pixels.
public struct TextBox: Sendable, Equatable {
  public var x: Double
  public var y: Double
  public var width: Double
  public var height: Double
}

/// A surface to draw shapes and text on, anti-aliased, by Cairo and Pango. White at first, without transparency.
///
/// Positions are pixels as everywhere in this module: (0, 0) is the centre of the first pixel.
@safe public struct Canvas: ~Copyable {
  public let width: Int
  public let height: Int
  private let handle: OpaquePointer

  /// Sides go from 1 to 32767, Cairo's limit; throws `.shape` otherwise.
  public init(width: Int, height: Int) throws {
    guard (1...32_767).contains(width), (1...32_767).contains(height) else {
      throw LigatureError(.shape, "a canvas of \(width)x\(height): sides go from 1 to 32767")
    }
    var created: OpaquePointer?
    let message = unsafe ligature_canvas_create(Int32(width), Int32(height), &created)
    guard let created = unsafe created, unsafe message == nil else {
      let reason = unsafe message.map { unsafe String(cString: $0) } ?? "no memory"
      throw LigatureError(.limit, "a canvas of \(width)x\(height) cannot be made: \(reason)")
    }
    self.width = width
    self.height = height
    unsafe handle = created
  }

  /// A canvas with a picture on it.
  public init(_ image: Image) throws {
    let rgb = try image.rgb()
    try self.init(width: rgb.width, height: rgb.height)
    put(rgb, 0, 0)
  }

  deinit { unsafe ligature_canvas_destroy(handle) }

  /// What was drawn so far, RGB.
  public func image() throws -> Image {
    try unsafe Image(width: width, height: height, channels: 3) { pixels in
      unsafe ligature_canvas_get(handle, pixels.baseAddress)
    }
  }

  /// Copies a picture; what leaves the canvas is left out. Throws `.numeric` for positions beyond 32 bits.
  public mutating func draw(_ image: Image, x: Int, y: Int) throws {
    guard let x = Int32(exactly: x), let y = Int32(exactly: y) else {
      throw LigatureError(.numeric, "a picture cannot be drawn at (\(x), \(y))")
    }
    put(try image.rgb(), x, y)
  }

  private mutating func put(_ rgb: Image, _ x: Int32, _ y: Int32) {
    unsafe ligature_canvas_put(handle, rgb.pixels, Int32(rgb.width), Int32(rgb.height), x, y)
  }

  public mutating func fill(_ polygon: Polygon, _ colour: Colour) throws {
    try shape(polygon, isClosed: true, lineWidth: 0, colour)
  }

  /// An outline, `lineWidth` pixels wide.
  public mutating func stroke(
    _ polygon: Polygon, _ colour: Colour, lineWidth: Double = 1, isClosed: Bool = true
  ) throws {
    guard lineWidth > 0, lineWidth.isFinite else { throw LigatureError(.numeric, "a line \(lineWidth) pixels wide") }
    try shape(polygon, isClosed: isClosed, lineWidth: lineWidth, colour)
  }

  private mutating func shape(_ polygon: Polygon, isClosed: Bool, lineWidth: Double, _ colour: Colour) throws {
    guard polygon.allSatisfy({ $0.x.isFinite && $0.y.isFinite }) else {
      throw LigatureError(.numeric, "a polygon to draw has a corner that is not finite")
    }
    let numbers = polygon.flatMap { [$0.x, $0.y] }
    try unsafe check(
      ligature_canvas_polygon(handle, numbers, polygon.count, isClosed ? 1 : 0, lineWidth, colour.cValue))
  }

  fileprivate func check(_ message: UnsafePointer<CChar>?) throws {
    guard let message = unsafe message else { return }
    throw LigatureError(.numeric, "drawing failed: \(unsafe String(cString: message))")
  }
}

// ── Text ────────────────────────────────────────────────────────────────────
extension Canvas {
  /// How much room one line takes when written at (0, 0): its logical box, which is as tall as the font, and the box
  /// of its ink. `font` is Pango's description without a size, such as `Serif Bold`; `size` is in pixels.
  public func measure(
    _ text: String, font: String = "Sans", size: Double
  ) throws -> (logical: TextBox, ink: TextBox) {
    try layOut(text, font, size, nil, .black)
  }

  /// Writes one line whose logical box has its top left at `origin`, turned by `degrees` clockwise about it.
  /// - Returns: the corners of the ink, clockwise from the top left of the text.
  @discardableResult public mutating func write(
    _ text: String, at origin: Point, font: String = "Sans", size: Double, degrees: Double = 0,
    _ colour: Colour = .black
  ) throws -> Quadrilateral {
    let angle = degrees * .pi / 180
    let (cosine, sine) = (cos(angle), sin(angle))
    let matrix = [cosine, sine, -sine, cosine, Double(origin.x), Double(origin.y)]
    let ink = try layOut(text, font, size, matrix, colour).ink
    func place(_ x: Double, _ y: Double) -> Point {
      Point(Float(matrix[0] * x + matrix[2] * y + matrix[4]), Float(matrix[1] * x + matrix[3] * y + matrix[5]))
    }
    return Quadrilateral(
      place(ink.x, ink.y), place(ink.x + ink.width, ink.y), place(ink.x + ink.width, ink.y + ink.height),
      place(ink.x, ink.y + ink.height))
  }

  /// Writes one line into four corners, clockwise from the top left of the text: as tall as they are, and
  /// narrowed, or made smaller, until it fits. In a tall shape it runs downwards.
  public mutating func write(
    _ text: String, into corners: Quadrilateral, font: String = "Sans", _ colour: Colour = .black
  ) throws {
    let isTall = corners.first.distance(to: corners.fourth) >= 1.5 * corners.first.distance(to: corners.second)
    let (origin, along, down) =
      isTall && text.count > 1
      ? (corners.second, corners.third, corners.first) : (corners.first, corners.second, corners.fourth)
    let (length, height) = (Double(origin.distance(to: along)), Double(origin.distance(to: down)))
    guard length >= 1, height >= 1, length.isFinite, height.isFinite else { return }
    let size = min(height * 0.8, 1000)
    let box = try measure(text, font: font, size: size).logical
    guard box.width > 0, box.height > 0 else { return }
    // Letters narrowed below seven tenths are hard to read: from there on they shrink in both directions.
    let fit = length / box.width
    let vertical = min(fit / 0.7, 1)
    let horizontal = min(fit, 1.15 * vertical)
    let margin = (height - box.height * vertical) / 2
    func unit(_ to: Point, _ distance: Double) -> (x: Double, y: Double) {
      (Double(to.x - origin.x) / distance, Double(to.y - origin.y) / distance)
    }
    let (u, v) = (unit(along, length), unit(down, height))
    let matrix = [
      u.x * horizontal, u.y * horizontal, v.x * vertical, v.y * vertical,
      Double(origin.x) + v.x * margin, Double(origin.y) + v.y * margin,
    ]
    // A quadrilateral may be degenerate; a matrix that cannot be inverted would make the context unusable.
    guard abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) > 1e-6 else { return }
    _ = try layOut(text, font, size, matrix, colour)
  }

  /// Characters for which no installed font has a shape: they are drawn as boxes with their number.
  public func missingGlyphs(in text: String, font: String = "Sans") -> Int {
    let bytes = Self.printable(text)
    return unsafe bytes.withCString { unsafe Int(ligature_canvas_missing_glyphs(handle, $0, bytes.utf8.count, font)) }
  }

  private func layOut(
    _ text: String, _ font: String, _ size: Double, _ matrix: [Double]?, _ colour: Colour
  ) throws -> (logical: TextBox, ink: TextBox) {
    guard size > 0, size <= 4096 else { throw LigatureError(.numeric, "text of \(size) pixels: from 1 to 4096") }
    guard matrix?.allSatisfy(\.isFinite) ?? true else {
      throw LigatureError(.numeric, "a place for text that is not finite")
    }
    let printable = Self.printable(text)
    var (logical, ink) = (ligature_text_box(), ligature_text_box())
    try unsafe printable.withCString { bytes in
      try unsafe check(
        ligature_canvas_text(
          handle, bytes, printable.utf8.count, font, size, matrix, colour.cValue, &logical, &ink))
    }
    return (TextBox(logical), TextBox(ink))
  }

  /// Without control characters, which would break the line or end the string, and not longer than any line is.
  private static func printable(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(4096).map { $0.properties.generalCategory == .control ? " " : $0 }
    return String(String.UnicodeScalarView(scalars))
  }
}

extension TextBox {
  fileprivate init(_ box: ligature_text_box) { self.init(x: box.x, y: box.y, width: box.width, height: box.height) }
}
