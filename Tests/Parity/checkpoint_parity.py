"""Loads what the checkpoint writer writes with PyTorch and compares every value.

The Swift tests hold the writer to the bytes of Tests/Fixtures/checkpoints/written.pth; this script shows that those
bytes load in PyTorch with weights_only=True and hold what they should. Needs only PyTorch (any version since 1.13):

    python3 -m venv .build-parity && .build-parity/bin/pip install torch numpy
    .build-parity/bin/python Tests/Parity/checkpoint_parity.py

With a folder, it also compares every file that the Swift tests have read and written again with its original:

    LIGATURE_WRITE_TO=FOLDER swift test --filter PyTorchCheckpointTests
    .build-parity/bin/python Tests/Parity/checkpoint_parity.py FOLDER
"""
import sys
import zipfile
from pathlib import Path

import torch

# The weights_only loader of PyTorch 1 does not know the operation for floats, so it reads no meta of anybody's.
WEIGHTS_ONLY = int(torch.__version__.split(".")[0]) >= 2
FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures" / "checkpoints"
TYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
         "complex64", "complex128"]


def pattern(dtype, shape):
    """The values that WriterTests.pattern gives."""
    count = torch.Size(shape).numel()
    places = torch.arange(count)
    numbers = places * 3 - 4
    if dtype == torch.bool:
        numbers = places % 2 == 1
    elif dtype.is_complex:
        numbers = torch.complex(numbers.double(), places.double())
    return numbers.to(dtype).reshape(shape)


def equal(a, b, path):
    """Raises where two loaded values differ in type or value."""
    if torch.is_tensor(a) and torch.is_tensor(b):
        types = f"{a.dtype}{list(a.shape)}", f"{b.dtype}{list(b.shape)}"
        assert types[0] == types[1], f"{path}: {types}"
        left, right = (x.contiguous().reshape(-1).view(torch.uint8) if x.numel() else x for x in (a, b))
        assert torch.equal(left, right), f"{path}: values differ"
    elif isinstance(a, dict) and isinstance(b, dict):
        assert list(a) == list(b), f"{path}: keys differ"
        for key in a:
            equal(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, (list, tuple)) and type(a) is type(b):
        assert len(a) == len(b), f"{path}: lengths differ"
        for index, (left, right) in enumerate(zip(a, b)):
            equal(left, right, f"{path}[{index}]")
    else:
        # NumPy's scalars are read as plain numbers.
        assert a == b, f"{path}: {a!r} and {b!r}"


def check_structure(path):
    """The archive as PyTorch wants it: stored entries, data at multiples of 64, right checksums."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            with open(path, "rb") as file:
                file.seek(entry.header_offset + 26)
                name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            assert (entry.header_offset + 30 + name + extra) % 64 == 0, entry.filename


def check_sample():
    path = FIXTURES / "written.pth"
    check_structure(path)
    found = torch.load(path, weights_only=WEIGHTS_ONLY, map_location="cpu")
    state = found["state_dict"]
    expected = {f"dtype.{name}": pattern(getattr(torch, name), [3, 5]) for name in TYPES}
    whole = (torch.arange(48) / 4).float()
    expected.update({
        "tied.whole": whole.reshape(8, 6), "tied.same": whole.reshape(6, 8), "tied.rows": whole[12:24].reshape(2, 6),
        "scalar": torch.tensor(-7), "empty": torch.zeros(0, 3)})
    equal(dict(state), expected, "state_dict")
    state["tied.whole"][2, 0] = 99
    assert state["tied.rows"][0, 0] == 99 and state["tied.same"][1, 4] == 99, "the tied tensors share no storage"
    equal(found["meta"], {
        "epoch": 3, "iter": 70000, "seed": -5, "large": 1 << 40, "huge": 1 << 64,
        "config": "model = dict(type='DBNet')\n", "CLASSES": ("text",), "accented": "é 文", "rate": 0.007,
        "none": None, "flags": [True, False], "raw": bytes([0, 127, 128, 255]), "many": list(range(2500)),
        "five": tuple(range(5))}, "meta")
    equal(found["optimizer"], {
        "state": {0: {"momentum_buffer": pattern(torch.float32, [4])}},
        "param_groups": [{"lr": 0.007, "params": [0, 1]}]}, "optimizer")
    mode = "weights_only" if WEIGHTS_ONLY else "plain loading"
    print(f"written.pth: {len(state)} tensors, meta and optimizer equal in PyTorch {torch.__version__}, {mode}")


def check_mmcv():
    """mmcv's own loader fills a module, where mmcv is installed (mmcv or mmcv-full 1.7.2)."""
    try:
        from mmcv.runner import load_checkpoint
    except ImportError:
        return print("mmcv: not installed, not checked")
    module = torch.nn.Module()
    weight = torch.nn.Module()
    weight.whole = torch.nn.Parameter(torch.zeros(8, 6))
    weight.rows = torch.nn.Parameter(torch.zeros(2, 6))
    module.tied = weight
    found = load_checkpoint(module, str(FIXTURES / "written.pth"), map_location="cpu", strict=False)
    expected = (torch.arange(48) / 4).float()
    assert found["meta"]["epoch"] == 3
    assert torch.equal(weight.whole.data, expected.reshape(8, 6))
    assert torch.equal(weight.rows.data, expected[12:24].reshape(2, 6))
    print("written.pth: loads with mmcv's load_checkpoint")


def check_copy(copy, source):
    """A file that was read and written again holds the same."""
    check_structure(copy)
    equal(torch.load(copy, weights_only=WEIGHTS_ONLY, map_location="cpu"),
          torch.load(source, weights_only=False, map_location="cpu"), "value")
    print(f"{copy}: equal to {source}")


if __name__ == "__main__":
    check_sample()
    check_mmcv()
    for written in sorted(Path(sys.argv[1]).glob("*.pth")) if len(sys.argv) > 1 else []:
        is_wide = written.stem.startswith("written-wide")
        # The zip library of PyTorch 1 compares saturated offsets with the file's size, which fits beyond 4 GiB only.
        if is_wide and not WEIGHTS_ONLY:
            continue
        original = "written" if is_wide else written.stem
        check_copy(written, FIXTURES / f"{original}.pth")
