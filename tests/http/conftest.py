"""Servers for the HTTP tests: each its own process, port and data folder.

GENSEG_BINARY names the program (default build/genseg). GENSEG_TOY names the one with the toy engine of
tests/server (default tests/genseg_toy beside it); tests that predict what comes out use that one.
"""
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import answers  # noqa: E402 (beside this file)
import formats  # noqa: E402

answers.install()

STARTUP_SECONDS = 60
BINARY = Path(os.environ.get("GENSEG_BINARY", ROOT / "build" / "genseg")).resolve()
TOY = Path(os.environ.get("GENSEG_TOY", BINARY.parent / "tests" / "genseg_toy")).resolve()
TRAINER = ROOT / "tests" / "server" / "toy_trainer.py"


class Server:
    """One `genseg serve`. `api(method, path, …)` is requests.request with the address put before."""

    def __init__(self, data, binary=BINARY, options=(), environment=None, wrapper=()):
        self.data = Path(data)
        self.log_path = self.data.parent / (self.data.name + ".log")
        self.command = [*wrapper, str(binary), "serve", "--data", str(data), "--listen", "127.0.0.1:0", *options]
        # Tests share the processors with others: threads that wait must not spin.
        self.environment = {"OMP_WAIT_POLICY": "passive", **os.environ, **(environment or {})}
        self.process = None
        self.url = None
        self.session = requests.Session()
        self.start()

    def start(self):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log,
                                        env=self.environment, text=True)
        line = self.process.stdout.readline()
        if " on http" not in line:
            self.process.wait(STARTUP_SECONDS)
            raise RuntimeError(f"no server: {self.log_text()[-4000:]}")
        self.url = line.split(" on ")[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])
        answers.watch(self.url)

    def skip_if_sanitized(self):
        """Sanitizers have allocators of their own: what is measured would be theirs."""
        if re.search(r"lib[at]san", Path(f"/proc/{self.process.pid}/maps").read_text()):
            pytest.skip("the program has a sanitizer's allocator")

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def log_line(self, part, seconds=30):
        """The first line with this in it. A request's line is written after its client has the answer, so wait for it."""
        end = time.monotonic() + seconds
        while True:
            found = [line for line in self.log_text().splitlines(keepends=True) if part in line and line.endswith("\n")]
            if found:
                return found[0]
            assert time.monotonic() < end, f"no line with {part}: {self.log_text()[-2000:]}"
            time.sleep(0.02)

    def api(self, method, path, **options):
        options.setdefault("timeout", 60)
        return self.session.request(method, self.url + path, **options)

    def get(self, path, **options):
        return self.api("GET", path, **options)

    def post(self, path, **options):
        return self.api("POST", path, **options)

    def put(self, path, **options):
        return self.api("PUT", path, **options)

    def delete(self, path, **options):
        return self.api("DELETE", path, **options)

    def stop(self, seconds=60):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self._close()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        self.process.stdout.close()
        self.log.close()
        self.session.close()
        self.session = requests.Session()

    def wait_for_job(self, job_id, states=("succeeded", "failed", "cancelled"), seconds=60):
        """The job, as soon as its state is one of these."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/v1/jobs/{job_id}").json()
            if job["state"] in states:
                return job
            time.sleep(0.05)
        raise AssertionError(f"job {job_id} is still {job['state']}: {job}")

    def upload(self, pixels, dataset="d", label=None, mask=None, **query):
        """Stores a gray slice (rows of 0…255), with a mask (rows of 0, 127, 255) if there is one."""
        assert self.put(f"/v1/datasets/{dataset}").status_code in (200, 201)
        query = {"dataset": dataset, **({"label": label} if label else {}), **query}
        answer = self.post("/v1/slices", params=query, data=formats.png(pixels),
                           headers={"Content-Type": "image/png"})
        assert answer.status_code == 201, answer.text
        record = answer.json()
        if mask is not None:
            stored = self.put(f"/v1/slices/{record['id']}/annotation", data=formats.png(mask),
                              headers={"Content-Type": "image/png"})
            assert stored.status_code in (200, 201), stored.text
        return record


def pytest_sessionfinish(session):
    files = sorted({Path(item.path).stem for item in session.items})
    if len(files) == 1:  # as ctest runs them
        answers.write(files[0])


def stop_all(servers):
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log_text()[-3000:]


@pytest.fixture
def start_server(tmp_path):
    """Starts servers with the given options; all must end with status 0 after SIGTERM."""
    servers = []

    def start(*options, name="data", **arguments):
        server = Server(tmp_path / name, options=options, **arguments)
        servers.append(server)
        return server

    yield start
    stop_all(servers)


@pytest.fixture
def server(start_server):
    """A fresh, empty server."""
    return start_server()


@pytest.fixture
def start_toy(start_server):
    """As start_server with the toy engine and the toy trainer."""
    def start(*options, **arguments):
        return start_server("--trainer", str(TRAINER), *options, binary=TOY, **arguments)
    return start


@pytest.fixture
def toy_server(start_toy, tmp_path):
    """The toy engine with an active model for images of 1 x 6 x 4."""
    model = tmp_path / "first.safetensors"
    model.write_bytes(formats.toy_model())
    return start_toy("--import-model", str(model))
