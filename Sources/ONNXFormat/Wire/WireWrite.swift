internal import CONNX
internal import GraphIR
internal import TensorCore

/// Turns messages as Swift values into protobuf-c messages and those into bytes. Tensor data is not copied: it goes
/// from where it lies straight to the sink.
@safe final class WireEncoder {
  private let memory = MessageMemory()
  /// Gives the external place of a tensor, or `nil` to keep it in the file.
  private let externalPlace: (Tensor) -> [WireEntry]?

  private init(externalPlace: @escaping (Tensor) -> [WireEntry]? = { _ in nil }) {
    self.externalPlace = externalPlace
  }

  /// Streams a model file.
  /// - Parameter externalPlace: asked for every numeric tensor, in the order in which they are written.
  static func write(
    _ model: WireModel, to sink: ByteSink, externalPlace: @escaping (Tensor) -> [WireEntry]? = { _ in nil }
  ) throws {
    let encoder = WireEncoder(externalPlace: externalPlace)
    try unsafe sink.pack(encoder.model(model).withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { unsafe $0 })
  }

  /// Streams a file that holds one tensor.
  static func write(_ tensor: WireTensor, to sink: ByteSink) throws {
    let encoder = WireEncoder()
    try unsafe sink.pack(encoder.tensor(tensor).withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { unsafe $0 })
  }

  /// The bytes of one attribute on its own.
  static func attribute(_ attribute: WireAttribute) throws -> [UInt8] {
    let encoder = WireEncoder()
    let sink = ByteSink()
    let message = unsafe encoder.attribute(attribute)
    try unsafe sink.pack(message.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { unsafe $0 })
    return try sink.finish()
  }
}

/// Memory for protobuf-c messages, released all at once.
@safe final class MessageMemory {
  private var blocks: [UnsafeMutableRawPointer] = unsafe []
  private var tensors: [Tensor] = []

  deinit { unsafe blocks.forEach { unsafe $0.deallocate() } }

  /// A message, initialised by the generated function.
  func make<Message>(_ initialize: (UnsafeMutablePointer<Message>?) -> Void) -> UnsafeMutablePointer<Message> {
    let pointer = UnsafeMutablePointer<Message>.allocate(capacity: 1)
    unsafe blocks.append(UnsafeMutableRawPointer(pointer))
    unsafe initialize(pointer)
    return unsafe pointer
  }

  func list<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element>? {
    guard !elements.isEmpty else { return nil }
    let pointer = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    unsafe blocks.append(UnsafeMutableRawPointer(pointer))
    unsafe pointer.initialize(from: elements, count: elements.count)
    return unsafe pointer
  }

  /// `nil`, which leaves the field out, for the empty text unless it must be there.
  func text(_ text: String, always: Bool = false) -> UnsafeMutablePointer<CChar>? {
    if text.isEmpty, !always { return nil }
    return unsafe list(text.utf8.filter { $0 != 0 }.map { CChar(bitPattern: $0) } + [0])
  }

  func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    unsafe ProtobufCBinaryData(len: bytes.count, data: list(bytes))
  }

  /// A tensor's own bytes; it is kept alive.
  func bytes(of tensor: Tensor) -> ProtobufCBinaryData {
    tensors.append(tensor)
    let address = unsafe UnsafeMutableRawPointer(mutating: tensor.address)
    return unsafe ProtobufCBinaryData(len: tensor.byteCount, data: address.assumingMemoryBound(to: UInt8.self))
  }
}

// ── Messages ────────────────────────────────────────────────────────────────
extension WireEncoder {
  private typealias Pointers<Message> = UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?

  private func each<Element, Message>(
    _ elements: [Element], _ body: (Element) -> UnsafeMutablePointer<Message>
  ) -> Pointers<Message> {
    unsafe memory.list(elements.map { unsafe Optional(body($0)) })
  }

  private func texts(_ texts: [String]) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
    unsafe memory.list(texts.map { unsafe memory.text($0, always: true) })
  }

  private func entries(_ entries: [WireEntry]) -> Pointers<Onnx__StringStringEntryProto> {
    unsafe each(entries) { entry in
      let target = unsafe memory.make(onnx__string_string_entry_proto__init)
      unsafe target.pointee.key = memory.text(entry.key, always: true)
      unsafe target.pointee.value = memory.text(entry.value, always: true)
      return unsafe target
    }
  }

  private func operatorSets(_ sets: [WireOperatorSet]) -> Pointers<Onnx__OperatorSetIdProto> {
    unsafe each(sets) { set in
      let target = unsafe memory.make(onnx__operator_set_id_proto__init)
      unsafe target.pointee.domain = memory.text(set.domain, always: true)
      unsafe target.pointee.has_version = 1
      unsafe target.pointee.version = Int64(set.version)
      return unsafe target
    }
  }

  private func model(_ source: WireModel) -> UnsafeMutablePointer<Onnx__ModelProto> {
    let target = unsafe memory.make(onnx__model_proto__init)
    unsafe target.pointee.has_ir_version = 1
    unsafe target.pointee.ir_version = Int64(source.irVersion)
    unsafe target.pointee.producer_name = memory.text(source.producerName)
    unsafe target.pointee.producer_version = memory.text(source.producerVersion)
    unsafe target.pointee.domain = memory.text(source.domain)
    unsafe target.pointee.has_model_version = source.modelVersion == 0 ? 0 : 1
    unsafe target.pointee.model_version = Int64(source.modelVersion)
    unsafe target.pointee.doc_string = memory.text(source.documentation)
    unsafe target.pointee.graph = source.graph.map { unsafe graph($0) }
    unsafe target.pointee.n_opset_import = source.operatorSets.count
    unsafe target.pointee.opset_import = operatorSets(source.operatorSets)
    unsafe target.pointee.n_metadata_props = source.metadata.count
    unsafe target.pointee.metadata_props = entries(source.metadata)
    unsafe target.pointee.n_functions = source.functions.count
    unsafe target.pointee.functions = each(source.functions) { unsafe function($0) }
    unsafe target.pointee.n_training_info = source.training.count
    unsafe target.pointee.training_info = each(source.training) { unsafe training($0) }
    return unsafe target
  }

  private func training(_ source: WireTraining) -> UnsafeMutablePointer<Onnx__TrainingInfoProto> {
    let target = unsafe memory.make(onnx__training_info_proto__init)
    unsafe target.pointee.initialization = source.initialization.map { unsafe graph($0) }
    unsafe target.pointee.algorithm = source.algorithm.map { unsafe graph($0) }
    unsafe target.pointee.n_initialization_binding = source.initializationBinding.count
    unsafe target.pointee.initialization_binding = entries(source.initializationBinding)
    unsafe target.pointee.n_update_binding = source.updateBinding.count
    unsafe target.pointee.update_binding = entries(source.updateBinding)
    return unsafe target
  }

  private func graph(_ source: WireGraph) -> UnsafeMutablePointer<Onnx__GraphProto> {
    let target = unsafe memory.make(onnx__graph_proto__init)
    unsafe target.pointee.name = memory.text(source.name, always: true)
    unsafe target.pointee.doc_string = memory.text(source.documentation)
    unsafe target.pointee.n_node = source.nodes.count
    unsafe target.pointee.node = each(source.nodes) { unsafe node($0) }
    unsafe target.pointee.n_initializer = source.initializers.count
    unsafe target.pointee.initializer = each(source.initializers) { unsafe tensor($0) }
    unsafe target.pointee.n_sparse_initializer = source.sparseInitializers.count
    unsafe target.pointee.sparse_initializer = each(source.sparseInitializers) { unsafe sparse($0) }
    unsafe target.pointee.n_input = source.inputs.count
    unsafe target.pointee.input = each(source.inputs) { unsafe value($0) }
    unsafe target.pointee.n_output = source.outputs.count
    unsafe target.pointee.output = each(source.outputs) { unsafe value($0) }
    unsafe target.pointee.n_value_info = source.valueInfo.count
    unsafe target.pointee.value_info = each(source.valueInfo) { unsafe value($0) }
    unsafe target.pointee.n_quantization_annotation = source.annotations.count
    unsafe target.pointee.quantization_annotation = each(source.annotations) { annotation in
      let target = unsafe memory.make(onnx__tensor_annotation__init)
      unsafe target.pointee.tensor_name = memory.text(annotation.tensor)
      unsafe target.pointee.n_quant_parameter_tensor_names = annotation.parameters.count
      unsafe target.pointee.quant_parameter_tensor_names = entries(annotation.parameters)
      return unsafe target
    }
    unsafe target.pointee.n_metadata_props = source.metadata.count
    unsafe target.pointee.metadata_props = entries(source.metadata)
    return unsafe target
  }

  private func node(_ source: WireNode) -> UnsafeMutablePointer<Onnx__NodeProto> {
    let target = unsafe memory.make(onnx__node_proto__init)
    unsafe target.pointee.n_input = source.inputs.count
    unsafe target.pointee.input = texts(source.inputs)
    unsafe target.pointee.n_output = source.outputs.count
    unsafe target.pointee.output = texts(source.outputs)
    unsafe target.pointee.name = memory.text(source.name)
    unsafe target.pointee.op_type = memory.text(source.type, always: true)
    unsafe target.pointee.domain = memory.text(source.domain)
    unsafe target.pointee.overload = memory.text(source.overload)
    unsafe target.pointee.doc_string = memory.text(source.documentation)
    unsafe target.pointee.n_attribute = source.attributes.count
    unsafe target.pointee.attribute = each(source.attributes) { unsafe attribute($0) }
    unsafe target.pointee.n_metadata_props = source.metadata.count
    unsafe target.pointee.metadata_props = entries(source.metadata)
    return unsafe target
  }

  private func function(_ source: WireFunction) -> UnsafeMutablePointer<Onnx__FunctionProto> {
    let target = unsafe memory.make(onnx__function_proto__init)
    unsafe target.pointee.name = memory.text(source.name, always: true)
    unsafe target.pointee.domain = memory.text(source.domain, always: true)
    unsafe target.pointee.overload = memory.text(source.overload)
    unsafe target.pointee.doc_string = memory.text(source.documentation)
    unsafe target.pointee.n_input = source.inputs.count
    unsafe target.pointee.input = texts(source.inputs)
    unsafe target.pointee.n_output = source.outputs.count
    unsafe target.pointee.output = texts(source.outputs)
    unsafe target.pointee.n_attribute = source.attributes.count
    unsafe target.pointee.attribute = texts(source.attributes)
    unsafe target.pointee.n_attribute_proto = source.defaults.count
    unsafe target.pointee.attribute_proto = each(source.defaults) { unsafe attribute($0) }
    unsafe target.pointee.n_node = source.nodes.count
    unsafe target.pointee.node = each(source.nodes) { unsafe node($0) }
    unsafe target.pointee.n_opset_import = source.operatorSets.count
    unsafe target.pointee.opset_import = operatorSets(source.operatorSets)
    unsafe target.pointee.n_value_info = source.valueInfo.count
    unsafe target.pointee.value_info = each(source.valueInfo) { unsafe value($0) }
    unsafe target.pointee.n_metadata_props = source.metadata.count
    unsafe target.pointee.metadata_props = entries(source.metadata)
    return unsafe target
  }
}

// ── Values and types ────────────────────────────────────────────────────────
extension WireEncoder {
  private func value(_ source: WireValue) -> UnsafeMutablePointer<Onnx__ValueInfoProto> {
    let target = unsafe memory.make(onnx__value_info_proto__init)
    unsafe target.pointee.name = memory.text(source.name, always: true)
    unsafe target.pointee.type = source.type.map { unsafe type($0) }
    return unsafe target
  }

  private func type(_ source: WireType) -> UnsafeMutablePointer<Onnx__TypeProto> {
    let target = unsafe memory.make(onnx__type_proto__init)
    switch source {
    case .tensor(let element, let dimensions):
      let inner = unsafe memory.make(onnx__type_proto__tensor__init)
      unsafe inner.pointee.has_elem_type = 1
      unsafe inner.pointee.elem_type = element
      unsafe inner.pointee.shape = dimensions.map { unsafe shape($0) }
      unsafe target.pointee.tensor_type = inner
    case .sparse(let element, let dimensions):
      let inner = unsafe memory.make(onnx__type_proto__sparse_tensor__init)
      unsafe inner.pointee.has_elem_type = 1
      unsafe inner.pointee.elem_type = element
      unsafe inner.pointee.shape = dimensions.map { unsafe shape($0) }
      unsafe target.pointee.sparse_tensor_type = inner
    case .sequence(let element):
      let inner = unsafe memory.make(onnx__type_proto__sequence__init)
      unsafe inner.pointee.elem_type = type(element)
      unsafe target.pointee.sequence_type = inner
    case .optional(let element):
      let inner = unsafe memory.make(onnx__type_proto__optional__init)
      unsafe inner.pointee.elem_type = type(element)
      unsafe target.pointee.optional_type = inner
    case .map(let key, let value):
      let inner = unsafe memory.make(onnx__type_proto__map__init)
      unsafe inner.pointee.has_key_type = 1
      unsafe inner.pointee.key_type = key
      unsafe inner.pointee.value_type = type(value)
      unsafe target.pointee.map_type = inner
    case .opaque(let domain, let name):
      let inner = unsafe memory.make(onnx__type_proto__opaque__init)
      unsafe inner.pointee.domain = memory.text(domain)
      unsafe inner.pointee.name = memory.text(name)
      unsafe target.pointee.opaque_type = inner
    case .unknown: break
    }
    return unsafe target
  }

  private func shape(_ dimensions: [WireDimension]) -> UnsafeMutablePointer<Onnx__TensorShapeProto> {
    let target = unsafe memory.make(onnx__tensor_shape_proto__init)
    unsafe target.pointee.n_dim = dimensions.count
    unsafe target.pointee.dim = each(dimensions) { dimension in
      let target = unsafe memory.make(onnx__tensor_shape_proto__dimension__init)
      switch dimension {
      case .size(let size):
        unsafe target.pointee.has_dim_value = 1
        unsafe target.pointee.dim_value = Int64(size)
      case .symbol(let name): unsafe target.pointee.dim_param = memory.text(name)
      case .unknown: break
      }
      return unsafe target
    }
    return unsafe target
  }
}

// ── Attributes and tensors ──────────────────────────────────────────────────
extension WireEncoder {
  private func attribute(_ source: WireAttribute) -> UnsafeMutablePointer<Onnx__AttributeProto> {
    let target = unsafe memory.make(onnx__attribute_proto__init)
    unsafe target.pointee.name = memory.text(source.name, always: true)
    unsafe target.pointee.ref_attr_name = memory.text(source.reference)
    unsafe target.pointee.doc_string = memory.text(source.documentation)
    unsafe target.pointee.has_type = 1
    unsafe target.pointee.type = Onnx__AttributeProto__AttributeType(rawValue: UInt32(bitPattern: source.value.kind))
    switch source.value {
    case .float(let value):
      unsafe target.pointee.has_f = 1
      unsafe target.pointee.f = value
    case .int(let value):
      unsafe target.pointee.has_i = 1
      unsafe target.pointee.i = value
    case .string(let value):
      unsafe target.pointee.has_s = 1
      unsafe target.pointee.s = memory.bytes(value)
    case .tensor(let value): unsafe target.pointee.t = tensor(value)
    case .graph(let value): unsafe target.pointee.g = graph(value)
    case .floats(let values):
      unsafe target.pointee.n_floats = values.count
      unsafe target.pointee.floats = memory.list(values)
    case .ints(let values):
      unsafe target.pointee.n_ints = values.count
      unsafe target.pointee.ints = memory.list(values)
    case .strings(let values):
      unsafe target.pointee.n_strings = values.count
      unsafe target.pointee.strings = memory.list(values.map { unsafe memory.bytes($0) })
    case .tensors(let values):
      unsafe target.pointee.n_tensors = values.count
      unsafe target.pointee.tensors = each(values) { unsafe tensor($0) }
    case .graphs(let values):
      unsafe target.pointee.n_graphs = values.count
      unsafe target.pointee.graphs = each(values) { unsafe graph($0) }
    case .sparse(let value): unsafe target.pointee.sparse_tensor = sparse(value)
    case .sparses(let values):
      unsafe target.pointee.n_sparse_tensors = values.count
      unsafe target.pointee.sparse_tensors = each(values) { unsafe sparse($0) }
    case .type(let value): unsafe target.pointee.tp = type(value)
    case .types(let values):
      unsafe target.pointee.n_type_protos = values.count
      unsafe target.pointee.type_protos = each(values) { unsafe type($0) }
    case .none: break
    }
    return unsafe target
  }

  private func sparse(_ source: WireSparse) -> UnsafeMutablePointer<Onnx__SparseTensorProto> {
    let target = unsafe memory.make(onnx__sparse_tensor_proto__init)
    unsafe target.pointee.values = tensor(source.values)
    unsafe target.pointee.indices = tensor(source.indices)
    unsafe target.pointee.n_dims = source.shape.count
    unsafe target.pointee.dims = memory.list(source.shape.map(Int64.init))
    return unsafe target
  }

  private func tensor(_ source: WireTensor) -> UnsafeMutablePointer<Onnx__TensorProto> {
    let tensor = source.tensor
    let target = unsafe memory.make(onnx__tensor_proto__init)
    unsafe target.pointee.name = memory.text(source.name)
    unsafe target.pointee.n_dims = tensor.shape.count
    unsafe target.pointee.dims = memory.list(tensor.shape.map(Int64.init))
    unsafe target.pointee.has_data_type = 1
    unsafe target.pointee.data_type = tensor.element.rawValue
    if tensor.element == .string {
      unsafe target.pointee.n_string_data = tensor.strings.count
      unsafe target.pointee.string_data = memory.list(tensor.strings.map { unsafe memory.bytes(Array($0.utf8)) })
    } else if tensor.element.isPackedInFiles {
      let packed = unsafe tensor.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 2).map { index -> Int32 in
          let low = unsafe bytes[index] & 15
          let high = unsafe index + 1 < bytes.count ? bytes[index + 1] & 15 : 0
          return Int32(low | high << 4)
        }
      }
      unsafe target.pointee.n_int32_data = packed.count
      unsafe target.pointee.int32_data = memory.list(packed)
    } else if let place = externalPlace(tensor) {
      unsafe target.pointee.has_data_location = 1
      unsafe target.pointee.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL
      unsafe target.pointee.n_external_data = place.count
      unsafe target.pointee.external_data = entries(place)
    } else {
      unsafe target.pointee.has_raw_data = 1
      unsafe target.pointee.raw_data = memory.bytes(of: tensor)
    }
    return unsafe target
  }
}
