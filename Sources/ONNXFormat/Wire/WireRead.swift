internal import CONNX
internal import GraphIR
internal import TensorCore

/// Turns unpacked protobuf-c messages into Swift values. Tensors become views of the file where that is possible.
@safe struct WireDecoder {
  /// The whole file, which places of raw data refer to.
  let file: TensorStorage
  let external: ExternalData?

  /// The messages of a model file.
  static func model(_ file: TensorStorage, external: ExternalData?, limits: WireLimits) throws -> WireModel {
    guard file.byteCount > 0 else { throw LigatureError(.format, "the file is empty; obtain or export it again") }
    let unpacked = try unsafe Unpacked<Onnx__ModelProto>(file, as: Descriptors.model, limits: limits)
    let decoder = WireDecoder(file: file, external: external)
    return try unsafe unpacked.withMessage { try unsafe decoder.model($0) }
  }

  /// The message of a file that holds one tensor.
  static func tensor(_ file: TensorStorage, external: ExternalData?, limits: WireLimits) throws -> WireTensor {
    guard file.byteCount > 0 else { throw LigatureError(.format, "the file is empty; obtain or export it again") }
    let unpacked = try unsafe Unpacked<Onnx__TensorProto>(file, as: Descriptors.tensor, limits: limits)
    let decoder = WireDecoder(file: file, external: external)
    return try unsafe unpacked.withMessage { try unsafe decoder.tensor($0) }
  }

  /// The message of one attribute on its own (see `Attribute.opaque`).
  static func attribute(_ bytes: [UInt8]) throws -> WireAttribute {
    let file = try TensorStorage(copying: bytes)
    let unpacked = try unsafe Unpacked<Onnx__AttributeProto>(file, as: Descriptors.attribute)
    let decoder = WireDecoder(file: file, external: nil)
    return try unsafe unpacked.withMessage { try unsafe decoder.attribute($0) }
  }
}

// ── Scalars and lists ───────────────────────────────────────────────────────
extension WireDecoder {
  typealias List<Message> = UnsafeMutablePointer<UnsafeMutablePointer<Message>?>

  /// Text; bytes that are not UTF-8 are replaced.
  func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
    guard let pointer = unsafe pointer else { return "" }
    return unsafe String(cString: pointer)
  }

  private func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
    unsafe [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
  }

  private func list<Element>(_ pointer: UnsafeMutablePointer<Element>?, _ count: Int) -> [Element] {
    unsafe [Element](UnsafeBufferPointer(start: pointer, count: count))
  }

  private func texts(_ pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) -> [String] {
    unsafe UnsafeBufferPointer(start: pointer, count: count).map { unsafe text($0) }
  }

  func each<Message, Result>(
    _ pointer: List<Message>?, _ count: Int, _ body: (UnsafePointer<Message>) throws -> Result
  ) rethrows -> [Result] {
    try unsafe UnsafeBufferPointer(start: pointer, count: count).compactMap { item in
      guard let item = unsafe item else { return nil }
      return try unsafe body(UnsafePointer(item))
    }
  }

  private func entries(_ pointer: List<Onnx__StringStringEntryProto>?, _ count: Int) -> [WireEntry] {
    unsafe each(pointer, count) {
      unsafe WireEntry(key: text($0.pointee.key), value: text($0.pointee.value))
    }
  }

  private func operatorSets(_ pointer: List<Onnx__OperatorSetIdProto>?, _ count: Int) -> [WireOperatorSet] {
    unsafe each(pointer, count) {
      unsafe WireOperatorSet(domain: text($0.pointee.domain), version: Int($0.pointee.version))
    }
  }
}

// ── Messages ────────────────────────────────────────────────────────────────
extension WireDecoder {
  private func model(_ message: UnsafePointer<Onnx__ModelProto>) throws -> WireModel {
    let source = unsafe message.pointee
    var model = WireModel()
    model.irVersion = Int(unsafe source.ir_version)
    model.producerName = unsafe text(source.producer_name)
    model.producerVersion = unsafe text(source.producer_version)
    model.domain = unsafe text(source.domain)
    model.modelVersion = Int(unsafe source.model_version)
    model.documentation = unsafe text(source.doc_string)
    model.graph = try unsafe source.graph.map { try unsafe graph($0) }
    model.operatorSets = unsafe operatorSets(source.opset_import, source.n_opset_import)
    model.metadata = unsafe entries(source.metadata_props, source.n_metadata_props)
    model.functions = try unsafe each(source.functions, source.n_functions) { try unsafe function($0) }
    model.training = try unsafe each(source.training_info, source.n_training_info) { item in
      let item = unsafe item.pointee
      return try unsafe WireTraining(
        initialization: item.initialization.map { try unsafe graph($0) },
        algorithm: item.algorithm.map { try unsafe graph($0) },
        initializationBinding: entries(item.initialization_binding, item.n_initialization_binding),
        updateBinding: entries(item.update_binding, item.n_update_binding))
    }
    return model
  }

  private func graph(_ message: UnsafePointer<Onnx__GraphProto>) throws -> WireGraph {
    let source = unsafe message.pointee
    var graph = WireGraph()
    graph.name = unsafe text(source.name)
    graph.documentation = unsafe text(source.doc_string)
    graph.nodes = try unsafe each(source.node, source.n_node) { try unsafe node($0) }
    graph.initializers = try unsafe each(source.initializer, source.n_initializer) { try unsafe tensor($0) }
    graph.sparseInitializers = try unsafe each(source.sparse_initializer, source.n_sparse_initializer) {
      try unsafe sparse($0)
    }
    graph.inputs = unsafe each(source.input, source.n_input) { unsafe value($0) }
    graph.outputs = unsafe each(source.output, source.n_output) { unsafe value($0) }
    graph.valueInfo = unsafe each(source.value_info, source.n_value_info) { unsafe value($0) }
    graph.annotations = unsafe each(source.quantization_annotation, source.n_quantization_annotation) {
      let names = unsafe $0.pointee.quant_parameter_tensor_names
      return unsafe WireAnnotation(
        tensor: text($0.pointee.tensor_name),
        parameters: entries(names, $0.pointee.n_quant_parameter_tensor_names))
    }
    graph.metadata = unsafe entries(source.metadata_props, source.n_metadata_props)
    return graph
  }

  private func node(_ message: UnsafePointer<Onnx__NodeProto>) throws -> WireNode {
    let source = unsafe message.pointee
    var node = WireNode()
    node.inputs = unsafe texts(source.input, source.n_input)
    node.outputs = unsafe texts(source.output, source.n_output)
    node.name = unsafe text(source.name)
    node.type = unsafe text(source.op_type)
    node.domain = unsafe text(source.domain)
    node.overload = unsafe text(source.overload)
    node.documentation = unsafe text(source.doc_string)
    node.metadata = unsafe entries(source.metadata_props, source.n_metadata_props)
    do {
      node.attributes = try unsafe each(source.attribute, source.n_attribute) { try unsafe attribute($0) }
    } catch let error as LigatureError {
      throw error.at(node: node.name.isEmpty ? node.outputs.first ?? node.type : node.name)
    }
    return node
  }

  private func function(_ message: UnsafePointer<Onnx__FunctionProto>) throws -> WireFunction {
    let source = unsafe message.pointee
    return try unsafe WireFunction(
      name: text(source.name), domain: text(source.domain), overload: text(source.overload),
      documentation: text(source.doc_string), inputs: texts(source.input, source.n_input),
      outputs: texts(source.output, source.n_output), attributes: texts(source.attribute, source.n_attribute),
      defaults: each(source.attribute_proto, source.n_attribute_proto) { try unsafe attribute($0) },
      nodes: each(source.node, source.n_node) { try unsafe node($0) },
      operatorSets: operatorSets(source.opset_import, source.n_opset_import),
      valueInfo: each(source.value_info, source.n_value_info) { unsafe value($0) },
      metadata: entries(source.metadata_props, source.n_metadata_props))
  }

  private func value(_ message: UnsafePointer<Onnx__ValueInfoProto>) -> WireValue {
    unsafe WireValue(name: text(message.pointee.name), type: message.pointee.type.map { unsafe type($0) })
  }

  private func type(_ message: UnsafePointer<Onnx__TypeProto>) -> WireType {
    let source = unsafe message.pointee
    func inner(_ pointer: UnsafeMutablePointer<Onnx__TypeProto>?) -> WireType {
      guard let pointer = unsafe pointer else { return .unknown }
      return unsafe type(pointer)
    }
    if let tensor = unsafe source.tensor_type?.pointee {
      return unsafe .tensor(element: tensor.elem_type, shape: tensor.shape.map { unsafe shape($0) })
    }
    if let sparse = unsafe source.sparse_tensor_type?.pointee {
      return unsafe .sparse(element: sparse.elem_type, shape: sparse.shape.map { unsafe shape($0) })
    }
    if let sequence = unsafe source.sequence_type { return unsafe .sequence(inner(sequence.pointee.elem_type)) }
    if let optional = unsafe source.optional_type { return unsafe .optional(inner(optional.pointee.elem_type)) }
    if let map = unsafe source.map_type?.pointee {
      return unsafe .map(key: map.key_type, value: inner(map.value_type))
    }
    if let opaque = unsafe source.opaque_type?.pointee {
      return unsafe .opaque(domain: text(opaque.domain), name: text(opaque.name))
    }
    return .unknown
  }

  private func shape(_ message: UnsafePointer<Onnx__TensorShapeProto>) -> [WireDimension] {
    unsafe each(message.pointee.dim, message.pointee.n_dim) { dimension in
      let dimension = unsafe dimension.pointee
      if unsafe dimension.has_dim_value != 0 { return .size(Int(unsafe dimension.dim_value)) }
      let name = unsafe text(dimension.dim_param)
      return name.isEmpty ? .unknown : .symbol(name)
    }
  }
}

// ── Attributes ──────────────────────────────────────────────────────────────
extension WireDecoder {
  private func attribute(_ message: UnsafePointer<Onnx__AttributeProto>) throws -> WireAttribute {
    let source = unsafe message.pointee
    let name = unsafe text(source.name)
    let kind = unsafe source.has_type != 0 ? Int32(truncatingIfNeeded: source.type.rawValue) : 0
    let reference = unsafe text(source.ref_attr_name)
    let value: WireAttribute.Value
    if reference.isEmpty {
      value = try unsafe attributeValue(source, kind: kind == 0 ? guessKind(source) : kind, name: name)
    } else {
      value = .none(kind: kind)
    }
    return unsafe WireAttribute(
      name: name, value: value, reference: reference, documentation: text(source.doc_string))
  }

  /// The kind of an attribute that does not say it: files of IR version 1 leave it out.
  private func guessKind(_ source: Onnx__AttributeProto) -> Int32 {
    let present: [(Bool, Int32)] = unsafe [
      (source.has_f != 0, 1), (source.has_i != 0, 2), (source.has_s != 0, 3), (source.t != nil, 4),
      (source.g != nil, 5), (source.n_floats > 0, 6), (source.n_ints > 0, 7), (source.n_strings > 0, 8),
      (source.n_tensors > 0, 9), (source.n_graphs > 0, 10),
    ]
    return present.first { $0.0 }?.1 ?? 0
  }

  private func attributeValue(
    _ source: Onnx__AttributeProto, kind: Int32, name: String
  ) throws -> WireAttribute.Value {
    func required<Message>(_ pointer: UnsafeMutablePointer<Message>?) throws -> UnsafePointer<Message> {
      guard let pointer = unsafe pointer else {
        throw LigatureError(.format, "attribute '\(name)' has no value; the file is damaged")
      }
      return unsafe UnsafePointer(pointer)
    }
    switch kind {
    case 1: return .float(unsafe source.f)
    case 2: return .int(unsafe source.i)
    case 3: return .string(unsafe bytes(source.s))
    case 4: return .tensor(try unsafe tensor(required(source.t)))
    case 5: return .graph(try unsafe graph(required(source.g)))
    case 6: return .floats(unsafe list(source.floats, source.n_floats))
    case 7: return .ints(unsafe list(source.ints, source.n_ints))
    case 8: return .strings(unsafe list(source.strings, source.n_strings).map { unsafe bytes($0) })
    case 9: return .tensors(try unsafe each(source.tensors, source.n_tensors) { try unsafe tensor($0) })
    case 10: return .graphs(try unsafe each(source.graphs, source.n_graphs) { try unsafe graph($0) })
    case 11: return .sparse(try unsafe sparse(required(source.sparse_tensor)))
    case 12:
      return .sparses(try unsafe each(source.sparse_tensors, source.n_sparse_tensors) { try unsafe sparse($0) })
    case 13: return .type(try unsafe type(required(source.tp)))
    case 14: return .types(unsafe each(source.type_protos, source.n_type_protos) { unsafe type($0) })
    default:
      throw LigatureError(.attribute, "attribute '\(name)' is of the unknown kind \(kind); export the model again")
    }
  }
}

// ── Tensors ─────────────────────────────────────────────────────────────────
extension WireDecoder {
  private func sparse(_ message: UnsafePointer<Onnx__SparseTensorProto>) throws -> WireSparse {
    let source = unsafe message.pointee
    guard let values = unsafe source.values, let indices = unsafe source.indices else {
      throw LigatureError(.format, "a sparse tensor lacks its values or its indices")
    }
    return try unsafe WireSparse(
      values: tensor(values), indices: tensor(indices), shape: list(source.dims, source.n_dims).map(Int.init))
  }

  func tensor(_ message: UnsafePointer<Onnx__TensorProto>) throws -> WireTensor {
    let name = unsafe text(message.pointee.name)
    do {
      return WireTensor(name: name, tensor: try unsafe content(message.pointee))
    } catch let error as LigatureError {
      throw LigatureError(error.code, "tensor '\(name)': \(error.message)", cause: error.cause)
    }
  }

  private func content(_ source: Onnx__TensorProto) throws -> Tensor {
    let code = unsafe source.data_type
    guard let element = ElementType(rawValue: code), element != .undefined else {
      throw LigatureError(
        .unsupported,
        "its element type \(code) is not one that Ligature knows; convert it to float32, float16 or an "
          + "integer of 8 to 64 bits")
    }
    guard unsafe source.segment == nil else {
      throw LigatureError(.unsupported, "it is a segment of a larger tensor; export the model with whole tensors")
    }
    let shape = unsafe list(source.dims, source.n_dims).map(Int.init)
    let count = try Checked.elementCount(shape)
    if unsafe source.has_data_location != 0 && source.data_location.rawValue == 1 {
      let entries = unsafe entries(source.external_data, source.n_external_data)
      guard !element.isPackedInFiles else {
        throw LigatureError(.unsupported, "\(element) data in another file are not read; save the model in one file")
      }
      guard let external else {
        throw LigatureError(.file, "its data is in another file; read the model from its folder, not from bytes")
      }
      return try external.tensor(element, shape, entries)
    }
    if element == .string {
      let strings: [[UInt8]] = unsafe list(source.string_data, source.n_string_data).map { unsafe bytes($0) }
      guard strings.count == count else { throw mismatch(strings.count, "strings", element, shape) }
      return try Tensor(strings: strings.map { String(decoding: $0, as: UTF8.self) }, shape)
    }
    if let place = unsafe rawDataPlace(source) {
      let needed = try bytesInFile(element, shape)
      guard place.count == needed else { throw mismatch(place.count, "bytes", element, shape) }
      if element.isPackedInFiles {
        let packed = try Tensor.view(.uint8, [needed], file, byteOffset: place.lowerBound)
        return try unpacked(packed.scalars(), element, shape)
      }
      return try Tensor.view(element, shape, file, byteOffset: place.lowerBound)
    }
    if unsafe source.has_raw_data != 0 {
      let raw = unsafe source.raw_data
      guard unsafe raw.len == (try bytesInFile(element, shape)) else {
        throw unsafe mismatch(raw.len, "bytes", element, shape)
      }
      if element.isPackedInFiles { return try unpacked(unsafe bytes(raw), element, shape) }
      return try Tensor.view(element, shape, TensorStorage(copying: unsafe bytes(raw)), byteOffset: 0)
    }
    return try unsafe typedContent(source, element, shape, count: count)
  }

  private func bytesInFile(_ element: ElementType, _ shape: [Int]) throws -> Int {
    let count = try Checked.byteCount(element, shape)
    return element.isPackedInFiles ? count / 2 + count % 2 : count
  }

  /// Two numbers a byte, the first in its lower half.
  private func unpacked(_ packed: [UInt8], _ element: ElementType, _ shape: [Int]) throws -> Tensor {
    let count = try Checked.elementCount(shape)
    guard packed.count == count / 2 + count % 2 else { throw mismatch(packed.count, "bytes", element, shape) }
    let scalars = (0..<count).map { index -> UInt8 in
      let half = packed[index / 2] >> (index % 2 == 0 ? 0 : 4) & 15
      return element == .int4 && half > 7 ? half | 0xF0 : half
    }
    return try Tensor(element, shape, storage: Tensor(scalars, [count]).storage)
  }

  private func mismatch(_ found: Int, _ what: String, _ element: ElementType, _ shape: [Int]) -> LigatureError {
    LigatureError(.format, "it holds \(found) \(what), which is not what \(element)\(shape) takes; the file is damaged")
  }

  /// Where the scanner left raw data, if it did.
  private func rawDataPlace(_ source: Onnx__TensorProto) -> Range<Int>? {
    for index in 0..<Int(unsafe source.base.n_unknown_fields) {
      let field = unsafe source.base.unknown_fields[index]
      // protobuf-c keeps the length prefix, one byte here, in front of an unknown field's data.
      guard unsafe field.tag == WireScanner.rawDataPlace && field.len == 17,
        let data = unsafe field.data.map({ data in unsafe UnsafeRawPointer(data) + 1 })
      else { continue }
      let offset = unsafe Int(data.loadUnaligned(as: UInt64.self))
      return offset..<offset + Int(unsafe data.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    return nil
  }

  /// A tensor whose scalars are in one of the typed fields.
  private func typedContent(
    _ source: Onnx__TensorProto, _ element: ElementType, _ shape: [Int], count: Int
  ) throws -> Tensor {
    func checked<Scalar>(_ pointer: UnsafeMutablePointer<Scalar>?, _ found: Int, scalars: Int = 1) throws -> [Scalar] {
      guard found / scalars == count, found % scalars == 0 else { throw mismatch(found, "scalars", element, shape) }
      return unsafe list(pointer, found)
    }
    func narrowed<Scalar: TensorScalar & FixedWidthInteger>(_: Scalar.Type) throws -> Tensor {
      try Tensor(
        unsafe checked(source.int32_data, source.n_int32_data).map { Scalar(truncatingIfNeeded: $0) }, shape)
    }
    func reinterpreted<Scalar: TensorScalar>(_ scalars: [Scalar]) throws -> Tensor {
      let flat = try Tensor(scalars, [scalars.count])
      return try Tensor(element, shape, storage: flat.storage)
    }
    switch element {
    case .float32: return try Tensor(unsafe checked(source.float_data, source.n_float_data), shape)
    case .complex64:
      return try reinterpreted(unsafe checked(source.float_data, source.n_float_data, scalars: 2))
    case .float64: return try Tensor(unsafe checked(source.double_data, source.n_double_data), shape)
    case .complex128:
      return try reinterpreted(unsafe checked(source.double_data, source.n_double_data, scalars: 2))
    case .int64: return try Tensor(unsafe checked(source.int64_data, source.n_int64_data), shape)
    case .uint64: return try Tensor(unsafe checked(source.uint64_data, source.n_uint64_data), shape)
    case .uint32:
      let wide = try unsafe checked(source.uint64_data, source.n_uint64_data)
      return try Tensor(wide.map { UInt32(truncatingIfNeeded: $0) }, shape)
    case .int32: return try Tensor(unsafe checked(source.int32_data, source.n_int32_data), shape)
    case .int16: return try narrowed(Int16.self)
    case .int8: return try narrowed(Int8.self)
    case .uint16: return try narrowed(UInt16.self)
    case .uint8: return try narrowed(UInt8.self)
    case .bool: return try Tensor(unsafe checked(source.int32_data, source.n_int32_data).map { $0 != 0 }, shape)
    case .float16, .bfloat16:
      let bits = try unsafe checked(source.int32_data, source.n_int32_data).map { UInt16(truncatingIfNeeded: $0) }
      return try reinterpreted(bits)
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz:
      return try reinterpreted(
        unsafe checked(source.int32_data, source.n_int32_data).map { UInt8(truncatingIfNeeded: $0) })
    case .uint4, .int4:
      let packed = unsafe list(source.int32_data, source.n_int32_data)
      return try unpacked(packed.map { UInt8(truncatingIfNeeded: $0) }, element, shape)
    case .string, .undefined: throw LigatureError(.type, "\(element) tensors have no scalars")
    }
  }
}
