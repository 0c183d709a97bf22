import TensorCore

/// The operations of pickle, protocols 0 to 5, by their codes.
enum PickleOperation: UInt8 {
  case mark = 0x28  // (
  case stop = 0x2E  // .
  case pop = 0x30  // 0
  case popMark = 0x31  // 1
  case duplicate = 0x32  // 2
  case float = 0x46  // F
  case int = 0x49  // I
  case binInt = 0x4A  // J
  case binInt1 = 0x4B  // K
  case long = 0x4C  // L
  case binInt2 = 0x4D  // M
  case none = 0x4E  // N
  case persid = 0x50  // P
  case binPersid = 0x51  // Q
  case reduce = 0x52  // R
  case string = 0x53  // S
  case binString = 0x54  // T
  case shortBinString = 0x55  // U
  case unicode = 0x56  // V
  case binUnicode = 0x58  // X
  case append = 0x61  // a
  case build = 0x62  // b
  case global = 0x63  // c
  case dict = 0x64  // d
  case emptyDict = 0x7D  // }
  case appends = 0x65  // e
  case get = 0x67  // g
  case binGet = 0x68  // h
  case inst = 0x69  // i
  case longBinGet = 0x6A  // j
  case list = 0x6C  // l
  case emptyList = 0x5D  // ]
  case obj = 0x6F  // o
  case put = 0x70  // p
  case binPut = 0x71  // q
  case longBinPut = 0x72  // r
  case setItem = 0x73  // s
  case tuple = 0x74  // t
  case emptyTuple = 0x29  // )
  case setItems = 0x75  // u
  case binFloat = 0x47  // G
  // Protocol 2
  case proto = 0x80
  case newObj = 0x81
  case ext1 = 0x82
  case ext2 = 0x83
  case ext4 = 0x84
  case tuple1 = 0x85
  case tuple2 = 0x86
  case tuple3 = 0x87
  case newTrue = 0x88
  case newFalse = 0x89
  case long1 = 0x8A
  case long4 = 0x8B
  // Protocol 3
  case binBytes = 0x42  // B
  case shortBinBytes = 0x43  // C
  // Protocol 4
  case shortBinUnicode = 0x8C
  case binUnicode8 = 0x8D
  case binBytes8 = 0x8E
  case emptySet = 0x8F
  case addItems = 0x90
  case frozenSet = 0x91
  case newObjEx = 0x92
  case stackGlobal = 0x93
  case memoize = 0x94
  case frame = 0x95
  // Protocol 5
  case byteArray8 = 0x96
  case nextBuffer = 0x97
  case readonlyBuffer = 0x98
}

/// Integers of any size, as two's complement bytes in little-endian order.
enum PickleInteger {
  /// `nil` beyond 64 bits.
  static func value(_ bytes: [UInt8]) -> Int? {
    let fill: UInt8 = (bytes.last ?? 0) & 0x80 == 0 ? 0 : 0xFF
    var bits = fill == 0 ? UInt64(0) : UInt64.max
    for (index, byte) in bytes.enumerated() {
      if index < 8 {
        bits = bits & ~(0xFF << UInt64(8 * index)) | UInt64(byte) << UInt64(8 * index)
      } else if byte != fill {
        return nil
      }
    }
    let value = Int(Int64(bitPattern: bits))
    // The ninth byte may be needed for the sign alone.
    return (value < 0) == (fill != 0) ? value : nil
  }

  /// The shortest bytes that PyTorch would write.
  static func bytes(_ value: Int) -> [UInt8] {
    guard value != 0 else { return [] }
    var bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    while bytes.count > 1 {
      let last = bytes[bytes.count - 1]
      let sign = bytes[bytes.count - 2] & 0x80
      guard (last == 0 && sign == 0) || (last == 0xFF && sign != 0) else { break }
      bytes.removeLast()
    }
    return bytes
  }

  /// At most 4300 digits, Python's own bound: the effort is quadratic.
  static func bytes(decimal text: String) -> [UInt8]? {
    var digits = Substring(text)
    let isNegative = digits.first == "-"
    if isNegative || digits.first == "+" { digits.removeFirst() }
    guard !digits.isEmpty, digits.utf8.count <= 4300 else { return nil }
    if let value = Int(text) { return bytes(value) }
    var magnitude: [UInt8] = []
    for digit in digits.utf8 {
      guard digit >= 0x30, digit <= 0x39 else { return nil }
      var carry = Int(digit - 0x30)
      for index in magnitude.indices {
        carry += 10 * Int(magnitude[index])
        magnitude[index] = UInt8(truncatingIfNeeded: carry)
        carry >>= 8
      }
      if carry > 0 { magnitude.append(UInt8(carry)) }
    }
    magnitude.append(0)
    guard isNegative else { return magnitude }
    var carry = 1
    for index in magnitude.indices {
      carry += Int(~magnitude[index])
      magnitude[index] = UInt8(truncatingIfNeeded: carry)
      carry >>= 8
    }
    return magnitude
  }
}

/// The texts of protocol 0.
enum PickleText {
  /// A Python 2 string literal: in quotes, with backslash escapes.
  static func unquoted(_ line: [UInt8]) -> [UInt8]? {
    guard line.count >= 2, let quote = line.first, quote == line.last, quote == 0x27 || quote == 0x22 else {
      return nil
    }
    let simple: [UInt8: UInt8] = [
      0x5C: 0x5C, 0x27: 0x27, 0x22: 0x22, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
      UInt8(ascii: "a"): 0x07, UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "v"): 0x0B,
    ]
    var bytes: [UInt8] = []
    var index = 1
    while index < line.count - 1 {
      let byte = line[index]
      index += 1
      guard byte == 0x5C else {
        bytes.append(byte)
        continue
      }
      guard index < line.count - 1 else { return nil }
      let escape = line[index]
      index += 1
      if escape == UInt8(ascii: "x") {
        guard let value = hexadecimal(line, index, 2), value < 256 else { return nil }
        bytes.append(UInt8(value))
        index += 2
      } else if let byte = simple[escape] {
        bytes.append(byte)
      } else {
        bytes += [0x5C, escape]
      }
    }
    return bytes
  }

  /// Latin-1 with `\u` and `\U` escapes.
  static func unicode(_ line: [UInt8]) -> String? {
    var text = String.UnicodeScalarView()
    var index = 0
    while index < line.count {
      let byte = line[index]
      index += 1
      guard byte == 0x5C, index < line.count, line[index] == UInt8(ascii: "u") || line[index] == UInt8(ascii: "U")
      else {
        text.append(UnicodeScalar(byte))
        continue
      }
      let digits = line[index] == UInt8(ascii: "u") ? 4 : 8
      guard let value = hexadecimal(line, index + 1, digits), let scalar = UnicodeScalar(value) else { return nil }
      text.append(scalar)
      index += 1 + digits
    }
    return String(text)
  }

  private static func hexadecimal(_ line: [UInt8], _ start: Int, _ digits: Int) -> UInt32? {
    guard start + digits <= line.count else { return nil }
    var value: UInt32 = 0
    for byte in line[start..<start + digits] {
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}
