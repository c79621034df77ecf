"""/v1/slices: uploads good and bad, lists, images, labels."""
import gzip
import hashlib
import struct
import threading
import zlib

import pytest

import formats
import nifti as volumes
from api import check_time, fields_of, serving, unique
from images import NIFTI, NPY, PNG, chunk, nifti, npy, png, png_of_rows, read_png


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as api:
        yield api


@pytest.fixture
def dataset(api):
    return api.dataset()


VALUES = [0.5 * i - 3 for i in range(24)]  # of a 6 x 4 image


def test_a_slice_is_stored_with_all_its_fields(api, dataset):
    data = png()
    answer = api.upload(dataset, data, case="c 1", index=7, name="Schnitt \u00e4", label="presence",
                        split="validation")
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/slices/{body['id']}"
    check_time(body.pop("created_at"))
    assert body == {
        "id": body["id"], "dataset": dataset, "case": "c 1", "index": 7, "volume": None, "part": None,
        "name": "Schnitt \u00e4",
        "width": 6, "height": 4, "channels": 1, "content_type": PNG, "content_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(), "normalization": None, "label": "presence",
        "split": "validation", "annotated": False, "prediction": None}
    assert api.get(f"/v1/slices/{body['id']}").json()["name"] == "Schnitt \u00e4"


def test_what_is_not_given_is_null(api, dataset):
    body = api.slice(dataset, png())
    assert (body["case"], body["index"], body["name"], body["split"]) == (None,) * 4
    assert body["label"] == "unknown"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_every_kind_of_png_is_taken(api, dataset, channels, depth):
    body = api.slice(dataset, png(channels=channels, depth=depth))
    assert body["channels"] == channels


@pytest.mark.parametrize("data, content_type, channels", [
    (npy(VALUES, (4, 6)), NPY, 1),
    (npy(VALUES * 3, (3, 4, 6)), NPY, 3),
    (nifti(VALUES, 6, 4), NIFTI, 1),
    (gzip.compress(nifti(VALUES * 2, 6, 4, channels=2)), NIFTI, 2),
    (png(), "Image/PNG; name=x", 1),
])
def test_other_formats_are_taken(api, dataset, data, content_type, channels):
    body = api.slice(dataset, data, content_type=content_type)
    assert (body["channels"], body["height"], body["width"]) == (channels, 4, 6)
    content = api.get(f"/v1/slices/{body['id']}/content")
    assert content.content == data
    assert content.headers["Content-Type"] == body["content_type"]


def test_parts_become_channels(api, dataset):
    parts = [("image", (f"{i}.png", png(seed=i), PNG)) for i in range(3)]
    body = api.post("/v1/slices", 201, params={"dataset": dataset}, files=parts).json()
    assert (body["channels"], body["content_type"]) == (3, NPY)
    image = read_png(api.get(f"/v1/slices/{body['id']}/image?channel=2").content)
    assert image == read_png(api.get(
        f"/v1/slices/{api.slice(api.dataset(), png(seed=2))['id']}/image").content)
    one = api.post("/v1/slices", 201, params={"dataset": api.dataset()},
                   files=[("image", ("x", png(), PNG))]).json()
    assert (one["content_type"], one["sha256"]) == (PNG, hashlib.sha256(png()).hexdigest())


@pytest.mark.parametrize("parts, status", [
    ([("image", ("a", png(), PNG)), ("image", ("b", png(5, 4), PNG))], 422),
    ([("picture", ("a", png(), PNG))], 422),
    ([("image", ("a", png(), "text/plain"))], 415),
    ([("image", ("a", png(channels=2), PNG)), ("image", ("b", png(), PNG))], 422),
    ([("image", ("a", png(seed=i), PNG)) for i in range(17)], 413),
])
def test_wrong_parts_are_refused(api, dataset, parts, status):
    api.post("/v1/slices", status, params={"dataset": dataset}, files=parts)


def header(**changes):
    fields = {"width": 6, "height": 4, "depth": 8, "colour": 0, "interlace": 0, **changes}
    return png_of_rows([bytes(6)] * 4, fields["width"], fields["colour"], fields["depth"],
                       fields["interlace"], fields["height"])


BAD_PNGS = {
    "empty": (b"", 400),
    "truncated": (png()[:-20], 400),
    "truncated header": (png()[:20], 400),
    "wrong magic": (b"\x88" + png()[1:], 400),
    "garbage": (b"not an image at all", 400),
    "bytes after the end": (png() + b"x", 400),
    "bad checksum": (png()[:-6] + b"\0\0\0\0\0\0", 400),
    "width 0": (header(width=0), 400),
    "height 0": (header(height=0), 400),
    "interlaced": (header(interlace=1), 415),
    "palette": (png_of_rows([bytes(6)] * 4, 6, colour_type=3, extra=chunk(b"PLTE", bytes(6))), 415),
    "1 bit": (header(depth=1), 415),
    "no such depth": (header(depth=7), 400),
    "no such colour": (header(colour=5), 400),
    "enormous": (header(width=100000, height=100000), 413),
    "more rows said than there": (header(height=4000), 400),
}


@pytest.mark.parametrize("name", BAD_PNGS)
def test_bad_pngs_are_refused(api, dataset, name):
    data, status = BAD_PNGS[name]
    api.upload(dataset, data, status=status)
    assert api.get(f"/v1/datasets/{dataset}").json()["counts"]["slices"] == 0


BAD_NPYS = {
    "empty": (b"", 400),
    "truncated": (npy(VALUES[:-1], (4, 6)), 400),
    "bytes after the end": (npy(VALUES + [1], (4, 6)), 400),
    "lying shape": (npy(VALUES, (400, 600)), 400),
    "overflowing shape": (npy(VALUES, (2**62, 2**62)), 413),
    "negative shape": (npy(VALUES, (-4, -6)), 400),
    "float64": (npy(VALUES, (2, 6), dtype="<f8"), 415),
    "big-endian": (npy(VALUES, (4, 6), dtype=">f4"), 415),
    "Fortran order": (npy(VALUES, (4, 6), fortran=True), 415),
    "one axis": (npy(VALUES, (24,)), 415),
    "no header": (npy(VALUES, (4, 6), header="{}"), 400),
    "header not closed": (npy(VALUES, (4, 6), header="{'descr': '<f4'"), 400),
    "wrong magic": (b"\x93NUMPX" + npy(VALUES, (4, 6))[6:], 400),
    "header beyond the end": (b"\x93NUMPY\x01\x00\xff\x7f{", 400),
    "header beyond the limit": (b"\x93NUMPY\x01\x00\xff\xff{", 413),
    "NaN": (npy(VALUES[:-1] + [float("nan")], (4, 6)), 422),
    "infinite": (npy(VALUES[:-1] + [float("-inf")], (4, 6)), 422),
    "too many channels": (npy([0.0] * 17, (17, 1, 1)), 413),
    "no pixels": (npy([], (0, 6)), 422),
}


@pytest.mark.parametrize("name", BAD_NPYS)
def test_bad_npys_are_refused(api, dataset, name):
    data, status = BAD_NPYS[name]
    api.upload(dataset, data, NPY, status=status)


@pytest.mark.parametrize("data, status", [
    (nifti(VALUES * 2, 6, 4, slices=2), 415),
    (nifti(VALUES[:-1], 6, 4), 400),
    (nifti(VALUES, 6, 4)[:100], 400),
    (gzip.compress(nifti(VALUES, 6, 4))[:-9], 400),
    (gzip.compress(nifti(VALUES, 6, 4) + bytes(10**7)), 400),  # inflates beyond what it says
    (nifti(VALUES[:-1] + [float("nan")], 6, 4), 422),
])
def test_bad_niftis_are_refused(api, dataset, data, status):
    api.upload(dataset, data, NIFTI, status=status)


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain", "application/json", ""])
def test_other_media_types_are_unsupported(api, dataset, content_type):
    api.upload(dataset, png(), content_type, status=415)


def test_a_broken_multipart_body_is_malformed(api, dataset):
    for content_type in ["multipart/form-data", "multipart/form-data; boundary=b"]:
        api.upload(dataset, b"--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nx",
                   content_type, status=400)


@pytest.mark.parametrize("query, field", [
    ({"label": "maybe"}, "label"), ({"split": "dev"}, "split"), ({"index": -1}, "index"),
    ({"index": "one"}, "index"), ({"case": "c" * 129}, "case"), ({"name": "n" * 257}, "name"),
    ({"patient": "p"}, "patient"), ({"case": ""}, "case"),
])
def test_wrong_fields_are_named(api, dataset, query, field):
    assert field in fields_of(api.upload(dataset, png(), status=422, **query))


def test_the_data_set_must_be_named_and_exist(api):
    assert "dataset" in fields_of(api.post("/v1/slices", 422, data=png(),
                                           headers={"Content-Type": PNG}))
    api.upload("nowhere", png(), status=404)
    api.get("/v1/slices?dataset=nowhere", 404)


@pytest.mark.parametrize("query", ["case=%ff", "case=%00", "case=%0a"])
def test_a_query_that_is_no_text_is_malformed(api, dataset, query):
    api.post(f"/v1/slices?dataset={dataset}&{query}", 400, data=png(),
             headers={"Content-Type": PNG})


def test_slices_of_a_data_set_have_one_size(api, dataset):
    api.slice(dataset, png(6, 4))
    for other in [png(5, 4), png(6, 5), png(6, 4, channels=2)]:
        problem = api.upload(dataset, other, status=422).json()
        assert "height 4 and width 6" in problem["detail"] or "4 and 6" in problem["detail"]


def test_the_same_bytes_give_the_first_slice(api, dataset):
    first = api.slice(dataset, png(), label="presence")
    again = api.upload(dataset, png(), status=200, label="absence", case="other")
    assert again.json() == first
    assert again.headers["Location"] == f"/v1/slices/{first['id']}"
    assert api.slice(api.dataset(), png())["id"] != first["id"]


def test_the_same_key_gives_the_first_result(api, dataset):
    key = {"Idempotency-Key": unique("key")}
    first = api.slice(dataset, png(), headers=key)
    assert api.upload(dataset, png(), status=200, headers=key).json() == first
    api.upload(dataset, png(seed=1), status=422, headers=key)
    api.delete(f"/v1/slices/{first['id']}")
    api.upload(dataset, png(), status=409, headers=key)
    api.upload(dataset, png(), status=422, headers={"Idempotency-Key": "k" * 256})


def test_uploads_at_once_give_one_slice_per_content(api, dataset):
    first = api.slice(dataset, png(seed=0))
    ids = []

    def upload(seed):
        ids.append(api.upload(dataset, png(seed=seed), status=201 if seed else 200).json()["id"])

    threads = [threading.Thread(target=upload, args=(seed if seed % 2 else 0,))
               for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 16
    assert len(set(ids)) == 9 and first["id"] in ids


def test_the_slices_of_a_case_have_one_split(api, dataset):
    first = api.slice(dataset, png(seed=1), case="c")
    api.slice(dataset, png(seed=2), case="c", split="train")
    assert api.get(f"/v1/slices/{first['id']}").json()["split"] == "train"
    assert api.slice(dataset, png(seed=3), case="c")["split"] == "train"
    api.upload(dataset, png(seed=4), case="c", split="test", status=409)


def test_lists_filter_and_page(api, dataset):
    for seed in range(7):
        api.slice(dataset, png(seed=seed), case=f"c{seed % 2}", index=seed,
                  label=["presence", "absence", "unknown"][seed % 3])

    def indices(**query):
        found, cursor = [], None
        while True:
            page = api.get("/v1/slices", params={"dataset": dataset, "limit": 2, "cursor": cursor,
                                                 **query}).json()
            found += [item["index"] for item in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    assert indices() == list(range(7))
    assert indices(label="presence") == [0, 3, 6]
    assert indices(case="c1") == [1, 3, 5]
    assert indices(case="c1", label="absence") == [1]
    assert indices(annotated="true") == []
    assert indices(annotated="false", case="c0") == [0, 2, 4, 6]
    assert indices(split="train") == []


@pytest.mark.parametrize("query, field", [
    ("label=yes", "label"), ("annotated=maybe", "annotated"), ("split=x", "split"),
    ("limit=1000", "limit"), ("sort=colour", "sort"),
])
def test_wrong_filters_are_named(api, query, field):
    assert field in fields_of(api.get(f"/v1/slices?{query}", 422))


def test_the_image_spans_black_to_white(api, dataset):
    body = api.slice(dataset, npy(VALUES + [2.0] * 24, (2, 4, 6)), content_type=NPY)
    image = api.get(f"/v1/slices/{body['id']}/image")
    assert image.headers["Content-Type"] == PNG
    width, height, rows = read_png(image.content)
    assert (width, height, rows[0][0], rows[3][5]) == (6, 4, 0, 255)
    assert rows[0][:3] == [0, 11, 22]
    flat = read_png(api.get(f"/v1/slices/{body['id']}/image?channel=1").content)[2]
    assert len({value for row in flat for value in row}) == 1
    for channel in ["2", "-1", "x"]:
        answer = api.get(f"/v1/slices/{body['id']}/image?channel={channel}", 422)
        assert fields_of(answer) == ["channel"]


@pytest.mark.parametrize("content_type", ["application/x-nifti", "application/x-nifti; axes=stored"])
def test_a_nifti_slice_lies_as_its_header_says(api, dataset, content_type):
    """Of 3 columns and 2 rows as it is shown; in the file its columns run to the front and its rows to the right. What
    the store says of slices of before is not for clients to say."""
    data = volumes.volume(lambda x, y, z: 10 * x + y, (3, 2, 1), ((1, 1), (0, 1), (2, 1)))
    body = api.slice(dataset, data, content_type=content_type)
    assert (body["width"], body["height"], body["content_type"]) == (3, 2, "application/x-nifti")
    width, height, rows = read_png(api.get(f"/v1/slices/{body['id']}/image").content)
    assert (width, height) == (3, 2)
    shown = [[21, 11, 1], [20, 10, 0]]  # from the front and from the right
    assert rows == [[round(value / 21 * 255) for value in row] for row in shown]
    assert api.get(f"/v1/slices/{body['id']}/content").content == data


RGB = [[(10 * x + y, 255 - x, 7 * y) for x in range(6)] for y in range(4)]
DEEP = [[1000 * y + 11 * x for x in range(6)] for y in range(4)]
EXACT = {
    "colour PNG": (PNG, formats.png([[v for pixel in row for v in pixel] for row in RGB], channels=3),
                   [RGB[y][x][c] / 255 for c in range(3) for y in range(4) for x in range(6)]),
    "16-bit PNG": (PNG, formats.png(DEEP, depth=16), [v / 65535 for row in DEEP for v in row]),
    "NIfTI": (NIFTI, volumes.volume(lambda x, y, z: 10.5 * x - y, (6, 4, 1), kind="f"),
              [10.5 * (5 - x) - (3 - y) for y in range(4) for x in range(6)]),
    ".npy": (NPY, npy(VALUES, (4, 6)), VALUES),
}


@pytest.mark.parametrize("kind", EXACT)
def test_content_as_npy_has_the_exact_values(api, dataset, kind):
    content_type, data, values = EXACT[kind]
    path = f"/v1/slices/{api.slice(dataset, data, content_type=content_type)['id']}/content"
    answer = api.get(path, headers={"Accept": NPY})
    assert answer.headers["Content-Type"] == NPY and "Accept" in answer.headers["Vary"]
    shape, found = formats.read_npy(answer.content)
    assert len(values) == len(found) and shape[-2:] == (4, 6)
    assert all(abs(a - b) < 1e-6 * max(1, abs(b)) for a, b in zip(found, values))
    stored = api.get(path)
    assert (stored.headers["Content-Type"], stored.content) == (content_type, data)
    assert (stored.headers["ETag"] == answer.headers["ETag"]) == (kind == ".npy")
    assert api.get(path, headers={"Accept": "text/html, */*;q=0.8"}).content == data


@pytest.mark.parametrize("what", ["image", "content"])
def test_bytes_have_an_etag(api, dataset, what):
    path = f"/v1/slices/{api.slice(dataset, png())['id']}/{what}"
    first = api.get(path)
    tag = first.headers["ETag"]
    again = api.get(path, 304, headers={"If-None-Match": f'"x", {tag}'})
    assert again.content == b"" and again.headers["ETag"] == tag
    assert api.get(path, headers={"If-None-Match": '"x"'}).content == first.content
    head = api("HEAD", path, 200)
    assert head.headers["Content-Length"] == str(len(first.content)) and head.content == b""


def test_the_label_changes(api, dataset):
    body = api.slice(dataset, png())
    path = f"/v1/slices/{body['id']}/label"
    assert api.put(path, json={"label": "presence"}).json() == {**body, "label": "presence"}
    assert api.get(f"/v1/slices/{body['id']}").json()["label"] == "presence"
    for wrong in [{}, {"label": "yes"}, {"label": 1}, {"label": None},
                  {"label": "absence", "why": 1}]:
        assert fields_of(api.put(path, 422, json=wrong))
    api.put(path, 400, data="{", headers={"Content-Type": "application/json"})
    api.put(path, 400, data='["presence"]', headers={"Content-Type": "application/json"})
    api.put(path, 415, data="presence", headers={"Content-Type": "text/plain"})
    assert api.get(f"/v1/slices/{body['id']}").json()["label"] == "presence"


def test_a_deleted_slice_is_gone(api, dataset):
    body = api.slice(dataset, png())
    path = f"/v1/slices/{body['id']}"
    api.delete(path)
    api.delete(path, 404)
    for rest in ["", "/image", "/content", "/annotation", "/annotation/history"]:
        api.get(path + rest, 404)
    api.put(path + "/label", 404, json={"label": "absence"})
    assert api.slice(dataset, png())["id"] != body["id"]


@pytest.mark.parametrize("slice_id", ["slc_none", "%27%20OR%201=1", "x" * 300, "..%2f..", "%C3%A4"],
                         ids=["unknown", "quoted", "long", "dots", "not ASCII"])
def test_unknown_ids_are_not_found(api, slice_id):
    for rest in ["", "/image", "/content", "/annotation"]:
        api.get(f"/v1/slices/{slice_id}{rest}", 404)


def test_a_bomb_is_refused_before_it_goes_off(api, dataset):
    rows = zlib.compress(bytes(1) * (4097 * 4096), 9)
    head = struct.pack(">IIBBBBB", 4096, 4096, 16, 6, 0, 0, 0)
    bomb = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) +
            chunk(b"IEND", b""))
    api.upload(dataset, bomb, status=413)
