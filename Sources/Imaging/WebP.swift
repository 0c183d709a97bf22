internal import CWebP
internal import TensorCore

/// WebP by libwebp: lossy and lossless, with and without alpha; of an animation the first frame.
enum WebP {
  static func metadata(_ bytes: [UInt8]) throws -> ImageMetadata { try Container(bytes).metadata }

  /// The pixels as stored.
  static func decode(_ bytes: [UInt8], _ metadata: ImageMetadata) throws -> Image {
    let container = try Container(bytes)
    guard let frame = container.firstFrame else { return try decodeStill(bytes, metadata) }
    let still = try decodeStill(Array(bytes[frame.data]), ImageMetadata(frame: frame, channels: metadata.channels))
    // What the frame leaves open is transparent, or black where there is no alpha.
    return try still.padded(
      top: frame.y, bottom: metadata.height - frame.y - frame.height, left: frame.x,
      right: metadata.width - frame.x - frame.width)
  }

  private static func decodeStill(_ bytes: [UInt8], _ metadata: ImageMetadata) throws -> Image {
    let features = try features(bytes)
    guard Int(features.width) == metadata.width, Int(features.height) == metadata.height else {
      throw LigatureError(.format, "the WebP contradicts itself about its size")
    }
    let rowBytes = Int32(metadata.width * metadata.channels)
    return try unsafe Image(width: metadata.width, height: metadata.height, channels: metadata.channels) { pixels in
      let decode = unsafe metadata.channels == 4 ? WebPDecodeRGBAInto : WebPDecodeRGBInto
      guard unsafe decode(bytes, bytes.count, pixels.baseAddress, pixels.count, rowBytes) != nil else {
        throw LigatureError(.format, "the WebP is damaged or incomplete")
      }
    }
  }

  private static func features(_ bytes: [UInt8]) throws -> WebPBitstreamFeatures {
    var features = WebPBitstreamFeatures()
    let status = unsafe WebPGetFeatures(bytes, bytes.count, &features)
    guard status == VP8_STATUS_OK else {
      let reason = status == VP8_STATUS_NOT_ENOUGH_DATA ? "it ends too early" : "its header is wrong"
      throw LigatureError(.format, "the WebP is damaged or incomplete: \(reason)")
    }
    return features
  }

  // ── The RIFF container ────────────────────────────────────────────────────

  struct Frame {
    var x: Int, y: Int, width: Int, height: Int
    /// Position of the frame's own chunks in the file.
    var data: Range<Int>
  }

  private struct Container {
    var metadata: ImageMetadata
    /// Only of an animation.
    var firstFrame: Frame?

    init(_ bytes: [UInt8]) throws {
      let features = try WebP.features(bytes)
      metadata = ImageMetadata(
        format: .webp, width: Int(features.width), height: Int(features.height),
        channels: features.has_alpha != 0 ? 4 : 3, orientation: .upright)
      // The container's own size; libwebp decodes what it needs and does not miss the rest.
      guard bytes.count >= 12, bytes.count - 8 >= WebP.integer(bytes, 4, 4) else {
        throw LigatureError(.format, "the WebP is damaged or incomplete: it ends too early")
      }
      try walk(bytes)
      guard features.has_animation == 0 || firstFrame != nil else {
        throw LigatureError(.format, "the WebP is damaged or incomplete: an animation without a frame")
      }
      if features.has_animation == 0 { firstFrame = nil }
    }

    private mutating func walk(_ bytes: [UInt8]) throws {
      var position = 12
      while position + 8 <= bytes.count {
        let name = bytes[position..<position + 4]
        let size = WebP.integer(bytes, position + 4, 4)
        let end = position + 8 + size
        guard end <= bytes.count else { return }
        if name.elementsEqual("EXIF".utf8) {
          metadata.orientation = Orientation(exif: bytes[position + 8..<end])
        } else if name.elementsEqual("ANMF".utf8), firstFrame == nil {
          firstFrame = try frame(bytes, position + 8..<end)
        }
        position = end + size % 2
      }
    }

    private func frame(_ bytes: [UInt8], _ content: Range<Int>) throws -> Frame {
      guard content.count > 16 else { throw LigatureError(.format, "the WebP is damaged: a frame is too short") }
      let at = content.lowerBound
      let frame = Frame(
        x: 2 * WebP.integer(bytes, at, 3), y: 2 * WebP.integer(bytes, at + 3, 3),
        width: WebP.integer(bytes, at + 6, 3) + 1, height: WebP.integer(bytes, at + 9, 3) + 1,
        data: at + 16..<content.upperBound)
      guard frame.x + frame.width <= metadata.width, frame.y + frame.height <= metadata.height else {
        throw LigatureError(.format, "the WebP is damaged: a frame is larger than the picture")
      }
      return frame
    }
  }

  /// Little-endian, at most 4 bytes; the position is checked by the caller.
  private static func integer(_ bytes: [UInt8], _ position: Int, _ size: Int) -> Int {
    bytes[position..<position + size].reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

extension ImageMetadata {
  fileprivate init(frame: WebP.Frame, channels: Int) {
    self.init(format: .webp, width: frame.width, height: frame.height, channels: channels, orientation: .upright)
  }
}
