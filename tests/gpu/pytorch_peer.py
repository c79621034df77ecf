#!/usr/bin/python3
"""The reference program on a GPU in PyTorch, and the GPU's ceilings. Prints one JSON object.
usage: pytorch_peer.py genseg_torch.py ceilings PRECISION
       pytorch_peer.py genseg_torch.py PRESET PRECISION eager|compile OP,BATCH,RUNS…"""
import importlib.util
import json
import sys
import time

import torch

WARM_UP = 3


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def set_precision(precision):
    """TF32 only where it was asked for."""
    allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    return torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16")


def median_seconds(function, runs):
    seconds = []
    for run in range(WARM_UP + runs):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        if run >= WARM_UP:
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]


def ceilings(precision):
    size, copied = 8192, 1 << 30
    with set_precision(precision):
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        a, b = (torch.randn(size, size, device="cuda", dtype=kind) for _ in range(2))
        product = median_seconds(lambda: a @ b, 10)
        source = torch.empty(copied, dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        copy = median_seconds(lambda: target.copy_(source), 10)
    return {"flops": 2 * size ** 3 / product, "bytes": 2 * copied / copy}


def prepare(reference, op, preset, batch, compiles):
    torch.manual_seed(0)
    model = reference.GenSeg(preset, 1.0)
    inputs = [t.cuda() for t in reference.batch(model, batch, 1)]
    model = model.cuda().to(memory_format=torch.channels_last)
    xa, xp, mask, has, u = inputs
    xa, xp = (t.contiguous(memory_format=torch.channels_last) for t in (xa, xp))
    if op == "train":
        update = reference.trainer(model)
        step = torch.compile(update) if compiles else update
        return lambda: step(xa, xp, mask, has, u)
    function = model.segment if op == "segment" else model.translate_pa
    return torch.compile(function) if compiles else function, xp


def workload_seconds(reference, preset, precision, compiles, op, batch, runs):
    prepared = prepare(reference, op, preset, int(batch), compiles)
    with set_precision(precision):
        if op == "train":
            return median_seconds(prepared, int(runs))
        function, images = prepared
        with torch.no_grad():
            return median_seconds(lambda: function(images), int(runs))


def main(path, what, *words):
    if not torch.cuda.is_available():
        sys.exit("this PyTorch has no GPU")
    if what == "ceilings":
        return ceilings(*words)
    precision, mode, *workloads = words
    reference = load(path)
    return {workload: workload_seconds(reference, what, precision, mode == "compile", *workload.split(","))
            for workload in workloads}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
