import CKernels
import Glibc
import GraphIR
import Operators
import TensorCore

enum RearrangingKernels {
  static func register(in table: inout KernelTable) {
    table.register(ReverseSequence.self, prepare: prepareReverse)
    table.register(CenterCropPad.self, prepare: prepareCrop)
    table.register(Col2Im.self, prepare: prepareBlocks)
    table.register(MaxUnpool.self, prepare: prepareUnpool)
    table.register(AffineGrid.self, prepare: prepareGrid)
    table.register(Determinant.self, prepare: prepareDeterminant)
    table.register(MaxRoiPool.self, prepare: prepareRegions)
  }

  private static func prepareReverse(_ op: ReverseSequence, _ context: KernelContext) throws -> Step {
    let (x, lengths, y) = (try context.input(0), try context.input(1), try context.output())
    let (times, batch) = (x.shape[op.timeAxis], x.shape[op.batchAxis])
    let bytes = extent(x.shape[2...]) * x.element.byteSize
    let (timeStep, batchStep) = op.timeAxis == 0 ? (batch * bytes, bytes) : (bytes, times * bytes)
    return Step { memory in
      let (from, to) = unsafe (memory.raw(x), memory.raw(y))
      for place in 0..<batch {
        let length = unsafe memory.longs(lengths)[place]
        guard (0...times).contains(length) else {
          throw LigatureError(.numeric, "sequence \(place) has the length \(length), but there are \(times) steps")
        }
        for time in 0..<times {
          let source = time < length ? length - 1 - time : time
          unsafe (to + time * timeStep + place * batchStep).copyMemory(
            from: from + source * timeStep + place * batchStep, byteCount: bytes)
        }
      }
    }
  }

  private static func prepareCrop(_ op: CenterCropPad, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let (from, to) = (rowMajorStrides(x.shape), rowMajorStrides(y.shape))
    var (fromOffset, toOffset) = (0, 0)
    for axis in x.shape.indices {
      let difference = x.shape[axis] - y.shape[axis]
      // What is left over by an odd number goes to the end.
      if difference > 0 { fromOffset += difference / 2 * from[axis] } else { toOffset += -difference / 2 * to[axis] }
    }
    let shared = zip(x.shape, y.shape).map { min($0, $1) }
    let copy = try StridedCopy(
      y.element, shared, source: from, target: to, sourceOffset: fromOffset, targetOffset: toOffset)
    let isWhole = shared == y.shape
    return Step { memory in
      if !isWhole { unsafe memset(memory.raw(y), 0, y.byteCount) }
      unsafe copy.run(from: memory.raw(x), to: memory.raw(y), memory.pool)
    }
  }

  private static func prepareBlocks(_ op: Col2Im, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let image = Array(y.shape[2...])
    guard let block = try context.input(2).constant?.integers(), block.count == image.count, x.shape.count == 3 else {
      throw LigatureError(.shape, "the sizes of the blocks must be known")
    }
    let counts = try op.blockCounts(image: image, block: block)
    let taps = try Checked.elementCount(block)
    let (planes, places) = (x.shape[0] * y.shape[1], x.shape[2])
    guard extent(counts) == places, x.shape[1] == y.shape[1] * taps else {
      throw LigatureError(.shape, "\(x.shape) does not hold blocks of \(block) of an image of \(image)")
    }
    let steps = rowMajorStrides(image)
    let size = extent(image)
    return try .portable(context) { operands in
      let (x, y) = (try operands.input(0), try operands.output())
      y.fill(0)
      var row = 0
      try forEachPlace(block) { tap in
        var column = 0
        try forEachPlace(counts) { place in
          defer { column += 1 }
          var at = 0
          for axis in image.indices {
            let position =
              place[axis] * op.window.stride(axis) + tap[axis] * op.window.dilation(axis)
              - op.begin(axis, rank: image.count)
            guard position >= 0, position < image[axis] else { return }
            at += position * steps[axis]
          }
          for plane in 0..<planes { y[plane * size + at] += x[(plane * taps + row) * places + column] }
        }
        row += 1
      }
    }
  }

  private static func prepareUnpool(_ op: MaxUnpool, _ context: KernelContext) throws -> Step {
    let (x, places, y) = (try context.input(0), try context.input(1), try context.output())
    guard places.count == x.count else { throw LigatureError(.shape, "\(places.count) places for \(x.count) values") }
    // With other sizes than the kernel says, places still count over the result that it says.
    let plain =
      try op.inferTypes(
        InferenceContext([TensorType(x.element, sizes: x.shape), TensorType(.int64, sizes: x.shape)]))[0].sizes
      ?? y.shape
    let (from, to, size) = (rowMajorStrides(plain), rowMajorStrides(y.shape), y.element.byteSize)
    let total = try Checked.elementCount(plain)
    return Step { memory in
      unsafe memset(memory.raw(y), 0, y.byteCount)
      for index in 0..<x.count {
        let place = unsafe memory.longs(places)[index]
        guard place >= 0, place < total else {
          throw LigatureError(.numeric, "a value belongs to place \(place) of \(total)")
        }
        var (rest, target) = (place, 0)
        for axis in plain.indices {
          let position = rest / from[axis]
          rest %= from[axis]
          guard position < y.shape[axis] else {
            throw LigatureError(.numeric, "a value belongs to place \(place), outside of \(y.shape)")
          }
          target += position * to[axis]
        }
        unsafe (memory.raw(y) + target * size).copyMemory(from: memory.raw(x) + index * size, byteCount: size)
      }
    }
  }

  private static func prepareGrid(_ op: AffineGrid, _ context: KernelContext) throws -> Step {
    let y = try context.output()
    let sizes = Array(y.shape[1..<y.shape.count - 1])
    let axes = sizes.count
    guard y.shape.last == axes, axes <= 3, try context.input(0).count == y.shape[0] * axes * (axes + 1) else {
      throw LigatureError(.shape, "theta does not fit the grid \(y.shape)")
    }
    return try .portable(context) { operands in
      let (theta, y) = (try operands.input(0), try operands.output())
      var at = 0
      for image in 0..<(y.count / max(1, extent(sizes) * axes)) {
        let base = image * axes * (axes + 1)
        try forEachPlace(sizes) { place in
          // From -1 to 1, x first: the last axis of the image.
          func coordinate(_ axis: Int) -> Double {
            let (index, size) = (Double(place[axis]), Double(sizes[axis]))
            if op.alignsCorners { return size == 1 ? -1 : 2 * index / (size - 1) - 1 }
            return (2 * index + 1) / size - 1
          }
          for row in 0..<axes {
            var sum = theta[base + row * (axes + 1) + axes]
            for axis in 0..<axes { sum += theta[base + row * (axes + 1) + axis] * coordinate(axes - 1 - axis) }
            y[at] = sum
            at += 1
          }
        }
      }
    }
  }

  private static func prepareDeterminant(_ op: Determinant, _ context: KernelContext) throws -> Step {
    let shape = try context.input(0).shape
    guard let size = shape.last, shape.count >= 2, shape[shape.count - 2] == size else {
      throw LigatureError(.shape, "takes square matrices, not \(shape)")
    }
    return try .portable(context, scratch: [Checked.multiply(size, size)]) { operands in
      let (x, y, work) = (try operands.input(0), try operands.output(), try operands.output(1))
      for matrix in 0..<y.count {
        for index in 0..<size * size { work[index] = x[matrix * size * size + index] }
        y[matrix] = try determinant(work, size)
      }
    }
  }

  /// By elimination with the largest pivot of each column.
  private static func determinant(_ m: Numbers, _ size: Int) throws -> Double {
    var result = 1.0
    for column in 0..<size {
      try checkTime()
      var pivot = column
      for row in column..<size where abs(m[row * size + column]) > abs(m[pivot * size + column]) { pivot = row }
      let value = m[pivot * size + column]
      guard value != 0 else { return 0 }
      if pivot != column {
        result = -result
        for index in 0..<size {
          (m[pivot * size + index], m[column * size + index]) = (m[column * size + index], m[pivot * size + index])
        }
      }
      result *= value
      for row in (column + 1)..<max(size, column + 1) {
        let factor = m[row * size + column] / value
        for index in column..<size { m[row * size + index] -= factor * m[column * size + index] }
      }
    }
    return result
  }

  private static func prepareRegions(_ op: MaxRoiPool, _ context: KernelContext) throws -> Step {
    let (shape, y) = (try context.input(0).shape, try context.output())
    guard shape.count == 4, y.shape.count == 4 else { throw LigatureError(.rank, "takes [N, C, H, W], not \(shape)") }
    let (images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let scale = op.scale
    return try .portable(context) { operands in
      let (x, regions, y) = (try operands.input(0), try operands.input(1), try operands.output())
      for region in 0..<y.rows(of: channels * op.size[0] * op.size[1]) {
        let image = try regions.integer(region * 5, "the image of a region")
        guard (0..<images).contains(image) else {
          throw LigatureError(.numeric, "region \(region) is of image \(image), but there are \(images)")
        }
        func edge(_ index: Int) throws -> Int {
          guard let edge = Int(exactly: (Float(regions[region * 5 + index]) * scale).rounded()), abs(edge) < 1 << 40
          else {
            throw LigatureError(.numeric, "region \(region) has the edge \(regions[region * 5 + index])")
          }
          return edge
        }
        let (left, top, right, bottom) = (try edge(1), try edge(2), try edge(3), try edge(4))
        let (tall, wide) = (Float(max(bottom - top + 1, 1)), Float(max(right - left + 1, 1)))
        func span(_ place: Int, _ count: Int, _ size: Float, _ start: Int, _ limit: Int) -> Range<Int> {
          let step = size / Float(count)
          let low = min(max(Int((Float(place) * step).rounded(.down)) + start, 0), limit)
          let high = min(max(Int((Float(place + 1) * step).rounded(.up)) + start, 0), limit)
          return low..<max(low, high)
        }
        for channel in 0..<channels {
          for row in 0..<op.size[0] {
            for column in 0..<op.size[1] {
              var best: Double?
              for v in span(row, op.size[0], tall, top, height) {
                for h in span(column, op.size[1], wide, left, width) {
                  let value = x[((image * channels + channel) * height + v) * width + h]
                  best = max(best ?? value, value)
                }
              }
              y[((region * channels + channel) * op.size[0] + row) * op.size[1] + column] = best ?? 0
            }
          }
        }
      }
    }
  }
}

extension Numbers {
  /// How many rows of that many elements there are.
  fileprivate func rows(of row: Int) -> Int { row == 0 ? 0 : count / row }
}
