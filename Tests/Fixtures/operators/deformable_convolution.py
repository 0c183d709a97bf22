"""Records the cases of DeformConv."""
import numpy as np

from recorder import Recorder

random = np.random.default_rng(4)
recorder = Recorder("DeformableConvolution")


def values(*shape):
    return (random.integers(-1000, 1001, shape) / 1000).astype(np.float32)


def deform(name, x, w, offset_group=1, bias=True, mask=True, spread=2.0, **attributes):
    sizes = []
    for axis in (0, 1):
        pads, step = attributes.get("pads", [0] * 4), attributes.get("strides", [1, 1])[axis]
        extent = (w[axis + 2] - 1) * attributes.get("dilations", [1, 1])[axis] + 1
        sizes.append((x[axis + 2] + pads[axis] + pads[axis + 2] - extent) // step + 1)
    taps = offset_group * w[2] * w[3]
    inputs = [values(*x), values(*w), values(x[0], 2 * taps, *sizes) * np.float32(spread),
              values(w[0]) if bias else None, np.abs(values(x[0], taps, *sizes)) if mask else None]
    if offset_group != 1:
        attributes["offset_group"] = offset_group
    recorder.case(name, "DeformConv", inputs, attributes, constants=(1, 3) if bias else (1,), tolerance=1e-5,
                  reference=True)


deform("3x3", (1, 3, 6, 7), (4, 3, 3, 3), pads=[1, 1, 1, 1])
deform("no mask, no bias", (2, 3, 6, 7), (4, 3, 3, 3), mask=False, bias=False, pads=[1, 1, 1, 1])
deform("stride, dilation", (1, 4, 9, 11), (3, 4, 3, 2), strides=[2, 1], dilations=[1, 2], pads=[1, 0, 2, 1])
deform("offset groups", (1, 6, 5, 6), (4, 6, 3, 3), offset_group=3, pads=[1, 1, 1, 1])
deform("groups", (2, 4, 5, 6), (6, 2, 2, 2), group=2, offset_group=2)
deform("far outside", (1, 2, 5, 5), (2, 2, 3, 3), pads=[1, 1, 1, 1], spread=8.0)
deform("deep", (1, 40, 5, 6), (5, 40, 3, 3), offset_group=1, pads=[1, 1, 1, 1])
recorder.save()
