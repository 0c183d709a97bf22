"""Writes the fixtures of ImagingTests, or compares them with another OpenCV: `generate.py [--compare | --fills]`.

Inputs come from seeded generators; results from OpenCV (requirements.txt names the version of Debian 12), from
pyclipper and from shapely. `--compare` writes nothing and prints where the installed versions differ from the
checked-in results. README.md records what it printed. `--fills`, run with OpenCV 4.11, replaces the results of
fillPoly alone: that is the version whose rule at the border is followed.
"""

import json
import math
import pathlib
import sys

import cv2
import numpy as np
import pyclipper
import shapely
from shapely.geometry import Polygon

import samples

HERE = pathlib.Path(__file__).parent
arrays = {}


def put(name, value):
    value = np.ascontiguousarray(value)
    assert value.dtype in (np.uint8, np.int32, np.float32, np.float64), (name, value.dtype)
    arrays[name] = value


def put_list(name, parts, dtype):
    """Ragged lists of points: all points, and where each list ends."""
    parts = [np.asarray(part).reshape(-1, 2) for part in parts]
    put(name, np.concatenate(parts).astype(dtype) if parts else np.zeros((0, 2), dtype))
    put(f"{name}.ends", np.cumsum([len(part) for part in parts]).astype(np.int32))


INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC,
                  "area": cv2.INTER_AREA}
BORDERS = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT,
           "reflect101": cv2.BORDER_REFLECT_101}


def geometry(photo, grey, floats):
    for kind, image in (("rgb", photo), ("grey", grey), ("float", floats)):
        sizes = [(61, 37), (133, 48), (40, 90)] if kind == "rgb" else [(31, 17), (75, 40)]
        for name, flag in INTERPOLATIONS.items():
            for width, height in sizes:
                put(f"resize.{kind}.{name}.{width}x{height}", cv2.resize(image, (width, height), interpolation=flag))
    for name, flag in BORDERS.items():
        put(f"pad.{name}", cv2.copyMakeBorder(photo, 1, 2, 3, 4, flag, value=(9, 8, 7)))
    for size in (2, 3):
        kernel = np.ones((size, size), np.uint8)
        put(f"dilate.{size}", cv2.dilate(grey, kernel))
        put(f"erode.{size}", cv2.erode(grey, kernel))
    put("grey_of_rgb", cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    put("mean.rgb", np.array(cv2.mean(photo)[:3]))


def quadrilaterals(rng, count, width, height):
    for _ in range(count):
        center = np.array([rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height])
        w, h, angle = rng.uniform(15, 70), rng.uniform(6, 30), math.radians(rng.uniform(-40, 40))
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        yield (corners @ turn + center + rng.uniform(-2, 2, (4, 2))).astype(np.float32), int(w), int(h)


def crop(image, corners):
    """A text line cut out and set upright, as OCR pipelines do: cubic, edges repeated, tall ones turned."""
    width = int(max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[2] - corners[3])))
    height = int(max(np.linalg.norm(corners[0] - corners[3]), np.linalg.norm(corners[1] - corners[2])))
    target = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    matrix = cv2.getPerspectiveTransform(corners, target)
    line = cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.rot90(line) if height >= 1.5 * width else line


def warps(rng, photo):
    height, width = photo.shape[:2]
    quads, matrices, affines = [], [], []
    for index, (quad, w, h) in enumerate(quadrilaterals(rng, 6, width, height)):
        target = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
        matrix, affine = cv2.getPerspectiveTransform(quad, target), cv2.getAffineTransform(quad[:3], target[:3])
        quads.append([*quad.ravel(), w, h])
        matrices.append(matrix)
        affines.append(affine)
        names = [("cubic", "replicate"), ("linear", "constant"), ("nearest", "reflect101")]
        for name, border in names[: 1 if index >= 3 else 3]:
            options = dict(flags=INTERPOLATIONS[name], borderMode=BORDERS[border])
            put(f"perspective.{index}.{name}.{border}", cv2.warpPerspective(photo, matrix, (w, h), **options))
            put(f"affine.{index}.{name}.{border}", cv2.warpAffine(photo, affine, (w, h), **options))
        put(f"crop.{index}", crop(photo, quad if index % 2 else np.roll(quad, 1, axis=0)))
    put("quads", np.array(quads, np.float32))
    put("perspective.matrices", np.array(matrices))
    put("perspective.inverses", np.array([cv2.invert(matrix)[1] for matrix in matrices]))
    put("affine.matrices", np.array(affines))
    put("rotation", cv2.getRotationMatrix2D((31.5, 17.25), 33.3, 1.2))


def contours(rng):
    masks = []
    for index in range(4):
        noise = cv2.GaussianBlur(rng.random((44, 60)), (0, 0), 1.2 + index)
        masks.append(((noise > np.quantile(noise, 0.55 + 0.1 * index)) * 255).astype(np.uint8))
    put("masks", np.array(masks))
    every = []
    for index, mask in enumerate(masks):
        for mode, flag in (("list", cv2.RETR_LIST), ("external", cv2.RETR_EXTERNAL)):
            found, _ = cv2.findContours(mask, flag, cv2.CHAIN_APPROX_SIMPLE)
            put_list(f"contours.{mode}.{index}", found, np.int32)
            every += found if mode == "list" else []
    put_list("outlines", every, np.int32)
    put("outlines.length", np.array([cv2.arcLength(outline, True) for outline in every]))
    put("outlines.area", np.array([cv2.contourArea(outline) for outline in every]))
    put("outlines.distance", np.array([cv2.pointPolygonTest(outline, (20.5, 18.25), True) for outline in every]))
    put_list("outlines.hull", [cv2.convexHull(outline) for outline in every], np.int32)
    put_list("outlines.approximated", [cv2.approxPolyDP(outline, 1.5, True) for outline in every], np.int32)
    rectangles("outlines", every)


def rectangles(name, outlines):
    found = [cv2.minAreaRect(outline) for outline in outlines]
    put(f"{name}.rectangle", np.array([[*center, *size, angle] for center, size, angle in found], np.float32))
    put(f"{name}.box", np.array([cv2.boxPoints(rectangle) for rectangle in found], np.float32))


def polygons(rng):
    outlines = [quad for quad, _, _ in quadrilaterals(rng, 30, 300, 200)]
    for _ in range(10):  # Stars: concave, and some that cross themselves.
        angles = np.sort(rng.uniform(0, 2 * math.pi, 9))
        radius = rng.uniform(8, 60, 9)
        outlines.append((np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] + 100).astype(np.float32))
    outlines.append(np.float32([[0, 0], [50, 40], [50, 0], [0, 40]]))
    outlines.append(np.float32([[10, 10], [60, 10], [60, 10], [60, 30], [10, 30]]))
    put_list("polygons", outlines, np.float32)
    rectangles("polygons", outlines)
    shapes = [Polygon(outline) for outline in outlines]
    put("polygons.area", np.array([shape.area for shape in shapes]))
    put("polygons.length", np.array([shape.length for shape in shapes]))
    put("polygons.valid", np.array([shape.is_valid for shape in shapes], np.uint8))
    pairs = [(a, b) for a in range(0, 40) for b in (a + 1, a + 2) if b < 40 and shapes[a].is_valid and shapes[b].is_valid]
    put("pairs", np.array(pairs, np.int32))
    put("pairs.intersection", np.array([shapes[a].intersection(shapes[b]).area for a, b in pairs]))
    put("pairs.union", np.array([shapes[a].union(shapes[b]).area for a, b in pairs]))
    for index, (outline, shape) in enumerate(zip(outlines, shapes)):
        for ratio in (2.0, 1.6, -0.4):
            offset = pyclipper.PyclipperOffset()
            offset.AddPath(outline, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
            put_list(f"offset.{index}.{ratio}", offset.Execute(shape.area * ratio / max(shape.length, 1e-9)), np.int32)


def fills(rng):
    corners, means = [], []
    scores = rng.random((30, 50)).astype(np.float32)
    for index in range(8):
        polygon = rng.integers(-10, 60, (3 + index % 4, 2)).astype(np.int32)
        mask = np.zeros((30, 50), np.uint8)
        cv2.fillPoly(mask, polygon.reshape(1, -1, 2), 1)
        corners.append(polygon)
        means.append(cv2.mean(scores, mask)[0])
        put(f"fill.{index}", mask)
    put_list("fill", corners, np.int32)
    put("scores", scores)
    put("scores.means", np.array(means))


def files():
    for name, data in samples.png_files().items():
        decoded = samples.opencv_unchanged(data)
        decoded = (decoded >> 8).astype(np.uint8) if decoded.dtype == np.uint16 else decoded
        if name == "png_grey8_transparent":  # OpenCV drops this transparency.
            alpha = np.where(decoded == decoded[0, 0], 0, 255).astype(np.uint8)
            decoded = np.stack([decoded, decoded, decoded, alpha], axis=2)
        yield name, data, decoded
    for name, (data, decoded) in samples.pillow_files().items():
        yield name, data, samples.pillow_upright(name, data) if "exif" in name else decoded


def build():
    rng = np.random.default_rng(2024)
    photo = samples.photo(100, 70)
    grey = np.ascontiguousarray(photo[:40, :60, 1])
    floats = rng.normal(0, 1, (24, 40)).astype(np.float32)
    put("photo", photo)
    put("grey", grey)
    put("floats", floats)
    geometry(photo, grey, floats)
    warps(rng, photo)
    contours(rng)
    polygons(rng)
    fills(rng)
    for name, _, decoded in files():
        put(f"decoded.{name}", decoded)


def write():
    index, blob = {}, bytearray()
    for name, value in arrays.items():
        blob += b"\0" * (-len(blob) % 8)
        index[name] = {"type": str(value.dtype), "shape": list(value.shape), "offset": len(blob)}
        blob += value.tobytes()
    (HERE / "cases.json").write_text(json.dumps(index, indent=0, separators=(",", ":")) + "\n")
    (HERE / "cases.bin").write_bytes(blob)
    for name, data, _ in files():
        suffix = {"jpeg": "jpg"}.get(name.split("_")[0], name.split("_")[0])
        (HERE / "samples" / f"{name}.{suffix}").write_bytes(data)


def replace_fills():
    """Filled polygons, and means inside them, in place: their sizes do not change."""
    index, blob = json.loads((HERE / "cases.json").read_text()), bytearray((HERE / "cases.bin").read_bytes())
    for name in [name for name in index if name.startswith("fill.") and name != "fill.ends"] + ["scores.means"]:
        data = arrays[name].tobytes()
        blob[index[name]["offset"] : index[name]["offset"] + len(data)] = data
    (HERE / "cases.bin").write_bytes(blob)


def compare():
    """Prints one line a family: how many cases differ from the checked-in ones, and by how much."""
    index, blob = json.loads((HERE / "cases.json").read_text()), (HERE / "cases.bin").read_bytes()
    families = {}
    for name, entry in index.items():
        count = math.prod(entry["shape"])
        expected = np.frombuffer(blob, entry["type"], count, entry["offset"]).reshape(entry["shape"])
        actual = arrays[name]
        family = ".".join(part for part in name.split(".") if not part[0].isdigit() and "x" not in part[:-1][1:])
        row = families.setdefault(family, [0, 0, 0.0, 0.0])
        row[0] += 1
        if actual.shape != expected.shape:
            row[1:3] = [row[1] + 1, math.inf]
            continue
        difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        if difference.size and difference.max() > 0:
            row[1:] = [row[1] + 1, max(row[2], difference.max()), max(row[3], (difference > 0).mean())]
    for family, (cases, differing, largest, share) in families.items():
        if differing:
            print(f"{family:36s} {differing}/{cases} cases differ, by at most {largest:.6g}, in {100 * share:.2g} % of values")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    # Intel's closed library, which only the wheels have, rounds cubic and float resizing otherwise.
    cv2.ipp.setUseIPP("--ipp" in sys.argv)
    print(f"OpenCV {cv2.__version__}, pyclipper {pyclipper.__version__}, shapely {shapely.__version__}")
    build()
    compare() if "--compare" in sys.argv else replace_fills() if "--fills" in sys.argv else write()
