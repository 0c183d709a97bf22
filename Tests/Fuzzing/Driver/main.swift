import FuzzTargets
import Glibc

// One target of the fuzzer, named by LIGATURE_FUZZ_TARGET (the fuzzer starts itself again with arguments of its own);
// the arguments are libFuzzer's. See `make fuzz`.

/// libFuzzer without its `main`.
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

enum Chosen {
  static let target = unsafe getenv("LIGATURE_FUZZ_TARGET").flatMap { FuzzTarget(rawValue: unsafe String(cString: $0)) }
}

guard Chosen.target != nil else {
  print("set LIGATURE_FUZZ_TARGET to one of: \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
  exit(64)
}
var count = CommandLine.argc
var arguments = unsafe CommandLine.unsafeArgv
let status = unsafe runFuzzer(&count, &arguments) { bytes, count in
  do {
    _ = try Chosen.target?.run(unsafe Array(UnsafeBufferPointer(start: bytes, count: count)))
  } catch {
    print("an error that is not of ours: \(error)")
    abort()
  }
  return 0
}
exit(status)
