"""What every call answers when it is asked wrongly, or at the wrong moment: one test for each status, over all
operations that describe it. What is particular to one resource is in that resource's tests."""
import re
import resource
import threading
import time

import pytest
import requests

import contract
import formats
import nifti
from conftest import Server, TOY, TRAINER
from test_inference import PIXELS, PNG, problem

MIB = 1024 * 1024
SIZE = (4, 6, 5)
BYTES = {"Content-Type": "application/octet-stream"}
CACHED_MODELS = int(re.search(r"GS_CACHE_MODELS = (\d+)",
                              (contract.ROOT / "server" / "model_cache.h").read_text(encoding="utf-8")).group(1))
RUNS = {"size": [6, 4], "counts": [12, 12]}


def value(x, y, z):
    return 0.0 if z == 0 else (x + 4 * y + 24 * z) / 160


def operations(status):
    """(method, path) of those that describe the status."""
    return [(method.upper(), path) for path, item in contract.DOCUMENT["paths"].items()
            for method, operation in item.items() if method in contract.METHODS
            and str(status) in operation["responses"]]


def upload_volume(server, first=0):
    answer = server.post("/v1/volumes", params={"dataset": "d", "preset": "plain", "case": f"v{first}"}, files=[
        ("image", ("0.nii.gz", nifti.volume(lambda x, y, z: value(x, y, z) + first, SIZE, kind="f")))])
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


class Filled:
    """A toy server with one of everything, and the request that each operation would accept."""

    def __init__(self, server):
        self.server = server
        server.put("/v1/datasets/d")
        self.slice = server.upload(PIXELS, label="presence", mask=[[0, 0, 255, 255]] * 6)["id"]
        self.version = server.get(f"/v1/slices/{self.slice}/annotation/history").json()["items"][0]["id"]
        server.put(f"/v1/slices/{self.slice}/annotation", json={**RUNS, "counts": [14, 10]})  # that is past now
        server.upload([[v + 1 for v in row] for row in PIXELS], label="absence")
        self.volume = upload_volume(server)
        self.model = server.get("/v1/models/active").json()["id"]
        self.job = server.post(f"/v1/volumes/{self.volume}/segment", json={}).json()["id"]
        server.wait_for_job(self.job)

    def path(self, template, identity=None):
        name = {"slices": self.slice, "volumes": self.volume, "models": self.model, "jobs": self.job}
        kind = template.split("/")[2] if template.startswith("/v1/") else ""
        path = template.replace("{id}", identity or name.get(kind, "")).replace("{version}", self.version)
        return path.replace("{name}", identity or ("mask" if kind == "jobs" else "d"))

    def request(self, method, template):
        """Arguments that the operation takes, its path apart."""
        key = f"{method} {template}"
        image = {"data": formats.png([[200 - v for v in row] for row in PIXELS]), "headers": dict(PNG)}
        return {
            "POST /v1/session": {"json": {"token": "gst_nothing"}},
            "PUT /v1/datasets/{name}": {"json": {"normalization": "none"}},
            "POST /v1/slices": {"params": {"dataset": "d"}, **image},
            "PUT /v1/slices/{id}/label": {"json": {"label": "absence"}},
            "PUT /v1/slices/{id}/annotation": {"json": RUNS},
            "POST /v1/volumes": {"params": {"dataset": "d", "preset": "plain"},
                                 "headers": {"Content-Type": "application/x-nifti"},
                                 "data": nifti.volume(lambda x, y, z: value(x, y, z) + 3, SIZE, kind="f")},
            "GET /v1/suggestions": {"params": {"dataset": "d"}},
            "POST /v1/segment": image,
            "POST /v1/translate": {"params": {"direction": "presence_to_absence"}, **image},
            "POST /v1/sample": image,
            "POST /v1/jobs": {"json": {"kind": "train", "dataset": "d", "preset": "tiny", "max_steps": 1}},
            "POST /v1/models": {"data": formats.toy_model(note="another"), "headers": dict(BYTES)},
            "PUT /v1/models/active": {"json": {"id": self.model}},
            "POST /v1/volumes/{id}/segment": {"json": {}},
            "POST /v1/volumes/{id}/translate": {"json": {}},
        }.get(key, {})

    def __call__(self, method, template, identity=None, **changes):
        arguments = {**self.request(method, template), **changes}
        return self.server.api(method, self.path(template, identity), **arguments)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """One for all tests here that store nothing."""
    folder = tmp_path_factory.mktemp("statuses")
    model = folder / "first.safetensors"
    model.write_bytes(formats.toy_model())
    server = Server(folder / "data", TOY,
                    ["--trainer", str(TRAINER), "--import-model", str(model), "--max-body-mib", "1"])
    yield Filled(server)
    assert server.stop() == 0, server.log_text()[-3000:]


@pytest.mark.parametrize("method, path", operations(400))
def test_a_body_that_does_not_parse_is_400(toy, method, path):
    request = toy.request(method, path)
    if "json" in request:
        changes = {"json": None, "data": b'{"a": ', "headers": {"Content-Type": "application/json"}}
    else:
        changes = {"data": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
        if path == "/v1/models":
            changes = {"data": b"\x08\0\0\0\0\0\0\0", "headers": BYTES}
    problem(toy(method, path, **changes), 400)


@pytest.mark.parametrize("method, path", operations(413))
def test_a_body_beyond_the_limit_is_413(toy, method, path):
    problem(toy(method, path, json=None, data=b" " * (MIB + 1), headers={"Content-Type": "application/json"}), 413)


@pytest.mark.parametrize("method, path", operations(415))
def test_another_media_type_is_415(toy, method, path):
    problem(toy(method, path, json=None, data=b"<a/>", headers={"Content-Type": "text/xml"}), 415)


@pytest.mark.parametrize("method, path", operations(422))
def test_a_parameter_that_there_is_not_is_422(toy, method, path):
    params = toy.request(method, path).get("params", {})
    answer = toy(method, path, params={**params, "colour": "red"})
    if answer.status_code < 300:  # operations without query parameters look at the body alone
        answer = toy(method, path, json={"colour": "red"})
    problem(answer, 422)


@pytest.mark.parametrize("method, path", operations(406))
def test_a_form_that_cannot_be_given_is_406(toy, method, path):
    request = toy.request(method, path)
    params = {**request.get("params", {}), **({"output": "translated"} if path == "/v1/translate" else {})}
    problem(toy(method, path, params=params, headers={**request.get("headers", {}), "Accept": "text/csv"}), 406)


@pytest.mark.parametrize("method, path", operations(404))
def test_what_there_is_not_is_404(toy, method, path):
    if path == "/v1/models/active" and method == "GET":
        pytest.skip("needs a server without a model: in test_models.py")
    if "{" in path:
        problem(toy(method, path, "nothing"), 404)
        return
    request = toy.request(method, path)
    changes = {"params": {**request.get("params", {}), "dataset": "nothing"}}
    if path in ("/v1/segment", "/v1/translate", "/v1/sample"):
        changes = {"params": {**request.get("params", {}), "model": "mdl_nothing"}}
    elif path == "/v1/models/active":
        changes = {"json": {"id": "mdl_nothing"}}
    problem(toy(method, path, **changes), 404)


@pytest.mark.parametrize("path", ["/v1/segment", "/v1/translate", "/v1/sample"])
def test_inference_without_a_model_is_409(start_toy, path):
    server = start_toy()
    direction = {"direction": "presence_to_absence"} if path == "/v1/translate" else {}
    problem(server.post(path, params=direction, data=formats.png(PIXELS), headers=PNG), 409)


@pytest.mark.parametrize("kind", ["segment", "translate"])
def test_a_job_on_a_volume_without_a_model_is_409(start_toy, kind):
    server = start_toy()
    server.put("/v1/datasets/d")
    problem(server.post(f"/v1/volumes/{upload_volume(server)}/{kind}", json={}), 409)


def test_the_key_of_what_was_deleted_since_is_409(start_toy):
    server = start_toy()
    request = {"data": formats.toy_model(), "headers": {**BYTES, "Idempotency-Key": "once"}}
    model = server.post("/v1/models", **request).json()["id"]
    assert server.delete(f"/v1/models/{model}").status_code == 204
    problem(server.post("/v1/models", **request), 409)


@pytest.mark.parametrize("path", ["/v1/segment", "/v1/translate", "/v1/sample"])
def test_a_full_queue_is_503_for_all_inference(start_toy, tmp_path, path):
    model = tmp_path / "slow.safetensors"
    model.write_bytes(formats.toy_model(compute_ms=100))
    server = start_toy("--import-model", str(model), "--queue", "1", "--max-batch", "1")
    direction = {"direction": "presence_to_absence"} if path == "/v1/translate" else {}
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(requests.post(
        server.url + path, params=direction, data=formats.png(PIXELS), headers=PNG, timeout=30))) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused and len(answers) == 6
    for answer in refused:
        problem(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1


def test_activating_while_too_many_models_load_is_503(start_toy):
    server = start_toy()
    models = [server.post("/v1/models", data=formats.toy_model(load_ms=1000, note=str(i)), headers=BYTES).json()["id"]
              for i in range(CACHED_MODELS + 1)]
    clients = [threading.Thread(target=lambda model=model: requests.post(
        server.url + "/v1/segment", params={"model": model}, data=formats.png(PIXELS), headers=PNG, timeout=60))
        for model in models[:-1]]
    for client in clients:
        client.start()
    time.sleep(0.5)  # until they wait
    answer = server.put("/v1/models/active", json={"id": models[-1]})
    for client in clients:
        client.join()
    problem(answer, 503)


@pytest.fixture(scope="module")
def without_room(tmp_path_factory):
    """A filled server whose files may not grow from now on."""
    folder = tmp_path_factory.mktemp("full")
    model = folder / "first.safetensors"
    model.write_bytes(formats.toy_model())
    server = Server(folder / "data", TOY, ["--trainer", str(TRAINER), "--import-model", str(model)])
    filled = Filled(server)
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (64, hard))
    yield filled
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert server.stop() == 0, server.log_text()[-3000:]


@pytest.mark.parametrize("method, path", operations(507))
def test_a_full_disk_is_507(without_room, method, path):
    changes = {"json": {"size": [6, 4], "counts": [13, 11]}} if path.endswith("annotation") and method == "PUT" else {}
    problem(without_room(method, path, **changes), 507)
    assert without_room.server.get("/v1/slices/" + without_room.slice).json()["label"] == "presence"


def test_what_any_call_may_answer(toy):
    server = toy.server
    problem(server.get("/healthz", headers={f"X-A{i}": "1" for i in range(80)}), 431)
    problem(server.get("/v1/slices/" + "x" * 9000), 414)
    problem(server.get("/healthz", headers={"Host": "evil.example"}), 421)
    problem(server.get("/healthz", headers={"Origin": "http://evil.example"}), 403)
    problem(server.get("/v1/slices/%00"), 400)


def test_a_damaged_database_is_500_and_names_itself(start_toy):
    server = start_toy()
    for i in range(60):
        server.upload([[i] * 64] * 64)
    assert server.stop() == 0
    path = server.data / "genseg.db"
    size = path.stat().st_size
    server.start()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(AssertionError, match="damaged"):
        server.get("/v1/jobs")  # a test that does not expect it fails
    with contract.failures():
        answer = server.get("/v1/jobs")
        problem(answer, 500)
    assert "damaged" in answer.json()["detail"]
    server.kill()
