internal import COpenCV
internal import TensorCore

/// Which outlines of a mask are found. Raw values are OpenCV's.
public enum ContourMode: Int32, Sendable {
  /// Only the outermost.
  case external = 0
  /// All, outer ones and those of holes, without their nesting.
  case list = 1
}

/// How many points an outline keeps. Raw values are OpenCV's.
public enum ContourMethod: Int32, Sendable {
  case none = 1
  /// Only the ends of horizontal, vertical and diagonal runs.
  case simple = 2
}

extension Raster where Scalar == UInt8 {
  /// Outlines of the areas that are not zero (`cv2.findContours`), in OpenCV's order. One channel only.
  public func contours(mode: ContourMode = .list, method: ContourMethod = .simple) throws -> [Contour] {
    try requireOneChannel("findContours")
    var found = unsafe ligature_cv_contours()
    try unsafe withSource {
      try unsafe openCV("findContours", ligature_cv_find_contours($0, mode.rawValue, method.rawValue, &found))
    }
    defer { unsafe ligature_cv_release_contours(&found) }
    var contours: [Contour] = []
    unsafe contours.reserveCapacity(found.count)
    var start = 0
    for index in unsafe 0..<found.count {
      let end = unsafe found.ends[index]
      contours.append((start..<end).map { unsafe PixelPoint(found.points[2 * $0], found.points[2 * $0 + 1]) })
      start = end
    }
    return contours
  }

  private func requireOneChannel(_ what: String) throws {
    guard channels == 1 else { throw LigatureError(.shape, "\(what) takes one channel, not \(channels)") }
  }
}

extension Raster {
  /// Every pixel becomes the largest within a rectangle around it (`cv2.dilate` with a kernel of ones).
  public func dilated(width kernelWidth: Int, height kernelHeight: Int) throws -> Raster {
    let kernel = try kernelSize(kernelWidth, kernelHeight)
    return try unsafe transformed(width: width, height: height, "dilate") {
      unsafe ligature_cv_dilate($0, $1, kernel.width, kernel.height)
    }
  }

  /// Every pixel becomes the smallest within a rectangle around it (`cv2.erode` with a kernel of ones).
  public func eroded(width kernelWidth: Int, height kernelHeight: Int) throws -> Raster {
    let kernel = try kernelSize(kernelWidth, kernelHeight)
    return try unsafe transformed(width: width, height: height, "erode") {
      unsafe ligature_cv_erode($0, $1, kernel.width, kernel.height)
    }
  }

  private func kernelSize(_ width: Int, _ height: Int) throws -> (width: Int32, height: Int32) {
    guard (1...4096).contains(width), (1...4096).contains(height) else {
      throw LigatureError(.numeric, "a kernel of \(width)x\(height): sides go from 1 to 4096")
    }
    return (Int32(width), Int32(height))
  }

  /// Mean of each channel over the pixels whose mask is not zero, or over all; 0 where the mask selects none
  /// (`cv2.mean`). The mask has one channel and this picture's size.
  public func mean(mask: Image? = nil) throws -> [Double] {
    var result = [Double](repeating: 0, count: 4)
    if let mask {
      guard mask.width == width, mask.height == height, mask.channels == 1 else {
        throw LigatureError(.shape, "the mask of a mean has one channel and the picture's size")
      }
      try unsafe withSource { source in
        try unsafe mask.withSource { unsafe try openCV("mean", ligature_cv_mean(source, $0, &result)) }
      }
    } else {
      try unsafe withSource { unsafe try openCV("mean", ligature_cv_mean($0, ligature_cv_image(), &result)) }
    }
    return Array(result.prefix(channels))
  }
}
