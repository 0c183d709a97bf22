internal import CSPNG
internal import Glibc
internal import TensorCore

/// PNG by libspng. Palettes and transparency become RGB or RGBA, 16 bits become 8 (the high byte, as OpenCV does).
enum PNG {
  /// Text, profiles and the like; spng keeps them in memory.
  private static let maximumChunk = 64 << 20

  static func metadata(_ bytes: [UInt8], limits: Limits) throws -> ImageMetadata {
    try unsafe withDecoder(bytes, limits) { decoder in
      var metadata = try unsafe header(decoder, limits)
      metadata.orientation = unsafe orientation(decoder)
      return metadata
    }
  }

  /// The pixels as stored, and the metadata, whose orientation may follow after the pixels.
  static func decode(_ bytes: [UInt8], limits: Limits) throws -> (Image, ImageMetadata) {
    try unsafe withDecoder(bytes, limits) { decoder in
      var metadata = try unsafe header(decoder, limits)
      let (width, height, channels) = (metadata.width, metadata.height, metadata.channels)
      // Grey of 16 bits, and grey with alpha, exist in spng only as colour.
      let isShallowGrey = try unsafe channels == 1 && bitDepth(decoder) <= 8
      let format: Format = isShallowGrey ? .grey : channels == 4 ? .rgba : .rgb
      let image = try unsafe Image(width: width, height: height, channels: format.channels) { pixels in
        try unsafe check(
          spng_decode_image(decoder, pixels.baseAddress, pixels.count, format.code, Int32(SPNG_DECODE_TRNS.rawValue)))
      }
      // Pixels are complete before the checksum behind them has been read. A file that only lacks its end is whole.
      let rest = unsafe spng_decode_chunks(decoder)
      if rest != Int32(SPNG_IO_EOF.rawValue) { try check(rest) }
      metadata.orientation = unsafe orientation(decoder)
      return (format == .rgb && channels == 1 ? try image.channel(0) : image, metadata)
    }
  }

  /// Grey, RGB or RGBA.
  static func encode(_ image: Image) throws -> [UInt8] {
    let colour: spng_color_type =
      switch image.channels {
      case 1: SPNG_COLOR_TYPE_GRAYSCALE
      case 3: SPNG_COLOR_TYPE_TRUECOLOR
      case 4: SPNG_COLOR_TYPE_TRUECOLOR_ALPHA
      default: throw LigatureError(.shape, "PNG is written from grey, RGB or RGBA, not \(image.channels) channels")
      }
    guard let encoder = unsafe spng_ctx_new(Int32(SPNG_CTX_ENCODER.rawValue)) else {
      throw LigatureError(.limit, "no memory for writing a PNG")
    }
    defer { unsafe spng_ctx_free(encoder) }
    var header = spng_ihdr(
      width: UInt32(image.width), height: UInt32(image.height), bit_depth: 8, color_type: UInt8(colour.rawValue),
      compression_method: 0, filter_method: 0, interlace_method: 0)
    try unsafe check(spng_set_option(encoder, SPNG_ENCODE_TO_BUFFER, 1))
    try unsafe check(spng_set_ihdr(encoder, &header))
    try unsafe image.pixels.withUnsafeBytes {
      try unsafe check(
        spng_encode_image(
          encoder, $0.baseAddress, $0.count, Int32(SPNG_FMT_PNG.rawValue), Int32(SPNG_ENCODE_FINALIZE.rawValue)))
    }
    var count = 0
    var status: Int32 = 0
    let buffer = unsafe spng_get_png_buffer(encoder, &count, &status)
    try check(status)
    defer { unsafe free(buffer) }
    return unsafe Array(UnsafeRawBufferPointer(start: buffer, count: count))
  }

  // ── Inside ────────────────────────────────────────────────────────────────

  private enum Format {
    case grey, rgb, rgba

    var channels: Int {
      switch self {
      case .grey: 1
      case .rgb: 3
      case .rgba: 4
      }
    }

    var code: Int32 {
      switch self {
      case .grey: Int32(SPNG_FMT_G8.rawValue)
      case .rgb: Int32(SPNG_FMT_RGB8.rawValue)
      case .rgba: Int32(SPNG_FMT_RGBA8.rawValue)
      }
    }
  }

  private static func withDecoder<Result>(
    _ bytes: [UInt8], _ limits: Limits, _ body: (OpaquePointer) throws -> Result
  ) throws -> Result {
    guard let decoder = unsafe spng_ctx_new(0) else { throw LigatureError(.limit, "no memory for reading a PNG") }
    defer { unsafe spng_ctx_free(decoder) }
    // The header is checked by `Limits`, whose errors say more; here only what spng itself supports.
    try unsafe check(spng_set_image_limits(decoder, 0x7FFF_FFFF, 0x7FFF_FFFF))
    try unsafe check(spng_set_chunk_limits(decoder, maximumChunk, maximumChunk))
    // A wrong checksum of pixels is an error; of a comment it is not.
    let (critical, ancillary) = (Int32(SPNG_CRC_ERROR.rawValue), Int32(SPNG_CRC_DISCARD.rawValue))
    try unsafe check(spng_set_crc_action(decoder, critical, ancillary))
    return try unsafe bytes.withUnsafeBytes { buffer in
      try unsafe check(spng_set_png_buffer(decoder, buffer.baseAddress, buffer.count))
      return try unsafe body(decoder)
    }
  }

  private static func header(_ decoder: OpaquePointer, _ limits: Limits) throws -> ImageMetadata {
    var header = spng_ihdr()
    try unsafe check(spng_get_ihdr(decoder, &header))
    try limits.check(.png, width: Int(header.width), height: Int(header.height))
    var transparency = spng_trns()
    let isTransparent = unsafe spng_get_trns(decoder, &transparency) == 0
    let colour = spng_color_type(rawValue: UInt32(header.color_type))
    let channels =
      switch colour {
      case SPNG_COLOR_TYPE_GRAYSCALE: isTransparent ? 4 : 1
      case SPNG_COLOR_TYPE_TRUECOLOR, SPNG_COLOR_TYPE_INDEXED: isTransparent ? 4 : 3
      default: 4
      }
    return ImageMetadata(
      format: .png, width: Int(header.width), height: Int(header.height), channels: channels, orientation: .upright)
  }

  private static func bitDepth(_ decoder: OpaquePointer) throws -> Int {
    var header = spng_ihdr()
    try unsafe check(spng_get_ihdr(decoder, &header))
    return Int(header.bit_depth)
  }

  /// Upright where there is no EXIF, and where the file ends behind its pixels.
  private static func orientation(_ decoder: OpaquePointer) -> Orientation {
    var exif = unsafe spng_exif()
    guard unsafe spng_get_exif(decoder, &exif) == 0, let data = unsafe exif.data else { return .upright }
    return unsafe Orientation(exif: Array(UnsafeRawBufferPointer(start: data, count: exif.length))[...])
  }

  private static func check(_ status: Int32) throws {
    guard status != 0 else { return }
    let text = unsafe spng_strerror(status).map { unsafe String(cString: $0) } ?? "error \(status)"
    throw LigatureError(.format, "the PNG is damaged or incomplete: \(text)")
  }
}
