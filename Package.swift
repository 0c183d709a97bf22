// swift-tools-version: 6.2
import PackageDescription

// ── Settings that every Swift target shares ─────────────────────────────────
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

// ── Constructors: one line a target in the table below ──────────────────────
func module(
  _ name: String, path: String? = nil, excluding excluded: [String] = [], _ dependencies: [Target.Dependency] = []
) -> Target {
  .target(name: name, dependencies: dependencies, path: path, exclude: excluded, swiftSettings: swiftSettings)
}
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}
/// Our own C or C++ over foreign libraries, with a plain C header.
func shim(_ name: String, links libraries: [String], headers: [String] = [], flags: [String] = []) -> Target {
  let flags = headers.map { "-I\($0)" } + ["-Wall", "-Wextra", "-Werror"] + flags
  return .target(
    name: name, cSettings: [.unsafeFlags(flags)], cxxSettings: [.unsafeFlags(flags)],
    linkerSettings: libraries.map { .linkedLibrary($0) })
}
/// A foreign library that pkg-config knows: nothing but a module map.
func library(_ name: String, pkgConfig: String, debian: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([debian])])
}

/// Kernels in C, optimised in debug builds as well: tests run them on real sizes.
let kernelSettings: [CSetting] = [.unsafeFlags(["-O3", "-fno-math-errno", "-Wall", "-Wextra", "-Werror"])]

/// A C target: its headers are in `include/`.
func foreign(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies)
}

/// Pango's own pkg-config file asks for -pthread, which the package manager refuses with a warning in every build.
let pangoHeaders = [
  "/usr/include/pango-1.0", "/usr/include/cairo", "/usr/include/harfbuzz", "/usr/include/glib-2.0",
  "/usr/lib/x86_64-linux-gnu/glib-2.0/include", "/usr/lib/aarch64-linux-gnu/glib-2.0/include",
]

/// Only `make fuzz` builds this: it says where the fuzzer's runtime is.
let fuzzer: [Target] =
  Context.environment["LIGATURE_FUZZER"].map { runtime in
    [
      .executableTarget(
        name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/Driver", swiftSettings: swiftSettings,
        linkerSettings: [.unsafeFlags(["-Xlinker", runtime])])
    ]
  } ?? []

/// Only what these suites need, where LIGATURE_SUITES names them (see `make sanitize`): the rest takes as long again.
func chosen(_ all: [Target]) -> [Target] {
  guard let suites = Context.environment["LIGATURE_SUITES"] else { return all }
  var needed: Set<String> = []
  var open = suites.split(separator: " ").map(String.init)
  while let name = open.popLast() {
    guard needed.insert(name).inserted else { continue }
    for dependency in all.first(where: { $0.name == name })?.dependencies ?? [] {
      if case .byNameItem(let name, _) = dependency { open.append(name) }
    }
  }
  return all.filter { needed.contains($0.name) }
}

let package = Package(
  name: "ligature",
  products: [],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: chosen([
    // Foreign libraries
    library("COpenBLAS", pkgConfig: "openblas", debian: "libopenblas-dev"),
    library("CProtobufC", pkgConfig: "libprotobuf-c", debian: "libprotobuf-c-dev"),
    library("CSPNG", pkgConfig: "spng", debian: "libspng-dev"),
    library("CWebP", pkgConfig: "libwebp", debian: "libwebp-dev"),
    library("CDeflate", pkgConfig: "libdeflate", debian: "libdeflate-dev"),
    library("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
    library("CYAML", pkgConfig: "yaml-0.1", debian: "libyaml-dev"),
    library("CLMDB", pkgConfig: "lmdb", debian: "liblmdb-dev"),
    library("CGEOS", pkgConfig: "geos", debian: "libgeos-dev"),
    // Debian's OpenCV core and imgproc come without a pkg-config file.
    shim("COpenCV", links: ["opencv_imgproc", "opencv_core"], headers: ["/usr/include/opencv4"]),
    shim("CPango", links: ["pangocairo-1.0", "pango-1.0", "gobject-2.0", "glib-2.0", "cairo"], headers: pangoHeaders),
    shim(
      "CSynthesis", links: ["harfbuzz", "fontconfig", "cairo"], headers: pangoHeaders + ["/usr/include/freetype2"],
      flags: ["-O3"]),
    shim("CClipper", links: ["polyclipping"]),
    shim("CJPEG", links: ["jpeg"]),
    // C of our own
    foreign("CONNX", ["CProtobufC"]),
    foreign("CSystem"),
    .target(name: "CKernels", dependencies: ["COpenBLAS"], cSettings: kernelSettings),
    // Graphs
    module("TensorCore", ["CSystem"]),
    module("GraphIR", ["TensorCore"]),
    module("ONNXFormat", ["CDeflate", "CONNX", "GraphIR", "TensorCore"]),
    module("Operators", ["GraphIR", "TensorCore"]),
    module("Autodiff", ["GraphIR", "Operators", "TensorCore"]),
    module("Passes", ["Autodiff", "GraphIR", "Operators", "TensorCore"]),
    module("Kernels", ["CKernels", "CSystem", "GraphIR", "Operators", "TensorCore"]),
    module("Runtime", ["CKernels", "GraphIR", "Kernels", "Operators", "Passes", "TensorCore"]),
    module(
      "Loading",
      ["CKernels", "CSystem", "GraphIR", "Kernels", "ONNXFormat", "Operators", "Runtime", "TensorCore"]),
    module("Measuring", ["CKernels", "GraphIR", "Kernels", "Operators", "Runtime", "TensorCore"]),
    module("Training", ["Autodiff", "GraphIR", "ONNXFormat", "Operators", "Runtime", "TensorCore"]),
    // Images
    module("Imaging", ["TensorCore", "COpenCV", "CClipper", "CJPEG", "CSPNG", "CWebP", "CGEOS", "CPango"]),
    module("Synthesis", ["CSynthesis", "Imaging", "TensorCore"]),
    // Models
    module(
      "Architectures", path: "Models", excluding: ["Pretrained", "Recipes", "fetch"],
      ["CLMDB", "GraphIR", "Imaging", "Operators", "TensorCore"]),
    // Files
    module("TensorFiles", path: "Converters/TensorFiles", ["TensorCore"]),
    module(
      "PyTorchCheckpoint", path: "Converters/PyTorchCheckpoint", ["CZlib", "TensorCore", "TensorFiles"]),
    module(
      "MMOCRConverter", path: "Converters/MMOCR",
      [
        "Architectures", "GraphIR", "ONNXFormat", "Operators", "PyTorchCheckpoint", "TensorCore", "TensorFiles",
      ]),
    // What the reference computed
    module(
      "Parity",
      [
        "Architectures", "Autodiff", "GraphIR", "Imaging", "Operators", "Runtime", "TensorCore", "TensorFiles",
        "Training",
      ]),
    // Training runs
    module(
      "TrainingLoop",
      [
        "Architectures", "CYAML", "GraphIR", "Imaging", "MMOCRConverter", "ONNXFormat", "Operators", "Runtime",
        "Synthesis", "TensorCore", "Training",
      ]),
    // The program
    program(
      "ligature",
      [
        "Architectures", "GraphIR", "Imaging", "Loading", "MMOCRConverter", "Measuring", "ONNXFormat", "Operators",
        "Parity",
        "Passes", "PyTorchCheckpoint", "Runtime", "Synthesis", "TensorCore", "TensorFiles", "TrainingLoop",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "training-bench",
      dependencies: ["Architectures", "GraphIR", "Operators", "Runtime", "TensorCore", "Training"],
      path: "Tests/Performance/TrainingBench", swiftSettings: swiftSettings),
    .executableTarget(
      name: "memory-soak", dependencies: ["GraphIR", "ONNXFormat", "Operators", "Runtime", "TensorCore"],
      path: "Tests/Performance/MemorySoak", swiftSettings: swiftSettings),
    .executableTarget(
      name: "conformance",
      dependencies: [
        "GraphIR", "Loading", "ONNXFormat", "Operators", "Runtime", "TensorCore",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Tests/Conformance/Runner", swiftSettings: swiftSettings),
    // Tests
    module(
      "TestSupport", path: "Tests/TestSupport/TestSupport",
      ["Autodiff", "CKernels", "GraphIR", "Operators", "Runtime", "TensorCore"]),
    .target(name: "CAllocationCounter", path: "Tests/TestSupport/CAllocationCounter"),
    module(
      "FuzzTargets", path: "Tests/Fuzzing/Targets",
      [
        "GraphIR", "Imaging", "Kernels", "ONNXFormat", "Operators", "PyTorchCheckpoint", "Runtime", "TensorCore",
        "TensorFiles",
      ]),
    tests("HostileTests", ["FuzzTargets", "GraphIR", "Operators", "Runtime", "TensorCore"]),
    tests("OperatorTests", ["CKernels", "GraphIR", "Operators", "Runtime", "TensorCore", "TestSupport"]),
    tests("FusionTests", ["CKernels", "GraphIR", "Operators", "Passes", "Runtime", "TensorCore", "TestSupport"]),
    tests("KernelTests", ["CKernels", "COpenBLAS", "TensorCore", "TestSupport"]),
    tests("AutodiffTests", ["Autodiff", "CKernels", "GraphIR", "Operators", "Runtime", "TensorCore", "TestSupport"]),
    tests("TensorCoreTests", ["TensorCore"]),
    tests("GraphIRTests", ["GraphIR", "TensorCore"]),
    tests(
      "RuntimeTests",
      [
        "CAllocationCounter", "GraphIR", "Kernels", "Loading", "ONNXFormat", "Operators", "Passes", "Runtime",
        "TensorCore",
      ]),
    tests(
      "TrainingTests",
      ["CKernels", "GraphIR", "ONNXFormat", "Operators", "Runtime", "TensorCore", "TestSupport", "Training"]),
    tests("ONNXFormatTests", ["ONNXFormat", "GraphIR", "Operators", "TensorCore"]),
    tests(
      "PassesTests",
      ["GraphIR", "Measuring", "ONNXFormat", "Operators", "Passes", "Runtime", "TensorCore", "TestSupport"]),
    tests("TensorFilesTests", ["TensorCore", "TensorFiles"]),
    tests("PyTorchCheckpointTests", ["PyTorchCheckpoint", "TensorCore", "TensorFiles"]),
    tests(
      "MMOCRConverterTests",
      [
        "Architectures", "GraphIR", "MMOCRConverter", "ONNXFormat", "Operators", "PyTorchCheckpoint", "Runtime",
        "TensorCore", "TensorFiles",
      ]),
    tests("MeasuringTests", ["GraphIR", "Kernels", "Measuring", "Operators", "Runtime", "TensorCore"]),
    tests("ImagingTests", ["Imaging", "TensorCore"]),
    tests("ArchitecturesTests", ["Architectures", "Imaging", "TensorCore", "TensorFiles"]),
    tests(
      "EngineTests",
      ["Architectures", "CKernels", "GraphIR", "Kernels", "Operators", "Runtime", "TensorCore", "TestSupport"]),
    tests("NetworkTests", ["Architectures", "GraphIR", "TensorCore"]),
    tests("DatasetsTests", ["Architectures", "CLMDB", "Imaging", "TensorCore"]),
    tests("TrainingLoopTests", ["TensorCore", "TrainingLoop"]),
    tests("SynthesisTests", ["Imaging", "Synthesis", "TensorCore"]),
    tests(
      "ParityTests",
      [
        "ligature", "CAllocationCounter", "GraphIR", "ONNXFormat", "Operators", "Parity", "Runtime", "TensorCore",
        "TensorFiles", "TestSupport",
      ]),
    tests("ProgramTests", ["GraphIR", "Imaging", "ONNXFormat", "Operators", "TensorCore", "TensorFiles", "ligature"]),
  ]) + fuzzer,
  cLanguageStandard: .c11,
  cxxLanguageStandard: .cxx17
)
