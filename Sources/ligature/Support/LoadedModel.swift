import Architectures
import GraphIR
import Loading
import ONNXFormat
import Runtime
import TensorCore

/// A model file, read, prepared for this machine and ready to run.
struct LoadedModel {
  let path: String
  /// What the file says. Its graph is the prepared one where that came from a cache.
  let model: Model
  let session: Session
  /// Seconds that reading and preparing took.
  let loadTime: Double

  /// - Parameter onlyFirstOutput: leaves out what no other output than the first needs, such as the branch of a
  ///   detector that only training reads.
  init(_ path: String, options: Session.Options, onlyFirstOutput: Bool = false) throws {
    let start = ContinuousClock.now
    self.path = path
    (model, session) = try Session.load(path, options: options, onlyFirstOutput: onlyFirstOutput)
    loadTime = start.duration(to: .now).seconds
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension LoadedModel {
  var recipeSizes: [Int]? { ligature.recipeSizes(model) }
}

/// The input sizes that a file's recipe is made for, if it says.
func recipeSizes(_ model: Model) -> [Int]? {
  // A recipe that is not understood is reported by what follows it, not by what only asks for sizes.
  guard let recipe = try? Recipe(metadata: model.metadata) else { return nil }
  let channels = recipe.preprocess.channels == .grayscale ? 1 : 3
  switch recipe.preprocess.resize {
  case .limitedSide(let size): return [1, 3, size.limit, size.limit]
  case .height(let size): return [1, 3, size.height, size.width]
  case .fixed(let size): return [1, 3, size.height, size.width]
  case .resizeOCR(let size):
    return [1, channels, size.height, size.maxWidth ?? size.width(ofWidth: 4 * size.height, height: size.height)]
  case .keepRatio(let size):
    return [1, channels, size.paddedSide(size.shortSide), size.paddedSide(size.longSide)]
  }
}
