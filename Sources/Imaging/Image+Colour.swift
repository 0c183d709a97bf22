internal import COpenCV
internal import TensorCore

extension Raster where Scalar == UInt8 {
  /// RGB to BGR and back, RGBA to BGRA and back; grey stays as it is.
  public func swappingRedAndBlue() -> Image {
    guard channels >= 3 else { return self }
    var copy = self
    for start in stride(from: 0, to: copy.pixels.count, by: channels) { copy.pixels.swapAt(start, start + 2) }
    return copy
  }

  /// Three channels whatever there were: grey is repeated, alpha is laid over `background`.
  public func rgb(background: (UInt8, UInt8, UInt8) = (255, 255, 255)) throws -> Image {
    switch channels {
    case 3: return self
    case 1: return try converted(channels: 3, code: 8, "grey to RGB")
    case 4: return try flattened(background: background)
    default: throw LigatureError(.shape, "a picture with \(channels) channels is neither grey, RGB nor RGBA")
    }
  }

  /// One channel: 0.299 R + 0.587 G + 0.114 B as OpenCV rounds it (`COLOR_RGB2GRAY`); alpha is laid over white.
  public func grey() throws -> Image {
    channels == 1 ? self : try rgb().converted(channels: 1, code: 7, "RGB to grey")
  }

  /// One channel by libpng's weights, in 15 binary places and cut: what OpenCV reads from a colour PNG as grey.
  func greyByPNG() throws -> Image {
    guard channels >= 3 else { return self }
    return try unsafe Image(width: width, height: height, channels: 1) { out in
      for pixel in 0..<width * height {
        let start = pixel * channels
        let sum = 9797 * Int(pixels[start]) + 19234 * Int(pixels[start + 1]) + 3737 * Int(pixels[start + 2])
        unsafe out[pixel] = UInt8(sum >> 15)
      }
    }
  }

  /// Three channels of four.
  func withoutAlpha() throws -> Image {
    guard channels == 4 else { return self }
    return try unsafe Image(width: width, height: height, channels: 3) { out in
      for pixel in 0..<width * height {
        for channel in 0..<3 { unsafe out[3 * pixel + channel] = pixels[4 * pixel + channel] }
      }
    }
  }

  /// RGBA over one colour. Other pictures stay as they are.
  public func flattened(background: (UInt8, UInt8, UInt8) = (255, 255, 255)) throws -> Image {
    guard channels == 4 else { return self }
    let under = [Int(background.0), Int(background.1), Int(background.2)]
    return try unsafe Image(width: width, height: height, channels: 3) { out in
      for pixel in 0..<width * height {
        let alpha = Int(pixels[4 * pixel + 3])
        for channel in 0..<3 {
          let sum = Int(pixels[4 * pixel + channel]) * alpha + under[channel] * (255 - alpha)
          unsafe out[3 * pixel + channel] = UInt8((sum + 127) / 255)
        }
      }
    }
  }

  private func converted(channels: Int, code: Int32, _ what: String) throws -> Image {
    try unsafe transformed(width: width, height: height, channels: channels, what) {
      unsafe ligature_cv_convert_color($0, $1, code)
    }
  }
}

extension Raster {
  /// One channel as a picture of its own.
  public func channel(_ index: Int) throws -> Raster {
    guard (0..<channels).contains(index) else {
      throw LigatureError(.shape, "a picture with \(channels) channels has no channel \(index)")
    }
    return try Raster(
      width: width, height: height, channels: 1,
      pixels: stride(from: index, to: pixels.count, by: channels).map { pixels[$0] })
  }
}
