"""Writes variants/: the same small content in every form that PyTorch can write, and what it holds.

    python3 -m venv .build-parity && .build-parity/bin/pip install torch numpy
    .build-parity/bin/python Tests/Fixtures/checkpoints/make_variants.py
"""
import collections
import json
import struct
from pathlib import Path

import numpy
import torch

FOLDER = Path(__file__).resolve().parent / "variants"
NAMES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
         torch.complex64: "C64", torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64"}


def save_safetensors(tensors, path):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def content(rng):
    """A state dict with views, parameters and most types; meta with everything that is rebuilt."""
    base = torch.from_numpy(rng.standard_normal(60).astype("float32"))
    state = collections.OrderedDict()
    state["module.weight"] = base[:24].view(4, 6)
    state["module.turned"] = base[12:36].view(4, 6).t()
    state["module.parameter"] = torch.nn.Parameter(base[36:42].clone())
    state["module.frozen"] = torch.nn.Parameter(base[42:48].view(2, 3).clone(), requires_grad=False)
    for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.complex64):
        state[f"module.{dtype}"] = torch.arange(7).to(dtype)
    state["module.flags"] = torch.tensor([True, False, True])
    state["module.count"] = torch.tensor(12345678901)
    state["module.none"] = torch.zeros(2, 0)
    state._metadata = {"": {"version": 1}}
    meta = {
        "epoch": 7, "small": -3, "large": 1 << 60, "float": 0.1, "text": "line\nzwei é 文", "none": None,
        "tuple": (), "one": (1,), "nested": {"list": [1, [2, (3, 4, 5, 6)]], "empty": {}},
        "numpy": numpy.float32(0.5), "numpy64": numpy.float64(0.25), "numpy_int": numpy.int64(-9),
        "numpy_bool": numpy.bool_(True), "size": torch.Size([2, 3]),
        "counter": collections.Counter("aab"), "default": collections.defaultdict(list, {"k": [1]}),
    }
    return {"meta": meta, "state_dict": state}


def expected_meta(meta):
    plain = dict(meta, numpy=0.5, numpy64=0.25, numpy_int=-9, numpy_bool=True)
    return json.loads(json.dumps(plain))


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = numpy.random.default_rng(7)
    facts = {}
    # PyTorch itself cannot load what it writes with protocol 0.
    for protocol in range(1, 6):
        for kind in ("zip", "legacy"):
            if kind == "legacy" and protocol in (3, 5):
                continue
            value = content(rng)
            name = f"{kind}_protocol{protocol}"
            torch.save(value, FOLDER / f"{name}.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=kind == "zip")
            save_safetensors(value["state_dict"], FOLDER / f"{name}.safetensors")
            facts[name] = {"names": list(value["state_dict"]), "meta": expected_meta(value["meta"])}
    # Types without a storage class of their own, and a tensor with attributes.
    extra = {str(dtype): torch.arange(5).to(dtype) for dtype in (torch.uint16, torch.uint32, torch.uint64)}
    marked = torch.arange(6.0).view(2, 3)
    marked.note = "kept by PyTorch, dropped here"
    extra["marked"] = marked
    torch.save(extra, FOLDER / "untyped.pth")
    save_safetensors(extra, FOLDER / "untyped.safetensors")
    facts["untyped"] = {"names": list(extra), "meta": {}}
    # Arrays of NumPy in meta come out as tensors.
    arrays = {"matrix": numpy.arange(6.0).reshape(2, 3), "fortran": numpy.asfortranarray(numpy.arange(6, dtype="int32").reshape(2, 3)),
              "big": numpy.arange(3).astype(">i4")}
    for protocol in (2, 5):
        name = f"arrays_protocol{protocol}"
        torch.save({"meta": arrays, "state_dict": {}}, FOLDER / f"{name}.pth", pickle_protocol=protocol)
        save_safetensors({key: torch.from_numpy(numpy.ascontiguousarray(value.astype(value.dtype.newbyteorder("="))))
                          for key, value in arrays.items()}, FOLDER / f"{name}.safetensors")
        facts[name] = {"names": [], "meta": {key: {"tensor": key} for key in arrays}}
    (FOLDER / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
