import Glibc
import GraphIR
import Operators
import TensorCore

enum SignalKernels {
  static func register(in table: inout KernelTable) {
    table.register(WindowFunction.self, prepare: prepareWindow)
    table.register(DiscreteFourierTransform.self, prepare: prepareTransform)
    table.register(ShortTimeFourierTransform.self, prepare: prepareFrames)
    table.register(MelWeightMatrix.self, prepare: prepareMel)
  }

  private static func prepareWindow(_ op: WindowFunction, _ context: KernelContext) throws -> Step {
    try .portable(context) { operands in
      let y = try operands.output()
      let period = Double(op.isPeriodic ? y.count : y.count - 1)
      for index in 0..<y.count {
        let angle = period == 0 ? 0 : 2 * Double.pi * Double(index) / period
        switch op.kind {
        case .hann: y[index] = 0.5 - 0.5 * cos(angle)
        case .hamming: y[index] = 25.0 / 46 - 21.0 / 46 * cos(angle)
        case .blackman: y[index] = 0.42 - 0.5 * cos(angle) + 0.08 * cos(2 * angle)
        }
      }
    }
  }

  private static func prepareTransform(_ op: DiscreteFourierTransform, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let axis = try context.optional(2)?.constant?.integers().first
    guard axis != nil || context.optional(2) == nil, x.shape.count >= 2 else { throw context.unsupportedTypes(op) }
    let at = try op.signalAxis(axis ?? -2, rank: x.shape.count)
    let length = try context.optional(1)?.constant?.integers().first ?? x.shape[at]
    guard length > 0, context.optional(1) == nil || context.optional(1)?.constant != nil else {
      throw LigatureError(.numeric, "the length of a transform must be known and positive")
    }
    let parts = x.shape[x.shape.count - 1]
    let line = try Line(x.shape.dropLast(), axis: at)
    let bins = y.shape[at]
    return try .portable(context, scratch: FourierTransform.scratch(length)) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      let transform = try FourierTransform(length, isInverse: op.isInverse, operands)
      for place in 0..<line.outer * line.inner {
        let (outer, inner) = (place / line.inner, place % line.inner)
        for index in 0..<length {
          let from = ((outer * line.count + index) * line.inner + inner) * parts
          let isThere = index < line.count
          transform.set(index, isThere ? x[from] : 0, isThere && parts == 2 ? x[from + 1] : 0)
        }
        transform.run()
        for index in 0..<bins {
          let to = ((outer * bins + index) * line.inner + inner) * 2
          (y[to], y[to + 1]) = transform.result(index)
        }
      }
    }
  }

  private static func prepareFrames(_ op: ShortTimeFourierTransform, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard let step = try context.input(1).constant?.integers().first, step > 0, x.shape.count == 3 else {
      throw LigatureError(.numeric, "the step between frames must be known and positive")
    }
    let given = try context.optional(3)?.constant?.integers().first
    guard let length = given ?? context.optional(2)?.count, length > 0, context.optional(2)?.count ?? length == length
    else {
      throw LigatureError(.numeric, "the length of frames must be known and positive")
    }
    let (total, parts) = (x.shape[1], x.shape[2])
    let (frames, bins) = (y.shape[1], y.shape[2])
    return try .portable(context, scratch: FourierTransform.scratch(length)) { operands in
      let (x, window, y) = (try operands.input(0), operands.optional(2), try operands.output())
      let transform = try FourierTransform(length, isInverse: false, operands)
      for row in 0..<(y.count / max(1, bins * 2)) {
        let start = (row / frames * total + row % frames * step) * parts
        for index in 0..<length {
          let weight = window?[index] ?? 1
          let from = start + index * parts
          transform.set(index, x[from] * weight, parts == 2 ? x[from + 1] * weight : 0)
        }
        transform.run()
        for bin in 0..<bins { (y[(row * bins + bin) * 2], y[(row * bins + bin) * 2 + 1]) = transform.result(bin) }
      }
    }
  }

  private static func prepareMel(_ op: MelWeightMatrix, _ context: KernelContext) throws -> Step {
    let y = try context.output()
    let (spectrum, bins) = (y.shape[0], y.shape[1])
    return try .portable(context) { operands in
      let (length, rate) = (try operands.scalar(1), try operands.scalar(2))
      func mel(_ frequency: Double) -> Double { 2595 * log10(1 + frequency / 700) }
      let (low, high) = (mel(try operands.scalar(3)), mel(try operands.scalar(4)))
      let step = (high - low) / Double(bins + 2)
      // The edges of the triangles, as places of the spectrum.
      func edge(_ index: Int) throws -> Int {
        let frequency = 700 * (pow(10, (Double(index) * step + low) / 2595) - 1)
        let place = ((length + 1) * frequency / rate).rounded(.down)
        guard let edge = Int(exactly: place), edge >= 0 else {
          throw LigatureError(.numeric, "the edges of the filters are \(frequency) at a sample rate of \(rate)")
        }
        return edge
      }
      let y = try operands.output()
      y.fill(0)
      for bin in 0..<bins {
        let (lower, centre, upper) = (try edge(bin), try edge(bin + 1), try edge(bin + 2))
        if lower == centre {
          if centre < spectrum { y[centre * bins + bin] = 1 }
        } else {
          for place in lower..<max(lower, min(centre + 1, spectrum)) {
            y[place * bins + bin] = Double(place - lower) / Double(centre - lower)
          }
        }
        for place in centre..<max(centre, min(upper, spectrum)) where upper > centre {
          y[place * bins + bin] = Double(upper - place) / Double(upper - centre)
        }
      }
    }
  }
}

/// A Fourier transform of any length: by halves for powers of two, by convolution with a chirp for others.
private struct FourierTransform {
  private let length: Int
  private let isInverse: Bool
  /// The power of two that is transformed.
  private let size: Int
  private let real: Numbers
  private let imaginary: Numbers
  /// The chirp and its transform.
  private let chirpReal: Numbers
  private let chirpImaginary: Numbers
  private let filterReal: Numbers
  private let filterImaginary: Numbers

  private static func isPower(_ length: Int) -> Bool { length & (length - 1) == 0 }

  private static func size(_ length: Int) throws -> Int {
    guard length < 1 << 40 else { throw LigatureError(.limit, "a transform of length \(length) is too long") }
    if isPower(length) { return length }
    var size = 1
    while size < 2 * length - 1 { size *= 2 }
    return size
  }

  static func scratch(_ length: Int) throws -> [Int] {
    let size = try size(length)
    return isPower(length) ? [size, size] : [size, size, length, length, size, size]
  }

  init(_ length: Int, isInverse: Bool, _ operands: PortableOperands) throws {
    self.length = length
    self.isInverse = isInverse
    size = try FourierTransform.size(length)
    let first = operands.outputs.count - (FourierTransform.isPower(length) ? 2 : 6)
    (real, imaginary) = (try operands.output(first), try operands.output(first + 1))
    guard !FourierTransform.isPower(length) else {
      (chirpReal, chirpImaginary, filterReal, filterImaginary) = (real, imaginary, real, imaginary)
      return
    }
    (chirpReal, chirpImaginary) = (try operands.output(first + 2), try operands.output(first + 3))
    (filterReal, filterImaginary) = (try operands.output(first + 4), try operands.output(first + 5))
    filterReal.fill(0)
    filterImaginary.fill(0)
    for index in 0..<length {
      // index² modulo 2 length keeps the angle exact.
      let square = index.multipliedFullWidth(by: index)
      let angle = Double.pi * Double((2 * length).dividingFullWidth(square).remainder) / Double(length)
      let (c, s) = (cos(angle), isInverse ? sin(angle) : -sin(angle))
      (chirpReal[index], chirpImaginary[index]) = (c, s)
      for place in index == 0 ? [0] : [index, size - index] {
        (filterReal[place], filterImaginary[place]) = (c, -s)
      }
    }
    FourierTransform.transform(filterReal, filterImaginary, size, isInverse: false)
  }

  func set(_ index: Int, _ re: Double, _ im: Double) {
    guard size != length else {
      (real[index], imaginary[index]) = (re, im)
      return
    }
    let (c, s) = (chirpReal[index], chirpImaginary[index])
    (real[index], imaginary[index]) = (re * c - im * s, re * s + im * c)
  }

  func run() {
    guard size != length else {
      return FourierTransform.transform(real, imaginary, size, isInverse: isInverse)
    }
    for index in length..<size { (real[index], imaginary[index]) = (0, 0) }
    FourierTransform.transform(real, imaginary, size, isInverse: false)
    for index in 0..<size {
      let (a, b, c, d) = (real[index], imaginary[index], filterReal[index], filterImaginary[index])
      (real[index], imaginary[index]) = (a * c - b * d, a * d + b * c)
    }
    FourierTransform.transform(real, imaginary, size, isInverse: true)
  }

  func result(_ index: Int) -> (Double, Double) {
    let scale = isInverse ? 1 / Double(length) : 1
    guard size != length else { return (real[index] * scale, imaginary[index] * scale) }
    let (a, b) = (real[index] / Double(size), imaginary[index] / Double(size))
    let (c, s) = (chirpReal[index], chirpImaginary[index])
    return ((a * c - b * s) * scale, (a * s + b * c) * scale)
  }

  /// In place, unscaled; `size` is a power of two.
  private static func transform(_ real: Numbers, _ imaginary: Numbers, _ size: Int, isInverse: Bool) {
    var reversed = 0
    for index in 1..<max(size, 1) {
      var bit = size >> 1
      while reversed & bit != 0 {
        reversed ^= bit
        bit >>= 1
      }
      reversed |= bit
      guard index < reversed else { continue }
      (real[index], real[reversed]) = (real[reversed], real[index])
      (imaginary[index], imaginary[reversed]) = (imaginary[reversed], imaginary[index])
    }
    var half = 1
    while half < size {
      for offset in 0..<half {
        let angle = Double.pi * Double(offset) / Double(half)
        let (c, s) = (cos(angle), isInverse ? sin(angle) : -sin(angle))
        for even in stride(from: offset, to: size, by: 2 * half) {
          let odd = even + half
          let (re, im) = (real[odd] * c - imaginary[odd] * s, real[odd] * s + imaginary[odd] * c)
          (real[odd], imaginary[odd]) = (real[even] - re, imaginary[even] - im)
          (real[even], imaginary[even]) = (real[even] + re, imaginary[even] + im)
        }
      }
      half *= 2
    }
  }
}
