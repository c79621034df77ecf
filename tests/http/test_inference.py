"""Segment, translate and sample, against the toy engine: every pixel is predicted."""
import base64
import struct
import threading

import pytest

import formats

PIXELS = [[10 * y + 40 * x for x in range(4)] for y in range(6)]
VALUES = [value / 255 for row in PIXELS for value in row]
PNG = {"Content-Type": "image/png"}
NPY = {"Content-Type": "application/x-npy"}
JSON = "application/json"


def close(a, b, tolerance=1e-6):
    return len(a) == len(b) and all(abs(x - y) <= tolerance for x, y in zip(a, b))


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["detail"] and body["type"] and body["title"]
    return body


# ==== Segment ====

def test_segment_of_an_image_gives_probabilities_mask_and_json(toy_server):
    body = formats.png(PIXELS)
    answer = toy_server.post("/v1/segment", data=body, headers={**PNG, "Accept": "application/x-npy"})
    assert answer.status_code == 200, answer.text
    shape, values = formats.read_npy(answer.content)
    assert shape == (6, 4) and close(values, VALUES)

    answer = toy_server.post("/v1/segment", data=body, headers={**PNG, "Accept": "image/png"})
    width, height, depth, rows, _ = formats.read_png(answer.content)
    truth = [[255 if value / 255 > 0.5 else 0 for value in row] for row in PIXELS]
    assert (width, height, depth, rows) == (4, 6, 8, truth)

    answer = toy_server.post("/v1/segment", data=body, headers=PNG).json()
    assert answer["width"] == 4 and answer["height"] == 6 and answer["model"].startswith("mdl_")
    assert formats.read_rle(answer["mask"]) == [[value // 255 for value in row] for row in truth]
    assert answer["area"] == sum(sum(row) for row in truth) // 255
    assert "dice" not in answer


def test_what_a_model_made_is_marked(toy_server):
    model = toy_server.get("/v1/models/active").json()["id"]
    for accept in ("application/json", "image/png", "application/x-npy"):
        answer = toy_server.post("/v1/segment", data=formats.png(PIXELS), headers={**PNG, "Accept": accept})
        assert answer.headers["X-Generated"] == f"operation=segment, model={model}"
        if accept == "image/png":
            texts = formats.read_png(answer.content)[4]
            assert texts["Description"] == f"Generated image (mask), not an acquired one. Model {model}."
    for path, query in (("translate", {"direction": "presence_to_absence", "output": "residual"}), ("sample", {})):
        answer = toy_server.post(f"/v1/{path}", params=query, data=formats.png(PIXELS), headers=PNG)
        assert answer.headers["X-Generated"] == f"operation={path}, model={model}"


def test_segment_threshold_moves_the_mask(toy_server):
    for threshold in (0, 0.2, 0.9, 1):
        answer = toy_server.post("/v1/segment", params={"threshold": threshold}, data=formats.png(PIXELS), headers=PNG)
        assert answer.json()["area"] == sum(value > threshold for value in VALUES)


def test_segment_of_an_annotated_slice_has_dice_without_unannotated_pixels(toy_server):
    mask = [[255 if value > 127 else 0 for value in row] for row in PIXELS]
    record = toy_server.upload(PIXELS, label="presence", mask=mask)
    answer = toy_server.post("/v1/segment", json={"slice_id": record["id"]}).json()
    assert answer["dice"] == 1 and answer["slice_id"] == record["id"]
    scribble = [[127] * 4 for _ in range(5)] + [[0, 0, 255, 255]]  # the prediction of row 5: 50 90 130 170
    toy_server.upload([[1] * 4] * 6)
    record = toy_server.upload([row[:] for row in PIXELS[:5]] + [[50, 200, 200, 10]], mask=scribble)
    answer = toy_server.post("/v1/segment", json={"slice_id": record["id"]}).json()
    assert answer["dice"] == pytest.approx(0.5)


def test_images_of_every_form_are_understood(toy_server):
    expected = toy_server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).json()["area"]
    deep = formats.png([[value * 257 for value in row] for row in PIXELS], depth=16)
    assert toy_server.post("/v1/segment", data=deep, headers=PNG).json()["area"] == expected
    flat = formats.npy(VALUES, (6, 4))
    assert toy_server.post("/v1/segment", data=flat, headers=NPY).json()["area"] == expected
    deep = formats.npy(VALUES, (1, 6, 4))
    assert toy_server.post("/v1/segment", data=deep, headers=NPY).json()["area"] == expected
    part = {"image": ("slice.png", formats.png(PIXELS), "image/png")}
    assert toy_server.post("/v1/segment", files=part).json()["area"] == expected


def test_several_channels_come_as_parts(start_toy, tmp_path):
    weights = tmp_path / "two.safetensors"
    weights.write_bytes(formats.toy_model(channels=2))
    server = start_toy("--import-model", str(weights))
    parts = [("image", ("a.png", formats.png(PIXELS), "image/png")),
             ("image", ("b.npy", formats.npy([0.25] * 24, (6, 4)), "application/x-npy"))]
    answer = server.post("/v1/segment", files=parts, headers={"Accept": "application/x-npy"})
    assert close(formats.read_npy(answer.content)[1], VALUES)
    answer = server.post("/v1/translate", params={"direction": "presence_to_absence", "output": "translated"},
                         files=parts, headers={"Accept": "application/x-npy"})
    shape, values = formats.read_npy(answer.content)
    assert shape == (2, 6, 4) and close(values[24:], [0.125] * 24)
    first = server.post("/v1/translate", params={"direction": "presence_to_absence", "output": "translated",
                                                 "channel": 1}, files=parts)
    assert first.headers["X-Window"] == "min=0.125, max=0.125"
    problem(server.post("/v1/translate", params={"direction": "presence_to_absence", "channel": 2}, files=parts), 422)
    small = [parts[0], ("image", ("b.png", formats.png([[1, 2], [3, 4]]), "image/png"))]
    problem(server.post("/v1/segment", files=small), 422)
    odd = [("picture", parts[0][1])]
    assert "picture" in problem(server.post("/v1/segment", files=odd), 422)["detail"]


def test_foreground_normalisation_of_the_model_is_applied(start_toy, tmp_path):
    weights = tmp_path / "n.safetensors"
    weights.write_bytes(formats.toy_model(normalization="foreground"))
    server = start_toy("--import-model", str(weights))
    pixels = [[0, 0, 0, 0]] * 3 + [[100, 200, 100, 200]] * 3
    answer = server.post("/v1/translate", params={"direction": "presence_to_absence", "output": "translated"},
                         data=formats.png(pixels), headers={**PNG, "Accept": "application/x-npy"})
    values = formats.read_npy(answer.content)[1]
    assert close(values, [0] * 12 + [-0.1, 0.1] * 6)  # (x - mean) / (5 s.d.) = ±1/5; the toy halves it


# ==== Translate ====

def test_translation_to_absence_adds_up_exactly(toy_server):
    maps = {}
    for output in ("translated", "residual", "reconstruction"):
        answer = toy_server.post("/v1/translate", params={"direction": "presence_to_absence", "output": output},
                                 data=formats.png(PIXELS), headers={**PNG, "Accept": "application/x-npy"})
        assert answer.status_code == 200, answer.text
        maps[output] = formats.read_npy(answer.content)[1]
    single = [struct.unpack("<f", struct.pack("<f", a + b))[0] for a, b in zip(maps["translated"], maps["residual"])]
    assert single == maps["reconstruction"]
    assert close(maps["translated"], [value / 2 for value in VALUES])


def test_translation_as_json_holds_windows_and_marked_pngs(toy_server):
    record = toy_server.upload(PIXELS, label="presence")
    answer = toy_server.post("/v1/translate", json={"slice_id": record["id"], "direction": "presence_to_absence"})
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    assert set(outputs) == {"translated", "residual", "reconstruction"}
    translated = outputs["translated"]
    assert translated["min"] == 0 and translated["max"] == pytest.approx(max(VALUES) / 2)
    width, height, depth, rows, texts = formats.read_png(base64.b64decode(translated["png"]))
    assert (width, height, depth) == (4, 6, 8) and rows[0][0] == 0 and rows[5][3] == 255
    assert "Generated" in texts["Description"] and answer.json()["model"] in texts["Description"]


def test_translation_to_presence_depends_on_the_seed_alone(toy_server):
    def ask(seed, output="translated"):
        return toy_server.post("/v1/translate", params={"direction": "absence_to_presence", "seed": seed,
                                                        "output": output},
                               data=formats.png(PIXELS), headers={**PNG, "Accept": "application/x-npy"}).content
    assert ask(3) == ask(3) != ask(4)
    values = [formats.read_npy(ask(3, output))[1] for output in ("autoencoded", "residual", "translated")]
    assert close([a + b for a, b in zip(values[0], values[1])], values[2])
    assert close(values[1], [3 / 97] * 24)


def test_one_output_as_png_names_its_window(toy_server):
    answer = toy_server.post("/v1/translate", params={"direction": "presence_to_absence", "output": "residual"},
                             data=formats.png(PIXELS), headers=PNG)
    assert answer.headers["Content-Type"] == "image/png" and answer.headers["X-Window"].startswith("min=0, max=")
    assert "residual" in formats.read_png(answer.content)[4]["Description"]


# ==== Sample ====

def test_samples_count_up_from_the_seed_and_repeat(toy_server):
    record = toy_server.upload(PIXELS, label="absence")
    ask = {"slice_id": record["id"], "count": 16, "seed": 90}
    answer = toy_server.post("/v1/sample", json=ask)
    assert answer.status_code == 200, answer.text
    samples = answer.json()["samples"]
    assert [sample["seed"] for sample in samples] == list(range(90, 106))
    assert toy_server.post("/v1/sample", json=ask).content == answer.content
    for sample in samples:
        value = sample["seed"] % 97 / 97
        assert sample["residual"]["min"] == pytest.approx(value, abs=1e-6)
        truth = [[int(v / 255 / 2 + value > 0.5) for v in row] for row in PIXELS]
        assert formats.read_rle(sample["mask"]) == truth
    alone = toy_server.post("/v1/sample", json={**ask, "count": 1, "seed": 95}).json()["samples"][0]
    assert alone == samples[5]


def test_samples_do_not_depend_on_how_many_are_asked_for(start_toy, tmp_path):
    server = slow_server(start_toy, tmp_path, batch_error=0.05)
    ask = {"slice_id": server.upload(PIXELS, label="absence")["id"]}
    several = server.post("/v1/sample", json={**ask, "count": 16, "seed": 20}).json()["samples"]
    for index in (0, 15):
        alone = server.post("/v1/sample", json={**ask, "count": 1, "seed": 20 + index}).json()["samples"]
        assert alone == [several[index]]


def frames(server, path="/v1/sample", **request):
    answer = server.post(path, **request)
    assert answer.status_code == 200, answer.text
    return answer.json()["samples"]


def test_an_interpolation_goes_from_one_sample_to_another(toy_server):
    ask = {"slice_id": toy_server.upload(PIXELS, label="absence")["id"]}
    found = frames(toy_server, json={**ask, "interpolate": {"from": 10, "to": 90, "steps": 5}})
    assert [frame["t"] for frame in found] == [0, 0.25, 0.5, 0.75, 1]
    assert [frame["seed"] for frame in found] == [10, None, None, None, 90]
    for frame in found:
        value = (10 + 80 * frame["t"]) / 97
        assert frame["residual"]["min"] == pytest.approx(value, abs=1e-6)
        assert formats.read_rle(frame["mask"]) == [[int(v / 255 / 2 + value > 0.5) for v in row] for row in PIXELS]
        mark = dict(formats.read_png(base64.b64decode(frame["image"]["png"]))[4])["Description"]
        assert mark.startswith("Generated image (sample)")
    for frame, seed in ((found[0], 10), (found[-1], 90)):
        alone = frames(toy_server, json={**ask, "count": 1, "seed": seed})[0]
        assert {name: value for name, value in frame.items() if name != "t"} == alone
    assert "t" not in alone


def test_an_interpolation_of_a_body_has_query_parameters(toy_server):
    body = {"data": formats.png(PIXELS), "headers": PNG}
    by_query = frames(toy_server, params={"from": 10, "to": 90, "steps": 3}, **body)
    stored = toy_server.upload(PIXELS, label="absence")["id"]
    way = {"from": 10, "to": 90, "steps": 3}
    assert by_query == frames(toy_server, json={"slice_id": stored, "interpolate": way})
    assert len(frames(toy_server, params={"from": 2 ** 53 - 1, "to": 0}, **body)) == 8
    for params, field in (({"from": 1, "steps": 3}, "to"), ({"to": 1}, "from"), ({"steps": 3}, "from"),
                          ({"from": 1, "to": 2, "seed": 1}, "seed"), ({"from": 1, "to": 2, "count": 4}, "count"),
                          ({"interpolate": 1}, "interpolate"), ({"from": 1, "to": 2, "steps": 17}, "steps")):
        errors = problem(toy_server.post("/v1/sample", params=params, **body), 422)["errors"]
        assert field in [error["field"] for error in errors], params


# ==== Refusals ====

@pytest.mark.parametrize("path, body, field", [
    ("/v1/segment", {}, "slice_id"),
    ("/v1/segment", {"slice_id": 5}, "slice_id"),
    ("/v1/segment", {"slice_id": "slc_0", "treshold": 1}, "treshold"),
    ("/v1/segment", {"slice_id": "slc_0", "threshold": "high"}, "threshold"),
    ("/v1/segment", {"slice_id": "slc_0", "threshold": 1.5}, "threshold"),
    ("/v1/translate", {"slice_id": "slc_0"}, "direction"),
    ("/v1/translate", {"slice_id": "slc_0", "direction": "up"}, "direction"),
    ("/v1/translate", {"slice_id": "slc_0", "direction": "presence_to_absence", "seed": -1}, "seed"),
    ("/v1/sample", {"slice_id": "slc_0", "count": 17}, "count"),
    ("/v1/sample", {"slice_id": "slc_0", "count": 0}, "count"),
    ("/v1/sample", {"slice_id": "slc_0", "seed": 2 ** 60}, "seed"),
    ("/v1/sample", {"slice_id": "slc_0", "seed": 1.5}, "seed"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": [1, 2]}, "interpolate"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1}}, "interpolate.to"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"to": 1}}, "interpolate.from"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": -1, "to": 1}}, "interpolate.from"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2 ** 53}}, "interpolate.to"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2, "steps": 1}}, "interpolate.steps"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2, "steps": 17}}, "interpolate.steps"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2, "stepz": 3}}, "interpolate.stepz"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2}, "seed": 3}, "seed"),
    ("/v1/sample", {"slice_id": "slc_0", "interpolate": {"from": 1, "to": 2}, "count": 3}, "count"),
    ("/v1/sample", {"slice_id": "slc_0", "from": 1, "to": 2}, "from"),
])
def test_wrong_fields_are_named(toy_server, path, body, field):
    errors = problem(toy_server.post(path, json=body), 422)["errors"]
    assert field in [error["field"] for error in errors]


def test_unknown_ids_are_404(toy_server):
    problem(toy_server.post("/v1/segment", json={"slice_id": "slc_nothing"}), 404)
    problem(toy_server.post("/v1/segment", params={"model": "mdl_nothing"}, data=formats.png(PIXELS), headers=PNG), 404)


def test_an_image_of_another_size_is_422_naming_both(toy_server):
    detail = problem(toy_server.post("/v1/segment", data=formats.png([[1, 2], [3, 4]]), headers=PNG), 422)["detail"]
    assert "height 6 and width 4" in detail and "height 2 and width 2" in detail


def test_no_active_model_is_409(start_toy):
    server = start_toy()
    assert "no model is active" in problem(server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG),
                                           409)["detail"]
    assert server.get("/readyz").status_code == 200


BAD_BODIES = [
    ("nothing", b"", "image/png", 400),
    ("no type", b"abc", None, 415),
    ("unknown type", b"abc", "image/jpeg", 415),
    ("wrong magic", b"GIF89a" + bytes(50), "image/png", 400),
    ("truncated", formats.png(PIXELS)[:-20], "image/png", 400),
    ("bytes behind the end", formats.png(PIXELS) + b"x", "image/png", 400),
    ("palette", formats.png([[0, 1], [1, 0]], colour=3, extra=formats.chunk(b"PLTE", bytes(6))), "image/png", 415),
    ("interlaced", formats.png(PIXELS, interlace=1), "image/png", 415),
    ("no pixels", formats.png(PIXELS, header=struct.pack(">IIBBBBB", 0, 6, 8, 0, 0, 0, 0)), "image/png", 400),
    ("huge", formats.png(PIXELS, header=struct.pack(">IIBBBBB", 2 ** 31 - 1, 2 ** 31 - 1, 8, 0, 0, 0, 0)),
     "image/png", 413),
    ("wrong dtype", formats.npy(VALUES, (6, 4), dtype="<f8"), "application/x-npy", 415),
    ("Fortran order", formats.npy(VALUES, (6, 4), fortran=True), "application/x-npy", 415),
    ("lying header", formats.npy(VALUES, (60, 40)), "application/x-npy", 400),
    ("absurd header", formats.npy(VALUES, (2 ** 62, 2 ** 62)), "application/x-npy", 413),
    ("header longer than the file", b"\x93NUMPY\x01\x00\xff\x0f", "application/x-npy", 400),
    ("not a number", formats.npy([float("nan")] * 24, (6, 4)), "application/x-npy", 422),
    ("infinite", formats.npy([float("inf")] * 24, (6, 4)), "application/x-npy", 422),
    ("multipart without boundary", b"--x", "multipart/form-data", 400),
    ("multipart without end", b"--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nabc",
     "multipart/form-data; boundary=x", 400),
    ("multipart without parts", b"--x--\r\n", "multipart/form-data; boundary=x", 422),
    ("broken JSON", b'{"slice_id": ', JSON, 400),
    ("nested JSON", b'{"slice_id": ' + b"[" * 100000 + b"]" * 100000 + b"}", JSON, 400),
    ("JSON of another type", b"[1]", JSON, 400),
    ("JSON with the same name twice", b'{"slice_id": "a", "slice_id": "b"}', JSON, 400),
    ("JSON with NUL", b'{"slice_id": "a\\u0000b"}', JSON, 400),
]


@pytest.mark.parametrize("body, kind, status", [row[1:] for row in BAD_BODIES], ids=[row[0] for row in BAD_BODIES])
def test_bad_bodies_are_refused(toy_server, body, kind, status):
    headers = {"Content-Type": kind} if kind else {}
    problem(toy_server.post("/v1/segment", data=body, headers=headers), status)
    assert toy_server.get("/healthz").status_code == 200


def test_what_cannot_be_accepted_is_406(toy_server):
    for path in ("/v1/segment", "/v1/translate?direction=presence_to_absence&output=residual"):
        problem(toy_server.post(path, data=formats.png(PIXELS), headers={**PNG, "Accept": "text/html"}), 406)


# ==== Queue ====

def slow_server(start_toy, tmp_path, *options, **model):
    weights = tmp_path / "slow.safetensors"
    weights.write_bytes(formats.toy_model(**model))
    return start_toy("--import-model", str(weights), *options)


def ask_at_once(server, count):
    answers = []

    def ask(value):
        body = formats.npy([value / 100] * 24, (6, 4))
        answer = server.api("POST", "/v1/segment", data=body, headers={**NPY, "Accept": "application/x-npy"})
        answers.append((value, answer))
    threads = [threading.Thread(target=ask, args=(value,)) for value in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def metric(server, name):
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(name + " ")]
    return float(lines[0].split()[-1])


def test_waiting_requests_share_a_batch_and_keep_their_own_answers(start_toy, tmp_path):
    server = slow_server(start_toy, tmp_path, compute_ms=150)
    for value, answer in ask_at_once(server, 9):
        assert answer.status_code == 200
        assert close(formats.read_npy(answer.content)[1], [value / 100] * 24)
    batches = metric(server, 'genseg_batch_images_count{operation="segment"}')
    assert metric(server, 'genseg_batch_images_sum{operation="segment"}') == 9
    assert batches < 9, "nothing was batched"


def test_a_full_queue_is_503_with_retry_after(start_toy, tmp_path):
    server = slow_server(start_toy, tmp_path, "--queue", "2", "--max-batch", "1", compute_ms=200)
    codes = [answer.status_code for _, answer in ask_at_once(server, 10)]
    refused = [answer for _, answer in ask_at_once(server, 10) if answer.status_code == 503]
    assert set(codes) == {200, 503} and refused
    assert problem(refused[0], 503) and int(refused[0].headers["Retry-After"]) >= 1
    assert server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).status_code == 200
