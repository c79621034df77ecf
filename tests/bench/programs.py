"""The programs that are timed: genseg, the reference program in PyTorch, ONNX Runtime."""
import functools
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-torch
# An exported model computes what PyTorch does in another order of additions.
LARGEST_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Setup:
    genseg: str
    reference: str
    threads: int
    rounds: int
    minutes: float
    work: Path
    peak: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    op: str
    preset: str
    width: float
    batch: int
    iterations: int

    def __str__(self):
        what = {"segment": "segmentation", "translate": "presence to absence", "train": "training step"}[self.op]
        size = f"{self.batch} pairs" if self.op == "train" else f"batch {self.batch}"
        return f"{what}, `{self.preset}` width {self.width:g}, {size}"


@dataclass(frozen=True)
class Measurement:
    seconds: float
    peak_mib: float = 0
    gflop: float = 0


class Unavailable(Exception):
    """This version on this machine does not offer it."""


def run(command):
    """The standard output of a command; its error text is the error when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        text = done.stderr.strip() or f"ended with {done.returncode}"
        raise RuntimeError(f"{Path(command[0]).name} {command[1]}: {text.splitlines()[-1]}")
    return done.stdout


def run_json(command):
    return json.loads(run(command).splitlines()[-1])


def genseg(setup, workload, precision="fp32", threads=None):
    result = run_json([setup.genseg, "bench", "--backend", "cpu", "--op", workload.op, "--preset", workload.preset,
                       "--width", workload.width, "--batch", workload.batch, "--precision", precision,
                       "--threads", threads or setup.threads, "--iterations", workload.iterations, "--json"])
    return Measurement(result["seconds_median"], result["peak_rss_mib"], result["gflop"])


def peak(setup):
    """What the processors compute at most, in GFLOP/s by precision; None where they have no instruction for it."""
    program = setup.work / "peak"
    run(["cc", "-O2", "-march=native", "-ffp-contract=fast", "-fopenmp", HERE / "peak.c", "-o", program])
    return run_json([program, setup.threads])


@functools.lru_cache(maxsize=None)
def check_precision(genseg_path, op, precision):
    """Raises Unavailable when genseg refuses the precision; a crash is no refusal."""
    done = subprocess.run([genseg_path, "bench", "--backend", "cpu", "--op", op, "--preset", "tiny", "--precision", precision,
                           "--iterations", "1"], capture_output=True, text=True)
    if done.returncode > 0:
        raise Unavailable(done.stderr.strip() or precision)


def torch_peer(setup, workload):
    """Each call times one run of the reference program's own bench."""
    column = {"translate": "translate_pa_s", "train": "train_step_s"}[workload.op]
    # It times half as many training steps as translations.
    trains = workload.op == "train"
    options = ["--iters", 2 * workload.iterations] if trains else ["--iters", workload.iterations, "--no-train"]

    def measure():
        result = run_json([PYTHON, setup.reference, "bench", "--task", workload.preset, "--width", workload.width,
                           "--batch", workload.batch, "--threads", setup.threads, *options])
        return Measurement(result[column], result["peak_rss_mib"])
    return measure


def onnxruntime_peer(setup, workload, table):
    """Exports the model; each call times one run of it and checks that it still answers as PyTorch does."""
    folder = setup.work / f"onnx-{workload.preset}-{workload.width:g}-{workload.batch}"
    folder.mkdir()
    run([PYTHON, "-W", "ignore", HERE / "export_onnx.py", setup.reference, workload.preset, workload.width,
         workload.batch, folder])

    def measure():
        result = run_json(["node", HERE / "onnxruntime.js", folder, setup.threads, workload.iterations])
        difference = result["difference"]
        if difference is None or difference > LARGEST_DIFFERENCE:
            raise RuntimeError(f"ONNX Runtime's answer is {difference} off PyTorch's")
        table.note(f"ONNX Runtime, batch {workload.batch}: its masks differ from PyTorch's by {difference:.1e} "
                   f"at most.")
        return Measurement(result["seconds_median"])
    return measure
