"""Presets that normalise a volume as a whole: what is stored of a liver, and what a model sees of it, with the toy
engine. A brain is in test_volumes_real.py."""
import pytest

import formats
import nifti
from test_volumes import LPS, NPY, outputs, parts, run

SIZE, SPACING = (32, 32, 4), (1.0, 1.0, 3.0)  # a liver fills the levels, so a pixel of 32 x 32 is a voxel
OFFSET = 0.5


def intensity(x, y, z):
    return 40.0 + (7 * x + 3 * y + 11 * z) % 60


def label(x, y, z):
    """Level 0: no lesion; 1: one of 8 voxels; 2: one of 3, too small for presence; 3: too little liver to keep."""
    if z == 3:
        return 1 if x < 4 and y < 4 else 0
    lesion = {0: 0, 1: 8, 2: 3}[z]
    return 2 if 10 <= x < 10 + lesion and 12 <= y < 12 + lesion else 1


@pytest.fixture
def liver(start_toy, tmp_path):
    """A server with a model of normalization unit, and uploads into data sets of any."""
    model = tmp_path / "unit.safetensors"
    model.write_bytes(formats.toy_model(height=32, columns=32, normalization="unit", offset=OFFSET))
    server = start_toy("--import-model", str(model))

    def upload(normalization):
        assert server.put(f"/v1/datasets/{normalization}", json={"normalization": normalization}).status_code == 201
        files = parts(nifti.volume(intensity, SIZE, LPS, "f", spacing=SPACING),
                      label=nifti.volume(label, SIZE, LPS, "B", spacing=SPACING))
        query = {"dataset": normalization, "preset": "liver", "scale": 8, "case": "p", "annotate": "true"}
        answer = server.post("/v1/volumes", params=query, files=files)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return server, upload


def slices_of(server, volume):
    return server.get("/v1/slices", params={"volume": volume["id"]}).json()["items"]


def values(server, path, **request):
    answer = server.api(request.pop("method", "GET"), path, **request)
    assert answer.status_code == 200, answer.text
    return formats.read_npy(answer.content)[1]


def test_a_liver_with_labels_is_cut_labelled_and_segmented(liver):
    server, upload = liver
    volume = upload("none")
    slices = slices_of(server, volume)
    assert [(s["index"], s["label"], s["annotated"]) for s in slices] == [
        (0, "absence", False), (1, "presence", True), (2, "unknown", False)]
    assert {(s["height"], s["width"], s["normalization"]) for s in slices} == {(32, 32, "none")}
    mask = formats.read_png(server.get(f"/v1/slices/{slices[1]['id']}/annotation").content)[3]
    assert mask == [[255 if label(31 - column, 31 - row, 1) == 2 else 0 for column in range(32)] for row in range(32)]
    job = run(server, volume, threshold=0.5)
    found = outputs(server, job, LPS, SIZE)
    truth = nifti.Read(nifti.volume(label, SIZE, LPS, "B"), SIZE, LPS).at
    masks, both = found["mask"].at, 0
    for place, mask in masks.items():
        assert mask == (found["probabilities"].at[place] > 0.5)
        both += mask and truth[place] == 2
    assert abs(job["dice"] - 2 * both / (sum(masks.values()) + sum(t == 2 for t in truth.values()))) < 1e-9


def test_a_model_sees_the_same_whatever_the_data_set_stores(liver):
    server, upload = liver
    answers, predictions = {}, {}
    for normalization in ("none", "unit"):
        volume = upload(normalization)
        job = outputs(server, run(server, volume), LPS, SIZE)["probabilities"].at
        wish = {"kind": "predict", "dataset": normalization}
        assert server.wait_for_job(server.post("/v1/jobs", json=wish).json()["id"])["state"] == "succeeded"
        slices = slices_of(server, volume)
        predictions[normalization] = [s["prediction"]["uncertainty"] for s in slices]
        answers[normalization] = []
        for s in slices:
            stored = values(server, f"/v1/slices/{s['id']}/content")
            seen = stored if normalization == "none" else [2 * v - 1 for v in stored]
            found = values(server, "/v1/segment", method="POST", json={"slice_id": s["id"]}, headers=NPY)
            healthy = values(server, "/v1/translate?output=translated", method="POST", headers=NPY,
                             json={"slice_id": s["id"], "direction": "presence_to_absence"})
            for i, (x, p, h) in enumerate(zip(seen, found, healthy)):
                assert abs(p - min(max(x + OFFSET, 0), 1)) < 1e-6 and abs(h - (x / 2 + OFFSET)) < 1e-6
                assert abs(p - job[31 - i % 32, 31 - i // 32, s["index"]]) < 1e-5
            answers[normalization].append(found)
    assert all(abs(a - b) < 1e-6 for one, other in zip(*answers.values()) for a, b in zip(one, other))
    assert all(abs(a - b) < 1e-6 for a, b in zip(*predictions.values()))


def test_a_data_set_with_volumes_keeps_its_normalization(liver):
    server, upload = liver
    upload("unit")
    answer = server.put("/v1/datasets/unit", json={"normalization": "none"})
    assert answer.status_code == 409 and "normalization unit" in answer.json()["detail"]
    assert server.put("/v1/datasets/unit", json={"normalization": "unit"}).status_code == 200
