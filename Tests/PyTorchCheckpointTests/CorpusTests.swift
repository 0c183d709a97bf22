import Foundation
import PyTorchCheckpoint
import TensorCore
import TensorFiles
import Testing

/// Every file of the corpus, good and hostile.
@Suite struct CorpusTests {
  static let good = [
    "dbnet_zip", "satrn_bare", "satrn_deflated", "satrn_legacy", "satrn_module_prefix", "satrn_parameters",
    "satrn_torch2", "satrn_torch2_nocrc", "sdmgr_half", "views_legacy", "views_zip",
  ]

  @Test(arguments: good) func goodFilesEqualTheirExpectedTensors(name: String) throws {
    let own: CheckpointFixtures.Facts = try CheckpointFixtures.json("\(name).json")
    let twin = own.same_tensors_as.map { String($0.dropLast(".safetensors".count)) } ?? name
    let facts: CheckpointFixtures.Facts = try CheckpointFixtures.json("\(twin).json")
    let expected = try SafeTensors(contentsOf: CheckpointFixtures.path("\(twin).safetensors")).tensors
    let checkpoint = try Checkpoint(contentsOf: CheckpointFixtures.path("\(name).pth"))

    #expect(own.format.hasPrefix(checkpoint.format.rawValue))
    #expect(checkpoint.topLevelKeys == facts.top)
    let entries = try #require(facts.state_dict)
    #expect(checkpoint.storedTensors.map(\.name) == entries.map(\.name))
    for (entry, found) in zip(entries, checkpoint.storedTensors) {
      #expect("\(found.tensor.tensor.element)" == entry.dtype)
      #expect(found.tensor.tensor.shape == entry.shape)
      #expect(found.tensor.strides == entry.stride)
      #expect(found.tensor.storageOffset == entry.storage_offset)
      #expect(found.tensor.requiresGradient == entry.requires_grad)
      #expect(same(found.tensor.tensor, try #require(expected[entry.name])), "\(entry.name)")
    }
    let stripped = entries.map { $0.name.hasPrefix("module.") ? String($0.name.dropFirst(7)) : $0.name }
    #expect(checkpoint.stateDictionary.names == stripped)
    if let meta = facts.meta, case .object = meta {
      #expect(meta.difference(.dictionary(checkpoint.metadata), at: "meta", tensors: [:]) == nil)
    }
    if let optimizer = facts.optimizer {
      let found = try #require(checkpoint.optimizer)
      #expect(optimizer.difference(found, at: "optimizer", tensors: expected) == nil)
    }
  }

  /// Weights of the zip format stay in the file: tensors of one storage share memory, and all of it is the map.
  @Test func weightsAreMappedNotCopied() throws {
    let bare = try Checkpoint(contentsOf: CheckpointFixtures.path("satrn_bare.pth")).storedTensors.map(\.tensor)
    let contiguous = bare.filter { $0.strides == rowMajorStrides($0.tensor.shape) }
    #expect(contiguous.count > 80)
    #expect(Set(contiguous.map { ObjectIdentifier($0.tensor.storage) }).count == 1)
    let views = try Checkpoint(contentsOf: CheckpointFixtures.path("views_zip.pth")).stateDictionary
    let (weight, tied) = (try #require(views["fc.weight"]), try #require(views["tied.a"]))
    #expect(weight.storage === tied.storage)
    let (bias, overlap) = (try #require(views["conv.bias"]), try #require(views["overlap"]))
    #expect(bias.storage === overlap.storage)
    #expect(overlap.byteOffset - bias.byteOffset == 4 * (195 - 108))
  }

  static let hostile: [CheckpointFixtures.Hostile] =
    (try? CheckpointFixtures.json("hostile/manifest.json")) ?? []

  @Test func theManifestIsThere() { #expect(Self.hostile.count == 99) }

  /// A second is promised; builds for debugging, with tests side by side, are slower.
  #if DEBUG
    private let patience = Duration.seconds(10)
  #else
    private let patience = Duration.seconds(1)
  #endif

  @Test(arguments: hostile) func hostileFilesAreReadOrRefused(_ hostile: CheckpointFixtures.Hostile) throws {
    let path = CheckpointFixtures.path("hostile/\(hostile.file)")
    let trace = "/tmp/EXECUTED_BY_CHECKPOINT"
    #expect(!FileManager.default.fileExists(atPath: trace))
    let start = ContinuousClock.now
    do {
      let checkpoint = try Checkpoint(contentsOf: path)
      #expect(hostile.outcome != "error", "\(hostile.why)")
      let weight = try #require(checkpoint.stateDictionary["w"])
      #expect(weight.shape == [2, 3])
      #expect(try weight.scalars(as: Float.self) == [0, 1, 2, 3, 4, 5])
    } catch let error as LigatureError {
      #expect(hostile.outcome != "reads", "\(error)")
      #expect(error.message.contains(hostile.file), "\(error)")
    }
    #expect(start.duration(to: .now) < patience)
    #expect(!FileManager.default.fileExists(atPath: trace))
  }

  /// The reason is in the message, by name.
  @Test(arguments: [
    ("exec_os_system", "posix.system"), ("exec_os_system_legacy", "os.system"), ("exec_eval", "__builtin__.eval"),
    ("exec_stack_global", "system"), ("exec_dotted_name", "torch.serialization.os.system"),
    ("exec_inst", "posix.system"), ("exec_obj", "posix.system"), ("exec_newobj", "subprocess.Popen"),
    ("exec_build", "__setstate__"), ("exec_torch_load", "torch.load"), ("exec_legacy_header", "system"),
    ("unknown_class", "my_project.models.Net"), ("unknown_storage", "QUInt8Storage"),
    ("unknown_rebuild", "torch._utils._rebuild_sparse_tensor"), ("truncated", "cut off"), ("bad_crc", "CRC-32"),
    ("html", "web page"), ("lfs_pointer", "Git LFS"), ("empty", "empty"), ("legacy_tar", "tar format"),
    ("zip_bomb", "100663296 bytes where 24"), ("size_bomb_stride0", "limit"), ("storage_short", "storage '0'"),
    ("view_out_of_range", "reaches past"), ("zip_of_text", "no data.pkl"), ("memo_missing", "99"),
    ("deep_marks", "nested deeper"), ("self_reference_dict", "contains itself"), ("top_is_int", "int"),
    ("legacy_truncated", "cut off"), ("path_traversal", "leaves its folder"), ("protocol_99", "99"),
  ])
  func messagesNameTheReason(file: String, part: String) throws {
    let error = try #require(throws: LigatureError.self) {
      try Checkpoint(contentsOf: CheckpointFixtures.path("hostile/\(file).pth"))
    }
    #expect("\(error)".contains(part))
  }
}

/// The same content in every form that PyTorch writes (`make_variants.py`): all pickle protocols, both formats, types
/// without a storage class, NumPy's scalars and arrays.
@Suite struct VariantTests {
  struct Facts: Decodable {
    var names: [String]
    var meta: JSON
  }
  static let facts: [String: Facts] = (try? CheckpointFixtures.json("variants/facts.json")) ?? [:]

  @Test func thereAreVariants() { #expect(Self.facts.count == 11) }

  @Test(arguments: facts.keys.sorted()) func variantsEqualTheirExpectedTensors(name: String) throws {
    let facts = try #require(Self.facts[name])
    let expected = try SafeTensors(contentsOf: CheckpointFixtures.path("variants/\(name).safetensors")).tensors
    let checkpoint = try Checkpoint(contentsOf: CheckpointFixtures.path("variants/\(name).pth"))
    #expect(checkpoint.storedTensors.map(\.name) == facts.names)
    for (name, found) in checkpoint.storedTensors {
      #expect(same(found.tensor, try #require(expected[name])), "\(name)")
      #expect(found.isParameter == (name.hasSuffix("parameter") || name.hasSuffix("frozen")))
      #expect(found.requiresGradient == name.hasSuffix("parameter"))
    }
    #expect(facts.meta.difference(.dictionary(checkpoint.metadata), at: "meta", tensors: expected) == nil)
  }
}
