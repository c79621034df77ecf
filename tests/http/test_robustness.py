"""Clients and disks that misbehave: a clear answer, the server up, nothing lost."""
import hashlib
import json
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

import formats
from test_inference import NPY, PIXELS, PNG, problem

MIB = 1024 * 1024


def talk(server, text, seconds=20):
    """Sends bytes as they are; the whole answer, until the server closes or says no more."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                part = connection.recv(65536)
            except (ConnectionResetError, socket.timeout):
                break
            if not part:
                break
            answer += part
    return answer.decode("latin-1")


def status_of(answer):
    return int(answer.split(" ", 2)[1])


def get(server, target, *headers):
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close", *headers, "", ""]
    return talk(server, "\r\n".join(lines))


def alive(server):
    return requests.get(server.url + "/healthz", timeout=10).status_code == 200


# ==== Every answer ====

def test_every_answer_has_a_request_id_and_a_sane_one_is_echoed(server):
    for path in ("/healthz", "/v1/models", "/v1/slices/slc_nothing", "/nothing", "/"):
        assert re.fullmatch(r"[0-9a-f]{16}", server.get(path).headers["X-Request-Id"])
    assert server.get("/healthz", headers={"X-Request-Id": "my-id_7"}).headers["X-Request-Id"] == "my-id_7"
    for strange in ("a b", "x" * 65, "../x"):
        assert server.get("/healthz", headers={"X-Request-Id": strange}).headers["X-Request-Id"] != strange
    body = problem(server.get("/nothing", headers={"X-Request-Id": "seen"}), 404)
    assert body["request_id"] == "seen"
    line = server.log_line('"request_id":"seen"')
    assert json.loads(line)["status"] == 404


def test_head_options_and_other_methods(server):
    whole, head = server.get("/healthz"), server.api("HEAD", "/healthz")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    options = server.api("OPTIONS", "/v1/slices")
    assert options.status_code == 204 and options.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    for method in ("PATCH", "TRACE", "DELETE", "BREW"):
        answer = server.api(method, "/v1/slices")
        problem(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    problem(server.api("PATCH", "/nothing"), 404)


def test_unknown_query_parameters_are_named(server):
    errors = problem(server.get("/v1/models", params={"limt": 5}), 422)["errors"]
    assert errors[0]["field"] == "limt" and "limit" in errors[0]["detail"]
    problem(server.get("/v1/models?limit=1&limit=2"), 422)


def test_metrics_count_what_happened(server):
    server.get("/healthz")
    server.get("/v1/slices/slc_nothing")
    text = server.get("/metrics").text
    assert re.search(r'genseg_http_requests_total\{method="GET",route="/v1/slices/\{id\}",status="404"\} 1', text)
    assert 'genseg_info{version=' in text and "genseg_queue_images 0" in text
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'[a-z_]+(\{[^}]*(\{\w+\}[^}]*)*\})? [-+0-9.e]+', line), line


def test_the_description_is_served_in_both_forms(server):
    assert server.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert server.get("/openapi.yaml").text.startswith("openapi: ")


# ==== Who may talk ====

def test_only_loopback_names_are_answered(server):
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", "[::1]:80", "127.1.2.3:9"):
        assert server.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example",
                 "[::2]", "[::1"):
        problem(server.get("/healthz", headers={"Host": host}), 421)
    assert status_of(talk(server, "GET /healthz HTTP/1.0\r\n\r\n")) == 400


def test_pages_of_other_origins_are_refused(server):
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{server.port}", "http://127.0.0.1:1"):
        problem(server.put("/v1/datasets/d", headers={"Origin": origin}), 403)
    own = server.url.replace("[::1]", "127.0.0.1")
    assert server.put("/v1/datasets/d", headers={"Origin": own}).status_code == 201


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.invalid:0", "127.0.0.1", "", ":x",
                                     "127.0.0.1:99999"])
def test_other_addresses_than_loopback_are_refused(tmp_path, start_server, address):
    with pytest.raises(RuntimeError) as caught:
        start_server("--listen", address)
    assert "--listen" in str(caught.value)
    assert not (tmp_path / "data" / "genseg.db").exists()


def test_loopback_addresses_are_accepted(start_server):
    assert start_server("--listen", "localhost:0", name="a").get("/healthz").status_code == 200
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return  # this machine has no IPv6
    six = start_server("--listen", "[::1]:0", name="b")
    assert six.url.startswith("http://[::1]:") and six.get("/healthz").status_code == 200


# ==== Strange requests ====

@pytest.mark.parametrize("target, status", [
    ("/%", 400), ("/%zz", 400), ("/v1/models?limit=%", 400), ("/%00", 400), ("/v1/slices/%00", 400), ("/%ff", 400),
    ("/v1/slices/%0d%0aX-Evil:%201", 400), ("/../../etc/passwd", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ("/..%2f..%2fetc%2fpasswd", 404), ("//etc/passwd", 404), ("/v1/slices/a%2Fb", 404), ("/v1/slices/", 404),
    ("/v1//models", 404), ("/v1/models/", 404), ("/a/b/c/d/e/f/g/h/i/j/k", 404), ("/" + "x" * 9000, 414),
    ("/v1/models?" + "&".join(f"a{i}=1" for i in range(40)), 413), ("/v1/slices/" + "a" * 5000, 404),
    ("/.git/config", 404), ("/README.md/..", 404), ("*", 400), ("/index.html%20", 404),
])
def test_strange_targets(server, target, status):
    answer = get(server, target)
    assert status_of(answer) == status, answer[:300]
    assert "X-Evil" not in answer.split("\r\n\r\n")[0]
    assert alive(server)


def test_too_many_or_too_large_headers_are_refused(server):
    assert status_of(get(server, "/healthz", *(f"X-A{i}: 1" for i in range(80)))) == 431
    assert status_of(get(server, "/healthz", "X-A: " + "a" * 200000)) in (413, 431, 400)
    assert status_of(talk(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: \xff\xfe\r\n\r\n")) == 400
    assert alive(server)


@pytest.mark.parametrize("text", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 4096,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
], ids=range(9))
def test_what_is_not_http_ends_without_harm(server, text):
    talk(server, text, seconds=5)
    assert alive(server)


# ==== Sizes ====

def chunks(size, count):
    for _ in range(count):
        yield b"x" * size


def test_a_body_beyond_the_limit_is_413(start_server):
    server = start_server("--max-body-mib", "1")
    server.put("/v1/datasets/d")
    target = "/v1/slices?dataset=d"
    problem(server.post(target, data=b"x" * (MIB + 1), headers=PNG), 413)
    problem(server.post(target, data=chunks(100000, 30), headers=PNG), 413)  # without Content-Length
    problem(server.post(target, data=b"x" * MIB, headers=PNG), 400)  # as large as may be, but no PNG
    asked = talk(server, f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                         f"Content-Length: {100 * MIB}\r\nExpect: 100-continue\r\n\r\n")
    assert status_of(asked) == 413, "the answer comes before the body"
    told = talk(server, f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 50}\r\n\r\n")
    assert status_of(told) == 413
    assert alive(server)


def test_expect_100_continue_is_answered(server):
    server.put("/v1/datasets/d")
    body = formats.png(PIXELS)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall((f"POST /v1/slices?dataset=d HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(10000).startswith(b"HTTP/1.1 201 ")


def test_uploads_share_a_budget(start_server):
    """Many clients that announce much and send little do not take the memory."""
    server = start_server("--max-body-mib", "1")
    server.put("/v1/datasets/d")
    held = []
    try:
        for _ in range(12):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            connection.sendall((f"POST /v1/slices?dataset=d HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                                f"Content-Length: {MIB}\r\n\r\n").encode() + b"x" * (MIB - 10))
            held.append(connection)
        time.sleep(0.3)
        answer = server.post("/v1/slices", params={"dataset": "d"}, data=formats.png(PIXELS), headers=PNG)
        assert answer.status_code == 503 and "Retry-After" in answer.headers
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.3)
    answer = server.post("/v1/slices", params={"dataset": "d"}, data=formats.png(PIXELS), headers=PNG)
    assert answer.status_code == 201, answer.text


def test_pixels_beyond_the_limit_are_413(start_server):
    server = start_server("--max-pixels", "20")
    server.put("/v1/datasets/d")
    problem(server.post("/v1/slices", params={"dataset": "d"}, data=formats.png(PIXELS), headers=PNG), 413)


def resident_mib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def test_memory_does_not_grow_with_the_number_of_clients(start_server):
    """What a request frees, the next one finds, whichever client's it is."""
    server = start_server("--max-body-mib", "8")
    server.skip_if_sanitized()
    server.put("/v1/datasets/d")
    body = b"x" * (6 * MIB)

    def upload(_):
        answer = requests.post(f"{server.url}/v1/slices?dataset=d", data=body, headers=PNG, timeout=60)
        assert answer.status_code in (400, 503), answer.text  # no image, or too many at once

    with ThreadPoolExecutor(1) as one:
        list(one.map(upload, range(4)))
    before = resident_mib(server)
    with ThreadPoolExecutor(16) as many:
        list(many.map(upload, range(160)))
    time.sleep(0.3)
    assert resident_mib(server) < before + 40


# ==== Clients that go away or dawdle ====

def test_hanging_up_in_the_middle_of_an_upload(server):
    server.put("/v1/datasets/d")
    body = formats.png(PIXELS)
    for cut in range(0, len(body), 9):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall((f"POST /v1/slices?dataset=d HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:cut])
    assert server.get("/v1/slices").json()["items"] == []
    server.upload(PIXELS)
    assert len(server.get("/v1/slices").json()["items"]) == 1


def test_hanging_up_in_the_middle_of_an_inference(start_toy, tmp_path):
    weights = tmp_path / "slow.safetensors"
    weights.write_bytes(formats.toy_model(compute_ms=100))
    server = start_toy("--import-model", str(weights))
    body = formats.npy([0.75] * 24, (6, 4))
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall((f"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    assert server.post("/v1/segment", data=body, headers=NPY).json()["area"] == 24
    end = time.monotonic() + 10
    while "genseg_queue_images 0" not in server.get("/metrics").text and time.monotonic() < end:
        time.sleep(0.05)
    assert "genseg_queue_images 0" in server.get("/metrics").text


def test_slow_clients_do_not_stop_others(server):
    held = []
    try:
        for text in ("GET /healthz HTTP/1.1\r\nHost: loc",
                     "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n",
                     "POST /v1/slices?dataset=d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc"):
            for _ in range(10):
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                connection.sendall(text.encode())
                held.append(connection)
        start = time.monotonic()
        for _ in range(20):
            assert alive(server)
        assert time.monotonic() - start < 5
    finally:
        for connection in held:
            connection.close()


def test_sigterm_answers_what_was_asked(start_toy, tmp_path):
    weights = tmp_path / "slow.safetensors"
    weights.write_bytes(formats.toy_model(compute_ms=700))
    server = start_toy("--import-model", str(weights))
    answers = []
    body = formats.npy([0.75] * 24, (6, 4))
    asking = threading.Thread(
        target=lambda: answers.append(requests.post(server.url + "/v1/segment", data=body, headers=NPY, timeout=20)))
    asking.start()
    time.sleep(0.3)
    assert server.stop() == 0
    asking.join()
    assert answers[0].status_code == 200 and answers[0].json()["area"] == 24


# ==== Death and disks ====

def noise(i):
    rng = random.Random(i)
    return formats.png([[rng.randrange(256) for _ in range(64)] for _ in range(64)])


def test_every_201_is_there_after_sigkill(server):
    server.put("/v1/datasets/d")
    kept, lock, stop = {}, threading.Lock(), threading.Event()

    def send(first):
        for i in range(first, 100000, 4):
            try:
                answer = requests.post(f"{server.url}/v1/slices?dataset=d", data=noise(i), headers=PNG, timeout=10)
            except requests.RequestException:
                return
            if answer.status_code == 201:
                with lock:
                    kept[answer.json()["id"]] = i
            if stop.is_set():
                return
    senders = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    for sender in senders:
        sender.start()
    end = time.monotonic() + 20
    while len(kept) < 60 and time.monotonic() < end:
        time.sleep(0.01)
    server.kill()
    stop.set()
    for sender in senders:
        sender.join()
    server.start()
    assert len(kept) >= 60
    for slice_id, i in kept.items():
        content = server.get(f"/v1/slices/{slice_id}/content")
        assert content.status_code == 200 and content.content == noise(i)
        record = server.get(f"/v1/slices/{slice_id}").json()
        assert record["sha256"] == hashlib.sha256(content.content).hexdigest()
    counts = server.get("/v1/datasets/d").json()["counts"]["slices"]
    assert len(kept) <= counts <= len(kept) + 4, "an upload without its answer may be there, whole"


def small_disk_by_tmpfs(data):
    """A wrapper that runs the server with its data on a file system of 4 MiB of its own; None without rights."""
    if not shutil.which("unshare"):
        return None
    data.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size=4m tmpfs {data}"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True).returncode != 0:
        return None
    return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]


def small_disk_by_limit(data):
    """A wrapper under which no file becomes larger than 2 MiB."""
    return ["prlimit", f"--fsize={2 * MIB}"] if shutil.which("prlimit") else None


@pytest.mark.parametrize("small_disk", [small_disk_by_tmpfs, small_disk_by_limit])
def test_a_full_disk_is_507_and_loses_nothing(start_server, tmp_path, small_disk):
    wrapper = small_disk(tmp_path / "data")
    if wrapper is None:
        pytest.skip(f"{small_disk.__name__}: not possible on this machine")
    server = start_server(wrapper=wrapper)
    server.put("/v1/datasets/d")
    kept, full = {}, None
    for i in range(2000):
        answer = server.post("/v1/slices", params={"dataset": "d"}, data=noise(i), headers=PNG)
        if answer.status_code != 201:
            full = answer
            break
        kept[answer.json()["id"]] = i
    assert full is not None and len(kept) > 40
    problem(full, 507)
    problem(server.post("/v1/models", data=b"x" * 3 * MIB, headers={"Content-Type": "application/octet-stream"}), 507)
    assert server.get("/healthz").status_code == 200
    for slice_id, i in kept.items():
        assert server.get(f"/v1/slices/{slice_id}/content").content == noise(i)
    assert server.get("/v1/datasets/d").json()["counts"]["slices"] == len(kept)


def test_two_servers_cannot_share_a_folder(start_server):
    start_server()
    with pytest.raises(RuntimeError) as caught:
        start_server()
    assert "another" in str(caught.value)


@pytest.mark.parametrize("options, word", [
    (["--threads", "0"], "--threads"), (["--queue", "x"], "--queue"), (["--backend", "gpu"], "--backend"),
    (["--precision", "fp8"], "--precision"),
    (["--bogus"], "bogus"), (["stray"], "stray"), (["--import", "/nowhere"], "/nowhere"),
    (["--import-model", "/nowhere.safetensors"], "/nowhere"), (["--trainer", "/nowhere"], "/nowhere"),
])
def test_wrong_options_are_named(start_server, options, word):
    with pytest.raises(RuntimeError) as caught:
        start_server(*options)
    assert word in str(caught.value)
