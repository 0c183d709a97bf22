"""Writes grey.json: what OpenCV reads from each sample in grey. Run with OpenCV 4.11, here."""

import json
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).parent
found = {}
for path in sorted((HERE / "samples").iterdir()):
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        continue
    values = image.reshape(-1).astype(np.uint64)
    places = np.arange(1, values.size + 1, dtype=np.uint64)
    found[path.name] = {
        "width": image.shape[1],
        "height": image.shape[0],
        "sum": int(values.sum()),
        "places": int((values * places).sum()),
    }
(HERE / "grey.json").write_text(json.dumps(found, indent=1) + "\n")
