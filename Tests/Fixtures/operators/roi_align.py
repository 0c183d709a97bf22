"""Records the cases of RoiAlign."""
import numpy as np

from recorder import Recorder

random = np.random.default_rng(16)
recorder = Recorder("RoiAlign")


def values(*shape):
    return (random.integers(-1000, 1001, shape) / 1000).astype(np.float32)


def align(name, x, boxes, images=None, tolerance=1e-5, **attributes):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    images = np.zeros(len(boxes), np.int64) if images is None else np.asarray(images, np.int64)
    recorder.case(name, "RoiAlign", [x, boxes, images], attributes, tolerance=tolerance)


some = [[0.5, 1, 6.3, 5.2], [2, 2, 9, 7], [-3, -2, 4, 3.5], [5.25, 3.75, 14, 11], [4, 4, 4.4, 4.3], [-9, -9, -4, -3]]
images = [0, 1, 1, 0, 0, 1]
for mode in ("avg", "max"):
    for coordinates in ("half_pixel", "output_half_pixel"):
        for ratio in (0, 1, 2):
            align(f"{mode} {coordinates} {ratio}", values(2, 3, 8, 10), some, images, mode=mode, sampling_ratio=ratio,
                  output_height=3, output_width=2, coordinate_transformation_mode=coordinates)
wide = [[10 * i, 8 * i, 10 * i + 90 + i, 8 * i + 60] for i in range(4)]
align("scaled, many channels", values(1, 40, 10, 18), wide, spatial_scale=0.125, output_height=2, output_width=2)
align("scaled max", values(1, 2, 20, 36), wide, mode="max", spatial_scale=0.25, output_height=4, output_width=3)
align("larger than the image", values(1, 2, 5, 6), [[-20, -30, 40, 50], [-4, 1, 30, 2]], output_height=4, output_width=5)
align("finer than pixels", values(1, 2, 6, 6), [[1, 1, 3, 3.5]], output_height=9, output_width=8)
align("without area", values(1, 2, 5, 6), [[2, 2, 2, 4], [3, 3, 3, 3]], output_height=2, output_width=2)
align("without area, forced to a pixel", values(1, 2, 5, 6), [[2, 2, 2, 4], [3, 3, 3, 3], [4, 4, 2, 1]],
      output_height=2, output_width=2, coordinate_transformation_mode="output_half_pixel")
align("turned round, samples given", values(1, 2, 5, 6), [[4, 4, 1, 2]], sampling_ratio=3, output_height=2)
align("one pixel", values(1, 2, 1, 1), [[0, 0, 1, 1], [-1, -1, 2, 2]], output_height=2, output_width=2)
align("a row of pixels", values(1, 2, 1, 9), [[1, -0.5, 8, 0.5]], output_width=4)
align("all by default", values(1, 2, 5, 6), [[1, 1, 4, 4]])
align("max of negative numbers", -np.abs(values(1, 2, 6, 7)) - np.float32(0.1), some[:4], mode="max", sampling_ratio=2,
      output_height=2, output_width=2)
recorder.save()
