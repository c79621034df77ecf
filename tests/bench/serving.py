"""The rows about a running server: start, memory, one client, many clients, a training beside.

The load is made by wrk (segment.lua); model and slices are those of one training step on noise."""
import contextlib
import http.client
import json
import signal
import subprocess
import time
from statistics import median

import dataset
import programs
from table import at_least, at_most, duration

CLIENTS = 32
BATCHES = (1, 2, 4, 8, 16)  # of which the bare engine's best throughput is taken
LATENCY_SECONDS = 5
WARM_UP_SECONDS = 5
TRAINING_SECONDS = 15
TRAINING_BATCH = 4
JOB_START_SECONDS = 120
STOP_SECONDS = 60
FLAT = 1.05  # what is more than heaps settling


def bare_engine(batch, iterations, width=1):
    return programs.Workload("segment", "brain", width, batch, iterations)


class Server:
    """`genseg serve`, all processors, on a free port of 127.0.0.1, in fp32 as the bare engine beside it."""

    def __init__(self, setup, data, options=()):
        self.started_at = time.monotonic()
        log = setup.work / "serve.log"
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                [setup.genseg, "serve", "--backend", "cpu", "--data", str(data), "--listen", "127.0.0.1:0",
                 "--threads", str(setup.threads), "--precision", "fp32", *options],
                stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self.process.stdout.readline()
        if " on http://" not in line:
            self.process.wait(STOP_SECONDS)
            raise RuntimeError(f"genseg serve did not start: {log.read_text().strip()}")
        self.url = line.split(" on ")[1].strip()

    def call(self, method, path, body=None, kind="application/json"):
        """body: what becomes JSON, or bytes of another kind."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        headers = {"Content-Type": kind} if body is not None else {}
        text = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request(method, path, text, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    def resident_mib(self):
        return self._memory_mib("VmRSS")

    def peak_mib(self):
        return self._memory_mib("VmHWM")

    def _memory_mib(self, name):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def serving(setup, data, options=()):
    server = Server(setup, data, options)
    try:
        yield server
    finally:
        server.stop()


def load(server, slice_id, clients, seconds):
    """wrk's numbers; an answer that is no segmentation is an error."""
    result = programs.run_json(["wrk", "-t", 1, "-c", clients, "-d", f"{seconds:.0f}s", "--timeout", "60s",
                                "-s", programs.HERE / "segment.lua", server.url + "/v1/segment",
                                "--", slice_id])
    if result["failed"] or not result["requests"]:
        raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed")
    return result


def store_model(setup, data):
    """A data folder with slices and an active model of width 1; the id of a slice."""
    noise, run = setup.work / "noise", setup.work / "run"
    dataset.write(noise)
    programs.run([setup.genseg, "train", "--dataset", noise, "--out", run, "--preset", "brain", "--width", 1,
                  "--batch-size", 1, "--max-steps", 1, "--threads", setup.threads])
    imports = ["--import", str(noise), "--import-model", str(run / "model.safetensors")]
    with serving(setup, data, imports) as server:
        return server.call("GET", "/v1/slices?dataset=noise&limit=1")["items"][0]["id"]


def measure_start(setup, table, data, slice_id):
    seconds, resident = [], []
    with table.row("start of `genseg serve` to the first segmentation"):
        for _ in range(setup.rounds):
            with serving(setup, data) as server:
                server.call("POST", "/v1/segment", {"slice_id": slice_id})
                seconds.append(time.monotonic() - server.started_at)
                time.sleep(1)
                resident.append(server.resident_mib())
        table.add("start of `genseg serve` to the first segmentation", "–", duration(median(seconds)),
                  median(seconds), at_most(1, " s"))
        table.add("idle server with a model, resident memory", "–", f"{median(resident):.0f} MiB",
                  median(resident), at_most(200, " MiB"))


def measure_one_client(setup, table, server, slice_id):
    name = "1 client, `POST /v1/segment`, median, above the bare engine"
    with table.row(name):
        bare, served = [], []
        load(server, slice_id, 1, WARM_UP_SECONDS)
        for _ in range(setup.rounds):
            bare.append(programs.genseg(setup, bare_engine(1, 49)).seconds)
            served.append(load(server, slice_id, 1, LATENCY_SECONDS)["p50"])
        table.add(name, f"bare {duration(median(bare))}", duration(median(served)),
                  1000 * (median(served) - median(bare)), at_most(2, " ms"))


def measure_throughput(setup, table, server, slice_id):
    name = f"{CLIENTS} clients"
    with table.row(name):
        bare, loads, resident = {batch: [] for batch in BATCHES}, [], []
        for _ in range(2):  # the second gets threads anew: from then on memory should not grow
            load(server, slice_id, CLIENTS, WARM_UP_SECONDS)
        for _ in range(setup.rounds):
            for batch in BATCHES:
                bare[batch].append(programs.genseg(setup, bare_engine(batch, max(3, 16 // batch))).seconds)
            loads.append(load(server, slice_id, CLIENTS, 60 * setup.minutes / setup.rounds))
            resident.append(server.resident_mib())
        rates = {batch: batch / median(seconds) for batch, seconds in bare.items()}
        best = max(rates, key=rates.get)
        rate = median(result["requests"] / result["seconds"] for result in loads)
        p50, p99 = (median(result[share] for result in loads) for share in ("p50", "p99"))
        table.add(f"{name}, throughput / the bare engine's best", f"{rates[best]:.1f}/s (batch {best})",
                  f"{rate:.1f}/s", rate / rates[best], at_least(0.85))
        table.add(f"{name}, p99 / p50", f"p50 {duration(p50)}", f"p99 {duration(p99)}", p99 / p50, at_most(4))
        table.add(f"{name}, resident memory after {setup.minutes:g} min / after {1 / setup.rounds:.2g} of that",
                  f"{resident[0]:.0f} MiB", f"{resident[-1]:.0f} MiB", resident[-1] / resident[0], at_most(FLAT))


@contextlib.contextmanager
def training(server):
    """A training job of full width that has done its first step."""
    job = server.call("POST", "/v1/jobs", {"kind": "train", "dataset": "noise", "preset": "brain", "width": 1,
                                           "batch_size": TRAINING_BATCH, "max_seconds": 3600})
    path = f"/v1/jobs/{job['id']}"
    give_up_at = time.monotonic() + JOB_START_SECONDS
    while not (job["state"] == "running" and job["step"] >= 1):
        if job["state"] not in ("queued", "running") or time.monotonic() > give_up_at:
            raise RuntimeError(f"the training job is {job['state']} at step {job['step']}: {job['error']}")
        time.sleep(0.2)
        job = server.call("GET", path)
    yield
    if server.call("GET", path)["state"] != "running":
        raise RuntimeError("the training job ended while it was measured")
    server.call("POST", path + "/cancel")
    while server.call("GET", path)["state"] == "running":
        time.sleep(0.2)


def measure_beside_training(table, server, slice_id):
    name = f"1 client beside a training job ({TRAINING_BATCH} pairs), median / idle"
    with table.row(name):
        idle = [load(server, slice_id, 1, LATENCY_SECONDS)["p50"]]
        with training(server):
            busy = load(server, slice_id, 1, TRAINING_SECONDS)["p50"]
        idle.append(load(server, slice_id, 1, LATENCY_SECONDS)["p50"])
        table.add(name, f"idle {duration(median(idle))}", duration(busy), busy / median(idle), at_most(2.5))


def measure(setup, table):
    data = setup.work / "data"
    with table.row("serving"):
        slice_id = store_model(setup, data)
        measure_start(setup, table, data, slice_id)
        with serving(setup, data) as server:
            measure_one_client(setup, table, server, slice_id)
            measure_throughput(setup, table, server, slice_id)
            measure_beside_training(table, server, slice_id)
