"""/v1/datasets"""
import pytest

from api import check_time, fields_of, serving, unique
from images import mask_png, png


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as api:
        yield api


def test_a_data_set_is_created_once_and_then_configured(api):
    name = unique("set")
    created = api.put(f"/v1/datasets/{name}", 201)
    assert created.headers["Location"] == f"/v1/datasets/{name}"
    body = created.json()
    assert (body["name"], body["normalization"], body["channels"]) == (name, "none", None)
    check_time(body["created_at"])
    again = api.put(f"/v1/datasets/{name}", json={"normalization": "foreground", "height": 4}).json()
    assert (again["normalization"], again["height"], again["width"]) == ("foreground", 4, None)
    assert again["created_at"] == body["created_at"]
    assert api.get(f"/v1/datasets/{name}").json() == again


def test_counts_follow_slices_labels_and_annotations(api):
    name = api.dataset()
    first = api.slice(name, png(seed=1), case="c1", label="presence")
    api.slice(name, png(seed=2), case="c1", label="absence")
    api.slice(name, png(seed=3), case="c2", split="test", label="presence")
    api.slice(name, png(seed=4))
    mask = mask_png([[255] * 6] * 4)
    api.put(f"/v1/slices/{first['id']}/annotation", 201, data=mask,
            headers={"Content-Type": "image/png"})
    counts = api.get(f"/v1/datasets/{name}").json()["counts"]
    assert counts == {"slices": 4, "cases": 2, "presence": 2, "absence": 1, "unknown": 1,
                      "annotated": 1, "annotated_presence": 1,
                      "training": {"presence": 1, "absence": 1, "annotated_presence": 1}}


def test_a_size_that_slices_have_cannot_change(api):
    name = api.dataset()
    api.slice(name, png(6, 4))
    dataset = api.put(f"/v1/datasets/{name}", json={"normalization": "foreground"}).json()
    assert (dataset["channels"], dataset["height"], dataset["width"]) == (1, 4, 6)
    api.put(f"/v1/datasets/{name}", json={"width": 6})
    assert "width 6" in api.put(f"/v1/datasets/{name}", 409, json={"width": 7}).json()["detail"]


@pytest.mark.parametrize("settings, field", [
    ({"normalization": "other"}, "normalization"), ({"normalization": 1}, "normalization"),
    ({"channels": 0}, "channels"), ({"channels": 17}, "channels"), ({"height": "4"}, "height"),
    ({"width": 4097}, "width"), ({"width": 1.5}, "width"), ({"colour": "red"}, "colour"),
])
def test_wrong_settings_are_named(api, settings, field):
    name = unique("set")
    assert field in fields_of(api.put(f"/v1/datasets/{name}", 422, json=settings))
    api.get(f"/v1/datasets/{name}", 404)


@pytest.mark.parametrize("name", ["a%20b", "%2Fetc", "-x", ".x", "a" * 65, "%C3%A4"],
                         ids=["space", "slash", "minus", "dot", "long", "not ASCII"])
def test_wrong_names_are_refused(api, name):
    api.put(f"/v1/datasets/{name}", 422)


BROKEN_JSON = {
    "not closed": "{", "a name twice": '{"width": 1, "width": 2}', "an array": "[]",
    "deeply nested": "[" * 100000, "no word": "nul", "a zero in text": '{"normalization": "\\u0000"}',
    "not UTF-8": "\xff", "NaN": "NaN", "a number beyond": '{"width": 1e999}',
}


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_broken_json_is_malformed(api, name):
    api.put("/v1/datasets/broken", 400, data=BROKEN_JSON[name].encode("latin-1"),
            headers={"Content-Type": "application/json"})


def test_another_body_type_is_unsupported(api):
    api.put("/v1/datasets/other", 415, data=b"normalization=none",
            headers={"Content-Type": "application/x-www-form-urlencoded"})


def test_pages_give_every_data_set_once(api):
    names = {api.dataset() for _ in range(5)}
    found, cursor = [], None
    while True:
        page = api.get("/v1/datasets", params={"limit": 2, "cursor": cursor}).json()
        assert len(page["items"]) <= 2
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(found) == len(set(found)) and names <= set(found)


@pytest.mark.parametrize("query, field", [
    ({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"limit": "x"}, "limit"),
    ({"limit": "9" * 30}, "limit"), ({"page": 2}, "page"),
])
def test_wrong_pages_are_refused(api, query, field):
    assert field in fields_of(api.get("/v1/datasets", 422, params=query))


@pytest.mark.parametrize("cursor", ["x", "d0", "s9e3779b97f4a7c14", "'; DROP TABLE datasets"])
def test_a_cursor_of_nowhere_is_refused(api, cursor):
    assert "cursor" in api.get("/v1/datasets", 422, params={"cursor": cursor}).json()["detail"]


def test_an_unknown_data_set_is_not_found(api):
    api.get("/v1/datasets/nowhere", 404)
    api.delete("/v1/datasets/nowhere", 405)
