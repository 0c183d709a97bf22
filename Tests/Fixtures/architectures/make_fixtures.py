"""Records what RapidOCR 1.4.4 does with small inputs, for ArchitecturesTests. Run with the Python of the parity
environment (Tests/Parity/venv.sh); the same versions write the same files.

replay.json, replay_map.png   every stage of reading Tests/Fixtures/sample/page.jpg: what each model was given
                              (shape, sums, probes) and what it answered, and the lines at the end. The detector's
                              map is kept in 8 bits, and the rest of the pipeline saw it that way
db.json, db_*.png             probability maps with turned, touching, tiny and faint blobs, and the boxes in them
geometry.json                 corner order, clipping, reading order, page fitting
ctc.json                      random class probabilities and their texts
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent
SAMPLE = FOLDER.parent / "sample" / "page.jpg"
SEED = 20240301


def write(name, value):
    (FOLDER / name).write_text(json.dumps(value, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")


def summary(tensor):
    """Enough to tell two tensors apart: shape, sums, and values at places spread over it."""
    flat = tensor.astype(np.float64).ravel()
    places = [int(place) for place in np.linspace(0, flat.size - 1, 24)]
    return {
        "shape": list(tensor.shape),
        "sum": float(flat.sum()),
        "squares": float((flat * flat).sum()),
        "places": places,
        "values": [float(flat[place]) for place in places],
    }


def replay(engine):
    record = {"detector": [], "classifier": [], "recogniser": []}
    detect, classify, recognise = engine.text_det.infer, engine.text_cls.infer, engine.text_rec.session

    def detector(content):
        levels = np.round(detect(content)[0] * 255).astype(np.uint8)
        cv2.imwrite(str(FOLDER / "replay_map.png"), levels[0, 0], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        record["detector"].append({"input": summary(content)})
        return [levels.astype(np.float32) / np.float32(255)]

    def classifier(content):
        output = classify(content)[0]
        record["classifier"].append({"input": summary(content), "output": output.tolist()})
        return [output]

    class Recogniser:
        def __call__(self, content):
            output = recognise(content)[0]
            best = output.argmax(axis=2)
            record["recogniser"].append({
                "input": summary(content),
                "shape": list(output.shape),
                "classes": best.tolist(),
                "probabilities": [[float(p) for p in row] for row in output.max(axis=2)],
            })
            return [output]

    engine.text_det.infer, engine.text_cls.infer, engine.text_rec.session = detector, classifier, Recogniser()
    lines, _ = engine(str(SAMPLE))
    engine.text_det.infer, engine.text_cls.infer, engine.text_rec.session = detect, classify, recognise
    record["lines"] = [{"polygon": polygon, "text": text, "score": score} for polygon, text, score in lines]
    characters = engine.text_rec.postprocess_op.character
    used = sorted({c for batch in record["recogniser"] for row in batch["classes"] for c in row} - {0})
    record["dictionary"] = {"count": len(characters), "used": {str(c): characters[c] for c in used}}
    write("replay.json", record)


def blobs(random, width, height, count):
    """A map as a detector makes it: soft-edged turned rectangles of different strength, and speckles."""
    levels = np.zeros((height, width), np.float32)
    for _ in range(count):
        centre = (random.uniform(0, width), random.uniform(0, height))
        size = (random.uniform(3, width / 4), random.uniform(2, 14))
        angle = random.choice([0, 0, 0, 90, random.uniform(-90, 90)])
        layer = np.zeros_like(levels)
        corners = cv2.boxPoints((centre, size, angle)).astype(np.int32)
        cv2.fillPoly(layer, [corners], float(random.uniform(0.4, 1)))
        levels = np.maximum(levels, cv2.GaussianBlur(layer, (3, 3), 0))
    noise = random.random((height, width))
    levels[noise > 0.998] = 0.9
    return np.round(levels * 255).astype(np.uint8)


def boxes_of_maps(engine, random):
    cases = []
    for index, (width, height, page, count) in enumerate(
        [(240, 144, (240, 144), 14), (288, 192, (401, 267), 24), (96, 192, (1000, 2000), 12)]
    ):
        levels = blobs(random, width, height, count)
        cv2.imwrite(str(FOLDER / f"db_{index}.png"), levels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        levels = (levels.astype(np.float32) / np.float32(255))[None, None]
        boxes, scores = engine.text_det.postprocess_op(levels, (page[1], page[0]))
        cases.append({
            "map": f"db_{index}.png", "width": page[0], "height": page[1],
            "boxes": boxes.tolist(), "scores": [float(score) for score in scores],
        })
    write("db.json", cases)


def geometry(engine, random):
    corners = []
    for _ in range(60):
        box = cv2.boxPoints((tuple(random.uniform(-5, 205, 2)), tuple(random.uniform(1, 60, 2)), random.uniform(-90, 90)))
        box = np.round(box).astype(np.int32)
        kept = engine.text_det.filter_tag_det_res(box[None], (180, 200))
        corners.append({"box": box.tolist(), "kept": kept[0].tolist() if len(kept) else None})
    order = []
    for count in (1, 2, 7, 30):
        boxes = np.float32([[[x, y], [x + 20, y], [x + 20, y + 9], [x, y + 9]]
                            for x, y in random.integers(0, 60, (count, 2))])
        order.append({"boxes": [box[0].tolist() for box in boxes],
                      "sorted": [box[0].tolist() for box in engine.sorted_boxes(boxes)]})
    pages = []
    for height, width in [(40, 60), (30, 200), (20, 300), (100, 900), (2600, 1200), (50, 5000), (700, 2001), (25, 25)]:
        image = np.zeros((height, width, 3), np.uint8)
        fitted, ratio_h, ratio_w = engine.preprocess(image)
        record = {"preprocess": {"ratio_h": ratio_h, "ratio_w": ratio_w}}
        fitted, record = engine.maybe_add_letterbox(fitted, record)
        box = np.float32([[[1, 2], [fitted.shape[1] - 1, 2], [fitted.shape[1] - 1, fitted.shape[0]], [1, 33]]])
        back = engine._get_origin_points([box[0]], record, height, width)
        size = engine.text_det.get_preprocess(max(fitted.shape[:2])).resize(fitted).shape
        pages.append({"size": [width, height], "fitted": [fitted.shape[1], fitted.shape[0]], "box": box[0].tolist(),
                      "back": back[0].tolist(), "detector": [size[1], size[0]]})
    write("geometry.json", {"corners": corners, "order": order, "pages": pages})


def ctc(random):
    from rapidocr_onnxruntime.ch_ppocr_rec.utils import CTCLabelDecode

    characters = ["a", "β", "字", "é"]
    decode = CTCLabelDecode(character=list(characters))
    values = random.random((6, 14, 6)).astype(np.float32)
    values[..., 0] += random.choice([0, 0.5], (6, 14)).astype(np.float32)
    values[1, :, 0] = 9  # nothing but blanks
    values[2, 3:7, 2] = 5  # one character held for four steps
    values[3, :, :] = 0.25  # ties: the first class wins
    write("ctc.json", {
        "dictionary": characters + [" "], "shape": list(values.shape),
        "values": [float(value) for value in values.ravel()],
        "texts": [[text, score] for text, score in decode(values)],
    })


def main():
    from rapidocr_onnxruntime import RapidOCR

    random = np.random.default_rng(SEED)
    engine = RapidOCR()
    replay(engine)
    boxes_of_maps(engine, random)
    geometry(engine, random)
    ctc(random)


if __name__ == "__main__":
    sys.exit(main())
