public import TensorCore

/// NumPy's `.npy` files: one array each. Versions 1 to 3 are read, version 1 is written (2 when the header is long).
///
/// Source: NumPy's description of the format (`numpy.lib.format`).
public enum NPY {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Headers hold a type and a shape; longer ones are not NumPy's.
  private static let longestHeader = 1 << 16

  /// Reads a file; large arrays stay in it, mapped. Arrays in Fortran order come out in C order.
  ///
  /// - Throws: `.file` when it cannot be read, `.format` when it is no whole `.npy` file, `.unsupported` for big-endian
  ///   numbers, texts, dates and objects.
  public static func read(_ path: String) throws -> Tensor {
    let storage = try TensorStorage(mapping: path)
    do {
      return try decode(storage)
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  public static func decode(_ bytes: [UInt8]) throws -> Tensor { try decode(TensorStorage(copying: bytes)) }

  public static func write(_ tensor: Tensor, to path: String) throws {
    let header = try header(of: tensor)
    let file = try AtomicFile(path)
    try unsafe header.withUnsafeBytes { try unsafe file.write($0) }
    try unsafe tensor.withUnsafeBytes { try unsafe file.write($0) }
    try file.commit()
  }

  public static func encode(_ tensor: Tensor) throws -> [UInt8] {
    let header = try header(of: tensor)
    return unsafe tensor.withUnsafeBytes { unsafe header + $0 }
  }
}

// ── Reading ─────────────────────────────────────────────────────────────────
extension NPY {
  private static func decode(_ storage: TensorStorage) throws -> Tensor {
    let (text, start) = try unsafe storage.withUnsafeBytes { try unsafe headerText($0) }
    var parser = HeaderParser(text)
    let header = try parser.header()
    let element = try element(header.type)
    let needed = try Checked.byteCount(element, header.shape)
    let found = storage.byteCount - start
    guard found == needed else {
      throw LigatureError(
        .format, "\(element)\(header.shape) takes \(needed) bytes, the file has \(found); save the array again")
    }
    guard header.isFortranOrder, header.shape.count > 1 else {
      return try Tensor.view(element, header.shape, storage, byteOffset: start)
    }
    let reversed = try Tensor.view(element, Array(header.shape.reversed()), storage, byteOffset: start)
    return try transposed(reversed, to: header.shape)
  }

  private static func headerText(_ bytes: UnsafeRawBufferPointer) throws -> (text: [UInt8], start: Int) {
    guard bytes.count >= 10, unsafe bytes.prefix(6).elementsEqual(magic) else {
      throw LigatureError(
        .format, "not a .npy file: it does not begin with NumPy's mark; save the array with numpy.save")
    }
    let version = unsafe bytes[6]
    guard (1...3).contains(version) else {
      throw LigatureError(.unsupported, "version \(version) of .npy is not known; save the array with numpy.save")
    }
    let width = version == 1 ? 2 : 4
    guard bytes.count >= 8 + width else { throw LigatureError(.format, "the file ends inside its header") }
    var length = 0
    for index in 0..<width { length |= Int(unsafe bytes[8 + index]) << (8 * index) }
    let start = 8 + width + length
    guard length <= longestHeader, start <= bytes.count else {
      throw LigatureError(
        .format, "the header of \(length) bytes reaches past the end, or is longer than any of NumPy's")
    }
    return (unsafe Array(bytes[(8 + width)..<start]), start)
  }

  /// Element types by NumPy's letter and size.
  private static let types: [String: ElementType] = [
    "b1": .bool, "i1": .int8, "u1": .uint8, "i2": .int16, "u2": .uint16, "i4": .int32, "u4": .uint32, "i8": .int64,
    "u8": .uint64, "f2": .float16, "f4": .float32, "f8": .float64, "c8": .complex64, "c16": .complex128,
  ]

  private static func element(_ type: String) throws -> ElementType {
    let order = type.first
    guard let element = types[String(type.dropFirst())], order == "<" || order == "=" || order == "|" || order == ">"
    else {
      throw LigatureError(.unsupported, "arrays of type '\(type)' are not read; convert it to numbers or bool in NumPy")
    }
    guard order != ">" || element.byteSize == 1 else {
      throw LigatureError(
        .unsupported, "the array is big-endian ('\(type)'); save it with array.astype(array.dtype.newbyteorder('<'))")
    }
    return element
  }

  /// `source` has the shape of `shape` reversed; the result is its full transpose.
  private static func transposed(_ source: Tensor, to shape: [Int]) throws -> Tensor {
    let width = source.element.byteSize
    // How far one step along each axis of the result moves in the source.
    let strides = Array(rowMajorStrides(source.shape).reversed())
    return try unsafe Tensor(source.element, shape) { target in
      unsafe source.withUnsafeBytes { bytes in
        var index = [Int](repeating: 0, count: shape.count)
        var from = 0
        for to in 0..<target.count / width {
          for byte in 0..<width { unsafe target[to * width + byte] = bytes[from * width + byte] }
          var axis = shape.count - 1
          while axis >= 0 {
            index[axis] += 1
            from += strides[axis]
            if index[axis] < shape[axis] { break }
            from -= strides[axis] * shape[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
  }
}

// ── Writing ─────────────────────────────────────────────────────────────────
extension NPY {
  private static func header(of tensor: Tensor) throws -> [UInt8] {
    guard let type = types.first(where: { $0.value == tensor.element })?.key else {
      throw LigatureError(.unsupported, "NumPy has no type for \(tensor.element); convert the tensor to float32 first")
    }
    let order = tensor.element.byteSize == 1 ? "|" : "<"
    let sizes = tensor.shape.map(String.init).joined(separator: ", ") + (tensor.shape.count == 1 ? "," : "")
    let text = "{'descr': '\(order)\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
    // The data begins at a multiple of 64, the header ends with a line break.
    let version: UInt8 = text.utf8.count + 75 < 1 << 16 ? 1 : 2
    let width = version == 1 ? 2 : 4
    let prefix = magic.count + 2 + width
    let total = (prefix + text.utf8.count + 1 + 63) / 64 * 64
    let length = total - prefix
    var header = magic + [version, 0]
    for index in 0..<width { header.append(UInt8(truncatingIfNeeded: length >> (8 * index))) }
    header += Array(text.utf8)
    header += [UInt8](repeating: UInt8(ascii: " "), count: total - 1 - header.count)
    header.append(UInt8(ascii: "\n"))
    return header
  }
}

/// Reads the Python dictionary in the header: three known keys, nothing else.
private struct HeaderParser {
  struct Header {
    var type = ""
    var isFortranOrder = false
    var shape: [Int] = []
  }

  private let text: [UInt8]
  private var position = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func header() throws -> Header {
    var header = Header()
    var missing: Set = ["descr", "fortran_order", "shape"]
    try expect("{")
    while !accept("}") {
      let key = try string()
      guard missing.remove(key) != nil else { throw broken("the key '\(key)' is unknown or there twice") }
      try expect(":")
      switch key {
      case "descr":
        guard peek() == UInt8(ascii: "'") || peek() == UInt8(ascii: "\"") else {
          throw LigatureError(.unsupported, "arrays of records are not read; save each field as an array of its own")
        }
        header.type = try string()
      case "fortran_order": header.isFortranOrder = try truth()
      default: header.shape = try tuple()
      }
      if accept(",") { continue }
      try expect("}")
      break
    }
    guard missing.isEmpty else { throw broken("'\(missing.sorted().joined(separator: "', '"))' is missing") }
    guard peek() == nil else { throw broken("something follows the dictionary") }
    return header
  }

  private func broken(_ what: String) -> LigatureError {
    LigatureError(.format, "the .npy header is damaged: \(what); save the array with numpy.save")
  }

  /// The next byte that is no white space.
  private mutating func peek() -> UInt8? {
    while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
    return position < text.count ? text[position] : nil
  }

  private mutating func accept(_ character: Character) -> Bool {
    guard let next = peek(), next == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Character) throws {
    guard accept(character) else { throw broken("'\(character)' expected at byte \(position)") }
  }

  private mutating func string() throws -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw broken("a quoted name expected at byte \(position)")
    }
    let start = position + 1
    guard let end = text[start...].firstIndex(of: quote) else { throw broken("a quoted name does not end") }
    position = end + 1
    return String(decoding: text[start..<end], as: UTF8.self)
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch UnicodeScalar(byte) {
    case "0"..."9", "a"..."z", "A"..."Z": true
    default: false
    }
  }

  private mutating func word() -> String {
    _ = peek()
    let start = position
    while position < text.count, isWordByte(text[position]) { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func truth() throws -> Bool {
    switch word() {
    case "True": return true
    case "False": return false
    case let other: throw broken("'\(other)' is neither True nor False")
    }
  }

  private mutating func tuple() throws -> [Int] {
    var sizes: [Int] = []
    try expect("(")
    while !accept(")") {
      var digits = word()
      // Python 2 wrote long integers with an L.
      if digits.hasSuffix("L") { digits.removeLast() }
      guard let size = Int(digits), size >= 0, sizes.count < 64 else { throw broken("'\(digits)' is not a size") }
      sizes.append(size)
      if accept(",") { continue }
      try expect(")")
      break
    }
    return sizes
  }
}
