#!/usr/bin/python3
"""`make bench-gpu`: latency and throughput of segmentation, the training step, and both beside PyTorch on the same
GPU and beside what the GPU can do at most. Exit status: 0 measured, 1 something failed, 2 there is no GPU.
usage: bench.py build/genseg [--reference genseg_torch.py] [--preset brain] [--modes eager,compile]
    [--precisions fp32,tf32,bf16]"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

PYTHON = os.environ.get("PYTHON", "python3")  # one whose torch has CUDA; Debian's has not
PEER = Path(__file__).resolve().parent / "pytorch_peer.py"
MODES = ("eager", "compile")
PRECISIONS = ("fp32", "tf32", "bf16")
# What is timed: operation, images (a training step: pairs), runs.
WORKLOADS = (("segment", 1, 100), ("segment", 8, 50), ("segment", 32, 20), ("translate", 8, 50),
             ("train", 4, 30), ("train", 20, 10))


class Failed(Exception):
    pass


def run_json(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise Failed(lines[-1])
    return json.loads(done.stdout.splitlines()[-1])


def genseg(arguments, op, batch, runs, precision):
    return run_json([arguments.genseg, "bench", "--op", op, "--preset", arguments.preset, "--batch", batch,
                     "--iterations", runs, "--backend", "cuda", "--precision", precision, "--json"])


def peer(arguments, *words):
    """What the peer says, or None with a note where it cannot run."""
    try:
        return run_json([PYTHON, PEER, arguments.reference, *words])
    except Failed as error:
        print(f"   PyTorch {' '.join(str(word) for word in words)}: {error}", file=sys.stderr)
        return None


def share(amount, ceiling):
    return f"{100 * amount / ceiling:5.1f} %" if ceiling else "      -"


def ratio(theirs, workload, ours):
    return f"{theirs[workload] / ours:8.2f}" if theirs else "       -"


def print_row(ours, workload, precision, peers, ceiling):
    op, batch, _ = workload
    name = ",".join(map(str, workload))
    seconds = ours["seconds_median"]
    print(f"| {op:9} | {batch:3} | {precision} | {1e3 * seconds:9.3f} | {batch / seconds:9.1f} "
          f"| {ratio(peers['eager'], name, seconds)} | {ratio(peers['compile'], name, seconds)} "
          f"| {share(1e9 * ours['gflop'] / seconds, ceiling and ceiling['flops'])} "
          f"| {share(1e9 * ours['gigabytes'] / seconds, ceiling and ceiling['bytes'])} | {ours['device_mib']:6} |",
          flush=True)


def measure(arguments):
    names = [",".join(map(str, workload)) for workload in WORKLOADS]
    print("| operation | n   | in   | ms        | per s     | eager    | compiled | products | copies  | MiB    |\n"
          "| --------- | --- | ---- | --------- | --------- | -------- | -------- | -------- | ------- | ------ |")
    for precision in arguments.precisions.split(","):
        ceiling = peer(arguments, "ceilings", precision) if arguments.reference else None
        peers = {mode: peer(arguments, arguments.preset, precision, mode, *names) if mode in arguments.modes else None
                 for mode in MODES}
        for workload in WORKLOADS:
            print_row(genseg(arguments, *workload, precision), workload, precision, peers, ceiling)
    print("eager, compiled: PyTorch's time as a multiple of ours. products, copies: our share of what the GPU does in "
          "a large\nmatrix product, and in a copy, both measured with PyTorch.")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("genseg")
    parser.add_argument("--reference", default="")
    parser.add_argument("--preset", default="brain")
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--modes", default="eager,compile", help="of PyTorch; compile takes minutes")
    arguments = parser.parse_args()
    if arguments.reference and not Path(arguments.reference).is_file():
        arguments.reference = ""
    if not arguments.reference:
        print("bench-gpu: without REFERENCE=genseg_torch.py there is no PyTorch beside it", file=sys.stderr)
    arguments.modes = arguments.modes.split(",") if arguments.reference else []
    return arguments


def main():
    arguments = parse()
    try:
        genseg(arguments, "segment", 1, 1, "fp32")
    except (Failed, OSError) as error:
        print(f"bench-gpu: no GPU can be used: {error}", file=sys.stderr)
        return 2
    try:
        measure(arguments)
    except Failed as error:
        print(f"bench-gpu: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
