"""The rows about jobs on a volume of full size: a simulated brain of four sequences, from Debian's mricron-data."""
import time
import uuid
from datetime import datetime
from statistics import median

import dataset
import programs
from serving import BATCHES, bare_engine, serving
from table import at_least, at_most, duration

SEQUENCES = ("flair", "t1", "t1ce", "t2")
SIZE = "240×240×155×4"
WIDTHS = {1: at_least(0.85), 0.25: at_least(0.4)}  # the narrower, the more of the time is cutting and compressing
PEAK_MIB = 400
JOB_SECONDS = 600


def model_of(setup, width):
    noise, run = setup.work / "noise", setup.work / f"volume-{width:g}"
    if not noise.exists():
        dataset.write(noise)
    programs.run([setup.genseg, "train", "--dataset", noise, "--out", run, "--preset", "brain", "--width", width,
                  "--batch-size", 1, "--max-steps", 1, "--threads", setup.threads])
    return run / "model.safetensors"


def scan_of(setup):
    """One case's sequences as a body of multipart/form-data, and its type."""
    folder = setup.work / "brains"
    if not folder.exists():
        programs.run([setup.genseg, "data", "phantom", "--kind", "brain", "--scale", 1, "--cases", 1, "--out", folder])
    case, boundary = next(folder.glob("*/*")), uuid.uuid4().hex
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}.nii.gz"\r\n\r\n'.encode()
             + (case / f"{case.name}_{name}.nii.gz").read_bytes() + b"\r\n" for name in SEQUENCES]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def seconds_of(job):
    started, ended = (datetime.fromisoformat(job[name].replace("Z", "+00:00")) for name in ("started_at", "finished_at"))
    return (ended - started).total_seconds()


def run_job(server, volume):
    """The job and the seconds it ran."""
    job = server.call("POST", f"/v1/volumes/{volume}/segment", {})
    give_up_at = time.monotonic() + JOB_SECONDS
    while job["state"] in ("queued", "running"):
        if time.monotonic() > give_up_at:
            raise RuntimeError("the job does not end")
        time.sleep(0.2)
        job = server.call("GET", f"/v1/jobs/{job['id']}")
    if job["state"] != "succeeded":
        raise RuntimeError(f"the job is {job['state']}: {job['error']}")
    return job, seconds_of(job)


def measure_width(setup, table, width, goal):
    name = f"segmenting a volume of {SIZE}, width {width:g}"
    with table.row(name):
        body, kind = scan_of(setup)
        bare, rates = {batch: [] for batch in BATCHES}, []
        with serving(setup, setup.work / f"scans-{width:g}", ["--import-model", str(model_of(setup, width))]) as server:
            server.call("PUT", "/v1/datasets/heads", {"normalization": "unit"})
            volume = server.call("POST", "/v1/volumes?dataset=heads&preset=brain", body, kind)["id"]
            run_job(server, volume)  # threads and memory are there from then on
            for _ in range(setup.rounds):
                for batch in BATCHES:
                    bare[batch].append(programs.genseg(setup, bare_engine(batch, max(3, 16 // batch), width)).seconds)
                job, seconds = run_job(server, volume)
                rates.append(job["step"] / seconds)
            peak = server.peak_mib()
        best = max(BATCHES, key=lambda batch: batch / median(bare[batch]))
        rate, engine = median(rates), best / median(bare[best])
        table.add(f"{name}, slices / the bare engine's best", f"{engine:.1f}/s (batch {best})",
                  f"{rate:.1f}/s, {duration(job['step'] / rate)}", rate / engine, goal)
        table.add(f"{name}, peak memory of the server with its upload", "–", f"{peak:.0f} MiB", peak,
                  at_most(PEAK_MIB, " MiB"))


def measure(setup, table):
    for width, goal in WIDTHS.items():
        measure_width(setup, table, width, goal)
