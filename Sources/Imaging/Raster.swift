internal import COpenCV
public import TensorCore

/// A scalar that a raster's pixels are made of: `UInt8` or `Float`.
public protocol RasterScalar: TensorScalar, Equatable {
  /// 0 for `UInt8`, 1 for `Float`: what the C side calls the depth.
  static var rasterDepth: UInt32 { get }
  /// The nearest value of this type; 0 for what is no number.
  init(saturating value: Double)
}
extension UInt8: RasterScalar {
  public static var rasterDepth: UInt32 { 0 }
  public init(saturating value: Double) {
    self = value.isNaN ? 0 : UInt8(Swift.min(Swift.max(value, 0), 255).rounded(.toNearestOrEven))
  }
}
extension Float: RasterScalar {
  public static var rasterDepth: UInt32 { 1 }
  public init(saturating value: Double) { self = value.isNaN ? 0 : Float(value) }
}

/// A dense picture, `[height, width, channels]`, row-major, channels interleaved. A value: copies are independent.
///
/// Colours are in the order red, green, blue (, alpha) wherever this module reads or writes them; OCR models that
/// were trained with OpenCV's order take `swappingRedAndBlue()`.
public struct Raster<Scalar: RasterScalar>: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// 1 (grey or mask), 2, 3 (RGB) or 4 (RGBA, alpha not premultiplied).
  public let channels: Int
  /// `height * width * channels` scalars.
  public internal(set) var pixels: [Scalar]

  /// Takes over scalars that are already in order. Throws `.shape` when their number is not the product.
  public init(width: Int, height: Int, channels: Int, pixels: [Scalar]) throws {
    let count = try Self.scalarCount(width: width, height: height, channels: channels)
    guard pixels.count == count else {
      throw LigatureError(
        .shape, "\(pixels.count) scalars do not fill a picture of \(width)x\(height) with \(channels) channels")
    }
    self.init(unchecked: width, height, channels, pixels)
  }

  /// Every scalar the same.
  public init(width: Int, height: Int, channels: Int, filledWith value: Scalar = 0) throws
  where Scalar: ExpressibleByIntegerLiteral {
    let count = try Self.scalarCount(width: width, height: height, channels: channels)
    self.init(unchecked: width, height, channels, [Scalar](repeating: value, count: count))
  }

  /// Scalars that `fill` writes: it gets room for exactly `height * width * channels` and must set them all.
  package init(
    width: Int, height: Int, channels: Int, writtenBy fill: (UnsafeMutableBufferPointer<Scalar>) throws -> Void
  ) throws {
    let count = try Self.scalarCount(width: width, height: height, channels: channels)
    let pixels = try unsafe [Scalar](unsafeUninitializedCapacity: count) { buffer, initialized in
      try unsafe fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
    self.init(unchecked: width, height, channels, pixels)
  }

  private init(unchecked width: Int, _ height: Int, _ channels: Int, _ pixels: [Scalar]) {
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// Width and height fit OpenCV's and the codecs' 32-bit sizes, and byte counts stay far from overflow.
  package static func scalarCount(width: Int, height: Int, channels: Int) throws -> Int {
    let sides = 1...(1 << 24)
    guard sides.contains(width), sides.contains(height), (1...4).contains(channels) else {
      throw LigatureError(
        .shape,
        "a picture of \(width)x\(height) with \(channels) channels: "
          + "sides go from 1 to \(1 << 24), channels from 1 to 4")
    }
    return try Checked.multiply(Checked.multiply(width, height), channels, "the size of a picture")
  }
}

/// A picture with 8 bits a channel.
public typealias Image = Raster<UInt8>
/// A picture or map of single-precision numbers, such as a probability map.
public typealias FloatImage = Raster<Float>

extension Raster {
  /// The scalar at a column, row and channel. The position must lie inside.
  public subscript(x: Int, y: Int, channel: Int = 0) -> Scalar {
    get { pixels[offset(x, y, channel)] }
    set { pixels[offset(x, y, channel)] = newValue }
  }

  private func offset(_ x: Int, _ y: Int, _ channel: Int) -> Int {
    precondition(x >= 0 && x < width && y >= 0 && y < height && channel >= 0 && channel < channels, "outside a picture")
    return (y * width + x) * channels + channel
  }

  /// The part inside both the rectangle and the picture. Throws `.shape` when nothing is left.
  public func cropped(x: Int, y: Int, width cropWidth: Int, height cropHeight: Int) throws -> Raster {
    let columns = max(x, 0)..<max(min(try Checked.add(x, cropWidth), width), max(x, 0))
    let rows = max(y, 0)..<max(min(try Checked.add(y, cropHeight), height), max(y, 0))
    guard !columns.isEmpty, !rows.isEmpty else {
      throw LigatureError(.shape, "the rectangle \(cropWidth)x\(cropHeight) at (\(x), \(y)) misses the picture")
    }
    var part: [Scalar] = []
    part.reserveCapacity(rows.count * columns.count * channels)
    for row in rows {
      let start = (row * width + columns.lowerBound) * channels
      part.append(contentsOf: pixels[start..<start + columns.count * channels])
    }
    return Raster(unchecked: columns.count, rows.count, channels, part)
  }
}

extension Raster {
  /// Lets `body` change the scalars in place.
  package mutating func withMutablePixels<Result>(
    _ body: (UnsafeMutableBufferPointer<Scalar>) throws -> Result
  ) rethrows -> Result {
    try unsafe pixels.withUnsafeMutableBufferPointer { try unsafe body($0) }
  }
}

// ── Towards OpenCV ──────────────────────────────────────────────────────────
extension Raster {
  /// Runs a C function that reads this picture.
  func withSource<Result>(_ body: (ligature_cv_image) throws -> Result) rethrows -> Result {
    try unsafe pixels.withUnsafeBytes { bytes in
      // The C side has no const images, and never writes to a source.
      try unsafe body(descriptor(UnsafeMutableRawPointer(mutating: bytes.baseAddress)))
    }
  }

  /// Runs a C function that changes this picture in place.
  mutating func withTarget<Result>(_ body: (ligature_cv_image) throws -> Result) rethrows -> Result {
    let (width, height, channels) = (width, height, channels)
    return try unsafe pixels.withUnsafeMutableBytes { bytes in
      try unsafe body(Self.descriptor(width, height, channels, bytes.baseAddress))
    }
  }

  /// A new picture of that size that a C function makes from this one.
  func transformed(
    width: Int, height: Int, channels: Int? = nil, _ what: String,
    _ body: (_ source: ligature_cv_image, _ destination: ligature_cv_image) -> UnsafePointer<CChar>?
  ) throws -> Raster {
    let channels = channels ?? self.channels
    return try unsafe Raster(width: width, height: height, channels: channels) { buffer in
      let destination = unsafe Self.descriptor(width, height, channels, UnsafeMutableRawPointer(buffer.baseAddress))
      try unsafe withSource { try unsafe openCV(what, body($0, destination)) }
    }
  }

  private func descriptor(_ data: UnsafeMutableRawPointer?) -> ligature_cv_image {
    unsafe Self.descriptor(width, height, channels, data)
  }

  private static func descriptor(
    _ width: Int, _ height: Int, _ channels: Int, _ data: UnsafeMutableRawPointer?
  ) -> ligature_cv_image {
    unsafe ligature_cv_image(
      width: Int32(width), height: Int32(height), channels: Int32(channels),
      depth: ligature_cv_depth(rawValue: Scalar.rasterDepth), data: data)
  }
}

/// Throws the message that a C function returned, if it returned one.
func openCV(_ what: String, _ message: UnsafePointer<CChar>?) throws {
  guard let message = unsafe message else { return }
  throw LigatureError(.numeric, "\(what) failed: \(unsafe String(cString: message))")
}
