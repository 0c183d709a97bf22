/// Numbers of the zip format that its reader and its writer share.
///
/// Source: PKWARE's APPNOTE.
enum Zip {
  static let localHeader: UInt32 = 0x0403_4B50
  static let centralHeader: UInt32 = 0x0201_4B50
  static let endOfDirectory: UInt32 = 0x0605_4B50
  static let endOfDirectory64: UInt32 = 0x0606_4B50
  static let locator64: UInt32 = 0x0706_4B50

  static let localHeaderSize = 30
  static let centralHeaderSize = 46
  static let endOfDirectorySize = 22
  static let endOfDirectory64Size = 56
  static let locator64Size = 20

  static let stored: UInt16 = 0
  static let deflated: UInt16 = 8
  /// The extra field that holds sizes and offsets beyond 32 bits.
  static let extra64: UInt16 = 1
}
