"""What the viewer is tested against: the mock server, a `genseg` binary, or a server that runs already.

GENSEG_BINARY=path starts that program (with GENSEG_OPTIONS, if any); GENSEG_URL=http://... uses that server, whose data set "browser"
the tests fill; with neither, the mock answers. All are filled through the HTTP interface alone.
"""
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

import synthetic

HERE = Path(__file__).resolve().parent
START_S = 30
DATASET = "browser"
SLICES, HEIGHT, WIDTH = 24, 64, 32
MANY = 300
TRAINING_S = 15 if {"GENSEG_BINARY", "GENSEG_URL"} & os.environ.keys() else 1
HOSTILE = "<img src=x onerror=alert(1)>"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Backend:
    """A server on a port of its own, which can be stopped and started again."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="genseg-browser-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def command(self):
        binary = os.environ.get("GENSEG_BINARY")
        if binary:
            return [binary, "serve", "--data", self.folder, "--listen", f"127.0.0.1:{self.port}", "--web",
                    str(HERE.parents[1] / "web"), *shlex.split(os.environ.get("GENSEG_OPTIONS", ""))]
        return [sys.executable, str(HERE / "mock_server.py"), "--port", str(self.port)]

    def start(self):
        # Training, inference and Chromium share the cores: waiting threads must not spin on them.
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
        self.process = subprocess.Popen(self.command(), env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.url}/healthz", timeout=2).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.command()[0]} does not answer on {self.url}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class External:
    """A server that somebody else started."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def close(self):
        pass


class Client:
    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def call(self, method, path, **arguments):
        answer = self.session.request(method, self.url + path, timeout=60, **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path, **query):
        return self.call("GET", path, params=query)

    def put_dataset(self, name):
        return self.call("PUT", f"/v1/datasets/{name}", json={})

    def upload(self, body, kind, **query):
        return self.call("POST", "/v1/slices", params=query, data=body, headers={"Content-Type": kind})

    def annotate(self, slice_id, mask, width, height):
        self.call("PUT", f"/v1/slices/{slice_id}/annotation", data=synthetic.png(width, height, mask),
                  headers={"Content-Type": "image/png"})

    def train(self, seconds):
        job = self.call("POST", "/v1/jobs", json={"kind": "train", "dataset": DATASET, "preset": "tiny",
                                                  "width": 1, "batch_size": 2, "max_seconds": seconds})
        deadline = time.monotonic() + 10 * seconds + 60
        while job["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
            job = self.get(f"/v1/jobs/{job['id']}")
        assert job["state"] == "succeeded", job
        return job["model"]


def fill(client):
    """The data set with lesions, half of it as PNG and half as .npy, and one model trained on it."""
    client.put_dataset(DATASET)
    for number, (case, index, label, made, mask) in enumerate(synthetic.population(SLICES, HEIGHT, WIDTH)):
        if number % 2:
            body, kind = synthetic.npy(made.pixels, (HEIGHT, WIDTH)), "application/x-npy"
        else:
            body, kind = synthetic.png(WIDTH, HEIGHT, synthetic.gray(made.pixels)), "image/png"
        name = HOSTILE if number == 1 else f"{case} z{index}"
        record = client.upload(body, kind, dataset=DATASET, case=case, index=index, label=label, name=name)
        if mask:
            client.annotate(record["id"], mask, WIDTH, HEIGHT)
    fill_channels(client)
    if not client.get("/v1/models")["items"]:
        client.train(TRAINING_S)


def fill_channels(client):
    """One slice of two channels, which the model does not take."""
    client.put_dataset("channels")
    first, second = (synthetic.Slice(seed, HEIGHT, WIDTH, True).pixels for seed in (1, 2))
    client.upload(synthetic.npy(first + second, (2, HEIGHT, WIDTH)), "application/x-npy", dataset="channels",
                  case="two", label="presence")


def fill_many(client, name, count=MANY):
    """Tiny slices without labels: enough for several pages."""
    client.put_dataset(name)
    for number in range(count):
        pixels = bytes((x * 16 + number) % 256 for x in range(8)) * 15 + number.to_bytes(8, "big")
        client.upload(synthetic.png(8, 16, pixels), "image/png", dataset=name, case=f"c{number}")
