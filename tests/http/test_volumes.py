"""Volumes: uploaded, cut into slices, segmented and translated as jobs, taken away. Most of it with the toy engine,
so that every voxel of an answer is predicted; the real one on a simulated brain is in test_volumes_real.py."""
import contextlib
import gzip
import json
import math
import random
import sqlite3
import threading
import time

import pytest
import requests

import contract
import formats
import nifti
from test_inference import problem
from test_jobs import read_events
from test_robustness import small_disk_by_limit

SIZE = (4, 6, 5)  # to the right, the front and the top: the toy model takes images of 6 x 4
PLAIN = {"dataset": "d", "preset": "plain"}
LPS = ((0, -1), (1, -1), (2, 1))
ODD = ((2, -1), (0, 1), (1, -1))  # the file's first axis runs down, its second to the right, its third to the back
NPY = {"Accept": "application/x-npy"}


def value(x, y, z):
    """In [0, 1]; level 0 is one value, which makes it empty."""
    return 0.0 if z == 0 else (x + 4 * y + 24 * z) / 160


def label(x, y, z):
    return 3 if z >= 3 and x >= 2 else 0


def parts(*channels, **named):
    return [("image", (f"{i}.nii.gz", data)) for i, data in enumerate(channels)] + [
        (name, (f"{name}.nii.gz", data)) for name, data in named.items()]


def upload(server, *channels, status=201, headers=None, query=None, **named):
    answer = server.post("/v1/volumes", params={**PLAIN, **(query or {})}, files=parts(*channels, **named),
                         headers=headers)
    contract.check("POST", "/v1/volumes", answer)
    if status >= 400:
        return problem(answer, status)
    assert answer.status_code == status, answer.text
    assert answer.headers["Location"] == f"/v1/volumes/{answer.json()['id']}"
    assert server.get(answer.headers["Location"]).json() == answer.json()
    return answer.json()


def start(server, volume, kind="segment", status=202, **wish):
    path = f"/v1/volumes/{volume['id']}/{kind}"
    answer = server.post(path, json=wish)
    contract.check("POST", path, answer)
    if status >= 400:
        return problem(answer, status)
    assert answer.status_code == status, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def run(server, volume, kind="segment", **wish):
    job = server.wait_for_job(start(server, volume, kind, **wish)["id"])
    assert job["state"] == "succeeded", job
    contract.validate(job, {"$ref": "#/components/schemas/Job"})
    return job


def outputs(server, job, axes=nifti.RAS, size=SIZE):
    found = {}
    for output in job["outputs"]:
        answer = server.get(output["href"])
        contract.check("GET", output["href"], answer)
        assert answer.status_code == 200 and len(answer.content) == output["size"]
        assert f'{output["name"]}.nii.gz"' in answer.headers["Content-Disposition"]
        found[output["name"]] = nifti.Read(answer.content, size, axes)
    return found


@pytest.fixture
def data(toy_server):
    assert toy_server.put("/v1/datasets/d").status_code == 201
    return toy_server


def floats(axes=nifti.RAS, **more):
    return nifti.volume(value, SIZE, axes, "f", **more)


# ==== Storing ====

def test_a_volume_is_cut_into_labelled_slices_that_know_their_place(data):
    labels = nifti.volume(label, SIZE, LPS, "B")
    volume = upload(data, floats(ODD), label=labels, query={"case": "p 1", "split": "test", "annotate": "true"})
    assert (volume["case"], volume["preset"], volume["channels"], volume["slices"]) == ("p 1", "plain", 1, 4)
    assert volume["has_label"] and not volume["has_organ"]
    assert volume["geometry"]["size"] == list(SIZE) and volume["geometry"]["spacing_mm"] == [1, 2, 3]
    assert volume["geometry"]["origin_mm"] == [-10, 20, 5]
    answer = data.get("/v1/slices", params={"volume": volume["id"]})
    contract.check("GET", "/v1/slices", answer)
    slices = answer.json()["items"]
    assert [s["index"] for s in slices] == [1, 2, 3, 4], "level 0 has one value and is left out"
    assert {(s["volume"], s["case"], s["split"], s["part"]) for s in slices} == {(volume["id"], "p 1", "test", None)}
    assert [s["label"] for s in slices] == ["absence", "absence", "presence", "presence"]
    assert [s["annotated"] for s in slices] == [False, False, True, True]
    for s in slices:
        shape, pixels = formats.read_npy(data.get(f"/v1/slices/{s['id']}/content").content)
        assert shape == (1, 6, 4)
        wanted = [value(3 - column, 5 - row, s["index"]) for row in range(6) for column in range(4)]
        assert all(abs(a - b) < 1e-6 for a, b in zip(pixels, wanted)), "rows from the front, columns from the right"
    mask = formats.read_png(data.get(f"/v1/slices/{slices[2]['id']}/annotation").content)[3]
    assert mask == [[255, 255, 0, 0]] * 6


@pytest.mark.parametrize("name", ["\u00e9" * 128, "x" + "\u00e9" * 127, "\U0001f9e0" * 64])
def test_a_long_name_is_cut_between_characters(data, name):
    volume = upload(data, floats(), query={"name": name})
    assert volume["name"] == name
    for s in data.get("/v1/slices", params={"volume": volume["id"]}).json()["items"]:
        start, level = s["name"].rsplit(" ", 1)
        assert level == f"z{s['index']}" and name.startswith(start) and len(start.encode()) > 220


def test_a_volume_is_listed_read_and_deleted_with_all_that_is_its(data):
    first, second = upload(data, floats(), query={"case": "a"}), upload(data, nifti.volume(
        lambda x, y, z: value(x, y, z) / 2, SIZE, kind="f"), query={"name": "other"})
    assert second["case"] == second["id"] and second["name"] == "other"
    for query, wanted in (({}, [first, second]), ({"case": "a"}, [first]), ({"dataset": "d", "limit": 1}, [first])):
        answer = data.get("/v1/volumes", params=query)
        contract.check("GET", "/v1/volumes", answer)
        assert answer.json()["items"] == wanted
    page = data.get("/v1/volumes", params={"limit": 1}).json()
    assert data.get("/v1/volumes", params={"cursor": page["next_cursor"]}).json() == {
        "items": [second], "next_cursor": None}
    problem(data.get("/v1/volumes", params={"dataset": "none"}), 404)
    problem(data.get("/v1/volumes/vol_none"), 404)
    job = run(data, first)
    slices = data.get("/v1/slices", params={"volume": first["id"]}).json()["items"]
    folder = data.data / "volumes" / first["id"]
    assert (folder / "image-0.nii").exists()
    assert data.delete(f"/v1/volumes/{first['id']}").status_code == 204
    problem(data.get(f"/v1/volumes/{first['id']}"), 404)
    problem(data.get(f"/v1/slices/{slices[0]['id']}"), 404)
    assert "went with volume" in problem(data.get(job["outputs"][0]["href"]), 404)["detail"]
    assert not folder.exists()
    problem(data.delete(f"/v1/volumes/{first['id']}"), 404)
    assert data.get("/v1/datasets/d").json()["counts"]["slices"] == second["slices"]


def test_the_same_files_give_the_first_volume_again(data):
    first = upload(data, floats())
    assert upload(data, floats(), status=200) == first
    key = {"Idempotency-Key": "once"}
    other = nifti.volume(lambda x, y, z: value(x, y, z) / 3, SIZE, kind="f")
    second = upload(data, other, headers=key, query={"case": "k"})
    answer = data.post("/v1/volumes", params={**PLAIN, "case": "k"}, headers={**key, "Content-Type":
                       "application/x-nifti"}, data=other)
    problem(answer, 422)  # another body: the boundary of the first one is part of it
    raw = {"Idempotency-Key": "raw", "Content-Type": "application/x-nifti"}
    third = [data.post("/v1/volumes", params=PLAIN, headers=raw, data=nifti.volume(
        lambda x, y, z: value(x, y, z) / 5, SIZE, kind="f")) for _ in range(2)]
    assert [answer.status_code for answer in third] == [201, 200] and third[0].json() == third[1].json()
    assert len({first["id"], second["id"], third[0].json()["id"]}) == 3
    detail = upload(data, floats(), status=409, label=nifti.volume(label, SIZE, kind="B"))["detail"]
    assert "has all 4 slices" in detail


# ==== Segmenting and translating ====

@pytest.mark.parametrize("axes", [nifti.RAS, LPS, ODD])
def test_a_segmented_volume_has_the_geometry_of_its_input_and_dice(data, axes):
    scan = floats(axes)
    volume = upload(data, scan, label=nifti.volume(label, SIZE, kind="B"))
    job = run(data, volume, threshold=0.4)
    found = outputs(data, job, axes)
    assert set(found) == {"mask", "probabilities"} and job["step"] == 4
    both = wanted = area = 0
    for place, p in found["probabilities"].at.items():
        assert abs(p - value(*place)) < 1e-6
        mask = found["mask"].at[place]
        assert mask == (1 if p > 0.4 else 0)
        both, wanted, area = both + (mask and label(*place) > 0), wanted + (label(*place) > 0), area + mask
    assert abs(job["dice"] - 2 * both / (wanted + area)) < 1e-9 and 0 < job["dice"] < 1
    assert job["outputs"][0]["voxels"] == area and abs(job["outputs"][0]["volume_ml"] - 6 * area / 1000) < 1e-9
    for output in found.values():
        assert output.geometry() == nifti.Read(scan, SIZE, axes).geometry()
        assert output.descrip.startswith("Generated by GenSeg, not acquired") and job["model"] in output.descrip
        assert output.intent[1] == "generated"
    assert [found[name].intent[0] for name in ("mask", "probabilities")] == [nifti.LABEL, nifti.ESTIMATE]


def test_a_volume_answers_as_its_slices_do(data):
    volume = upload(data, floats(ODD))
    found = outputs(data, run(data, volume), ODD)["probabilities"].at
    for s in data.get("/v1/slices", params={"volume": volume["id"]}).json()["items"]:
        answer = data.post("/v1/segment", json={"slice_id": s["id"]}, headers=NPY)
        pixels = formats.read_npy(answer.content)[1]
        assert pixels == [found[3 - column, 5 - row, s["index"]] for row in range(6) for column in range(4)]


def test_a_healthy_volume_and_its_residual(data):
    scan = floats(LPS)
    volume = upload(data, scan)
    job = run(data, volume, "translate", direction="presence_to_absence")
    assert job["dice"] is None
    found = outputs(data, job, LPS)
    assert set(found) == {"translated-0", "residual-0"}
    for place, healthy in found["translated-0"].at.items():
        x = value(*place)
        assert abs(healthy - (x / 2 if place[2] else x)) < 1e-6, "an empty slice keeps its own values"
        assert abs(found["residual-0"].at[place] - (x / 4 if place[2] else 0)) < 1e-6
    assert found["residual-0"].geometry() == nifti.Read(scan, SIZE, LPS).geometry()
    assert found["translated-0"].descrip.startswith("Generated")


def test_channels_are_stacked_in_order(start_toy, tmp_path):
    model = tmp_path / "two.safetensors"
    model.write_bytes(formats.toy_model(channels=2))
    server = start_toy("--import-model", str(model))
    server.put("/v1/datasets/d")
    volume = upload(server, floats(), nifti.volume(lambda x, y, z: 1 - value(x, y, z), SIZE, ODD, "d"))
    found = outputs(server, run(server, volume, "translate"))
    assert set(found) == {"translated-0", "residual-0", "translated-1", "residual-1"}
    assert abs(found["translated-1"].at[1, 2, 3] - (1 - value(1, 2, 3)) / 2) < 1e-6
    server.put("/v1/datasets/e")
    single = upload(server, floats(), query={"dataset": "e"})
    assert start(server, single, status=422)["errors"][0]["field"] == "model"


def test_outputs_have_an_etag_and_jobs_are_found_by_volume(data):
    volume = upload(data, floats())
    job = run(data, volume)
    href = job["outputs"][0]["href"]
    tag = data.get(href).headers["ETag"]
    assert data.get(href, headers={"If-None-Match": tag}).status_code == 304
    problem(data.get(f"/v1/jobs/{job['id']}/outputs/nothing"), 404)
    problem(data.get(f"/v1/jobs/{job['id']}/outputs/..%2F..%2Fimage-0"), 404)
    for query, count in (({"volume": volume["id"]}, 1), ({"kind": "segment"}, 1), ({"kind": "train"}, 0)):
        assert len(data.get("/v1/jobs", params=query).json()["items"]) == count
    events = [name for _, name, _ in read_events(data, job["id"])]
    assert events[0] == "start" and events[-2:] == ["done", "state"]


# ==== Jobs in the background ====

def slow(start_toy, tmp_path, compute_ms=100, levels=40, **more):
    model = tmp_path / "slow.safetensors"
    model.write_bytes(formats.toy_model(compute_ms=compute_ms))
    server = start_toy("--import-model", str(model), "--max-batch", "2", **more)
    server.put("/v1/datasets/d")
    size = (4, 6, levels)
    return server, upload(server, nifti.volume(lambda x, y, z: (x + y + z) / 60, size, kind="f"))


def test_requests_go_before_a_volume(start_toy, tmp_path):
    server, volume = slow(start_toy, tmp_path)
    job = start(server, volume)["id"]
    server.wait_for_job(job, ("running",))
    waits = []
    for _ in range(5):
        begin = time.monotonic()
        answer = server.post("/v1/segment", data=formats.npy([0.5] * 24, (6, 4)),
                             headers={"Content-Type": "application/x-npy"})
        waits.append(time.monotonic() - begin)
        assert answer.status_code == 200
    assert server.get(f"/v1/jobs/{job}").json()["state"] == "running", "2 s of computing are not over yet"
    assert min(waits) < 0.5, "a request waits for one batch of the volume and its own"
    assert server.wait_for_job(job)["state"] == "succeeded"


def test_a_job_is_cancelled_and_begins_anew(start_toy, tmp_path):
    server, volume = slow(start_toy, tmp_path)
    job = start(server, volume)["id"]
    server.wait_for_job(job, ("running",))
    assert job in problem(server.delete(f"/v1/volumes/{volume['id']}"), 409)["detail"]
    assert server.post(f"/v1/jobs/{job}/cancel").status_code == 202
    assert server.wait_for_job(job)["state"] == "cancelled"
    folder = server.data / "volumes" / volume["id"]
    assert sorted(path.name for path in folder.iterdir()) == ["image-0.nii"], "nothing is left of it"
    assert server.post(f"/v1/jobs/{job}/resume").status_code == 202
    assert server.wait_for_job(job)["state"] == "succeeded"
    assert server.delete(f"/v1/volumes/{volume['id']}").status_code == 204


def test_a_job_survives_the_death_of_the_server(start_toy, tmp_path):
    server, volume = slow(start_toy, tmp_path, compute_ms=60)
    job = start(server, volume)["id"]
    server.wait_for_job(job, ("running",))
    server.kill()
    stray = server.data / "volumes" / "vol_stray"
    stray.mkdir()
    server.start()
    assert server.wait_for_job(job)["state"] == "succeeded"
    assert server.get(f"/v1/jobs/{job}").json()["runs"] == 2 and not stray.exists()


def test_stopping_does_not_wait_for_a_volume(start_toy, tmp_path):
    server, volume = slow(start_toy, tmp_path, compute_ms=200, levels=200)
    job = start(server, volume)["id"]
    server.wait_for_job(job, ("running",))
    begin = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - begin < 10
    server.start()
    assert server.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")
    server.post(f"/v1/jobs/{job}/cancel")
    server.wait_for_job(job)


# ==== What is refused ====

def test_without_a_model_or_with_one_that_does_not_fit(start_toy):
    server = start_toy()
    server.put("/v1/datasets/d")
    volume = upload(server, floats())
    assert "no model" in start(server, volume, status=409)["detail"]
    model = server.post("/v1/models", data=formats.toy_model(height=5),
                        headers={"Content-Type": "application/octet-stream"}).json()["id"]
    assert "height 5" in start(server, volume, status=422, model=model)["detail"]
    problem(server.post(f"/v1/volumes/{volume['id']}/segment", json={"model": "mdl_none"}), 404)
    problem(server.post("/v1/volumes/vol_none/segment"), 404)
    assert start(server, volume, status=422, threshold=2)["errors"][0]["field"] == "threshold"
    wrong = start(server, volume, "translate", status=422, direction="absence_to_presence")
    assert wrong["errors"][0]["field"] == "direction"


GOOD = nifti.volume(value, SIZE, kind="f", packed=False)
BAD_FILES = {
    "four dimensions": (415, "dimension 4", [nifti.volume(value, SIZE, kind="f", dim=[4, 4, 6, 1, 5, 1, 1, 1])]),
    "too few voxels": (400, "voxels", [GOOD[:-1]]),
    "more than its voxels": (400, "follow", [GOOD + b"\0"]),
    "a gzip file cut off": (400, "truncated", [gzip.compress(GOOD)[:-9]]),
    "another format": (400, "NIfTI", [b"no volume at all" * 40]),
    "a gzip file's first bytes": (400, "truncated", [b"\x1f\x8b"]),
    "half a header": (400, "header", [GOOD[:300]]),
    "a side beyond the limit": (413, "2000", [nifti.header(SIZE, dim=[3, 2000, 1, 1, 1, 1, 1, 1])]),
    "voxels beyond the limit": (413, "limit", [nifti.header(SIZE, dim=[3, 1000, 1000, 1000, 1, 1, 1, 1])]),
    "absurd spacing": (422, "spacing", [nifti.volume(value, SIZE, kind="f", spacing=(500, 1, 1))]),
    "voxels that are no numbers": (422, "finite", [nifti.volume(lambda x, y, z: math.nan, SIZE, kind="f")]),
    "one value throughout": (422, "one value", [nifti.volume(lambda x, y, z: 7, SIZE)]),
    "channels on two grids": (422, "another grid", [GOOD, nifti.volume(value, SIZE, kind="f", origin=(0, 0, 0))]),
    "a bad second channel": (400, "channel 1", [GOOD, GOOD[:-1]]),
}
BAD_LABELS = {
    "fractions": ("whole numbers", nifti.volume(lambda x, y, z: 0.5, SIZE, kind="f")),
    "another grid": ("the label volume has another grid", nifti.volume(label, (4, 6, 4), kind="B")),
}


def check_nothing_is_left(server):
    assert server.get("/v1/datasets/d").json()["counts"]["slices"] == 0
    assert server.get("/v1/volumes").json()["items"] == []
    assert [list((server.data / folder).glob("*")) for folder in ("volumes", "uploads")] == [[], []]


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_files_are_told_apart(data, what):
    status, part, channels = BAD_FILES[what]
    assert part in upload(data, *channels, status=status)["detail"]
    check_nothing_is_left(data)


@pytest.mark.parametrize("what", BAD_LABELS)
def test_bad_labels_are_told_apart(data, what):
    part, volume = BAD_LABELS[what]
    assert part in upload(data, GOOD, status=422, label=volume)["detail"]
    check_nothing_is_left(data)


def test_a_gzip_bomb_costs_nothing(data):
    bomb = gzip.compress(nifti.volume(value, SIZE, kind="f", packed=False) + bytes(1 << 26), 9)
    assert len(bomb) < 1 << 17
    begin = time.monotonic()
    assert "follow" in upload(data, bomb, status=400)["detail"]
    assert time.monotonic() - begin < 2
    assert list((data.data / "uploads").iterdir()) == []


def test_the_limit_is_that_of_all_channels_together(start_toy):
    server = start_toy("--max-voxels", "300")
    server.put("/v1/datasets/d")
    assert upload(server, floats(), floats(LPS))["channels"] == 2
    detail = upload(server, floats(), floats(), nifti.volume(value, SIZE, kind="d"), status=413)["detail"]
    assert "channel 2" in detail and "limit is 60" in detail


def test_requests_that_make_no_sense(data):
    def fields(body):
        return [error["field"] for error in body["errors"]]

    assert fields(upload(data, floats(), status=422, query={"preset": "head"})) == ["preset"]
    assert fields(upload(data, floats(), status=422, query={"colour": "red"})) == ["colour"]
    assert fields(upload(data, floats(), status=422, query={"scale": 2})) == ["scale"]
    assert fields(upload(data, floats(), status=422, query={"annotate": "true"})) == ["annotate"]
    assert fields(upload(data, floats(), status=422, mask=b"x")) == ["mask"]
    assert fields(upload(data, status=422, label=floats())) == ["image"]
    upload(data, floats(), status=404, query={"dataset": "none"})
    upload(data, *[floats()] * 17, status=413)
    problem(data.post("/v1/volumes", params=PLAIN, data=b"x", headers={"Content-Type": "image/png"}), 415)
    raw = {"Content-Type": "application/x-nifti"}
    problem(data.post("/v1/volumes", params=PLAIN, headers=raw), 400)
    answer = data.post("/v1/volumes", params={**PLAIN, "annotate": "true"}, data=floats(), headers=raw)
    assert fields(problem(answer, 422)) == ["annotate"]
    assert "where the liver is" in upload(data, floats(), status=422, query={"preset": "liver"})["detail"]
    assert "without skull" in upload(data, nifti.volume(lambda x, y, z: 1 + x, SIZE), status=422,
                                     query={"preset": "brain"})["detail"]
    data.put("/v1/datasets/f", json={"normalization": "foreground"})
    assert "as a whole" in upload(data, floats(), status=422, query={"preset": "brain", "dataset": "f"})["detail"]
    data.put("/v1/datasets/s", json={"channels": 1, "height": 7, "width": 4})
    assert "own size" in upload(data, floats(), status=422, query={"dataset": "s"})["detail"]


def test_a_full_disk_is_507_and_leaves_nothing(start_toy, tmp_path):
    wrapper = small_disk_by_limit(tmp_path / "data")
    if wrapper is None:
        pytest.skip("not possible on this machine")
    server = start_toy(wrapper=wrapper)
    server.put("/v1/datasets/d")
    big = gzip.compress(nifti.header((100, 100, 40), kind="d") + bytes(100 * 100 * 40 * 8), 1)
    upload(server, big, status=507)
    assert list((server.data / "uploads").iterdir()) == [] == list((server.data / "volumes").iterdir())
    upload(server, floats())


def big(levels):
    """A scan of 256 x 256 voxels a level, all of them noise."""
    size = (256, 256, levels)
    return nifti.header(size) + random.Random(7).randbytes(2 * 256 * 256 * levels)


def send_big(server, scan, answers):
    answers.append(requests.post(server.url + "/v1/volumes", params=PLAIN, data=scan, timeout=120,
                                 headers={"Content-Type": "application/x-nifti"}))


def label_while(data, slice_id, thread):
    """Runs the thread and sets a label again and again meanwhile; how long each took, and how long the thread."""
    waits, begin = [], time.monotonic()
    thread.start()
    while thread.is_alive():
        start = time.monotonic()
        answer = data.put(f"/v1/slices/{slice_id}/label", json={"label": ("presence", "absence")[len(waits) % 2]})
        waits.append(time.monotonic() - start)
        assert answer.status_code == 200
    return waits, time.monotonic() - begin


def test_others_write_while_a_big_volume_is_stored(data):
    """A label is set in a fraction of the time that the volume takes, all of its way."""
    slice_id, scan, answers = data.upload([[1, 2]], dataset="other")["id"], big(400), []
    thread = threading.Thread(target=send_big, args=(data, scan, answers))
    waits, seconds = label_while(data, slice_id, thread)
    assert answers[0].status_code == 201 and answers[0].json()["slices"] == 400
    assert len(waits) > 10 and max(waits) < max(0.2, seconds / 4), (max(waits), seconds)


def test_others_write_while_a_big_volume_is_deleted(data):
    """Its bytes go in portions, after the volume went."""
    slice_id, answers = data.upload([[1, 2]], dataset="other")["id"], []
    send_big(data, big(400), answers)
    volume, done = answers[0].json(), []
    thread = threading.Thread(target=lambda: done.append(data.api("DELETE", f"/v1/volumes/{volume['id']}")))
    waits, seconds = label_while(data, slice_id, thread)
    assert done[0].status_code == 204 and rows_of(data, "volume_contents") == rows_of(data, "waiting_contents") == 0
    assert max(waits) < max(0.2, seconds / 3), (max(waits), seconds)


def test_a_server_that_is_killed_while_it_deletes_a_volume_has_none_of_it(data):
    answers = []
    send_big(data, big(400), answers)
    volume = answers[0].json()

    def delete():
        with contextlib.suppress(requests.ConnectionError):
            data.api("DELETE", f"/v1/volumes/{volume['id']}")

    thread = threading.Thread(target=delete)
    thread.start()
    while rows_of(data, "waiting_contents") == 0:
        assert thread.is_alive(), "it was not caught in the middle"
    data.kill()
    thread.join()
    assert rows_of(data, "volumes") == rows_of(data, "slices") == 0 < rows_of(data, "volume_contents")
    data.start()
    assert data.get("/v1/volumes").json()["items"] == [] and list((data.data / "volumes").iterdir()) == []
    assert rows_of(data, "volume_contents") == rows_of(data, "waiting_contents") == 0
    send_big(data, big(2), answers)
    assert answers[-1].status_code == 201, "it can be stored again"


def rows_of(server, table):
    with sqlite3.connect(server.data / "genseg.db", timeout=30) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_server_that_is_killed_while_it_stores_a_volume_leaves_nothing(data):
    scan = big(300)

    def send():
        with contextlib.suppress(requests.ConnectionError):
            send_big(data, scan, [])

    thread = threading.Thread(target=send)
    thread.start()
    while rows_of(data, "waiting_contents") == 0:
        assert thread.is_alive(), "it was not caught in the middle"
    data.kill()
    thread.join()
    assert rows_of(data, "waiting_contents") > 0 and rows_of(data, "volumes") == 0
    data.start()
    assert data.get("/v1/volumes").json()["items"] == []
    assert data.get("/v1/datasets/d").json()["counts"]["slices"] == 0
    assert list((data.data / "volumes").iterdir()) == [] and not list(data.data.glob("uploads/*"))
    assert rows_of(data, "volume_contents") == rows_of(data, "waiting_contents") == 0
    with sqlite3.connect(data.data / "genseg.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    upload(data, floats())


def test_many_uploads_at_once_are_one_volume(data):
    answers = []

    def send():
        answers.append(data.api("POST", "/v1/volumes", params=PLAIN, files=parts(floats())))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert json.loads(answers[0].content)["slices"] == 4
