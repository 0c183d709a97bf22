# make read   shows what Ligature does: reads the text of a picture
# make test   runs all tests
# make neon   compares the kernels of all instruction sets, NEON under qemu, with their scalar twins
# make fuzz SECONDS=60   throws damaged and wild files at the readers and the runtime, coverage-guided, so long each
# make differential GRAPHS=1000   compares with ONNX Runtime: random graphs, prepared and as they are, on 1 thread and
#   on 2; and real models after combinations of passes
# make sanitize   runs tests with the address and undefined-behaviour sanitizers, then with the thread sanitizer
# make release   the program as one file without debugging symbols, its size, and the libraries that it needs
# make measure   measures against ONNX Runtime and OpenVINO on this machine, which should do nothing else meanwhile
# make conformance   runs ONNX's own test data and writes Tests/Conformance/README.md
.PHONY: read test neon fuzz differential sanitize release measure conformance build packages models test-models venv format fixtures schema clean

SWIFT_FLAGS := -c release --explicit-target-dependency-import-check error
LIGATURE := .build/release/ligature

# The whole way, on a machine that has only Swift and make.
read: packages build models
	@echo "── ligature read Tests/Fixtures/sample/page.jpg"
	@$(LIGATURE) read Tests/Fixtures/sample/page.jpg

test: packages build models venv test-models
	swift build $(SWIFT_FLAGS) --build-tests
	swift test $(SWIFT_FLAGS) --skip-build --no-parallel

# What is released is what is measured.
measure: release models test-models
	Tests/Parity/venv.sh --openvino
	Tests/Performance/measure.py --program .build/static/ligature cases starts scaling limits tables

conformance: packages
	@Tests/Conformance/fetch
	swift build $(SWIFT_FLAGS) --product conformance
	.build/release/conformance .build/conformance/onnx/backend/test/data --table Tests/Conformance/README.md

# Not part of the tests: a cross compiler and an emulator are needed.
neon:
	@Tests/CrossKernels/run

# Models that only tests run.
test-models: build
	@Models/fetch --raw --ddddocr

# Undefined behaviour is looked for in C; Swift traps anyway.
UNDEFINED := -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined -Xcc -fno-sanitize=function

# A loop that must become vectors need not where every access is watched.
WATCHED := -Xcc -Wno-pass-failed

# Swift and C with counters on their branches and the address sanitizer, in a folder of its own.
SECONDS := 60
FUZZ_TARGETS := model checkpoint image graph operators
FUZZER := $(firstword $(wildcard $(dir $(shell which swiftc))../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-$(shell uname -m).a))
FUZZ_FLAGS := -c release --scratch-path .build/fuzz --sanitize address --product fuzz -Xswiftc \
  -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp,indirect-calls -Xcc -fsanitize=fuzzer-no-link $(UNDEFINED) $(WATCHED)

fuzz: packages
	LIGATURE_FUZZER=$(FUZZER) swift build $(FUZZ_FLAGS)
	@for target in $(FUZZ_TARGETS); do Tests/Fuzzing/run $$target $(SECONDS) || exit 1; done

GRAPHS := 1000
differential: packages venv test-models
	swift build $(SWIFT_FLAGS) --build-tests
	LIGATURE_GRAPHS=$(GRAPHS) LIGATURE_COMBINATIONS=100 swift test $(SWIFT_FLAGS) --skip-build --no-parallel \
	  --filter 'DifferentialTests|CombinationTests'

# Suites whose C, and whose bytes, matter most; the rest of the package is not built for them. Leaks are not looked for:
# what Swift keeps for ever is none, and memory that is refused must be borne.
SANITIZED := KernelTests OperatorTests RuntimeTests FusionTests HostileTests ONNXFormatTests ImagingTests PyTorchCheckpointTests
# Those that compute on several threads.
THREADED := KernelTests RuntimeTests TrainingTests

sanitize: packages
	LIGATURE_SUITES='$(SANITIZED)' swift build -c release --scratch-path .build/sanitize-address --sanitize address \
	  $(UNDEFINED) $(WATCHED) --build-tests
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 LIGATURE_SUITES='$(SANITIZED)' swift test -c release \
	  --scratch-path .build/sanitize-address --sanitize address $(UNDEFINED) $(WATCHED) --skip-build --no-parallel
	LIGATURE_SUITES='$(THREADED)' swift build -c release --scratch-path .build/sanitize-thread --sanitize thread \
	  $(WATCHED) --build-tests
	TSAN_OPTIONS=halt_on_error=1 LIGATURE_SUITES='$(THREADED)' swift test -c release \
	  --scratch-path .build/sanitize-thread --sanitize thread $(WATCHED) --skip-build --no-parallel

# One file with the Swift runtime in it. Dead code is left out by --gc-sections, which the package manager passes in
# release builds; Foundation's larger part with its 32 MB of ICU data would come in with the first use of it.
release: packages
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product ligature
	strip -o .build/static/ligature .build/static/release/ligature
	@printf '── %s bytes, stripped (at most 31457280)\n' "$$(stat -c %s .build/static/ligature)"
	@test "$$(stat -c %s .build/static/ligature)" -le 31457280
	@! ldd .build/static/ligature | grep -E 'libswift|Foundation|/libdispatch'
	@.build/static/ligature --help > /dev/null
	@echo "── libraries of the system that it names itself"
	@readelf -d .build/static/ligature | sed -n 's/.*Shared library: \[\(.*\)\]/\1/p'

packages:
	@.ci/packages

build: packages
	@echo "── building (a first build takes some minutes)"
	swift build $(SWIFT_FLAGS) --product ligature

models: build
	@Models/fetch

# Python with ONNX Runtime, which tests compare with.
venv: packages
	@Tests/Parity/venv.sh

format:
	swift format --in-place --recursive --parallel Package.swift Sources Tests Converters Models

fixtures: venv
	@Tests/Fixtures/make

schema:
	@Schemas/generate

clean:
	swift package clean
