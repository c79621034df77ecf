#!/usr/bin/python3
"""genseg beside its peers on this machine: prints a table and fails when a goal is missed.

Both sides of a row are measured in one run, in turns, because machines are shared and change their speed;
each side's number is the median of the rounds' medians. Exit status: 0 all goals met, 1 some missed or
some row failed, 2 nothing was measured.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import processors
import programs
import serving
import volume
from programs import Workload
from table import Goal, Table, at_least, at_most, duration

# A machine's instruction sets that these programs choose their kernels by.
INSTRUCTION_SETS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "asimd",
                    "bf16", "sve")
MOST_OTHER_WORK = 0.03  # of the processors' time; more is told


@dataclass(frozen=True)
class Comparison:
    """A workload on both sides. goals: of the ratio of times, by our precision; the peer's is fp32."""
    workload: Workload
    goals: dict[str, Goal]
    memory_goal: Goal | None = None


FP32, BF16 = "fp32", "bf16"
FOUR_TIMES = at_least(4, "×")
SEGMENT = (
    Comparison(Workload("segment", "brain", 1, 1, 99), {FP32: FOUR_TIMES, BF16: at_least(7, "×")}),
    Comparison(Workload("segment", "brain", 1, 8, 15), {FP32: at_least(3, "×"), BF16: at_least(5, "×")}),
)
TRANSLATE = (Comparison(Workload("translate", "brain", 1, 1, 49), {FP32: FOUR_TIMES}),)
TRAIN = (
    Comparison(Workload("train", "brain", 1, 4, 3), {FP32: FOUR_TIMES, BF16: at_least(7, "×")},
               memory_goal=at_most(0.5, "×")),
    Comparison(Workload("train", "synthetic48", 1, 20, 3), {FP32: FOUR_TIMES, BF16: at_least(7, "×")}),
    Comparison(Workload("train", "synthetic48", 0.25, 20, 15), {FP32: FOUR_TIMES}),
)
SCALING = Workload("train", "brain", 1, 4, 3)


def available_precisions(setup, table, comparison):
    available = [FP32]  # always: a genseg that refuses it fails the row
    for precision, goal in comparison.goals.items():
        if precision == FP32:
            continue
        try:
            programs.check_precision(setup.genseg, comparison.workload.op, precision)
            available.append(precision)
        except programs.Unavailable as reason:
            table.note(f"{precision}: {reason}")
            table.skip(f"{comparison.workload}, {precision}", goal, "not available on this machine/version")
    return available


def of_peak(setup, precision, measurement, seconds):
    """Our time, and the share of it that the arithmetic alone would take at the processors' peak."""
    peak = setup.peak.get(precision)
    share = f", {measurement.gflop / seconds / peak:.0%} of peak" if peak else ""
    return f"{duration(seconds)}{share}"


def compare(setup, table, comparison, peer_name, peer):
    workload, theirs = comparison.workload, []
    ours = {precision: [] for precision in available_precisions(setup, table, comparison)}
    for _ in range(setup.rounds):
        theirs.append(peer())
        for precision, measured in ours.items():
            measured.append(programs.genseg(setup, workload, precision))
    peer_seconds = median(m.seconds for m in theirs)
    for precision, measured in ours.items():
        seconds = median(m.seconds for m in measured)
        table.add(f"{workload}, {precision}", f"{peer_name} {duration(peer_seconds)}", of_peak(setup, precision, measured[0], seconds),
                  peer_seconds / seconds, comparison.goals[precision])
    if comparison.memory_goal:
        peer_mib, mib = (median(m.peak_mib for m in side) for side in (theirs, ours[FP32]))
        table.add(f"{workload}, {FP32}, peak memory", f"{peer_name} {peer_mib:.0f} MiB", f"{mib:.0f} MiB",
                  mib / peer_mib, comparison.memory_goal)


def measure_segment(setup, table):
    for comparison in SEGMENT:
        with table.row(str(comparison.workload)):
            peer = programs.onnxruntime_peer(setup, comparison.workload, table)
            compare(setup, table, comparison, "ONNX Runtime", peer)


def measure_beside_torch(setup, table, comparisons):
    for comparison in comparisons:
        with table.row(str(comparison.workload)):
            compare(setup, table, comparison, "PyTorch", programs.torch_peer(setup, comparison.workload))


def measure_scaling(setup, table):
    name, goal = f"{SCALING}, {FP32}, 1 → 2 threads", at_least(1.8, "×")
    if setup.threads < 2:
        table.skip(name, goal, "not available on this machine/version")
        return
    with table.row(name):
        seconds = {1: [], 2: []}
        for _ in range(setup.rounds):
            for threads, measured in seconds.items():
                measured.append(programs.genseg(setup, SCALING, threads=threads).seconds)
        one, two = median(seconds[1]), median(seconds[2])
        table.add(name, f"1 thread {duration(one)}", f"2 threads {duration(two)}", one / two, goal)


GROUPS = {
    "segment": measure_segment,
    "translate": lambda setup, table: measure_beside_torch(setup, table, TRANSLATE),
    "train": lambda setup, table: measure_beside_torch(setup, table, TRAIN),
    "scaling": measure_scaling,
    "serve": serving.measure,
    "volume": volume.measure,
}


def machine():
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    sets = " ".join(name for name in INSTRUCTION_SETS if name in flags)
    return f"{facts.get('model name', 'unknown processor')}, {sets}, {len(os.sched_getaffinity(0))} processors"


def versions():
    torch = subprocess.run([programs.PYTHON, "-c", "import torch; print(torch.__version__)"], capture_output=True,
                           text=True).stdout.strip()
    onnxruntime = subprocess.run(["node", "-p", "require('onnxruntime-node/package.json').version"],
                                 cwd=programs.HERE, capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=programs.HERE, capture_output=True,
                            text=True).stdout.strip()
    return f"genseg {commit or '?'}, PyTorch {torch or 'missing'}, ONNX Runtime {onnxruntime or 'missing'}"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genseg", help="the program, build/genseg")
    parser.add_argument("--reference", required=True, help="genseg_torch.py")
    parser.add_argument("--rows", default="", help=f"groups of rows, of {' '.join(GROUPS)} (all)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each row's sides (3)")
    parser.add_argument("--minutes", type=float, default=1, help="of load by 32 clients, all rounds together (1)")
    options = parser.parse_args()
    options.rows = options.rows.replace(",", " ").split() or list(GROUPS)
    for group in options.rows:
        if group not in GROUPS:
            parser.error(f"no rows '{group}'; there are {' '.join(GROUPS)}")
    if options.rounds < 1 or not options.minutes * 60 >= options.rounds:
        parser.error("--rounds must be at least 1, and a round of load at least a second")
    if not Path(options.reference).is_file():
        parser.error(f"the reference program is not at {options.reference}; say where: make bench REFERENCE=…")
    return options


def main():
    options = parse()
    # Beside the program: hundreds of MiB, which may not fit where /tmp is memory.
    table, work = Table(), Path(tempfile.mkdtemp(prefix="bench-", dir=Path(options.genseg).parent))
    setup = programs.Setup(genseg=os.path.abspath(options.genseg), reference=os.path.abspath(options.reference),
                           threads=len(os.sched_getaffinity(0)), rounds=options.rounds, minutes=options.minutes,
                           work=work.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops the server and removes its files as well
    try:
        setup = replace(setup, peak=programs.peak(setup))
        print(f"Machine: {machine()}, {setup.threads} threads at most "
              + " and ".join(f"{rate} GFLOP/s {precision}" for precision, rate in setup.peak.items() if rate)
              + f". {versions()}. Medians of {setup.rounds} rounds.\n", flush=True)
        for group in options.rows:
            watch = processors.Watch()
            GROUPS[group](setup, table)
            if watch.share_of_others() > MOST_OTHER_WORK:
                table.note(f"Other work took {watch.share_of_others():.0%} of the processors during `{group}`: "
                           f"measure again on a quiet machine.")
    finally:
        shutil.rmtree(work)
    table.print_summary()
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
