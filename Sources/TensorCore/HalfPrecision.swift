/// IEEE 754 half precision bits to `Float`, exact for every value incl. subnormals, infinities and NaN.
public func floatFromHalf(_ bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = Int((bits >> 10) & 0x1F)
  let fraction = UInt32(bits & 0x3FF)
  switch exponent {
  case 0:
    let magnitude = Float(fraction) * 0x1p-24
    return sign == 0 ? magnitude : -magnitude
  case 31:
    return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default:
    return Float(bitPattern: sign | UInt32(exponent + 112) << 23 | fraction << 13)
  }
}

/// `Float` to IEEE 754 half precision bits, rounding to nearest, ties to even; overflow gives infinity.
public func halfFromFloat(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16((bits >> 16) & 0x8000)
  let magnitude = bits & 0x7FFF_FFFF
  if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
  if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
  if magnitude < 0x3880_0000 {
    // Subnormal in half: scale so that one unit is 2^-24, then let the conversion round.
    let units = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
    return sign | UInt16(units)
  }
  let rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1)
  return sign | UInt16((rounded - 0x3800_0000) >> 13)
}

/// `Float` to bfloat16 bits, rounding to nearest, ties to even.
public func bfloatFromFloat(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(bits >> 16) | 0x40 }
  return UInt16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
}

/// The value of an 8-bit float; `element` is one of the four types.
package func floatFromFloat8(_ code: UInt8, _ element: ElementType) -> Float {
  let isWide = element == .float8e5m2 || element == .float8e5m2fnuz
  let hasUnsignedZero = element == .float8e4m3fnuz || element == .float8e5m2fnuz
  let (bits, magnitude) = (isWide ? 2 : 3, Int(code & 0x7F))
  if hasUnsignedZero ? code == 0x80 : magnitude > (isWide ? 0x7C : 0x7E) { return .nan }
  let sign: Float = code & 0x80 == 0 ? 1 : -1
  if isWide, !hasUnsignedZero, magnitude == 0x7C { return sign * .infinity }
  let bias = (isWide ? 15 : 7) + (hasUnsignedZero ? 1 : 0)
  let (exponent, fraction) = (magnitude >> bits, Float(magnitude & ((1 << bits) - 1)))
  guard exponent > 0 else { return sign * Float(sign: .plus, exponent: 1 - bias - bits, significand: fraction) }
  return sign * Float(sign: .plus, exponent: exponent - bias - bits, significand: fraction + Float(1 << bits))
}
