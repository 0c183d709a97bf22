internal import Glibc
public import TensorCore

extension Raster where Scalar == UInt8 {
  /// Reads a JPEG, PNG or WebP file: 1 channel (grey), 3 (RGB) or 4 (RGBA), EXIF orientation applied if asked.
  ///
  /// Throws `.file` when it cannot be read, `.format` when it is empty, incomplete, damaged or of another format,
  /// and `.limit` when it, or the picture that its header announces, is larger than allowed.
  public static func load(
    path: String, limits: Limits = Limits(), applyingOrientation: Bool = true
  ) throws -> Image {
    try naming(path) {
      let bytes = try readFile(path, limit: limits.bytes)
      return try decode(bytes, limits: limits, applyingOrientation: applyingOrientation)
    }
  }

  /// The same from bytes in memory.
  public static func decode(
    _ bytes: [UInt8], limits: Limits = Limits(), applyingOrientation: Bool = true
  ) throws -> Image {
    let (image, metadata) = try decodeAsStored(bytes, limits)
    guard applyingOrientation else { return image }
    return try metadata.orientation.turns.reduce(image) { try $0.turned($1) }
  }

  /// One channel, as OpenCV reads a file in grey: a JPEG's stored brightness, libpng's weights for a colour PNG (half
  /// a level darker on average than `grey()`), alpha left out. Pictures of 16 bits or four inks differ from OpenCV's
  /// by up to one level. Errors as `load`.
  public static func loadGrey(
    path: String, limits: Limits = Limits(), applyingOrientation: Bool = true
  ) throws -> Image {
    try naming(path) {
      let bytes = try readFile(path, limit: limits.bytes)
      return try decodeGrey(bytes, limits: limits, applyingOrientation: applyingOrientation)
    }
  }

  /// The same from bytes in memory.
  public static func decodeGrey(
    _ bytes: [UInt8], limits: Limits = Limits(), applyingOrientation: Bool = true
  ) throws -> Image {
    let (image, metadata) = try decodeGreyAsStored(bytes, limits)
    guard applyingOrientation else { return image }
    return try metadata.orientation.turns.reduce(image) { try $0.turned($1) }
  }

  /// What the header says, without decoding the picture. Errors as `load`.
  public static func metadata(path: String, limits: Limits = Limits()) throws -> ImageMetadata {
    try naming(path) { try metadata(of: readFile(path, limit: limits.bytes), limits: limits) }
  }

  public static func metadata(of bytes: [UInt8], limits: Limits = Limits()) throws -> ImageMetadata {
    switch try sniff(bytes) {
    case .jpeg: return try checked(JPEG.metadata(bytes), limits)
    case .png: return try PNG.metadata(bytes, limits: limits)
    case .webp: return try checked(WebP.metadata(bytes), limits)
    }
  }

  /// The bytes of a file of that format. `quality`, from 1 to 100, is JPEG's. WebP is not written.
  public func encoded(as format: ImageFormat, quality: Int = 92) throws -> [UInt8] {
    switch format {
    case .jpeg: return try JPEG.encode(self, quality: quality)
    case .png: return try PNG.encode(self)
    case .webp: throw LigatureError(.unsupported, "WebP is only read; write PNG or JPEG")
    }
  }

  /// Writes PNG or JPEG, as the ending of the name says. Whoever looks sees the old file or the whole new one.
  public func save(path: String, quality: Int = 92) throws {
    let name = path.lowercased()
    let format: ImageFormat
    if name.hasSuffix(".png") {
      format = .png
    } else if name.hasSuffix(".jpg") || name.hasSuffix(".jpeg") {
      format = .jpeg
    } else {
      throw LigatureError(.usage, "'\(path)' ends in neither .png nor .jpg: choose one")
    }
    try naming(path) { try AtomicFile.write(encoded(as: format, quality: quality), to: path) }
  }

  // ── Inside ────────────────────────────────────────────────────────────────

  private static func decodeAsStored(_ bytes: [UInt8], _ limits: Limits) throws -> (Image, ImageMetadata) {
    switch try sniff(bytes) {
    case .jpeg:
      let metadata = try checked(JPEG.metadata(bytes), limits)
      return (try JPEG.decode(bytes, metadata), metadata)
    case .png:
      return try PNG.decode(bytes, limits: limits)
    case .webp:
      let metadata = try checked(WebP.metadata(bytes), limits)
      return (try WebP.decode(bytes, metadata), metadata)
    }
  }

  private static func decodeGreyAsStored(_ bytes: [UInt8], _ limits: Limits) throws -> (Image, ImageMetadata) {
    switch try sniff(bytes) {
    case .jpeg:
      let metadata = try checked(JPEG.metadata(bytes), limits)
      return (try JPEG.decodeGrey(bytes, metadata), metadata)
    case .png:
      let (image, metadata) = try PNG.decode(bytes, limits: limits)
      return (try image.greyByPNG(), metadata)
    case .webp:
      let metadata = try checked(WebP.metadata(bytes), limits)
      let image = try WebP.decode(bytes, metadata)
      return (image.channels == 4 ? try image.withoutAlpha().grey() : try image.grey(), metadata)
    }
  }

  private static func checked(_ metadata: ImageMetadata, _ limits: Limits) throws -> ImageMetadata {
    try limits.check(metadata.format, width: metadata.width, height: metadata.height)
    return metadata
  }

  private static func sniff(_ bytes: [UInt8]) throws -> ImageFormat {
    guard !bytes.isEmpty else { throw LigatureError(.format, "the file is empty") }
    guard let format = ImageFormat(sniffing: bytes) else {
      let start = bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: " ")
      throw LigatureError(.format, "neither JPEG, PNG nor WebP (it starts with \(start)); convert it to one of them")
    }
    return format
  }
}

/// Puts the path in front of an error's message.
private func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch var error as LigatureError {
    if !error.message.contains("'\(path)'") { error.message = "'\(path)': " + error.message }
    throw error
  }
}

/// All bytes of a regular file of at most `limit` bytes.
private func readFile(_ path: String, limit: Int) throws -> [UInt8] {
  // Not blocking: opening a pipe that nobody writes to would wait for ever.
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    throw LigatureError(.file, "cannot open '\(path)': \(systemErrorText()); check the name and its permissions")
  }
  defer { close(descriptor) }
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0 else {
    throw LigatureError(.file, "cannot read the size of '\(path)': \(systemErrorText())")
  }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw LigatureError(.file, "'\(path)' is not a regular file; name a picture")
  }
  let size = Int(status.st_size)
  guard size <= limit else {
    throw LigatureError(
      .limit, "'\(path)' has \(size) bytes, the limit is \(limit); raise the limit 'bytes' to read it")
  }
  return try unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while count < size {
      let got = unsafe read(descriptor, buffer.baseAddress! + count, size - count)
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw LigatureError(.file, "cannot read '\(path)': \(systemErrorText())") }
      if got == 0 { break }
      count += got
    }
  }
}
