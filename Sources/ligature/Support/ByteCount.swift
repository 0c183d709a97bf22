import ArgumentParser

/// A number of bytes as people write it: `512MiB`, `2GiB`, `1500000`.
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  private static let units = ["B": 0, "K": 10, "KIB": 10, "M": 20, "MIB": 20, "G": 30, "GIB": 30, "T": 40, "TIB": 40]

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let digits = argument.prefix { $0.isNumber || $0 == "." }
    let unit = argument.dropFirst(digits.count).uppercased()
    guard let number = Double(digits), let shift = ByteCount.units[unit.isEmpty ? "B" : unit] else { return nil }
    let value = number * Double(1 << shift)
    guard value >= 1, value < 0x1p60 else { return nil }
    bytes = Int(value)
  }

  var defaultValueDescription: String { description }
}

extension ByteCount: CustomStringConvertible {
  /// `4.52 MiB`
  var description: String {
    var value = Double(bytes)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if value < 1024 || unit == "GiB" { return unit == "B" ? "\(bytes) B" : "\(value.rounded(to: 2)) \(unit)" }
      value /= 1024
    }
    return "\(bytes) B"
  }
}

extension Double {
  /// Rounded to some decimals, for printing.
  func rounded(to decimals: Int) -> Double {
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    return (self * factor).rounded() / factor
  }

  /// Fixed decimals, as in tables: `3.50`.
  func fixed(_ decimals: Int) -> String {
    let rounded = rounded(to: decimals)
    var text = "\(rounded)"
    if text.contains("e") { return text }
    guard decimals > 0 else { return String(text.prefix { $0 != "." }) }
    let fraction = text.split(separator: ".").dropFirst().first?.count ?? 0
    text += String(repeating: "0", count: max(decimals - fraction, 0))
    return text
  }
}

extension Int {
  /// With separators: `1,234,567`.
  var grouped: String {
    var result = ""
    for (index, digit) in String(magnitude).reversed().enumerated() {
      if index > 0, index % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return (self < 0 ? "-" : "") + String(result.reversed())
  }
}
