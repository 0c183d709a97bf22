internal import Glibc
public import Imaging
internal import TensorCore

/// The random changes of MMOCR's DBNet recipe, in its order: colour jitter; mirror, rotation, scale (`ImgAug`);
/// `EastRandomCrop`.
public struct PageAugmentation: Sendable, Equatable {
  /// The share of pages that are mirrored.
  public var mirror = 0.5
  /// Degrees to either side.
  public var rotation = 10.0
  public var scale = 0.5...3.0
  /// How far brightness and saturation go from 1 to either side.
  public var brightness = 32.0 / 255
  public var saturation = 0.5
  /// How often a place for the crop is looked for, and the least share of a side that it must have.
  public var cropTries = 10
  public var minimalCropSide = 0.1

  public init() {}
}

/// A training crop with the text on it.
public struct PageCrop: Sendable, Equatable {
  /// RGB, of the pipeline's size.
  public var image: Image
  /// In pixels of the crop; they may reach out of it.
  public var instances: [TextInstance]

  public var polygons: [Polygon] { instances.filter { !$0.isIgnored }.map(\.polygon) }
  public var ignoredPolygons: [Polygon] { instances.filter(\.isIgnored).map(\.polygon) }
}

/// From an annotated page to a square that a detector is trained with. Mirror, rotation, scale, crop and the change to
/// the final size are one warp, so that no page is ever enlarged as a whole.
public struct PagePipeline: Sendable {
  public let side: Int
  public let augmentation: PageAugmentation
  /// What lies outside the page: the mean of the normalisation, so that it becomes (nearly) 0.
  public let padding: [Double]

  public init(side: Int, padding: [Double], augmentation: PageAugmentation = PageAugmentation()) {
    self.side = side
    self.padding = padding
    self.augmentation = augmentation
  }

  public func callAsFunction(_ page: PageSample, _ generator: inout CounterGenerator) throws -> PageCrop {
    var placement = Placement()
    let (width, height) = (Double(page.image.width), Double(page.image.height))
    if generator.chance(augmentation.mirror) { placement.mirror(width: width) }
    placement.rotate(
      degrees: generator.uniform(-augmentation.rotation...augmentation.rotation), width: width, height: height)
    let scale = generator.uniform(augmentation.scale)
    placement.scale(scale)
    let canvas = (width: max(1, Int((width * scale).rounded())), height: max(1, Int((height * scale).rounded())))
    let moved = page.instances.map { $0.polygon.map(placement.callAsFunction) }
    let texts = zip(page.instances, moved).filter { !$0.0.isIgnored }.map(\.1)
    let crop = RandomCrop(texts, width: canvas.width, height: canvas.height)
      .choose(augmentation, &generator)
    let factor = min(Double(side) / Double(crop.width), Double(side) / Double(crop.height))
    placement.move(x: -Double(crop.x), y: -Double(crop.y))
    placement.scale(factor)
    let size = (width: max(1, Int(Double(crop.width) * factor)), height: max(1, Int(Double(crop.height) * factor)))
    let instances = page.instances.compactMap { instance -> TextInstance? in
      let polygon = instance.polygon.map(placement.callAsFunction)
      guard !isOutside(polygon, x: 0, y: 0, width: size.width, height: size.height) else { return nil }
      return TextInstance(polygon: polygon, text: instance.text, isIgnored: instance.isIgnored)
    }
    let image = try warped(page.image, placement, total: scale * factor, size)
    return PageCrop(image: try jittered(image, &generator), instances: instances)
  }

  private func warped(
    _ image: Image, _ placement: Placement, total: Double, _ size: (width: Int, height: Int)
  ) throws -> Image {
    var (source, placement) = (image, placement)
    // A warp looks at four pixels only: what shrinks much is shrunk by areas first.
    if total < 0.6 {
      let smaller = try image.resized(
        width: max(1, Int((Double(image.width) * total).rounded())),
        height: max(1, Int((Double(image.height) * total).rounded())), interpolation: .area)
      placement = placement.after(
        scalingX: Double(image.width) / Double(smaller.width), y: Double(image.height) / Double(smaller.height))
      source = smaller
    }
    let inside = try source.warpedAffine(
      AffineTransform(placement.ofPixels), width: size.width, height: size.height, border: .constant(padding))
    return try inside.padded(
      bottom: side - size.height, right: side - size.width, border: .constant(padding))
  }

  /// Brightness and saturation in random order (torchvision's `ColorJitter`, on bytes).
  private func jittered(_ image: Image, _ generator: inout CounterGenerator) throws -> Image {
    let brightness = Float(1 + generator.uniform(-augmentation.brightness...augmentation.brightness))
    let saturation = Float(1 + generator.uniform(-augmentation.saturation...augmentation.saturation))
    let isBrightnessFirst = generator.chance(0.5)
    guard brightness != 1 || saturation != 1 else { return image }
    func clamped(_ value: Float) -> Float { max(0, min(255, value)) }
    let source = image.pixels
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: source.count) { buffer, count in
      unsafe source.withUnsafeBufferPointer { source in
        for start in stride(from: 0, to: source.count, by: 3) {
          var r = unsafe Float(source[start])
          var g = unsafe Float(source[start + 1])
          var b = unsafe Float(source[start + 2])
          if isBrightnessFirst {
            (r, g, b) = (clamped(r * brightness), clamped(g * brightness), clamped(b * brightness))
          }
          let grey = (0.2989 * r + 0.587 * g + 0.114 * b) * (1 - saturation)
          (r, g, b) = (clamped(r * saturation + grey), clamped(g * saturation + grey), clamped(b * saturation + grey))
          if !isBrightnessFirst {
            (r, g, b) = (clamped(r * brightness), clamped(g * brightness), clamped(b * brightness))
          }
          unsafe buffer[start] = UInt8(r)
          unsafe buffer[start + 1] = UInt8(g)
          unsafe buffer[start + 2] = UInt8(b)
        }
      }
      count = source.count
    }
    return try Image(width: image.width, height: image.height, channels: 3, pixels: pixels)
  }
}

/// An affine map of the plane that grows step by step: x' = a x + b y + c, y' = d x + e y + f.
private struct Placement {
  private var a = 1.0, b = 0.0, c = 0.0, d = 0.0, e = 1.0, f = 0.0

  mutating func mirror(width: Double) { (a, b, c) = (-a, -b, width - c) }

  mutating func rotate(degrees: Double, width: Double, height: Double) {
    let (sine, cosine) = (sin(degrees * .pi / 180), cos(degrees * .pi / 180))
    let (x, y) = (width / 2, height / 2)
    move(x: -x, y: -y)
    (a, b, c, d, e, f) = (
      cosine * a - sine * d, cosine * b - sine * e, cosine * c - sine * f,
      sine * a + cosine * d, sine * b + cosine * e, sine * c + cosine * f
    )
    move(x: x, y: y)
  }

  mutating func scale(_ factor: Double) {
    (a, b, c, d, e, f) = (a * factor, b * factor, c * factor, d * factor, e * factor, f * factor)
  }

  mutating func move(x: Double, y: Double) {
    c += x
    f += y
  }

  /// The map that takes a point that was divided by these scales before.
  func after(scalingX x: Double, y: Double) -> Placement {
    var result = self
    (result.a, result.b, result.d, result.e) = (a * x, b * y, d * x, e * y)
    return result
  }

  func callAsFunction(_ point: Point) -> Point {
    let (x, y) = (Double(point.x), Double(point.y))
    return Point(Float(a * x + b * y + c), Float(d * x + e * y + f))
  }

  /// The same for OpenCV, where a pixel's centre has whole coordinates.
  var ofPixels: [Double] { [a, b, c + (a + b) / 2 - 0.5, d, e, f + (d + e) / 2 - 0.5] }
}

/// MMOCR's `EastRandomCrop`: a rectangle whose sides cut through no text.
private struct RandomCrop {
  struct Area { var x: Int, y: Int, width: Int, height: Int }

  let polygons: [Polygon]
  let width: Int
  let height: Int

  init(_ polygons: [Polygon], width: Int, height: Int) {
    self.polygons = polygons
    self.width = width
    self.height = height
  }

  func choose(_ rules: PageAugmentation, _ generator: inout CounterGenerator) -> Area {
    let whole = Area(x: 0, y: 0, width: width, height: height)
    let columns = free(width) { ($0.x) }
    let rows = free(height) { ($0.y) }
    guard !columns.isEmpty, !rows.isEmpty else { return whole }
    for _ in 0..<rules.cropTries {
      let (left, right) = RandomCrop.pick(columns, &generator)
      let (top, bottom) = RandomCrop.pick(rows, &generator)
      guard Double(right - left) >= rules.minimalCropSide * Double(width),
        Double(bottom - top) >= rules.minimalCropSide * Double(height), right > left, bottom > top
      else { continue }
      let area = Area(x: left, y: top, width: right - left, height: bottom - top)
      if polygons.contains(where: { !isOutside($0, x: area.x, y: area.y, width: area.width, height: area.height) }) {
        return area
      }
    }
    return whole
  }

  /// Runs of columns (or rows) that no text reaches into.
  private func free(_ length: Int, _ coordinate: (Point) -> Float) -> [Range<Int>] {
    var isTaken = [Bool](repeating: false, count: length)
    for polygon in polygons {
      let values = polygon.map { coordinate($0).rounded() }
      guard let least = values.min(), let most = values.max() else { continue }
      let from = Int(max(0, min(Float(length), least)))
      let to = Int(max(0, min(Float(length), most)))
      for index in from..<max(from, to) { isTaken[index] = true }
    }
    var runs: [Range<Int>] = []
    var start = 0
    while start < length {
      guard !isTaken[start] else {
        start += 1
        continue
      }
      let end = isTaken[start...].firstIndex(of: true) ?? length
      runs.append(start..<end)
      start = end
    }
    return runs
  }

  /// Two places in one run each, or in the only one. MMOCR forgets the last run of several: so nothing is lost, here
  /// it counts.
  private static func pick(_ runs: [Range<Int>], _ generator: inout CounterGenerator) -> (Int, Int) {
    func place() -> Int {
      let run = runs[generator.integer(below: runs.count)]
      return run.lowerBound + generator.integer(below: run.count)
    }
    let (first, second) = (place(), place())
    return (min(first, second), max(first, second))
  }
}

/// Whether no part of the polygon's bounding box touches the rectangle.
private func isOutside(_ polygon: Polygon, x: Int, y: Int, width: Int, height: Int) -> Bool {
  let xs = polygon.map(\.x)
  let ys = polygon.map(\.y)
  guard let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max() else { return true }
  return right < Float(x) || left > Float(x + width) || bottom < Float(y) || top > Float(y + height)
}
