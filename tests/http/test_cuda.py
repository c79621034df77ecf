"""The server with the cuda backend on a test double of CUDA and cuDNN (tests/engine/cuda/double): what it says of
its device, training and inference there, too little memory, and a device that is lost."""
import os
import time

import pytest

from test_inference import problem
from test_real_engine import fill, slice_id, start_job

DOUBLE = os.environ.get("GENSEG_CUDA_DOUBLE")
pytestmark = pytest.mark.skipif(not DOUBLE, reason="no headers of CUDA and cuDNN")


@pytest.fixture
def start_cuda(start_server):
    def start(*options, backend="cuda", **environment):
        return start_server("--backend", backend, "--precision", "fp32", *options,
                            environment={"GENSEG_CUDA_PLUGIN": DOUBLE, **environment})
    return start


@pytest.fixture
def trained(start_server):
    """A data folder with slices and an active model, for servers of the name `data`."""
    server = start_server("--backend", "cpu")
    fill(server)
    assert server.wait_for_job(start_job(server, max_steps=1), seconds=120)["state"] == "succeeded"
    assert server.stop() == 0


def wait_until_ready(server, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = server.get("/readyz")
            if answer.status_code == 200:
                return answer.json()
        except OSError:  # between two processes
            pass
        time.sleep(0.05)
    raise AssertionError(f"not ready: {server.log_text()[-3000:]}")


def segment(server):
    return server.post("/v1/segment", json={"slice_id": slice_id(server, "presence")})


def test_it_says_what_computes(start_cuda):
    server = start_cuda()
    ready = server.get("/readyz").json()
    assert ready["backend"] == "cuda" and ready["precision"] == "fp32" and ready["remark"] is None
    assert ready["device"] == "Test double 0 (compute capability 9.0)"
    assert 'backend="cuda"' in server.get("/metrics").text


def test_without_a_device_the_processor_computes_and_readyz_says_why(start_cuda):
    server = start_cuda(backend="auto", GENSEG_DOUBLE_DEVICES="0")
    ready = server.get("/readyz").json()
    assert ready["backend"] == "cpu" and ready["device"] == "processor"
    assert "no CUDA device can be used" in ready["remark"]
    assert "no CUDA device can be used" in server.log_text()


def test_cuda_alone_without_a_device_does_not_start(start_cuda):
    with pytest.raises(RuntimeError, match="no CUDA device can be used"):
        start_cuda(GENSEG_DOUBLE_DEVICES="0")


def test_from_upload_to_answers_on_the_device(start_cuda):
    server = start_cuda()
    fill(server)
    job = server.wait_for_job(start_job(server, max_steps=3), seconds=120)
    assert job["state"] == "succeeded" and job["step"] == 3, job
    assert segment(server).status_code == 200
    ask = {"slice_id": slice_id(server, "presence"), "direction": "presence_to_absence"}
    assert server.post("/v1/translate", json=ask).status_code == 200


def test_too_little_memory_is_503_and_a_failed_job(trained, start_cuda):
    server = start_cuda(GENSEG_DOUBLE_MEMORY_KIB="102")
    answer = problem(segment(server), 503)
    assert "MiB of the device's memory" in answer["detail"] and "of 0.1 MiB are free" in answer["detail"]
    problem(server.get("/readyz"), 503)
    job = server.wait_for_job(start_job(server, max_steps=1), seconds=120)
    assert job["state"] == "failed" and "of 0.1 MiB are free" in job["error"], job


def test_a_lost_device_restarts_the_engine(trained, start_cuda, tmp_path):
    once = tmp_path / "once"
    once.write_text("3000")
    server = start_cuda(GENSEG_DOUBLE_FAIL_KERNEL_ONCE=str(once))
    first = server.process.pid
    wait_until_ready(server)
    for _ in range(200):
        answer = segment(server)
        if answer.status_code != 200:
            break
    assert "illegal memory access" in problem(answer, 503)["detail"]
    assert "is being restarted" in problem(server.get("/readyz"), 503)["detail"]
    assert problem(segment(server), 503)["type"] == "urn:genseg:problem:device_lost"
    wait_until_ready(server)
    assert segment(server).status_code == 200
    assert server.process.poll() is None and server.process.pid == first
    assert "engine_lost" in server.log_text()


def test_a_device_that_stays_lost_is_not_tried_for_ever(trained, start_cuda):
    server = start_cuda(GENSEG_DOUBLE_FAIL_KERNEL="5")
    end = time.monotonic() + 90
    detail = ""
    while time.monotonic() < end and "waits for somebody" not in detail:
        try:
            answer = server.get("/readyz")
            detail = answer.json().get("detail", "")
            assert answer.status_code == 503
        except OSError:
            pass
        time.sleep(0.1)
    assert "restarted too often" in detail, server.log_text()[-3000:]
    assert server.log_text().count('"engine_lost"') == 4
    assert server.get("/healthz").status_code == 200
