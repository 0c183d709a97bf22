# A configuration as people write them: a name of its own, a base, sums, comments, things that only Python computes.
import os

_base_ = [
    '../../_base_/runtime_10e.py',
    "../../_base_/det_datasets/icdar2015.py",
]

width = 4
train_list = {{_base_.train_list}}
model = dict(
    type='DBNet',
    backbone=dict(
        type='mmdet.ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN', requires_grad=True), init_cfg=None,
        style='caffe', base_channels=width),
    neck=dict(type='FPNC', in_channels=[width, 2 * width, 16, 32], lateral_channels=8, out_channels=2),
    bbox_head=dict(
        type='DBHead', in_channels=8,
        loss=dict(type='DBLoss', alpha=5.0, beta=-(-10.0), bbce_loss=True),
        postprocessor=dict(type='DBPostprocessor', text_repr_type='poly', mask_thr=.25)),
    train_cfg=None, test_cfg=None)

img_norm_cfg = dict(mean=[120.0, 110, 1e2], std=[50, 60, 70], to_rgb=True)
test_pipeline = [
    dict(type='LoadImageFromFile', color_type='color_ignore_orientation'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(2000, 800),
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
        ]),
]
data = dict(samples_per_gpu=os.cpu_count(), names='a' 'b' + """c
d""", workers=len([1, 2]), test={'pipeline': test_pipeline})
if width > 4:
    raise ValueError(width)
