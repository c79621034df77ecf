"""What /metrics says, read strictly, against what was done."""
import os
import time

import pytest

import contract
import exposition
import formats
from exposition import sample
from test_inference import PIXELS, PNG


def read(server):
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return exposition.parse(answer.text)


def test_an_idle_server_has_every_family(server):
    before = time.time()
    families = read(server)
    assert {"genseg_http_requests_total", "genseg_http_request_seconds", "genseg_queue_seconds", "genseg_compute_seconds",
            "genseg_batch_images", "genseg_queue_images", "genseg_queue_refused_total", "genseg_jobs",
            "genseg_active_model", "genseg_info", "process_resident_memory_bytes", "process_start_time_seconds",
            "process_cpu_seconds_total", "process_open_fds"} <= set(families)
    assert not families["genseg_active_model"]["samples"], "there is no model"
    assert before - 60 < sample(families, "process_start_time_seconds") <= before + 1


def test_the_process_is_measured_as_the_kernel_does(server):
    families = read(server)
    pages = int(open(f"/proc/{server.process.pid}/statm").read().split()[1])
    assert sample(families, "process_resident_memory_bytes") == pytest.approx(pages * os.sysconf("SC_PAGESIZE"), rel=0.1)
    open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    assert abs(sample(families, "process_open_fds") - open_now) <= 2
    assert 0 < sample(families, "process_cpu_seconds_total") < 60


def test_requests_are_counted_by_route_and_status(server):
    for _ in range(3):
        server.get("/healthz")
    server.get("/v1/slices/slc_a")
    server.get("/v1/slices/slc_b")
    families = read(server)
    assert sample(families, "genseg_http_requests_total", method="GET", route="/healthz", status="200") == 3
    assert sample(families, "genseg_http_requests_total", method="GET", route="/v1/slices/{id}", status="404") == 2
    assert sample(families, "genseg_http_request_seconds_count", method="GET", route="/v1/slices/{id}") == 2
    assert sample(families, "genseg_http_requests_in_flight") == 1, "the one that asks"


def test_labels_are_bounded_whatever_is_asked(server):
    for i in range(50):
        server.get(f'/nothing/{i}"\\n{{}}')
        server.api("BREW", f"/v1/slices/{i}")
        server.get("/main.js")
    families = read(server)
    known = set(contract.DOCUMENT["paths"]) | {"(viewer)", "(none)"}
    routes = {dict(labels)["route"] for _, labels in families["genseg_http_requests_total"]["samples"]}
    assert {"(viewer)", "(none)"} <= routes <= known
    assert sample(families, "genseg_http_requests_total", method="any", route="(none)", status="404") == 50


def test_inference_has_queue_time_compute_time_and_batch_size(toy_server):
    for _ in range(4):
        assert toy_server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).status_code == 200
    families = read(toy_server)
    for name in ("genseg_queue_seconds", "genseg_compute_seconds", "genseg_batch_images"):
        assert sample(families, name + "_count", operation="segment") == 4, name
        assert sample(families, name + "_count", operation="insert") == 0, name
    assert sample(families, "genseg_batch_images_sum", operation="segment") == 4
    assert sample(families, "genseg_queue_images") == 0
    active = toy_server.get("/v1/models/active").json()["id"]
    assert families["genseg_active_model"]["samples"] == {("genseg_active_model", (("model", active),)): 1}


@pytest.mark.parametrize("text", [
    "a 1\n", "# HELP a b\n# TYPE a gauge\na 1", "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\na{b=c} 1\n",
    '# HELP a b\n# TYPE a gauge\na{b="\\x"} 1\n', "# HELP a b\n# TYPE a counter\na 1\n",
    "# HELP a b\n# TYPE a gauge\na 1\na 2\n", "# HELP a b\n# TYPE a gauge\na one\n",
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
])
def test_the_reader_is_strict(text):
    with pytest.raises((AssertionError, ValueError)):
        exposition.parse(text)
