"""Records the cases of Conv and ConvTranspose."""
import itertools

import numpy as np

from recorder import Recorder

random = np.random.default_rng(1)
recorder = Recorder("Convolution")


def values(*shape):
    return (random.integers(-1000, 1001, shape) / 1000).astype(np.float32)


def conv(name, x, w, bias=True, constants=(1, 2), **attributes):
    recorder.case(name, "Conv", [values(*x), values(*w), values(w[0]) if bias else None], attributes,
                  constants=constants if bias else tuple(c for c in constants if c < 2), tolerance=2e-6)


conv("3x3", (1, 3, 9, 11), (4, 3, 3, 3), pads=[1, 1, 1, 1])
conv("weights are inputs", (2, 3, 9, 11), (4, 3, 3, 3), constants=(), pads=[1, 1, 1, 1])
conv("no bias, no pads", (2, 3, 9, 11), (4, 3, 3, 3), bias=False)
conv("asymmetric everything", (1, 5, 12, 17), (7, 5, 3, 2), strides=[2, 3], dilations=[2, 1], pads=[1, 0, 2, 1])
conv("pointwise", (2, 10, 7, 9), (20, 10, 1, 1))
conv("pointwise, few filters, one tile", (1, 33, 1, 40), (5, 33, 1, 1))
conv("pointwise with stride", (1, 6, 8, 9), (5, 6, 1, 1), strides=[2, 2])
conv("pointwise with pads", (1, 6, 8, 9), (5, 6, 1, 1), pads=[1, 0, 0, 2])
conv("deep", (1, 40, 5, 6), (13, 40, 3, 3), pads=[1, 1, 1, 1])
conv("whole input", (3, 8, 4, 5), (6, 8, 4, 5))
conv("one pixel", (3, 24, 1, 1), (10, 24, 1, 1))
conv("groups", (2, 12, 6, 7), (9, 4, 3, 3), group=3, pads=[1, 1, 1, 1])
for kernel, stride in itertools.product((3, 5), (1, 2)):
    pad = kernel // 2
    conv(f"depthwise {kernel}x{kernel} by {stride}", (1, 6, 11, 19), (6, 1, kernel, kernel), group=6,
         strides=[stride, stride], pads=[pad] * 4)
conv("depthwise 5x5 by 2x1", (1, 6, 11, 19), (6, 1, 5, 5), group=6, strides=[2, 1], pads=[2] * 4)
conv("depthwise, two filters a channel", (2, 3, 8, 9), (6, 1, 3, 3), group=3, pads=[1, 1, 1, 1])
conv("depthwise, dilated, odd", (1, 4, 10, 13), (4, 1, 2, 4), group=4, dilations=[3, 2], strides=[1, 3])
conv("SAME_UPPER", (1, 3, 8, 11), (2, 3, 4, 3), auto_pad="SAME_UPPER", strides=[3, 2])
conv("SAME_LOWER", (1, 3, 8, 11), (2, 3, 4, 3), auto_pad="SAME_LOWER", strides=[3, 2])
conv("VALID", (1, 3, 8, 11), (2, 3, 4, 3), auto_pad="VALID", kernel_shape=[4, 3])
conv("one axis", (2, 6, 30), (5, 6, 4), strides=[2], pads=[3, 1], dilations=[2])
conv("one axis, depthwise", (1, 6, 30), (6, 1, 7), group=6, pads=[3, 3])
conv("kernel 1x3 of a recogniser", (1, 24, 6, 20), (24, 24, 1, 3), pads=[0, 1, 0, 1])


def transposed(name, x, w, bias=True, constants=(1, 2), **attributes):
    filters = w[1] * attributes.get("group", 1)
    recorder.case(name, "ConvTranspose", [values(*x), values(*w), values(filters) if bias else None], attributes,
                  constants=constants if bias else tuple(c for c in constants if c < 2), tolerance=2e-6)


transposed("2x2 by 2", (1, 12, 5, 7), (12, 6, 2, 2), strides=[2, 2])
transposed("2x2 by 2, one filter", (2, 12, 5, 40), (12, 1, 2, 2), strides=[2, 2])
transposed("overlapping", (1, 5, 6, 7), (5, 4, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0])
transposed("gaps", (1, 3, 4, 5), (3, 2, 2, 2), strides=[3, 3])
transposed("groups, dilations", (2, 6, 4, 5), (6, 2, 3, 2), group=3, dilations=[2, 3], pads=[1, 0, 0, 2])
transposed("weights are inputs", (1, 4, 5, 5), (4, 3, 4, 4), constants=(), strides=[2, 2], pads=[1, 1, 1, 1])
transposed("no bias", (1, 4, 5, 5), (4, 3, 3, 3), bias=False)
transposed("output_shape", (1, 4, 5, 5), (4, 3, 3, 3), strides=[2, 2], output_shape=[10, 10])
transposed("SAME_UPPER", (1, 4, 5, 6), (4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
transposed("SAME_LOWER", (1, 4, 5, 6), (4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER")
transposed("one axis", (1, 4, 9), (4, 3, 3), strides=[2], pads=[1, 1])
recorder.save()
