"""The whole way with the program itself: upload, label, annotate, train, segment, translate, sample. Small
images and seconds of training: what is tested is that the parts fit, not how well a model is."""
import math
import os
import random
import subprocess

import pytest

import formats
from conftest import BINARY, TOY
from test_inference import problem

pytestmark = pytest.mark.skipif(BINARY == TOY, reason="there is no real engine in this build")

HEIGHT, WIDTH = 20, 14
PNG = {"Content-Type": "image/png"}
NPY = {"Accept": "application/x-npy"}
WISH = {"kind": "train", "dataset": "small", "preset": "tiny", "width": 1, "batch_size": 2, "seed": 3}


def draw(seed, spot):
    rng = random.Random(seed)
    rows = [[rng.randrange(40, 90) for _ in range(WIDTH)] for _ in range(HEIGHT)]
    mask = [[0] * WIDTH for _ in range(HEIGHT)]
    if spot:
        top, left = rng.randrange(2, HEIGHT - 7), rng.randrange(2, WIDTH - 7)
        for y in range(top, top + 5):
            for x in range(left, left + 5):
                rows[y][x], mask[y][x] = 220, 255
    return rows, mask


def fill(server):
    for i in range(8):
        rows, mask = draw(i, spot=True)
        server.upload(rows, dataset="small", label="presence", case=f"p{i}", mask=mask if i % 2 == 0 else None)
        server.upload(draw(100 + i, spot=False)[0], dataset="small", label="absence", case=f"a{i}")


def start_job(server, **wish):
    answer = server.post("/v1/jobs", json={**WISH, **wish})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def slice_id(server, label):
    return server.get("/v1/slices", params={"dataset": "small", "label": label, "limit": 1}).json()["items"][0]["id"]


def floats(server, path, **options):
    answer = server.post(path, headers=NPY, **options)
    assert answer.status_code == 200, answer.text
    shape, values = formats.read_npy(answer.content)
    assert shape == (HEIGHT, WIDTH)
    return values


def test_from_upload_to_answers(server):
    fill(server)
    job = server.wait_for_job(start_job(server, max_steps=3), seconds=120)
    assert job["state"] == "succeeded", job
    assert job["step"] == 3 and set(job["losses"]) == {"seg", "adv", "rec", "lat", "cyc", "gen", "disc"}
    model = server.get("/v1/models/active").json()
    assert model["id"] == job["model"] and model["input"]["height"] == HEIGHT and model["metrics"]["steps"] == 3

    ask = {"slice_id": slice_id(server, "presence")}
    found = server.post("/v1/segment", json=ask).json()
    probabilities = floats(server, "/v1/segment", json=ask)
    assert found["area"] == sum(p > 0.5 for p in probabilities) and 0 <= found["dice"] <= 1
    assert all(0 <= p <= 1 for p in probabilities)

    maps = [floats(server, f"/v1/translate?output={output}", json={**ask, "direction": "presence_to_absence"})
            for output in ("translated", "residual", "reconstruction")]
    assert all(abs(a + b - c) < 1e-6 for a, b, c in zip(*maps))
    ask = {"slice_id": slice_id(server, "absence")}
    maps = [floats(server, f"/v1/translate?output={output}",
                   json={**ask, "direction": "absence_to_presence", "seed": 5})
            for output in ("autoencoded", "residual", "translated")]
    assert all(abs(a + b - c) < 1e-6 for a, b, c in zip(*maps))

    first = server.post("/v1/sample", json={**ask, "count": 3, "seed": 4})
    assert first.status_code == 200 and first.content == server.post("/v1/sample",
                                                                     json={**ask, "count": 3, "seed": 4}).content
    again = server.post("/v1/sample", json={**ask, "count": 1, "seed": 5}).json()["samples"][0]
    assert again == first.json()["samples"][1], "a sample depends on its seed alone, not on its batch"
    way = server.post("/v1/sample", json={**ask, "interpolate": {"from": 4, "to": 6, "steps": 4}}).json()["samples"]
    for frame, sample in ((way[0], first.json()["samples"][0]), (way[3], first.json()["samples"][2])):
        assert frame == {**sample, "t": frame["t"]}, "the ends are the samples themselves, byte for byte"
    assert len({frame["residual"]["png"] for frame in way}) == 4


def test_weights_travel_to_another_server_with_their_metrics(server, start_server, tmp_path):
    fill(server)
    model = server.wait_for_job(start_job(server, max_steps=2), seconds=120)["model"]
    weights = server.get(f"/v1/models/{model}/weights").content
    other = start_server(name="other")
    answer = other.post("/v1/models", data=weights, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 201, answer.text
    copied = answer.json()
    assert copied["metrics"]["steps"] >= 0 and copied["metrics"]["method"] == "genseg"
    assert other.put("/v1/models/active", json={"id": copied["id"]}).status_code == 200
    body = formats.png(draw(50, spot=True)[0])
    answers = [s.post("/v1/segment", data=body, headers={**PNG, **NPY}).content for s in (server, other)]
    assert answers[0] == answers[1], "the same weights give the same bytes"
    files = {name: tmp_path / name for name in ("w.safetensors", "in.png", "mask.png")}
    files["w.safetensors"].write_bytes(weights)
    files["in.png"].write_bytes(body)
    subprocess.run([BINARY, "segment", "--model", files["w.safetensors"], "--image", files["in.png"], "--out",
                    files["mask.png"]], check=True, stderr=subprocess.DEVNULL)
    assert "generated by a model" in formats.read_png(files["mask.png"].read_bytes())[4]["Comment"]
    small = formats.png([[1, 2], [3, 4]])
    assert "height 20 and width 14" in problem(other.post("/v1/segment", data=small, headers=PNG), 422)["detail"]
    for cut in (7, len(weights) // 2, len(weights) - 1):
        refused = other.post("/v1/models", data=weights[:cut], headers={"Content-Type": "application/octet-stream"})
        problem(refused, 400)


def names_of_events(server, job_id):
    """What the trainer has said so far."""
    names = []
    with server.api("GET", f"/v1/jobs/{job_id}/events", stream=True, timeout=60) as answer:
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith("event: "):
                names.append(line[len("event: "):])
            if names and names[-1] in ("start", "done"):
                return names
    return names


def test_a_stopped_server_goes_on_training_to_the_same_weights(server, start_server):
    fill(server)
    job_id = start_job(server, max_steps=20)
    assert "start" in names_of_events(server, job_id)
    assert server.stop() == 0
    server.start()
    job = server.wait_for_job(job_id, seconds=120)
    assert job["state"] == "succeeded" and job["runs"] == 2, job
    whole = start_server(name="whole")
    fill(whole)
    reference = whole.wait_for_job(start_job(whole, max_steps=20), seconds=120)
    assert reference["runs"] == 1
    weights = [s.get(f"/v1/models/{j['model']}/weights").content for s, j in ((server, job), (whole, reference))]
    assert weights[0] == weights[1], "an interruption changed the result"


@pytest.mark.parametrize("method, losses", [
    ("segmentation_only", {"seg", "gen"}),
    ("autoencoder", {"seg", "rec", "gen"}),
    ("mean_teacher", {"seg", "con", "gen"}),
])
def test_baselines_train_and_their_models_only_segment(server, method, losses):
    fill(server)
    job = server.wait_for_job(start_job(server, max_steps=4, method=method), seconds=120)
    assert job["state"] == "succeeded" and set(job["losses"]) == losses, job
    model = server.get(f"/v1/models/{job['model']}").json()
    assert model["metrics"]["method"] == method
    body = {"slice_id": slice_id(server, "presence"), "model": model["id"]}
    answer = server.post("/v1/segment", json=body)
    assert answer.status_code == 200, answer.text
    for path, more in (("translate", {"direction": "presence_to_absence"}),
                       ("translate", {"direction": "absence_to_presence"}), ("sample", {"count": 2})):
        detail = problem(server.post(f"/v1/{path}", json={**body, **more}), 422)["detail"]
        assert method in detail


VARIANTS = [  # wish, further losses, architecture, what the model cannot do
    ({"method": "genseg_separate_decoder", "skips": "concatenated", "mutual_information": True}, {"mi"},
     {"separate_decoder": True, "skips": "concatenated"}, []),
    ({"translation": "presence_to_absence", "encoder_norm": "batch", "decoder_norm": "batch"}, set(),
     {"encoder_norm": "batch", "decoder_norm": "batch"}, ["absence_to_presence"]),
    ({"translation": "none", "average_decay": 0.9}, set(), {"encoder_norm": "instance"},
     ["presence_to_absence", "absence_to_presence"]),
    ({"method": "mean_teacher", "teacher": "dropout"}, {"con"}, {"encoder_norm": "none", "decoder_norm": "none"},
     ["presence_to_absence", "absence_to_presence"]),
]


@pytest.mark.parametrize("wish, losses, architecture, unable", VARIANTS)
def test_variants_train_and_answer_what_they_learnt(server, wish, losses, architecture, unable):
    fill(server)
    job = server.wait_for_job(start_job(server, max_steps=3, augment=True, **wish), seconds=120)
    assert job["state"] == "succeeded" and losses <= set(job["losses"]), job
    model = server.get("/v1/models/active").json()
    assert architecture.items() <= model["architecture"].items() and "architecture" not in model["input"]
    body = {"slice_id": slice_id(server, "presence")}
    assert server.post("/v1/segment", json=body).status_code == 200
    for direction in ("presence_to_absence", "absence_to_presence"):
        answer = server.post("/v1/translate", json={**body, "direction": direction})
        if direction in unable:
            problem(answer, 422)
        else:
            assert answer.status_code == 200, answer.text
    assert server.post("/v1/sample", json=body).status_code == (422 if "absence_to_presence" in unable else 200)

    # Training goes on from it as it is, not with another architecture.
    first = job["model"]
    options = {name: wish[name] for name in ("method", "translation", "teacher") if name in wish}
    again = server.wait_for_job(start_job(server, max_steps=1, init=first, preset=None, width=None, **options),
                                seconds=120)
    assert again["state"] == "succeeded", again
    refused = server.post("/v1/jobs", json={**WISH, **options, "init": first, "max_steps": 1, "skips": "sum"})
    assert "skips" in [error["field"] for error in problem(refused, 422)["errors"]]


def test_training_from_a_model(server):
    fill(server)
    parent = server.wait_for_job(start_job(server, max_steps=2), seconds=120)["model"]
    job = server.wait_for_job(start_job(server, max_steps=2, init=parent, preset=None, width=None,
                                        method="segmentation_only"), seconds=120)
    assert job["state"] == "succeeded", job
    assert server.get(f"/v1/models/{job['model']}").json()["parent"] == parent
    assert os.path.exists(server.data / "models" / f"{job['model']}.safetensors")


def test_predictions_and_the_panel_of_a_training(server):
    fill(server)
    for i in range(3):  # what is shown and compared on
        rows, mask = draw(200 + i, spot=True)
        server.upload(rows, dataset="small", label="presence", case=f"v{i}", mask=mask, split="validation")
    job = server.wait_for_job(start_job(server, max_steps=4, validate_every=2), seconds=120)
    assert job["state"] == "succeeded" and job["activation"]["activated"], job
    panel = server.get(f"/v1/jobs/{job['id']}/panel").json()
    assert panel["rows"] == ["image", "mask", "probability", "healthy"] and len(panel["slices"]) == 4
    assert [entry["step"] for entry in panel["steps"]] == [2, 4]
    assert (panel["height"], panel["width"]) == (HEIGHT, WIDTH)
    sheets = []
    for entry in panel["steps"]:
        width, height, depth, rows, texts = formats.read_png(server.get(entry["href"]).content)
        assert (width, height, depth) == (4 * WIDTH, 4 * HEIGHT, 8) and "generated" in texts["Comment"]
        sheets.append(rows)
    assert sheets[0][:2 * HEIGHT] == sheets[1][:2 * HEIGHT], "the same slices with their masks"
    assert {v for row in sheets[0][HEIGHT:2 * HEIGHT] for v in row} == {0, 255}
    assert sheets[0][2 * HEIGHT:] != sheets[1][2 * HEIGHT:], "other weights, other answers"

    again = server.wait_for_job(start_job(server, max_steps=2, seed=9), seconds=120)
    decided = again["activation"]
    assert decided["slices"] >= 3 and decided["activated"] is (decided["dice"] >= decided["active_dice"]), decided

    answer = server.post("/v1/jobs", json={"kind": "predict", "dataset": "small", "model": job["model"]}).json()
    ended = server.wait_for_job(answer["id"], seconds=120)
    assert ended["state"] == "succeeded" and ended["step"] == 19, ended
    server.put("/v1/models/active", json={"id": job["model"]})
    ask = {"slice_id": slice_id(server, "presence")}
    found = server.get(f"/v1/slices/{ask['slice_id']}").json()["prediction"]
    probabilities = floats(server, "/v1/segment", json=ask)
    # A batch may be computed in another order than one image.
    assert abs(found["area"] - sum(p > 0.5 for p in probabilities)) <= 2
    entropy = sum(-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in probabilities if 0 < p < 1)
    assert abs(found["uncertainty"] - entropy / len(probabilities)) < 1e-3
    assert 0 <= found["disagreement"] <= 1
    best = server.get("/v1/suggestions", params={"dataset": "small", "strategy": "uncertainty"}).json()["items"]
    scores = [item["score"] for item in best]
    assert len(best) == 4 and scores == sorted(scores, reverse=True), "each presence slice is a case of its own"
