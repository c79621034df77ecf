"""Model versions: in, out, which one answers."""
import hashlib
import json
import struct
import threading

import pytest

import formats
from test_inference import NPY, PIXELS, PNG, problem

BINARY = {"Content-Type": "application/octet-stream"}


def add(server, **model):
    answer = server.post("/v1/models", data=formats.toy_model(**model), headers=BINARY)
    assert answer.status_code == 201, answer.text
    return answer.json()


def activate(server, model):
    answer = server.put("/v1/models/active", json={"id": model["id"]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_weights_come_out_as_they_went_in(start_toy):
    server = start_toy()
    body = formats.toy_model(offset=0.25)
    answer = server.post("/v1/models", params={"name": "mine"}, data=body, headers=BINARY)
    assert answer.status_code == 201, answer.text
    model = answer.json()
    assert answer.headers["Location"] == f"/v1/models/{model['id']}"
    assert model["name"] == "mine" and model["active"] is False and model["preset"] == "tiny"
    assert model["input"] == {"channels": 1, "height": 6, "width": 4, "normalization": "none"}
    assert model["sha256"] == hashlib.sha256(body).hexdigest() and model["weights_size"] == len(body)

    weights = server.get(f"/v1/models/{model['id']}/weights")
    assert weights.content == body and weights.headers["ETag"] == f'"{model["sha256"]}"'
    again = server.get(f"/v1/models/{model['id']}/weights", headers={"If-None-Match": weights.headers["ETag"]})
    assert again.status_code == 304 and again.content == b""

    again = server.post("/v1/models", data=body, headers=BINARY)
    assert again.status_code == 200 and again.json()["id"] == model["id"], "the same bytes are the same model"


def test_models_are_listed_newest_first_in_pages(start_toy):
    server = start_toy()
    ids = [add(server, note=str(i))["id"] for i in range(5)]
    seen, cursor = [], None
    while True:
        page = server.get("/v1/models", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [model["id"] for model in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == ids[::-1]
    problem(server.get("/v1/models", params={"limit": 0}), 422)
    problem(server.get("/v1/models", params={"cursor": "nonsense"}), 422)


def test_switching_is_atomic_and_goes_back_by_the_same_call(start_toy):
    server = start_toy()
    low, high = add(server, offset=0.0), add(server, offset=0.5)
    problem(server.get("/v1/models/active"), 404)
    assert activate(server, low)["active"] is True
    body = formats.npy([0.25] * 24, (6, 4))
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = server.api("POST", "/v1/segment", data=body, headers=NPY)
            expected = {low["id"]: 0, high["id"]: 24}
            if answer.status_code != 200 or expected[answer.json()["model"]] != answer.json()["area"]:
                wrong.append(answer.text)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        activate(server, high)
        assert server.get("/v1/models/active").json()["id"] == high["id"]
        activate(server, low)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_active_model_survives_a_restart(start_toy):
    server = start_toy()
    model = activate(server, add(server, offset=0.5))
    assert server.stop() == 0
    server.start()
    answer = server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG)
    assert answer.status_code == 200 and answer.json()["model"] == model["id"]


def test_a_model_that_loads_slowly_makes_readyz_wait_not_healthz(start_toy):
    server = start_toy()
    activate(server, add(server, load_ms=700))
    assert server.stop() == 0
    server.start()
    answer = problem(server.get("/readyz"), 503)
    assert "loading" in answer["detail"]
    assert server.get("/healthz").status_code == 200
    assert server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).status_code == 200  # waits for it
    assert server.get("/readyz").json()["status"] == "ready"


def test_an_activation_that_fails_leaves_the_old_model(start_toy):
    server = start_toy()
    first = activate(server, add(server))
    second = add(server, note="broken")
    (server.data / "models" / f"{second['id']}.safetensors").write_bytes(b"{}")
    assert server.put("/v1/models/active", json={"id": second["id"]}).status_code == 422
    problem(server.put("/v1/models/active", json={"id": "mdl_nothing"}), 404)
    errors = problem(server.put("/v1/models/active", json={"model": first["id"]}), 422)["errors"]
    assert {error["field"] for error in errors} == {"id", "model"}
    assert server.get("/v1/models/active").json()["id"] == first["id"]
    assert server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).json()["model"] == first["id"]


def test_a_named_model_answers_without_being_active(start_toy):
    server = start_toy()
    models = [add(server, offset=i / 10, note=str(i)) for i in range(7)]  # more than stay in memory
    for model in models + models[::-1]:
        answer = server.post("/v1/segment", params={"model": model["id"]}, data=formats.png(PIXELS), headers=PNG)
        assert answer.json()["model"] == model["id"]


def test_deleting(start_toy):
    server = start_toy()
    first, second = add(server, note="1"), add(server, note="2")
    activate(server, first)
    assert "active" in problem(server.delete(f"/v1/models/{first['id']}"), 409)["detail"]
    assert server.delete(f"/v1/models/{second['id']}").status_code == 204
    problem(server.get(f"/v1/models/{second['id']}"), 404)
    problem(server.get(f"/v1/models/{second['id']}/weights"), 404)
    problem(server.delete(f"/v1/models/{second['id']}"), 404)
    ask = server.post("/v1/segment", params={"model": second["id"]}, data=formats.png(PIXELS), headers=PNG)
    problem(ask, 404)
    assert not (server.data / "models" / f"{second['id']}.safetensors").exists()


def test_an_idempotency_key_gives_the_first_model_again(start_toy):
    server = start_toy()
    headers = {**BINARY, "Idempotency-Key": "once"}
    first = server.post("/v1/models", data=formats.toy_model(), headers=headers)
    assert first.status_code == 201
    assert server.post("/v1/models", data=formats.toy_model(), headers=headers).json()["id"] == first.json()["id"]
    problem(server.post("/v1/models", data=formats.toy_model(note="other"), headers=headers), 422)


@pytest.mark.parametrize("body, headers, status", [
    (b"", BINARY, 400),
    (b"garbage", BINARY, 400),
    (json.dumps({"toy": 2}).encode(), BINARY, 422),
    (formats.toy_model(columns=4000000), BINARY, 422),
    (formats.toy_model(), {"Content-Type": "text/plain"}, 415),
], ids=["empty", "garbage", "another architecture", "size out of range", "another type"])
def test_files_that_are_no_model_are_refused(start_toy, body, headers, status):
    server = start_toy()
    answer = problem(server.post("/v1/models", data=body, headers=headers), status)
    assert str(server.data) not in answer["detail"], "the server's own paths are nobody's business"
    assert server.get("/v1/models").json()["items"] == []
    assert not list(server.data.glob("uploads/*"))


def safetensors(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


@pytest.mark.parametrize("body", [
    safetensors({}, size=1 << 60),
    safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}}, bytes(8)),
    safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8)),
    safetensors({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
    safetensors({"a": {"dtype": "F32", "shape": [2 ** 62, 8], "data_offsets": [0, 8]}}, bytes(8)),
    safetensors(b'{"a": ' + b"[" * 10000, bytes(8)),
    safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
], ids=["header size", "beyond the end", "backwards", "another shape", "overflow", "nested", "another architecture"])
def test_lying_safetensors_are_refused(server, body):
    answer = server.post("/v1/models", data=body, headers=BINARY)
    assert answer.status_code in (400, 413, 415, 422), answer.text
    assert server.get("/healthz").status_code == 200
