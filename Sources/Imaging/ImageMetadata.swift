internal import TensorCore

extension Limits {
  /// Width and height of a picture: what JPEG's header can say.
  static let maximumSide = 65_535

  /// Throws `.limit`, or `.format` for a picture without pixels.
  func check(_ format: ImageFormat, width: Int, height: Int) throws {
    guard width > 0, height > 0 else {
      throw LigatureError(.format, "the \(format) header says \(width)x\(height): there is no picture in it")
    }
    guard width <= Limits.maximumSide, height <= Limits.maximumSide else {
      throw LigatureError(
        .limit,
        "the \(format) header says \(width)x\(height), the limit is \(Limits.maximumSide) a side; "
          + "cut the picture")
    }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= self.pixels else {
      throw LigatureError(
        .limit,
        "the \(format) header says \(width)x\(height), more than the limit of \(self.pixels) pixels; "
          + "make the picture smaller, or raise the limit 'pixels'")
    }
  }
}

/// The file formats that are read.
public enum ImageFormat: String, Sendable, CaseIterable, CustomStringConvertible {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"

  public var description: String { rawValue }

  /// By the first bytes; the name of a file plays no part. `nil` when they are none of the three.
  public init?(sniffing bytes: [UInt8]) {
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.count >= 12, bytes.starts(with: Array("RIFF".utf8)), bytes[8..<12].elementsEqual("WEBP".utf8) {
      self = .webp
    } else {
      return nil
    }
  }
}

/// What a picture's header says.
public struct ImageMetadata: Sendable, Equatable {
  public var format: ImageFormat
  /// As stored; `orientation` may swap width and height.
  public var width: Int
  public var height: Int
  /// Of the decoded picture: 1 grey, 3 RGB, 4 RGBA.
  public var channels: Int
  public var orientation: Orientation

  /// Size after the orientation is applied, as `Image.load` gives it.
  public var uprightSize: (width: Int, height: Int) {
    orientation.swapsSides ? (height, width) : (width, height)
  }
}
