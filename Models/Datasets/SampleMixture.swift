internal import TensorCore

/// Several sources as one endless, shuffled stream. Sample `n` is the same whoever asks for it and when: nothing is
/// counted along, so that training goes on from any step.
public struct SampleMixture<Sample: Sendable>: Sendable {
  public struct Part: Sendable {
    public var source: any SampleSource<Sample>
    /// How many of an epoch's samples come from it.
    public var samplesPerEpoch: Int

    /// - Throws: `.usage` for a number that is not positive.
    public init(_ source: any SampleSource<Sample>, samplesPerEpoch: Int) throws {
      guard (1...1 << 40).contains(samplesPerEpoch) else {
        throw LigatureError(.usage, "'\(source.name)': \(samplesPerEpoch) samples an epoch; at least 1 is needed")
      }
      self.source = source
      self.samplesPerEpoch = samplesPerEpoch
    }
  }

  public let parts: [Part]
  public let seed: UInt64
  /// Samples of one epoch, of all parts together.
  public let samplesPerEpoch: Int

  public init(_ parts: [Part], seed: UInt64) throws {
    guard !parts.isEmpty else { throw LigatureError(.usage, "there is no source of samples; name one under 'data'") }
    self.parts = parts
    self.seed = seed
    samplesPerEpoch = try parts.reduce(0) { try Checked.add($0, $1.samplesPerEpoch) }
    // Permutations are made for so many.
    guard samplesPerEpoch <= 1 << 40 else { throw LigatureError(.limit, "an epoch of \(samplesPerEpoch) samples") }
  }

  public func epoch(of number: Int) -> Int { number / samplesPerEpoch }

  /// - Parameter number: from 0, through all epochs.
  /// - Returns: the sample, and the generator that its augmentation draws from.
  public func sample(_ number: Int) throws -> (sample: Sample, generator: CounterGenerator) {
    let (part, index, generator) = locate(number)
    return (try parts[part].source.sampleOrNext(index), generator)
  }

  private func locate(_ number: Int) -> (part: Int, index: Int, generator: CounterGenerator) {
    let (epoch, position) = (number / samplesPerEpoch, number % samplesPerEpoch)
    let order = SeededPermutation(count: samplesPerEpoch, seed: seed, epoch: UInt64(epoch))
    var item = order[position]
    let generator = CounterGenerator(seed, UInt64(epoch), UInt64(item), 0x61_7567)
    var part = 0
    while item >= parts[part].samplesPerEpoch {
      item -= parts[part].samplesPerEpoch
      part += 1
    }
    // A part that gives less than all in an epoch goes on in the next with what is left.
    let drawn = epoch &* parts[part].samplesPerEpoch &+ item
    guard let count = parts[part].source.count else { return (part, drawn, generator) }
    let round = SeededPermutation(
      count: count, seed: seed, epoch: UInt64(drawn / count), stream: UInt64(part) &+ 1)
    return (part, round[drawn % count], generator)
  }
}
