#!/usr/bin/python3
"""Writes the reference program's segmentation as an ONNX model, with a batch and PyTorch's answer to it.

usage: export_onnx.py genseg_torch.py TASK WIDTH BATCH FOLDER

FOLDER gets model.onnx (input `image`, output `mask`), image.f32, mask.f32 (little-endian, C order) and
shape.json, the image's.
"""
import importlib.util
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

OPSET = 16  # the newest of Debian's PyTorch 1.13


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Segmentation(torch.nn.Module):
    """The model as it would be deployed: spectral norm is part of the weights, as it is in our inference."""

    def __init__(self, reference, task, width):
        super().__init__()
        self.model = reference.GenSeg(task, width)
        for module in self.model.modules():
            if isinstance(module, reference.Conv):
                module.weight = torch.nn.Parameter(module.effective_weight().detach(), requires_grad=False)
                module.spectral = False

    def forward(self, image):
        return self.model.segment(image)


def main():
    reference, task, width, batch = load(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    folder = Path(sys.argv[5])
    # The same function as ONNX's own operator, for which ONNX Runtime has a faster kernel than for the
    # reference program's means and differences.
    reference.instance_norm = lambda x: F.instance_norm(x, eps=reference.EPS)
    torch.manual_seed(0)
    original = reference.GenSeg(task, width)
    _, image, _, _, _ = reference.batch(original, batch, seed=1)
    torch.manual_seed(0)
    model = Segmentation(reference, task, width).eval()
    with torch.no_grad():
        mask = original.segment(image)
        torch.onnx.export(model, image, str(folder / "model.onnx"), input_names=["image"], output_names=["mask"],
                          opset_version=OPSET)
    (folder / "image.f32").write_bytes(image.numpy().astype("<f4").tobytes())
    (folder / "mask.f32").write_bytes(mask.numpy().astype("<f4").tobytes())
    (folder / "shape.json").write_text(json.dumps(list(image.shape)))


if __name__ == "__main__":
    main()
