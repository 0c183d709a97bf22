internal import Imaging
internal import TensorCore

extension Raster where Scalar == Float {
  /// Mean of a map inside an outline (MMOCR's `box_score_fast`, PaddleOCR's `box_score_fast`): the box around it is
  /// clipped to the map, the corners are then cut to whole pixels, and the edge counts as inside.
  func meanProbability(inside outline: Polygon) throws -> Double {
    let (xs, ys) = (outline.map(\.x), outline.map(\.y))
    let left = try pixel((xs.min() ?? 0).rounded(.down), below: width)
    let right = try pixel((xs.max() ?? 0).rounded(.up), below: width)
    let top = try pixel((ys.min() ?? 0).rounded(.down), below: height)
    let bottom = try pixel((ys.max() ?? 0).rounded(.up), below: height)
    let part = try cropped(x: left, y: top, width: right - left + 1, height: bottom - top + 1)
    var mask = try Image(width: part.width, height: part.height, channels: 1)
    let corners = try outline.map { try PixelPoint(truncating: Point($0.x - Float(left), $0.y - Float(top))) }
    try mask.fill(polygon: corners, value: [1])
    return try part.mean(mask: mask)[0]
  }

  private func pixel(_ position: Float, below side: Int) throws -> Int {
    guard position.isFinite else { throw LigatureError(.numeric, "a box of text has a corner that is not finite") }
    return Int(min(max(position, 0), Float(side - 1)))
  }
}
