"""Loads checkpoints that Ligature wrote in MMOCR 0.6.3 and compares what both compute.

    python Tests/Parity/checkpoint_parity.py [--ligature .build/release/ligature] [MODEL.onnx ...]

Runs in an environment with torch 1.13, mmcv-full 1.7.2, mmdet 2.28.2, mmocr 0.6.3 and onnx. Each model (CRNN and
DBNet; without arguments, fresh ones are exported) is converted to a .pth, which MMOCR's own loader reads strictly into
the network of MMOCR's own configuration. Both run on the same noise; exit code 1 where the largest difference passes
1e-4 of the output's scale.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
import mmocr
import numpy as np
import torch
from mmcv import Config
from mmcv.runner import load_checkpoint
from mmocr.models import build_detector

CONFIGS = os.path.join(os.path.dirname(mmocr.__file__), ".mim/configs")
FRESH = {
    "crnn": (["CRNN"], "textrecog/crnn/crnn_academic_dataset.py", (3, 1, 32, 100)),
    "dbnet_r18": (["DBNet"], "textdet/dbnet/dbnet_r18_fpnc_1200e_icdar2015.py", (2, 3, 96, 128)),
    "dbnet_r50dcnv2": (
        ["DBNet", "--option", "depth=50", "--option", "dcn=2,3,4"],
        "textdet/dbnet/dbnet_r50dcnv2_fpnc_1200e_icdar2015.py", (1, 3, 96, 128)),
}


def network(config, classes):
    model = Config.fromfile(os.path.join(CONFIGS, config)).model
    strip(model)
    if classes is not None and model["label_convertor"]["type"] == "CTCConvertor":
        characters = [chr(0x4E00 + i) for i in range(classes - 1)]
        model["label_convertor"] = dict(type="CTCConvertor", dict_list=characters, with_unknown=False, lower=False)
    return build_detector(model).eval()


def strip(node):
    """Neither downloads nor synchronised batch norm."""
    if isinstance(node, list):
        for item in node:
            strip(item)
    if isinstance(node, dict):
        for key in list(node):
            if key == "pretrained" or (key == "init_cfg" and node[key] and node[key].get("type") == "Pretrained"):
                node[key] = None
            elif key == "type" and node[key] == "SyncBN":
                node[key] = "BN"
            else:
                strip(node[key])


def theirs(config, checkpoint, image):
    state = torch.load(checkpoint, map_location="cpu")["state_dict"]
    head = state.get("decoder.decoder.1.embedding.weight")
    net = network(config, None if head is None else head.shape[0])
    load_checkpoint(net, checkpoint, map_location="cpu", strict=True)
    with torch.no_grad():
        features = net.extract_feat(torch.from_numpy(image))
        if head is not None:
            metas = [dict(valid_ratio=1.0)] * len(image)
            return {"logits": net.decoder(features, None, None, metas, False).numpy()}
        maps = net.bbox_head(features).numpy()
        return {name: maps[:, i:i + 1] for i, name in enumerate(["probability", "threshold", "binary"])}


def ours(ligature, model, image, folder):
    np.save(f"{folder}/image.npy", image)
    subprocess.run(
        [ligature, "run", model, "--input", f"image={folder}/image.npy", "--output", f"{folder}/out", "--format", "npy"],
        check=True, stdout=subprocess.DEVNULL)
    return {f[:-4]: np.load(f"{folder}/out/{f}") for f in os.listdir(f"{folder}/out")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ligature", default=".build/release/ligature")
    parser.add_argument("models", nargs="*", help="KIND=FILE, as in crnn=model.onnx; kinds: " + ", ".join(FRESH))
    options = parser.parse_args()
    given = dict(item.split("=", 1) for item in options.models)
    worst = 0
    for kind, (arguments, config, shape) in FRESH.items():
        if given and kind not in given:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model = given.get(kind, f"{folder}/model.onnx")
            if kind not in given:
                run = [options.ligature, "export", *arguments, "--seed", "7", "-o", model]
                subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
            checkpoint = f"{folder}/model.pth"
            run = [options.ligature, "convert", model, "-o", checkpoint]
            subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
            image = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
            expected, found = theirs(config, checkpoint, image), ours(options.ligature, model, image, folder)
            for name, value in expected.items():
                error = np.abs(value - found[name]).max() / np.abs(value).max()
                worst = max(worst, error)
                print(f"{kind:16} {name:12} {str(value.shape):20} {error:.2e} of scale")
    sys.exit(0 if worst <= 1e-4 else 1)


if __name__ == "__main__":
    main()
