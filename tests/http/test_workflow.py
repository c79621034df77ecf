"""What the work list and the choice of the next slice need: thumbnails, stored predictions, order."""
import json
import math
import os

import formats
from test_inference import problem

SIZE = (6, 4)


def gray(value, height=6, width=4):
    return [[value] * width for _ in range(height)]


def predict(server, dataset="d", **wish):
    answer = server.post("/v1/jobs", json={"kind": "predict", "dataset": dataset, **wish})
    assert answer.status_code == 202, answer.text
    return server.wait_for_job(answer.json()["id"])


def listed(server, sort, **query):
    answer = server.get("/v1/slices", params={"dataset": "d", "sort": sort, **query})
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.json()["items"]]


def activate(server, **model):
    answer = server.post("/v1/models", data=formats.toy_model(**model),
                         headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code in (200, 201), answer.text
    identity = answer.json()["id"]
    assert server.put("/v1/models/active", json={"id": identity}).status_code == 200
    return identity


# ==== Thumbnails ====

def test_a_thumbnail_is_the_image_averaged_down(toy_server):
    rows = [[(x // 8 * 60 + y // 8 * 20) % 256 for x in range(32)] for y in range(64)]
    slice_id = toy_server.upload(rows)["id"]
    answer = toy_server.get(f"/v1/slices/{slice_id}/thumbnail", params={"size": 16})
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    width, height, depth, small, _ = formats.read_png(answer.content)
    assert (width, height, depth) == (8, 16, 8)
    low, high = min(map(min, rows)), max(map(max, rows))
    for y in range(16):
        for x in range(8):
            mean = sum(rows[4 * y + j][4 * x + i] for j in range(4) for i in range(4)) / 16
            assert abs(small[y][x] - 255 * (mean - low) / (high - low)) <= 1, (x, y)
    tag = answer.headers["ETag"]
    again = toy_server.get(f"/v1/slices/{slice_id}/thumbnail", params={"size": 16})
    assert again.content == answer.content and again.headers["ETag"] == tag, "from the cache"
    kept = toy_server.get(f"/v1/slices/{slice_id}/thumbnail?size=16", headers={"If-None-Match": tag})
    assert kept.status_code == 304 and not kept.content
    other = toy_server.get(f"/v1/slices/{slice_id}/thumbnail?size=32")
    assert other.headers["ETag"] != tag and formats.read_png(other.content)[:2] == (16, 32)


def test_a_small_image_is_not_enlarged_and_bad_sizes_are_refused(toy_server):
    slice_id = toy_server.upload(gray(7))["id"]
    width, height, *_ = formats.read_png(toy_server.get(f"/v1/slices/{slice_id}/thumbnail").content)
    assert (height, width) == SIZE
    for query in ("size=15", "size=257", "size=x", "channel=1", "channel=-1"):
        problem(toy_server.get(f"/v1/slices/{slice_id}/thumbnail?{query}"), 422)


# ==== Predictions ====

def test_predictions_are_what_the_model_says(toy_server):
    rows = [[0, 64, 128, 255] for _ in range(6)]
    stored = toy_server.upload(rows, label="presence")
    assert stored["prediction"] is None
    job = predict(toy_server)
    assert job["state"] == "succeeded" and job["step"] == 1 and job["progress"] == 1, job
    model = toy_server.get("/v1/models/active").json()["id"]
    assert job["model"] == model and job["request"] == {"kind": "predict", "dataset": "d", "model": model}
    found = toy_server.get(f"/v1/slices/{stored['id']}").json()["prediction"]
    # The toy: probability = x, residual = x / 4, whose largest value is 1 / 4.
    p = [v / 255 for v in rows[0]]
    entropy = sum(-v * math.log2(v) - (1 - v) * math.log2(1 - v) for v in p if 0 < v < 1) / 4
    assert found["model"] == model and found["area"] == 12
    assert abs(found["uncertainty"] - entropy) < 1e-5 and abs(found["disagreement"]) < 1e-5
    assert found["score"] == found["uncertainty"]
    (entry,) = toy_server.get("/v1/slices", params={"dataset": "d"}).json()["items"]
    assert entry["prediction"] == found


def test_a_second_job_computes_what_is_new_and_a_new_model_all(toy_server):
    first = toy_server.upload(gray(100))["id"]
    predict(toy_server)
    before = toy_server.get(f"/v1/slices/{first}").json()["prediction"]
    second = toy_server.upload(gray(101))["id"]
    assert toy_server.get(f"/v1/slices/{second}").json()["prediction"] is None
    assert predict(toy_server)["step"] == 2
    assert toy_server.get(f"/v1/slices/{second}").json()["prediction"]["model"] == before["model"]
    model = activate(toy_server, offset=0.5)
    assert toy_server.get(f"/v1/slices/{first}").json()["prediction"] == before, "stale, and says of which model"
    predict(toy_server)
    after = toy_server.get(f"/v1/slices/{first}").json()["prediction"]
    assert after["model"] == model and before["area"] == 0 and after["area"] == 24
    # Back to the first: nothing is to be computed.
    toy_server.put("/v1/models/active", json={"id": before["model"]})
    assert toy_server.get(f"/v1/slices/{first}").json()["prediction"] == before


def test_lists_sort_by_prediction_and_name(toy_server):
    ids = [toy_server.upload(gray(v), name=name)["id"] for v, name in ((250, "b"), (130, "c"), (20, "a"))]
    predict(toy_server)
    late = toy_server.upload(gray(5), name="d")["id"]
    assert listed(toy_server, "created") == [*ids, late]
    assert listed(toy_server, "-created") == [late, *reversed(ids)]
    assert listed(toy_server, "name") == [ids[2], ids[0], ids[1], late]
    assert listed(toy_server, "-score") == [ids[1], ids[2], ids[0], late]
    assert listed(toy_server, "score") == [ids[0], ids[2], ids[1], late]
    assert set(listed(toy_server, "-area")[:2]) == {ids[0], ids[1]} and listed(toy_server, "-area")[3] == late
    assert listed(toy_server, "-score", label="presence") == []
    page = toy_server.get("/v1/slices", params={"dataset": "d", "sort": "-score", "limit": 3}).json()
    rest = listed(toy_server, "-score", cursor=page["next_cursor"])
    assert [entry["id"] for entry in page["items"]] + rest == listed(toy_server, "-score")
    problem(toy_server.get("/v1/slices", params={"sort": "name", "cursor": page["next_cursor"]}), 422)
    problem(toy_server.get("/v1/slices", params={"sort": "colour"}), 422)


def test_predictions_go_on_after_a_restart(start_toy, tmp_path):
    model = tmp_path / "slow.safetensors"
    model.write_bytes(formats.toy_model(compute_ms=100))
    server = start_toy("--import-model", str(model), "--max-batch", "2")
    for value in range(12):
        server.upload(gray(20 * value))
    job = server.post("/v1/jobs", json={"kind": "predict", "dataset": "d"}).json()["id"]
    while server.get(f"/v1/jobs/{job}").json()["state"] == "queued":
        pass
    assert server.stop() == 0
    server.start()
    ended = server.wait_for_job(job)
    assert ended["state"] == "succeeded" and ended["runs"] == 2 and ended["step"] == 12
    assert all(e["prediction"] for e in server.get("/v1/slices", params={"dataset": "d"}).json()["items"])


def test_predicting_is_cancelled_and_resumed(start_toy, tmp_path):
    model = tmp_path / "slow.safetensors"
    model.write_bytes(formats.toy_model(compute_ms=200))
    server = start_toy("--import-model", str(model), "--max-batch", "1")
    for value in range(10):
        server.upload(gray(20 * value))
    job = server.post("/v1/jobs", json={"kind": "predict", "dataset": "d"}).json()["id"]
    server.wait_for_job(job, states=("running",))
    assert server.post(f"/v1/jobs/{job}/cancel").status_code == 202
    assert server.wait_for_job(job)["state"] == "cancelled"
    kept = [e for e in server.get("/v1/slices", params={"dataset": "d"}).json()["items"] if e["prediction"]]
    assert len(kept) < 10
    assert server.post(f"/v1/jobs/{job}/resume").status_code == 202
    assert server.wait_for_job(job)["state"] == "succeeded"


def test_what_cannot_be_predicted_says_why(toy_server, start_toy):
    toy_server.put("/v1/datasets/large", json={"height": 7})
    wish = {"kind": "predict", "dataset": "large"}
    assert "7" in problem(toy_server.post("/v1/jobs", json=wish), 422)["detail"]
    for bad in ({"dataset": "none"}, {"dataset": "large", "model": "mdl_none"}, {"dataset": "large", "epochs": 3}, {}):
        problem(toy_server.post("/v1/jobs", json={"kind": "predict", **bad}), 422)
    empty = start_toy(name="empty")
    empty.put("/v1/datasets/d")
    problem(empty.post("/v1/jobs", json={"kind": "predict", "dataset": "d"}), 409)
    kinds = toy_server.get("/v1/jobs", params={"kind": "predict"}).json()["items"]
    assert kinds == []


def test_a_data_set_without_slices_is_done_at_once(toy_server):
    toy_server.put("/v1/datasets/nothing")
    job = predict(toy_server, "nothing")
    assert job["state"] == "succeeded" and job["step"] == 0


# ==== Suggestions ====

def suggested(server, status=200, **query):
    answer = server.get("/v1/suggestions", params={"dataset": "d", **query})
    assert answer.status_code == status, answer.text
    return answer.json()


def names(answer):
    return [item["slice"]["name"] for item in answer["items"]]


def test_only_slices_that_a_mask_would_help_are_suggested(toy_server):
    for i, (name, query, mask) in enumerate((
            ("drawn", {"label": "presence"}, [[255] * 4] * 6), ("absent", {"label": "absence"}, None),
            ("held out", {"label": "presence", "split": "validation", "case": "v"}, None),
            ("tested", {"label": "presence", "split": "test", "case": "t"}, None),
            ("to draw", {"label": "presence", "split": "train", "case": "p"}, None), ("unlabelled", {}, None))):
        toy_server.upload(gray(10 * i), name=name, mask=mask, **query)
    for strategy in ("random", "uncertainty", "disagreement"):
        answer = suggested(toy_server, strategy=strategy)
        assert answer["strategy"] == strategy and answer["predicted"] == 0 and answer["total"] == 6
        assert sorted(names(answer)) == ["to draw", "unlabelled"]
        assert all(item["score"] is None for item in answer["items"])
    assert names(suggested(toy_server, label="presence")) == ["to draw"]
    assert names(suggested(toy_server, label="unknown")) == ["unlabelled"]
    for query in ({"label": "absence"}, {"strategy": "best"}, {"limit": 0}, {"limit": 501}, {"seed": -1}):
        problem(toy_server.get("/v1/suggestions", params={"dataset": "d", **query}), 422)
    problem(toy_server.get("/v1/suggestions", params={"dataset": "none"}), 404)


def test_random_suggestions_follow_their_seed(toy_server):
    for i in range(12):
        toy_server.upload(gray(i), name=str(i))
    orders = {seed: names(suggested(toy_server, strategy="random", seed=seed)) for seed in range(4)}
    assert len({tuple(order) for order in orders.values()}) == 4
    assert all(sorted(order, key=int) == [str(i) for i in range(12)] for order in orders.values())
    assert names(suggested(toy_server, strategy="random", seed=2)) == orders[2]
    assert names(suggested(toy_server, strategy="random", seed=2, limit=5)) == orders[2][:5]
    gone = next(e["id"] for e in toy_server.get("/v1/slices", params={"dataset": "d"}).json()["items"]
                if e["name"] == orders[2][0])
    toy_server.delete(f"/v1/slices/{gone}")
    assert names(suggested(toy_server, strategy="random", seed=2)) == orders[2][1:], "the others keep their order"


def test_the_highest_come_first_and_one_of_each_case_before_the_second(toy_server):
    for name, value, case in (("a1", 128, "a"), ("a2", 120, "a"), ("b1", 60, "b"), ("b2", 50, "b"), ("c1", 5, "c")):
        toy_server.upload(gray(value), name=name, case=case, label="presence")
    predict(toy_server)
    toy_server.upload(gray(77), name="late", label="presence")
    answer = suggested(toy_server, strategy="uncertainty")
    assert names(answer) == ["a1", "b1", "c1", "a2", "b2", "late"]
    assert answer["predicted"] == 5 and answer["total"] == 6
    assert answer["model"] == toy_server.get("/v1/models/active").json()["id"]
    for item in answer["items"][:5]:
        assert item["score"] == item["slice"]["prediction"]["uncertainty"]
    assert answer["items"][5]["score"] is None
    first = answer["items"][0]["slice"]["id"]
    toy_server.put(f"/v1/slices/{first}/annotation", data=formats.png([[255] * 4] * 6),
                   headers={"Content-Type": "image/png"})
    assert names(suggested(toy_server, strategy="uncertainty", limit=2)) == ["a2", "b1"]


def test_suggestions_without_a_model_are_random_at_best(start_toy):
    server = start_toy()
    server.upload(gray(9), name="only")
    answer = suggested(server, strategy="disagreement")
    assert answer["model"] is None and answer["predicted"] == 0 and answer["total"] == 1 and names(answer) == ["only"]


# ==== Whether a trained model becomes the active one ====

BRIGHT = [[0, 0, 255, 255]] * 6
DICE_OF_ALL = 2 * 12 / (24 + 12)  # when every pixel is in the mask, and half of them should be


def start_training(start_toy, offset, validation=True, name="data", **plan):
    """A server whose trainer makes models of this offset: 0 finds the mask, 0.9 takes every pixel for it."""
    server = start_toy(environment={"TOY_TRAINER": json.dumps({"offset": offset, "steps": 1, **plan})}, name=name)
    for i in range(3):
        split = {"split": "validation"} if validation and i == 0 else {"split": "train"}
        server.upload([[v - v // 255 * i for v in row] for row in BRIGHT], label="presence", case=f"p{i}",
                      mask=[[0, 0, 255, 255]] * 6, **split)
        server.upload(gray(i), label="absence", case=f"a{i}", split="train")
    return server


def train(server, **wish):
    answer = server.post("/v1/jobs", json={"kind": "train", "dataset": "d", "preset": "tiny", "max_steps": 1, **wish})
    assert answer.status_code == 202, answer.text
    job = server.wait_for_job(answer.json()["id"])
    assert job["state"] == "succeeded", job
    model = server.get(f"/v1/models/{job['model']}").json()
    assert model["activation"] == job["activation"] and model["active"] is job["activation"]["activated"]
    return job


def active(server):
    return server.get("/v1/models/active").json()["id"]


def test_the_first_model_becomes_active(start_toy):
    server = start_training(start_toy, 0.9)
    job = train(server)
    assert job["request"]["activate"] == "if_better"
    assert job["activation"] == {"policy": "if_better", "activated": True, "reason": "no model was active", "dice": None,
                                 "active_model": None, "active_dice": None, "slices": None}


def test_a_worse_model_does_not_become_active(start_toy):
    server = start_training(start_toy, 0.9)
    before = activate(server, offset=0.0)
    decided = train(server)["activation"]
    assert abs(decided.pop("dice") - DICE_OF_ALL) < 1e-6 and "worse" in decided.pop("reason")
    assert decided == {"policy": "if_better", "activated": False, "active_model": before, "active_dice": 1, "slices": 1}
    assert active(server) == before


def test_a_better_model_and_one_as_good_become_active(start_toy):
    server = start_training(start_toy, 0.0)
    before = activate(server, offset=0.9)
    job = train(server)
    decided = job["activation"]
    assert decided["activated"] and decided["dice"] == 1 and abs(decided["active_dice"] - DICE_OF_ALL) < 1e-6
    assert decided["active_model"] == before and active(server) == job["model"]
    again = train(server, seed=2)
    assert again["activation"]["activated"] and again["activation"]["active_dice"] == 1


def test_the_job_may_ask_otherwise(start_toy):
    worse = start_training(start_toy, 0.9, name="worse")
    activate(worse, offset=0.0)
    job = train(worse, activate="always")
    assert active(worse) == job["model"] and job["activation"]["policy"] == "always"
    better = start_training(start_toy, 0.0, name="better")
    job = train(better, activate="never")
    assert not job["activation"]["activated"]
    assert better.get("/v1/models/active").status_code == 404
    problem(better.post("/v1/jobs", json={"kind": "train", "dataset": "d", "activate": "sometimes"}), 422)


def test_what_cannot_be_compared_leaves_the_active_model(start_toy):
    server = start_training(start_toy, 0.0, validation=False, name="unmasked")
    for entry in server.get("/v1/slices", params={"annotated": "true"}).json()["items"][1:]:
        server.delete(f"/v1/slices/{entry['id']}/annotation")
    before = activate(server, offset=0.9)
    assert "no validation slice" in train(server)["activation"]["reason"] and active(server) == before
    server = start_training(start_toy, 0.0, name="other")
    before = activate(server, height=9)
    assert "other images" in train(server)["activation"]["reason"] and active(server) == before


# ==== The panel of a training ====

def test_a_job_without_a_panel_says_so(start_toy):
    server = start_training(start_toy, 0.0)
    job = train(server)["id"]
    empty = {"rows": [], "slices": [], "height": None, "width": None, "steps": []}
    assert server.get(f"/v1/jobs/{job}/panel").json() == empty
    for path in (f"/v1/jobs/{job}/panel/1", f"/v1/jobs/{job}/panel/..%2fmodel", "/v1/jobs/job_none/panel",
                 "/v1/jobs/job_none/panel/1"):
        problem(server.get(path), 404)


def test_the_sheets_of_a_panel_are_listed_and_outlive_the_training(start_toy):
    server = start_training(start_toy, 0.0, panel=[20, 40])
    job = train(server)["id"]
    panel = server.get(f"/v1/jobs/{job}/panel").json()
    assert panel["rows"] == ["image"] and panel["slices"] == ["p"] and panel["width"] == 2
    assert panel["steps"] == [{"step": step, "href": f"/v1/jobs/{job}/panel/{step}"} for step in (20, 40)]
    for entry in panel["steps"]:
        sheet = server.get(entry["href"])
        assert sheet.status_code == 200 and sheet.content == formats.png([[entry["step"], 0]])
        assert server.get(entry["href"], headers={"If-None-Match": sheet.headers["ETag"]}).status_code == 304
    assert not (server.data / "jobs" / job).exists()


def test_the_panels_of_the_latest_trainings_are_kept(start_toy):
    server = start_training(start_toy, 0.0, panel=[1])
    folder = server.data / "panels"
    folder.mkdir()
    for i in range(40):
        (folder / f"job_{i:02}").mkdir()
        os.utime(folder / f"job_{i:02}", (1000 + i, 1000 + i))
    job = train(server)["id"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"job_{i:02}" for i in range(9, 40)] + [job])
