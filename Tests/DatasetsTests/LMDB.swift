import CLMDB
import Foundation
import Testing

/// Writes an LMDB as MMOCR's tools do.
func writeLMDB(_ entries: [(key: String, value: [UInt8])], to folder: String) throws {
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  var environment: OpaquePointer?
  var transaction: OpaquePointer?
  var table: MDB_dbi = 0
  try ok(unsafe mdb_env_create(&environment))
  defer { unsafe mdb_env_close(environment) }
  try ok(unsafe mdb_env_set_mapsize(environment, 8 << 20))
  try ok(unsafe mdb_env_open(environment, folder, 0, 0o644))
  try ok(unsafe mdb_txn_begin(environment, nil, 0, &transaction))
  try ok(unsafe mdb_dbi_open(transaction, nil, 0, &table))
  for entry in entries {
    var (key, value) = (Array(entry.key.utf8), entry.value)
    let status = unsafe key.withUnsafeMutableBytes { key in
      unsafe value.withUnsafeMutableBytes { value in
        var k = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
        var v = unsafe MDB_val(mv_size: value.count, mv_data: value.baseAddress)
        return unsafe mdb_put(transaction, table, &k, &v, 0)
      }
    }
    try ok(status)
  }
  try ok(unsafe mdb_txn_commit(transaction))
}

private func ok(_ status: Int32) throws { try #require(status == 0) }
