internal import COpenCV
internal import TensorCore

extension Raster {
  /// Gaussian blur (`cv2.GaussianBlur`), the standard deviation in pixels; mirrored around the edge pixels outside.
  /// Throws `.numeric` unless it lies between 0 and 100; 0 changes nothing.
  public func blurred(deviation: Double) throws -> Raster {
    guard deviation >= 0, deviation <= 100 else {
      throw LigatureError(.numeric, "a blur of \(deviation) pixels; give 0 to 100")
    }
    guard deviation > 0 else { return self }
    return try unsafe transformed(width: width, height: height, "GaussianBlur") {
      unsafe ligature_cv_gaussian_blur($0, $1, deviation)
    }
  }

  /// Every scalar replaced by a weighed sum of its neighbours in the same channel (`cv2.filter2D`), edge pixels
  /// repeated outside. Throws `.shape` unless there are width x height weights.
  public func filtered(_ weights: [Float], width kernelWidth: Int, height kernelHeight: Int) throws -> Raster {
    guard kernelWidth > 0, kernelHeight > 0, kernelWidth <= 255, kernelHeight <= 255,
      weights.count == kernelWidth * kernelHeight
    else {
      throw LigatureError(.shape, "\(weights.count) weights for a kernel of \(kernelWidth)x\(kernelHeight)")
    }
    return try unsafe transformed(width: width, height: height, "filter2D") {
      unsafe ligature_cv_filter($0, $1, weights, Int32(kernelWidth), Int32(kernelHeight))
    }
  }
}
