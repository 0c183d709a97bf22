internal import CJPEG
internal import TensorCore

/// JPEG by libjpeg-turbo: accurate integer DCT and smooth chroma, the settings of Pillow and OpenCV.
enum JPEG {
  /// Real encoders write about ten; each scan costs a pass over all coefficients.
  private static let maximumScans: Int32 = 64
  /// Coefficients of a progressive picture: 2 bytes a sample, at most 4 samples a pixel.
  private static let maximumMemory = 1 << 30

  static func metadata(_ bytes: [UInt8]) throws -> ImageMetadata {
    var header = ligature_jpeg_header()
    try unsafe check(ligature_jpeg_read_header(bytes, bytes.count, &header))
    return ImageMetadata(
      format: .jpeg, width: Int(header.width), height: Int(header.height), channels: Int(header.channels),
      orientation: orientation(bytes))
  }

  /// The pixels as stored.
  static func decode(_ bytes: [UInt8], _ metadata: ImageMetadata) throws -> Image {
    let limits = ligature_jpeg_limits(maximum_scans: maximumScans, maximum_memory: maximumMemory)
    return try unsafe Image(width: metadata.width, height: metadata.height, channels: metadata.channels) { pixels in
      try unsafe check(ligature_jpeg_decode(bytes, bytes.count, limits, pixels.baseAddress, pixels.count))
    }
  }

  /// The brightness alone, as stored: what OpenCV reads as grey. Pictures of four inks are converted.
  static func decodeGrey(_ bytes: [UInt8], _ metadata: ImageMetadata) throws -> Image {
    var header = ligature_jpeg_header()
    try unsafe check(ligature_jpeg_read_header(bytes, bytes.count, &header))
    guard header.components != 4 else { return try decode(bytes, metadata).grey() }
    var metadata = metadata
    metadata.channels = 1
    return try decode(bytes, metadata)
  }

  /// `quality` from 1 to 100. Grey or RGB.
  static func encode(_ image: Image, quality: Int) throws -> [UInt8] {
    guard image.channels == 1 || image.channels == 3 else {
      throw LigatureError(.shape, "JPEG holds grey or RGB, not \(image.channels) channels; use flattened() first")
    }
    guard image.width <= 65_500, image.height <= 65_500 else {
      throw LigatureError(.limit, "\(image.width)x\(image.height) is too large for JPEG; write PNG")
    }
    var encoded: UnsafeMutablePointer<UInt8>?
    var count = 0
    let message = unsafe ligature_jpeg_encode(
      image.pixels, Int32(image.width), Int32(image.height), Int32(image.channels), Int32(min(max(quality, 1), 100)),
      &encoded, &count)
    defer { unsafe ligature_jpeg_free(encoded) }
    if let message = unsafe message {
      throw LigatureError(.numeric, "writing JPEG failed: \(unsafe String(cString: message))")
    }
    return unsafe Array(UnsafeBufferPointer(start: encoded, count: count))
  }

  private static func check(_ message: UnsafePointer<CChar>?) throws {
    guard let message = unsafe message else { return }
    throw LigatureError(.format, "the JPEG is damaged or incomplete: \(unsafe String(cString: message))")
  }

  /// Walks over the segments in front of the picture to the one that holds EXIF.
  private static func orientation(_ bytes: [UInt8]) -> Orientation {
    let signature = Array("Exif\0\0".utf8)
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF {
      let marker = bytes[position + 1]
      if marker == 0xFF {
        position += 1  // A fill byte.
        continue
      }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      // Start of scan: the picture begins.
      guard marker != 0xDA, length >= 2, position + 2 + length <= bytes.count else { break }
      let content = bytes[position + 4..<position + 2 + length]
      if marker == 0xE1, content.starts(with: signature) {
        return Orientation(exif: content.dropFirst(signature.count))
      }
      position += 2 + length
    }
    return .upright
  }
}
