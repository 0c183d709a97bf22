internal import CYAML
internal import TensorCore

/// The only document of a YAML text, as libyaml reads it: aliases are the nodes that they stand for.
@safe final class YAMLDocument {
  enum Node {
    case scalar(String, isPlain: Bool)
    /// Numbers of nodes.
    case sequence([Int])
    case mapping([(key: Int, value: Int)])
  }
  private var document = unsafe yaml_document_t()

  /// Nil for a text without one. Throws `.format`, in the parser's words.
  init?(_ text: String) throws {
    var parser = unsafe yaml_parser_t()
    guard unsafe yaml_parser_initialize(&parser) != 0 else {
      throw LigatureError(.limit, "there is no memory for reading YAML")
    }
    defer { unsafe yaml_parser_delete(&parser) }
    let bytes = Array(text.utf8)
    unsafe document = try unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
      var first = try unsafe YAMLDocument.load(&parser)
      guard unsafe yaml_document_get_root_node(&first) != nil else { return unsafe first }
      do {
        var second = try unsafe YAMLDocument.load(&parser)
        defer { unsafe yaml_document_delete(&second) }
        guard unsafe yaml_document_get_root_node(&second) == nil else {
          throw LigatureError(.format, "there is more than one document")
        }
      } catch {
        unsafe yaml_document_delete(&first)
        throw error
      }
      return unsafe first
    }
    if unsafe yaml_document_get_root_node(&document) == nil { return nil }
  }

  deinit { unsafe yaml_document_delete(&document) }

  @unsafe private static func load(_ parser: inout yaml_parser_t) throws -> yaml_document_t {
    var document = unsafe yaml_document_t()
    if unsafe yaml_parser_load(&parser, &document) != 0 { return unsafe document }
    guard let problem = unsafe parser.problem else { throw LigatureError(.format, "it cannot be parsed") }
    let context = unsafe parser.context.map { unsafe String(cString: $0) + " " } ?? ""
    let line = unsafe parser.problem_mark.line + 1
    throw LigatureError(.format, "line \(line): \(context)\(unsafe String(cString: problem))")
  }

  /// The node that all others are in.
  static let root = 1

  /// What a node is, and its line, from 1.
  func node(_ number: Int) -> (node: Node, line: Int)? {
    guard let found = unsafe yaml_document_get_node(&document, Int32(number)) else { return nil }
    let (data, line) = unsafe (found.pointee.data, Int(found.pointee.start_mark.line) + 1)
    switch unsafe found.pointee.type {
    case YAML_SCALAR_NODE:
      let bytes = unsafe UnsafeBufferPointer(start: data.scalar.value, count: data.scalar.length)
      let isPlain = unsafe data.scalar.style == YAML_PLAIN_SCALAR_STYLE
      return unsafe (.scalar(String(decoding: bytes, as: UTF8.self), isPlain: isPlain), line)
    case YAML_SEQUENCE_NODE:
      let items = unsafe UnsafeBufferPointer(
        start: data.sequence.items.start, count: data.sequence.items.top - data.sequence.items.start)
      return unsafe (.sequence(items.map { Int($0) }), line)
    case YAML_MAPPING_NODE:
      let pairs = unsafe UnsafeBufferPointer(
        start: data.mapping.pairs.start, count: data.mapping.pairs.top - data.mapping.pairs.start)
      return unsafe (.mapping(pairs.map { (Int($0.key), Int($0.value)) }), line)
    default: return nil
    }
  }
}
