public import TensorCore

/// What a model reads for each of the 256 values of a pixel, by channel. A table, because it is exact for any
/// formula and as fast as arithmetic.
public struct PixelTable: Sendable, Equatable {
  /// One row of 256 for each channel.
  public let rows: [[Float]]

  /// Any formula; it is asked once for each value and channel.
  public init(channels: Int = 3, _ formula: (_ value: UInt8, _ channel: Int) -> Float) {
    rows = (0..<max(channels, 1)).map { channel in (0...255).map { formula(UInt8($0), channel) } }
  }

  /// (value * scale - mean) / standardDeviation, in the order of the picture's channels. The product is rounded to
  /// single precision, the rest computed in double and rounded once: what NumPy does for float32 pixels and
  /// float64 statistics.
  public init(scale: Float = 1 / 255, mean: [Double], standardDeviation: [Double]) throws {
    guard !mean.isEmpty, mean.count == standardDeviation.count else {
      throw LigatureError(.shape, "\(mean.count) means and \(standardDeviation.count) standard deviations")
    }
    guard standardDeviation.allSatisfy({ $0 != 0 }) else {
      throw LigatureError(.numeric, "a standard deviation of 0 cannot be divided by")
    }
    self.init(channels: mean.count) { value, channel in
      Float((Double(Float(value) * scale) - mean[channel]) / standardDeviation[channel])
    }
  }
}

extension Raster where Scalar == UInt8 {
  /// This picture as `[1, C, H, W]`, float32.
  public func tensor(_ table: PixelTable) throws -> Tensor {
    try Image.tensor(of: [self], width: width, height: height, table)
  }

  /// Pictures as `[N, C, H, W]`, float32: each at the top left of its slot, the rest of the slot `padding`.
  /// Throws `.shape` when a picture is larger than its slot, or the channels differ from each other or the table's.
  public static func tensor(
    of images: [Image], width: Int, height: Int, _ table: PixelTable, padding: Float = 0
  ) throws -> Tensor {
    let channels = table.rows.count
    for image in images {
      guard image.channels == channels else {
        throw LigatureError(.shape, "a picture with \(image.channels) channels for a model that reads \(channels)")
      }
      guard image.width <= width, image.height <= height else {
        throw LigatureError(
          .shape, "a picture of \(image.width)x\(image.height) does not fit a slot of \(width)x\(height)")
      }
    }
    return try unsafe Tensor(.float32, [images.count, channels, height, width]) { bytes in
      let out = unsafe bytes.bindMemory(to: Float.self)
      if padding != 0 { unsafe out.update(repeating: padding) }
      for (index, image) in images.enumerated() {
        let slot = channels * height * width
        unsafe image.write(
          to: UnsafeMutableBufferPointer(rebasing: out[index * slot..<(index + 1) * slot]), width, height, table)
      }
    }
  }

  private func write(
    to planes: UnsafeMutableBufferPointer<Float>, _ slotWidth: Int, _ slotHeight: Int, _ table: PixelTable
  ) {
    unsafe pixels.withUnsafeBufferPointer { source in
      for (channel, row) in table.rows.enumerated() {
        unsafe row.withUnsafeBufferPointer { values in
          for y in 0..<height {
            // All three indices lie inside: sizes were checked against the slot, and a byte against 256 entries.
            guard var input = source.baseAddress, var output = planes.baseAddress, let lookup = values.baseAddress
            else { return }
            unsafe input += y * width * channels + channel
            unsafe output += (channel * slotHeight + y) * slotWidth
            for x in 0..<width { unsafe output[x] = lookup[Int(input[x &* channels])] }
          }
        }
      }
    }
  }
}

extension Raster where Scalar == Float {
  /// One map of a `[N, C, H, W]` float32 tensor, as one channel.
  public init(_ tensor: Tensor, batch: Int = 0, channel: Int = 0) throws {
    guard tensor.element == .float32, tensor.shape.count == 4 else {
      throw LigatureError(.shape, "a map is taken from float32[N, C, H, W], not \(tensor.element)\(tensor.shape)")
    }
    let (n, c, height, width) = (tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3])
    guard (0..<n).contains(batch), (0..<c).contains(channel) else {
      throw LigatureError(.shape, "\(tensor.shape) has no picture \(batch) with a channel \(channel)")
    }
    try unsafe self.init(width: width, height: height, channels: 1) { pixels in
      let start = (batch * c + channel) * pixels.count * MemoryLayout<Float>.size
      unsafe tensor.withUnsafeBytes { bytes in
        let size = pixels.count * MemoryLayout<Float>.size
        unsafe UnsafeMutableRawBufferPointer(pixels)
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + size]))
      }
    }
  }

  /// This picture as `[1, C, H, W]`, float32.
  public func tensor() throws -> Tensor {
    let planes = try (0..<channels).flatMap { try channel($0).pixels }
    return try Tensor(planes, [1, channels, height, width])
  }

  /// 255 (or `value`) where this map of one channel is greater than the threshold, else 0.
  public func thresholded(above threshold: Float, value: UInt8 = 255) throws -> Image {
    guard channels == 1 else { throw LigatureError(.shape, "a threshold takes one channel, not \(channels)") }
    return try Image(width: width, height: height, channels: 1, pixels: pixels.map { $0 > threshold ? value : 0 })
  }
}
