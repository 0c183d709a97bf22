import GraphIR
import TensorCore

/// The storage of the values that live from run to run.
///
/// Bytes are shared with tensors until a run is about to write them: who holds a tensor of the state keeps what it
/// showed, at the price of one copy. In the normal case nobody does, and nothing is copied.
@safe final class StateStore {
  struct Cell {
    let value: ValueID
    let name: String
    let element: ElementType
    let shape: [Int]
    let byteCount: Int
    var storage: TensorStorage
    var byteOffset: Int
  }
  private var cells: [Cell]
  private let places: [String: Int]

  init(_ states: [(value: ValueID, name: String, tensor: Tensor)]) {
    cells = states.map {
      Cell(
        value: $0.value, name: $0.name, element: $0.tensor.element, shape: $0.tensor.shape,
        byteCount: $0.tensor.byteCount, storage: $0.tensor.storage, byteOffset: $0.tensor.byteOffset)
    }
    places = Dictionary(states.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  var isEmpty: Bool { cells.isEmpty }
  var names: [String] { cells.map(\.name) }
  var byteCount: Int { cells.reduce(0) { $0 + $1.byteCount } }
  func byteCount(_ index: Int) -> Int { cells[index].byteCount }

  /// Gives every state storage that nobody else sees. Allocates only where somebody does.
  func detach() throws {
    for index in cells.indices {
      if isKnownUniquelyReferenced(&cells[index].storage), cells[index].storage.isWritable { continue }
      let own = try TensorStorage(byteCount: cells[index].byteCount)
      unsafe own.withUnsafeMutableBytes { target in
        unsafe target.copyMemory(
          from: UnsafeRawBufferPointer(start: address(index), count: cells[index].byteCount))
      }
      cells[index].storage = own
      cells[index].byteOffset = 0
    }
  }

  @unsafe func address(_ index: Int) -> UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(mutating: cells[index].storage.address + cells[index].byteOffset)
  }

  private func place(_ name: String) throws -> Int {
    guard let place = places[name] else {
      let known = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
      throw LigatureError(.usage, "there is no state '\(name)'; it has: \(known)")
    }
    return place
  }

  func tensor(_ name: String) throws -> Tensor { try tensor(at: place(name)) }

  func tensor(at index: Int) throws -> Tensor {
    let cell = cells[index]
    return try Tensor.view(cell.element, cell.shape, cell.storage, byteOffset: cell.byteOffset)
  }

  func set(_ name: String, _ tensor: Tensor) throws {
    let index = try place(name)
    guard cells[index].element == tensor.element, cells[index].shape == tensor.shape else {
      throw LigatureError(
        .shape,
        "the state '\(name)' is \(cells[index].element)\(cells[index].shape), but \(tensor.element)\(tensor.shape) is given"
      )
    }
    cells[index].storage = tensor.storage
    cells[index].byteOffset = tensor.byteOffset
  }
}
