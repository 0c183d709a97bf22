#!/usr/bin/env python3
"""Takes the small cases of parity bundles (numbers that MMOCR 0.6.3 gives) that the tests of Models read.

Usage: cut.py FOLDER_OF_BUNDLES, here. Standard library only.
"""
import json
import pathlib
import struct
import sys

SOURCE = pathlib.Path(sys.argv[1])
TARGET = pathlib.Path(__file__).parent


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]])
        for name, entry in header.items()
    }


def write(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def without(value, *keys):
    return {key: item for key, item in value.items() if key not in keys}


def dbnet(name):
    """All cases but those on the large map and canvas."""
    post = json.loads((SOURCE / name / "post.json").read_text())
    cases = [without(case, "clipper") for case in post["cases"] if case["map"] != "main"]
    write_json(TARGET / name / "post.json", {"cases": cases})
    maps = read(SOURCE / name / "post.safetensors")
    write(TARGET / name / "post.safetensors", without(maps, "main"))
    targets = json.loads((SOURCE / name / "targets.json").read_text())
    cases = [without(case, "clipper", "outputs") for case in targets["cases"] if case["name"] != "main"]
    write_json(TARGET / name / "targets.json", {"cases": cases})
    maps = read(SOURCE / name / "targets.safetensors")
    write(TARGET / name / "targets.safetensors", {key: maps[key] for key in maps if not key.startswith("main.")})


def pipeline(name, images):
    """The test pipeline on some of the pictures."""
    steps = json.loads((SOURCE / name / "pipeline.json").read_text())
    steps["cases"] = [case for case in steps["cases"] if case["image"].split(".")[1] in images]
    write_json(TARGET / name / "pipeline.json", steps)
    tensors = read(SOURCE / name / "pipeline.safetensors")
    write(TARGET / name / "pipeline.safetensors", {key: tensors[key] for key in tensors if key.split(".")[1] in images})


def crnn():
    pipeline("crnn", ["wide", "tall", "long", "small"])
    write_json(TARGET / "crnn" / "post.json", json.loads((SOURCE / "crnn" / "post.json").read_text()))
    forward = read(SOURCE / "crnn" / "forward.safetensors")
    write(TARGET / "crnn" / "forward.safetensors", {"out.decoder": forward["out.decoder"]})


def convertors():
    """All, but decoding with two of the large dictionaries and segmentations that are given as logits."""
    cases = json.loads((SOURCE / "convertors" / "convertors.json").read_text())
    kept = [without(case, "decode") if case["name"] in ("attn91", "ctc90") else case for case in cases["cases"]]
    maps = [case for case in cases["segmentation"]["cases"] if "logits" not in case]
    cases["cases"], cases["segmentation"]["cases"] = kept, maps
    write_json(TARGET / "convertors" / "convertors.json", cases)
    used = {case["decode"]["outputs"] for case in kept if "decode" in case} | {case["classes"] for case in maps}
    tensors = read(SOURCE / "convertors" / "convertors.safetensors")
    write(TARGET / "convertors" / "convertors.safetensors", {key: tensors[key] for key in tensors if key in used})


dbnet("dbnet_r18")
crnn()
pipeline("sar", ["tall"])
convertors()
for name in ("metrics_rec/metrics.json", "metrics_det/hmean.json"):
    write_json(TARGET / name, json.loads((SOURCE / name).read_text()))
