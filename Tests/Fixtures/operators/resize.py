"""Resize and GridSample."""

import numpy as np
from recorder import Recorder

rng = np.random.default_rng(5)
r = Recorder("Resize")


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def attempt(*args, **options):
    """Some combinations are not implemented by the recording runtime."""
    try:
        r.case(*args, **options)
    except Exception as error:
        print("skipped:", args[0], str(error).splitlines()[-1][:100])


image = normal(1, 2, 4, 5)
TRANSFORMS = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
SCALES = {"double": (1, 1, 2, 2), "stretched": (1, 1, 2.6, 1.7), "shrunk": (1, 1, 0.6, 0.7), "mixed": (1, 1, 1.9, 0.5)}
for transform in TRANSFORMS + ["tf_half_pixel_for_nn"]:
    for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
        for name, scales in SCALES.items():
            attempt(f"{transform} {nearest} {name}", "Resize", [image, None, np.float32(scales)],
                    {"mode": "nearest", "coordinate_transformation_mode": transform, "nearest_mode": nearest},
                    constants={2}, tolerance=0)
for transform in TRANSFORMS:
    for mode in ["linear", "cubic"]:
        for name, scales in SCALES.items():
            attempt(f"{mode} {transform} {name}", "Resize", [image, None, np.float32(scales)],
                    {"mode": mode, "coordinate_transformation_mode": transform}, constants={2}, tolerance=3e-6)
for mode in ["nearest", "linear", "cubic"]:
    attempt(f"{mode} sizes", "Resize", [image, None, None, i64(1, 2, 7, 3)], {"mode": mode}, constants={3}, tolerance=3e-6)
    attempt(f"{mode} sizes at run time", "Resize", [image, None, None, i64(1, 2, 7, 3)], {"mode": mode}, tolerance=3e-6)
    attempt(f"{mode} axes", "Resize", [image, None, None, i64(9, 6)], {"mode": mode, "axes": [3, 2]}, constants={3},
            tolerance=3e-6)
    for policy in ["not_larger", "not_smaller"]:
        attempt(f"{mode} {policy}", "Resize", [image, None, None, i64(7, 8)],
                {"mode": mode, "axes": [2, 3], "keep_aspect_ratio_policy": policy}, constants={3}, tolerance=3e-6)
    attempt(f"{mode} region", "Resize", [image, np.float32([0, 0, 0.1, -0.2, 1, 1, 0.9, 1.1]), None, i64(1, 2, 6, 7)],
            {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0},
            constants={1, 3}, tolerance=3e-6)
attempt("cubic a", "Resize", [image, None, np.float32([1, 1, 2, 3])], {"mode": "cubic", "cubic_coeff_a": -0.5},
        constants={2}, tolerance=3e-6)
attempt("cubic outside", "Resize", [image, None, np.float32([1, 1, 2, 0.7])], {"mode": "cubic", "exclude_outside": 1},
        constants={2}, tolerance=3e-6)
big = normal(1, 1, 12, 11)
for mode in ["linear", "cubic"]:
    for name, scales in {"third": (1, 1, 0.34, 0.4), "half": (1, 1, 0.5, 0.5), "grown": (1, 1, 1.5, 2)}.items():
        attempt(f"{mode} antialias {name}", "Resize", [big, None, np.float32(scales)], {"mode": mode, "antialias": 1},
                constants={2}, tolerance=3e-6)
attempt("line", "Resize", [normal(1, 2, 9), None, np.float32([1, 1, 2.2])], {"mode": "linear"}, constants={2}, tolerance=3e-6)
attempt("volume", "Resize", [normal(1, 1, 3, 4, 5), None, np.float32([1, 1, 2, 0.5, 1.5])], {"mode": "linear"},
        constants={2}, tolerance=3e-6)
attempt("bytes", "Resize", [rng.integers(0, 255, (1, 1, 3, 4)).astype(np.uint8), None, np.float32([1, 1, 2, 2])],
        {"mode": "nearest"}, constants={2}, tolerance=0)
attempt("as it is", "Resize", [image, None, np.float32([1, 1, 1, 1])], {"mode": "linear"}, constants={2}, tolerance=0)
attempt("channels", "Resize", [normal(1, 2, 3, 2), None, np.float32([1, 2, 1, 3])],
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, constants={2}, tolerance=0)

grid = (rng.uniform(-1.3, 1.3, (2, 3, 7, 2))).astype(np.float32)
photo = normal(2, 3, 5, 6)
for mode in ["linear", "nearest", "cubic"]:
    for padding in ["zeros", "border", "reflection"]:
        for align in [0, 1]:
            attempt(f"{mode} {padding} {align}", "GridSample", [photo, grid],
                    {"mode": mode, "padding_mode": padding, "align_corners": align}, tolerance=1e-5)
r.save()
