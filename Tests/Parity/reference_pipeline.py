"""Runs RapidOCR with its default settings and keeps what passes between its stages.

Used by read_parity (final lines) and by the fixture generator (intermediate values). Everything is taken from the
outside: the stages' own callables are wrapped, nothing of them is changed.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np


class RecordedPipeline:
    """RapidOCR, plus a record of the detector's boxes, the classifier's answers and every recognised line."""

    def __init__(self, threads=-1):
        from rapidocr_onnxruntime import RapidOCR

        self.engine = RapidOCR(intra_op_num_threads=threads)
        self.trace = {}
        self._wrap()

    def _wrap(self):
        engine, trace = self.engine, self.trace
        detect, classify, recognise = engine.text_det, engine.text_cls, engine.text_rec
        postprocess = detect.postprocess_op

        def traced_postprocess(prediction, shape):
            boxes, scores = postprocess(prediction, shape)
            trace["map_shape"] = list(prediction.shape)
            trace["raw_boxes"] = np.asarray(boxes).tolist()
            trace["raw_scores"] = [float(score) for score in scores]
            trace["map"] = prediction
            return boxes, scores

        def traced_classify(crops):
            trace["crops"] = [list(crop.shape[:2]) for crop in crops]
            result = classify(crops)
            trace["angles"] = [[label, float(score)] for label, score in result[1]]
            return result

        def traced_recognise(crops, *rest):
            trace["crop_pixels"] = crops
            result = recognise(crops, *rest)
            trace["texts"] = [[text, float(score)] for text, score in result[0]]
            return result

        detect.postprocess_op = traced_postprocess
        engine.text_cls = traced_classify
        engine.text_rec = traced_recognise

    def read(self, path):
        """[{polygon, text, score, tied}] in reading order, and the trace of this image.

        `tied` tells that another line of the image has exactly the same proportions. RapidOCR sorts lines by them
        before it makes batches, and NumPy's sort does not keep the order of equal ones.
        """
        self.trace.clear()
        lines, _ = self.engine(str(path))
        trace = dict(self.trace)
        ratios = [width / height for height, width in trace.get("crops", [])]
        kept = [i for i, (_, score) in enumerate(trace.get("texts", [])) if score >= self.engine.text_score]
        lines = [
            {
                "polygon": [[float(x), float(y)] for x, y in polygon], "text": text, "score": float(score),
                "tied": ratios.count(ratios[i]) > 1,
            }
            for i, (polygon, text, score) in zip(kept, lines or [])
        ]
        return lines, trace


def versions():
    """The packages that decide what the reference reads."""
    names = ("rapidocr-onnxruntime", "onnxruntime", "numpy", "opencv-python-headless", "opencv-python", "pillow")
    found = []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pass
    return found


def cached_lines(paths, cache_folder, threads=-1):
    """Lines of every image by RapidOCR, from `cache_folder` where the same bytes were read before."""
    key = " ".join(versions()).encode() + Path(__file__).read_bytes()
    cache = Path(cache_folder) / hashlib.sha256(key).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    pipeline = None
    results = {}
    for path in paths:
        entry = cache / (hashlib.sha256(Path(path).read_bytes()).hexdigest() + ".json")
        if entry.exists():
            results[path] = json.loads(entry.read_text())
            continue
        pipeline = pipeline or RecordedPipeline(threads)
        results[path], _ = pipeline.read(path)
        partial = entry.with_suffix(".partial")
        partial.write_text(json.dumps(results[path], ensure_ascii=False))
        partial.rename(entry)
    return results
