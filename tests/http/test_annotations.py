"""/v1/slices/{id}/annotation and its history."""
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from api import check_time, fields_of, serving
import formats
from images import PNG, chunk, mask_png, png, png_of_rows, read_png

MASK = [[0, 255, 255], [0, 255, 127]]  # height 2, width 3
# Down the columns: 0 0 | 255 255 | 255 127; runs 2 3 1. COCO writes 2 3 and, from the fourth run on,
# differences; each of these fits one character from '0'.
TARGET = {"size": [2, 3], "counts": "231"}
REST = {"size": [2, 3], "counts": "51"}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as api:
        yield api


@pytest.fixture
def path(api):
    """Of the annotation of a new slice."""
    return f"/v1/slices/{api.slice(api.dataset(), png(3, 2))['id']}/annotation"


def put_png(api, path, rows, status=200, **query):
    return api.put(path, status, data=mask_png(rows), headers={"Content-Type": PNG}, params=query)


def test_a_mask_comes_back_as_it_was(api, path):
    api.get(path, 404)
    record = put_png(api, path, MASK, 201, author="Ada").json()
    assert (record["author"], record["action"], record["current"]) == ("Ada", "set", True)
    check_time(record["created_at"])
    answer = api.get(path)
    assert answer.headers["Content-Type"] == PNG
    assert read_png(answer.content) == (3, 2, MASK)
    assert api.get(path.rsplit("/", 1)[0]).json()["annotated"] is True


def test_json_tells_target_and_what_is_not_annotated(api, path):
    put_png(api, path, MASK, 201)
    answer = api.get(path, headers={"Accept": "application/json"})
    assert answer.json() == {**TARGET, "not_annotated": REST}
    put_png(api, path, [[0, 255, 255], [0, 255, 0]])
    assert api.get(path, headers={"Accept": "application/json"}).json() == TARGET


@pytest.mark.parametrize("body", [
    {**TARGET, "not_annotated": REST},
    {"size": [2, 3], "counts": [2, 3, 1], "not_annotated": {"size": [2, 3], "counts": [5, 1]}},
])
def test_runs_and_png_are_the_same_mask(api, path, body):
    first = api.put(path, 201, json=body).json()
    assert read_png(api.get(path).content) == (3, 2, MASK)
    assert put_png(api, path, MASK).json() == first  # nothing new: the same entry
    assert len(api.get(path + "/history").json()["items"]) == 1


@pytest.mark.parametrize("body", [
    {}, {"size": [2, 3]}, {"counts": "231"}, {"size": [2, 3], "counts": "231", "x": 1},
    {"size": [2, 3], "counts": None}, {"size": [3, 2], "counts": "231"},
    {"size": [2, 3], "counts": "239"}, {"size": [2, 3], "counts": [2, 3]},
    {"size": [2, 3], "counts": [-1, 7]}, {"size": [4096, 4096], "counts": [4096 * 4096]},
    {**TARGET, "not_annotated": {"size": [3, 3], "counts": [9]}},
    {**TARGET, "not_annotated": {"size": [2, 3], "counts": [2, 1, 3]}},
    {**TARGET, "not_annotated": "51"},
])
def test_runs_that_do_not_fit_are_refused(api, path, body):
    api.put(path, 422, json=body)
    api.get(path, 404)


@pytest.mark.parametrize("body", [
    {"size": [2, 3], "counts": "2\x013"}, {"size": [2, 3], "counts": "ooooooooooooooo"},
    {"size": "2x3", "counts": "231"}, {"size": [2], "counts": "231"},
    {"size": [2, 3], "counts": ["2", "3"]},
])
def test_runs_that_do_not_parse_are_malformed(api, path, body):
    api.put(path, 400, json=body)
    api.get(path, 404)


@pytest.mark.parametrize("size", [[2**40, 2**40], [0, 3], [-2, -3], [5000, 5000]])
def test_runs_of_absurd_sizes_are_refused(api, path, size):
    api.put(path, 413 if size[0] > 4096 else 422, json={"size": size, "counts": [6]})


BAD_PNGS = {
    "another size": (mask_png([[0, 0], [0, 0]]), 422),
    "turned": (mask_png([[0, 0], [0, 0], [0, 0]]), 422),
    "another value": (mask_png([[0, 1, 255], [0, 0, 0]]), 422),
    "RGB": (png(3, 2, channels=3), 415),
    "16 bit": (png(3, 2, depth=16), 415),
    "palette": (png_of_rows([bytes(3)] * 2, 3, colour_type=3, extra=chunk(b"PLTE", bytes(3))), 415),
    "interlaced": (png_of_rows([bytes(3)] * 2, 3, interlace=1), 415),
    "truncated": (mask_png(MASK)[:-10], 400),
    "not a PNG": (b"mask", 400),
    "empty": (b"", 400),
    "bytes after the end": (mask_png(MASK) + b"x", 400),
    "width 0": (png_of_rows([b""] * 2, 0), 400),
}


@pytest.mark.parametrize("name", BAD_PNGS)
def test_bad_masks_are_refused_and_the_old_one_stays(api, path, name):
    data, status = BAD_PNGS[name]
    put_png(api, path, MASK, 201)
    api.put(path, status, data=data, headers={"Content-Type": PNG})
    assert read_png(api.get(path).content) == (3, 2, MASK)
    assert len(api.get(path + "/history").json()["items"]) == 1


def test_other_types_are_refused(api, path):
    api.put(path, 415, data=b"x", headers={"Content-Type": "application/x-npy"})
    api.put(path, 415, data=b"x", headers={"Content-Type": ""})
    api.put(path, 400, data="{", headers={"Content-Type": "application/json"})
    put_png(api, path, MASK, 201)
    api.get(path, 406, headers={"Accept": "image/jpeg"})


def test_the_history_keeps_every_mask(api, path):
    first = put_png(api, path, MASK, 201, author="Ada").json()
    other = [[255] * 3] * 2
    put_png(api, path, other, author="Bob")
    api.delete(path, params={"author": "Eve"})
    api.delete(path, 404)
    api.get(path, 404)
    page = api.get(path + "/history").json()
    assert page["next_cursor"] is None
    assert [(item["action"], item["author"], item["current"]) for item in page["items"]] == [
        ("removed", "Eve", False), ("set", "Bob", False), ("set", "Ada", False)]
    assert page["items"][0]["sha256"] is None
    old = api.get(f"{path}/history/{first['id']}")
    assert read_png(old.content) == (3, 2, MASK)
    runs = api.get(f"{path}/history/{first['id']}", headers={"Accept": "application/json"}).json()
    assert runs == {**TARGET, "not_annotated": REST}
    api.get(f"{path}/history/{first['id']}", 304, headers={"If-None-Match": old.headers["ETag"]})
    api.get(f"{path}/history/{page['items'][0]['id']}", 404)
    api.get(path + "/history/ann_none", 404)
    api.get(path, 422, params={"version": first["id"]})
    assert api.get(path.rsplit("/", 1)[0]).json()["annotated"] is False
    put_png(api, path, MASK, 201)
    assert [item["current"] for item in api.get(path + "/history?limit=2").json()["items"]] == [
        True, False]


def test_a_version_of_another_slice_is_not_found(api, path):
    record = put_png(api, path, MASK, 201).json()
    other = api.slice(api.dataset(), png(3, 2))["id"]
    api.get(f"/v1/slices/{other}/annotation/history/{record['id']}", 404)
    api.post(f"/v1/slices/{other}/annotation/history/{record['id']}/restore", 404)


def test_the_etag_follows_mask_and_form(api, path):
    put_png(api, path, MASK, 201)
    tag = api.get(path).headers["ETag"]
    api.get(path, 304, headers={"If-None-Match": tag})
    runs = api.get(path, headers={"If-None-Match": tag, "Accept": "application/json"})
    assert runs.headers["ETag"] != tag and "Accept" in runs.headers["Vary"]
    put_png(api, path, [[0] * 3] * 2)
    assert api.get(path, headers={"If-None-Match": tag}).headers["ETag"] != tag


# ==== Two people, one mask ====

OTHER, THIRD = [[255] * 3] * 2, [[0] * 3] * 2


def put_if(api, path, rows, status, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.put(path, status, data=mask_png(rows), headers={"Content-Type": PNG, **headers})


def check_changed(answer, current):
    problem = answer.json()
    assert problem["type"] == "urn:genseg:problem:annotation_changed"
    assert problem["title"] == "annotation changed"
    assert problem["current"] == current


def test_a_mask_that_somebody_else_changed_is_not_overwritten(api, path):
    put_png(api, path, MASK, 201, author="Ada")
    began = api.get(path).headers["ETag"]
    changed = put_png(api, path, OTHER, author="Bob").json()
    refused = put_if(api, path, THIRD, 412, If_Match=began)
    check_changed(refused, changed)
    assert "Bob" in refused.json()["detail"]
    assert read_png(api.get(path).content) == (3, 2, OTHER)
    check_changed(api.delete(path, 412, headers={"If-Match": began}), changed)
    assert len(api.get(path + "/history").json()["items"]) == 2


def test_the_etag_of_either_form_and_the_answer_are_conditions(api, path):
    record = put_png(api, path, MASK, 201).json()
    runs = api.get(path, headers={"Accept": "application/json"}).headers["ETag"]
    record = put_if(api, path, OTHER, 200, If_Match=f'"x", {runs}').json()
    assert api.get(path).headers["ETag"] == f'"{record["sha256"]}"'
    put_if(api, path, THIRD, 200, If_Match=f'"{record["sha256"]}"')
    put_if(api, path, MASK, 200, If_Match="*")
    put_if(api, path, OTHER, 412, If_Match="")
    put_if(api, path, OTHER, 412, If_Match=f'W/"{record["sha256"]}"')  # weak tags match nothing here


def test_conditions_on_a_mask_that_is_not_there(api, path):
    check_changed(put_if(api, path, MASK, 412, If_Match="*"), None)
    first = put_if(api, path, MASK, 201, If_None_Match="*").json()
    check_changed(put_if(api, path, OTHER, 412, If_None_Match="*"), first)
    api.delete(path, headers={"If-Match": f'"{first["sha256"]}"'})
    check_changed(put_if(api, path, OTHER, 412, If_Match=f'"{first["sha256"]}"'), None)
    api.delete(path, 404, headers={"If-Match": "*"})


def test_a_repeated_call_succeeds_although_the_first_changed_the_etag(api, path):
    put_png(api, path, MASK, 201)
    began = api.get(path).headers["ETag"]
    first = put_if(api, path, OTHER, 200, If_Match=began).json()
    assert put_if(api, path, OTHER, 200, If_Match=began).json() == first


def test_many_who_began_with_the_same_mask_and_only_one_is_stored(api, path):
    put_png(api, path, MASK, 201)
    began = api.get(path).headers["ETag"]
    masks = [[[255 * (bit >> i & 1) for i in range(3)], [0] * 3] for bit in range(8)]

    def save(rows):
        return requests.put(api.url + path, data=mask_png(rows), timeout=30,
                            headers={"Content-Type": PNG, "If-Match": began}).status_code

    with ThreadPoolExecutor(len(masks)) as pool:
        assert sorted(pool.map(save, masks)) == [200] + [412] * (len(masks) - 1)
    assert len(api.get(path + "/history").json()["items"]) == 2


def test_a_mask_of_the_history_becomes_the_current_one_again(api, path):
    first = put_png(api, path, MASK, 201, author="Ada").json()
    second = put_png(api, path, OTHER, author="Bob").json()
    restore = f"{path}/history/{first['id']}/restore"
    check_changed(api.post(restore, 412, headers={"If-Match": f'"{first["sha256"]}"'}), second)
    restored = api.post(restore, params={"author": "Eve"},
                        headers={"If-Match": f'"{second["sha256"]}"'}).json()
    assert (restored["author"], restored["current"], restored["sha256"]) == ("Eve", True, first["sha256"])
    assert read_png(api.get(path).content) == (3, 2, MASK)
    assert api.post(restore).json() == restored  # it is the current one already
    assert [item["author"] for item in api.get(path + "/history").json()["items"]] == ["Eve", "Bob", "Ada"]
    api.delete(path)
    removal = api.get(path + "/history").json()["items"][0]
    api.post(f"{path}/history/{removal['id']}/restore", 404)
    api.post(restore, headers={"If-None-Match": "*"})
    assert api.get(path.rsplit("/", 1)[0]).json()["annotated"] is True
    api.post(f"{path}/history/ann_none/restore", 404)
    api.post(restore, 422, params={"author": "a" * 129})


def test_lists_find_annotated_slices(api):
    dataset = api.dataset()
    first = api.slice(dataset, png(3, 2, seed=1))
    api.slice(dataset, png(3, 2, seed=2))
    put_png(api, f"/v1/slices/{first['id']}/annotation", MASK, 201)
    found = api.get("/v1/slices", params={"dataset": dataset, "annotated": "true"}).json()["items"]
    assert [item["id"] for item in found] == [first["id"]]


@pytest.mark.parametrize("author", ["", "a" * 129], ids=["empty", "long"])
def test_wrong_authors_are_refused(api, path, author):
    answer = api.put(path, 422, data=mask_png(MASK), headers={"Content-Type": PNG},
                     params={"author": author})
    assert fields_of(answer) == ["author"]


# ==== Masks that a model began ====

MODEL = "mdl_q7zkzuv5vawkhtml"


def description(data):
    return formats.read_png(data)[4].get("Description")


@pytest.mark.parametrize("form", ["image/png", "application/json"])
def test_what_a_mask_began_with_is_kept_with_it(api, path, form):
    """The model need not be there: it may have been deleted, or the mask be from elsewhere."""
    if form == "image/png":
        entry = put_png(api, path, MASK, 201, began_with=MODEL).json()
    else:
        entry = api.put(path, 201, json={**TARGET, "began_with": MODEL}).json()
    assert entry["began_with"] == MODEL
    assert api.get(path, headers={"Accept": "application/json"}).json()["began_with"] == MODEL
    assert description(api.get(path).content) == f"Began with the prediction of model {MODEL}."
    assert api.get(path + "/history").json()["items"] == [entry]
    again = api.get(path, headers={"Accept": "application/json"}).json()
    assert api.put(path, json=again).json() == entry, "what is read can be stored"


def test_the_same_mask_drawn_by_a_person_is_another_one(api, path):
    began = put_png(api, path, MASK, 201, began_with=MODEL).json()
    drawn = put_png(api, path, MASK).json()
    assert drawn["began_with"] is None and drawn["sha256"] != began["sha256"]
    assert description(api.get(path).content) is None
    assert "began_with" not in api.get(path, headers={"Accept": "application/json"}).json()
    restored = api.post(f"{path}/history/{began['id']}/restore").json()
    assert (restored["began_with"], restored["sha256"]) == (MODEL, began["sha256"])
    assert [entry["began_with"] for entry in api.get(path + "/history").json()["items"]] == [MODEL, None, MODEL]


@pytest.mark.parametrize("wrong", ["", "mdl_", "slc_q7zkzuv5vawkhtml", "mdl_Q7", "mdl_" + "a" * 20, "mdl_a b", "<b>"])
def test_what_is_no_model_id_is_refused(api, path, wrong):
    answer = put_png(api, path, MASK, 422, began_with=wrong)
    assert fields_of(answer) == ["began_with"]
    assert fields_of(api.put(path, 422, json={**TARGET, "began_with": wrong})) == ["began_with"]
    api.get(path, 404)


def test_only_masks_begin_with_a_model(api, path):
    put_png(api, path, MASK, 201)
    assert fields_of(api.delete(path, 422, params={"began_with": MODEL})) == ["began_with"]
