# make read   shows what Ligature does: reads the text of a picture
# make test   runs all tests
.PHONY: read test build packages models test-models venv format fixtures schema clean

SWIFT_FLAGS := -c release --explicit-target-dependency-import-check error
LIGATURE := .build/release/ligature

# The whole way, on a machine that has only Swift and make.
read: packages build models
	@echo "── ligature read Tests/Fixtures/sample/page.jpg"
	@$(LIGATURE) read Tests/Fixtures/sample/page.jpg

test: packages build models venv test-models
	swift build $(SWIFT_FLAGS) --build-tests
	swift test $(SWIFT_FLAGS) --skip-build --no-parallel

# Models that only tests run.
test-models: build
	@Models/fetch --raw --ddddocr

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
