"""`genseg export` of a data set as PNG, NIfTI and COCO JSON, and `genseg import`: an equal data set, or nothing."""
import gzip
import hashlib
import json
import shutil
import sqlite3

import pytest

import formats
import images
import nifti
from conftest import BINARY, Server, TOY, TRAINER
from test_backup import genseg
from test_inference import PIXELS, PNG
from test_statuses import SIZE, value

pytestmark = pytest.mark.skipif(BINARY.name != "genseg", reason="needs the program itself")

PARTIAL = [[0, 127, 255, 255]] * 6
MODEL = "mdl_q7zkzuv5vawkhtml"  # it need not be there
EMPTY = [[0] * 4] * 6


def upload(server, data, kind, **query):
    answer = server.post("/v1/slices", params={"dataset": "d", **query}, data=data, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Slices of every type, masks of every kind, a volume with labels between them, and what a job made of it."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "first.safetensors").write_bytes(formats.toy_model())
    server = Server(folder / "data", TOY, ["--import-model", str(folder / "first.safetensors")])
    fill(server)
    yield server
    assert server.stop() == 0, server.log_text()[-3000:]


def fill(server):
    server.upload(PIXELS, label="presence", case="c1", index=3, name="first \"one\" <b>é", split="train", mask=PARTIAL)
    parts = [("image", ("i.nii.gz", nifti.volume(value, SIZE, kind="f"))),
             ("label", ("l.nii.gz", nifti.volume(lambda x, y, z: int(z > 2 and x > 1), SIZE, kind="B")))]
    answer = server.post("/v1/volumes", files=parts,
                         params={"dataset": "d", "preset": "plain", "annotate": "true", "case": "v", "split": "test"})
    assert answer.status_code == 201, answer.text
    upload(server, formats.npy([v / 7 - 1 for v in range(24)], (6, 4)), images.NPY, label="absence")
    upload(server, gzip.compress(images.nifti([v * 10.0 for v in range(24)], 4, 6), mtime=0), images.NIFTI)
    level = server.get("/v1/slices", params={"volume": answer.json()["id"]}).json()["items"][-1]["id"]
    server.put(f"/v1/slices/{level}/annotation", params={"began_with": MODEL}, data=formats.png(PARTIAL), headers=PNG)
    last = upload(server, images.nifti([v * 11.0 for v in range(24)], 4, 6), images.NIFTI, case="c2")
    server.put(f"/v1/slices/{last}/annotation", params={"author": "a reader"}, data=formats.png(EMPTY), headers=PNG)
    job = server.post(f"/v1/volumes/{answer.json()['id']}/segment", json={}).json()["id"]
    assert server.wait_for_job(job)["state"] == "succeeded"


@pytest.fixture(scope="module")
def first_export(filled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    genseg("export", "--data", filled.data, "--dataset", "d", "--out", folder)
    return folder


@pytest.fixture
def exported(first_export, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(first_export, tmp_path / "out")


def content(server, dataset="d"):
    """All that is kept of a data set, in its order, but ids and times."""
    settings = server.get(f"/v1/datasets/{dataset}").json()
    found = [{key: settings[key] for key in settings if key not in ("name", "created_at")}]
    volumes = {}
    for record in server.get("/v1/volumes", params={"dataset": dataset}).json()["items"]:
        volumes[record.pop("id")] = record
        found.append({key: record[key] for key in record if key not in ("dataset", "created_at")})
    for record in server.get("/v1/slices", params={"dataset": dataset, "limit": 500}).json()["items"]:
        path = f"/v1/slices/{record.pop('id')}"
        record["volume"] = volumes[record["volume"]]["sha256"] if record["volume"] else None
        found.append({key: record[key] for key in record if key not in ("dataset", "created_at")})
        answer = server.get(path + "/content")
        found.append((answer.headers["Content-Type"], answer.content))
        if record["annotated"]:
            found.append(server.get(path + "/annotation", headers={"Accept": "image/png"}).content)
            entry = server.get(path + "/annotation/history").json()["items"][0]
            found.append((entry["author"], entry["began_with"]))
    return found


def test_what_was_exported_comes_back_equal(filled, exported, start_server, tmp_path):
    said = genseg("import", "--data", tmp_path / "again", "--from", exported)
    other = start_server("--trainer", str(TRAINER), name="again", binary=TOY)
    before = content(filled)
    count = before[0]["counts"]["slices"]
    assert said == f"imported {count} of {count} slices, the others were there\n"
    assert before[0]["counts"]["annotated"] > 2 and before[0]["counts"]["unknown"] == 2
    assert content(other) == before
    # Its volume is one that can be worked on.
    volume = other.get("/v1/volumes").json()["items"][0]["id"]
    model = other.post("/v1/models", data=formats.toy_model(), headers={"Content-Type": "application/octet-stream"})
    job = other.post(f"/v1/volumes/{volume}/segment", json={"model": model.json()["id"]}).json()["id"]
    assert other.wait_for_job(job)["state"] == "succeeded"
    assert other.stop() == 0
    again = genseg("import", "--data", tmp_path / "again", "--from", exported)
    assert again == f"imported 0 of {count} slices, the others were there\n"
    genseg("import", "--data", tmp_path / "again", "--from", exported, "--dataset", "second")
    genseg("export", "--data", tmp_path / "again", "--dataset", "second", "--out", tmp_path / "twice")
    assert without_names(tmp_path / "twice") == without_names(exported)


def without_names(folder):
    """coco.json but for what differs between two data sets of one content."""
    coco = json.loads((folder / "coco.json").read_text(encoding="utf-8"))
    del coco["info"], coco["genseg"]["dataset"]
    for volume in coco["genseg"]["volumes"]:
        del volume["generated"]
    return coco


def test_the_folder_is_what_other_programs_expect(filled, exported):
    coco = json.loads((exported / "coco.json").read_text(encoding="utf-8"))
    records = filled.get("/v1/slices", params={"dataset": "d", "limit": 500}).json()["items"]
    assert [image["id"] for image in coco["images"]] == list(range(1, len(records) + 1))
    for image, record in zip(coco["images"], records):
        width, height, depth, rows, _ = formats.read_png((exported / image["file_name"]).read_bytes())
        assert (width, height, depth) == (image["width"], image["height"], 8) == (4, 6, 8)
        shown = filled.get(f"/v1/slices/{record['id']}/image").content
        if record["content_type"] == images.PNG:
            assert image["genseg"]["stored"] == image["file_name"] and rows == PIXELS
        else:
            assert (exported / image["file_name"]).read_bytes() == shown
            assert image["genseg"]["shown"]["min"] < image["genseg"]["shown"]["max"]
        assert image["genseg"]["label"] == record["label"]
        drawn = (exported / "masks" / f"{image['id']:06}.png")
        assert drawn.exists() == record["annotated"] == image["genseg"]["annotated"]
        if record["annotated"]:
            assert formats.read_png(drawn.read_bytes())[3] == painted(coco, image)
    began = [i for i in coco["images"] if i["genseg"]["began_with"]]
    assert [i["genseg"]["began_with"] for i in began] == [MODEL]
    drawn = (exported / "masks" / f"{began[0]['id']:06}.png").read_bytes()
    assert formats.read_png(drawn)[4]["Description"] == f"Began with the prediction of model {MODEL}."
    assert coco["images"][0]["genseg"]["name"] == "first \"one\" <b>é"
    assert [c["name"] for c in coco["categories"]] == ["target", "not annotated"]
    first = [a for a in coco["annotations"] if a["image_id"] == 1]
    assert [(a["category_id"], a["bbox"], a["area"]) for a in first] == [(1, [2, 0, 2, 6], 12), (2, [1, 0, 1, 6], 6)]
    assert len({a["id"] for a in coco["annotations"]}) == len(coco["annotations"]) > 3
    assert not list(exported.glob("*.partial"))


def painted(coco, image):
    rows = [[0] * image["width"] for _ in range(image["height"])]
    for annotation in coco["annotations"]:
        if annotation["image_id"] == image["id"]:
            runs = formats.read_rle(annotation["segmentation"])
            mark = {1: 255, 2: 127}[annotation["category_id"]]
            rows = [[mark if bit else old for bit, old in zip(*pair)] for pair in zip(runs, rows)]
    return rows


def test_volumes_are_nifti_and_what_was_generated_is_marked(filled, exported):
    coco = json.loads((exported / "coco.json").read_text(encoding="utf-8"))
    volume, = coco["genseg"]["volumes"]
    assert [file["role"] for file in volume["files"]] == ["image", "label"]
    for file in [*volume["files"], *volume["generated"]]:
        assert hashlib.sha256((exported / file["file"]).read_bytes()).hexdigest() == file["sha256"]
    scan = gzip.decompress(nifti.volume(value, SIZE, kind="f"))
    assert (exported / volume["files"][0]["file"]).read_bytes() == scan
    job = filled.get("/v1/jobs", params={"kind": "segment"}).json()["items"][0]
    assert {file["output"] for file in volume["generated"]} == {"mask", "probabilities"}
    for file in volume["generated"]:
        data = (exported / file["file"]).read_bytes()
        assert file["generated"] is True and file["model"] == job["model"]
        assert data == filled.get(f"/v1/jobs/{job['id']}/outputs/{file['output']}").content
        assert nifti.Read(data, SIZE).descrip.startswith("Generated by GenSeg, not acquired")
    drawn = nifti.Read((exported / volume["annotations"]["file"]).read_bytes(), SIZE)
    assert drawn.descrip.endswith("; 1 from a model") and drawn.intent == (nifti.LABEL, "")
    marked = {file["file"] for file in volume["generated"]}
    assert {str(path.relative_to(exported)) for path in exported.rglob("generated/*")} == marked


def test_masks_that_another_tool_changed_come_in(exported, start_server, tmp_path):
    coco = json.loads((exported / "coco.json").read_text(encoding="utf-8"))
    coco["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1,
                            "segmentation": {"size": [6, 4], "counts": [0, 6, 18]}},
                           {"id": 2, "image_id": 1, "category_id": 1,
                            "segmentation": {"size": [6, 4], "counts": [18, 6]}}]
    (exported / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    genseg("import", "--data", tmp_path / "again", "--from", exported)
    server = start_server(name="again")
    first = server.get("/v1/slices").json()["items"][0]["id"]
    mask = server.get(f"/v1/slices/{first}/annotation", headers={"Accept": "image/png"}).content
    assert formats.read_png(mask)[3] == [[255, 0, 0, 255]] * 6


def test_a_dataset_directory_is_imported_as_well(start_server, tmp_path):
    source = tmp_path / "directory"
    header = {"format": "genseg-dataset-1", "name": "small", "normalization": "none", "channels": 1, "height": 2,
              "width": 3, "made_by": "a test", "slices": [{"case": "a", "index": 0, "name": "n", "label": "absence"}]}
    source.mkdir()
    (source / "dataset.json").write_text(json.dumps(header), encoding="utf-8")
    (source / "images.npy").write_bytes(formats.npy([0.5] * 6, (1, 1, 2, 3)))
    (source / "masks.npy").write_bytes(formats.npy([], (0, 2, 3), dtype="|u1"))
    said = genseg("import", "--data", tmp_path / "again", "--from", source)
    assert said == "imported 1 of 1 slices, the others were there\n"
    assert start_server(name="again").get("/v1/datasets/small").json()["counts"]["absence"] == 1


def change(exported, edit):
    coco = json.loads((exported / "coco.json").read_text(encoding="utf-8"))
    edit(coco)
    (exported / "coco.json").write_text(json.dumps(coco), encoding="utf-8")


def own(**fields):
    """Changes what is said of the first slice."""
    return lambda coco: coco["images"][0]["genseg"].update(fields)


def volume_file(**fields):
    return lambda coco: coco["genseg"]["volumes"][0]["files"][0].update(fields)


def first_mask(**fields):
    return lambda coco: coco["annotations"][0].update(fields)


BAD = {
    "another format": lambda c: c["genseg"].update(format="genseg-coco-9"),
    "no format": lambda c: c.pop("genseg"),
    "no list of images": lambda c: c.update(images={}),
    "an image that is none": lambda c: c["images"].append(7),
    "an id twice": lambda c: c["images"][1].update(id=1),
    "no id": lambda c: c["images"][0].pop("id"),
    "no annotations": lambda c: c.pop("annotations"),
    "a mask of no image": first_mask(image_id=999),
    "a mask of another category": first_mask(category_id=3),
    "a polygon": first_mask(segmentation=[[0, 0, 1, 0, 1, 1]]),
    "a mask of another size": first_mask(segmentation={"size": [4, 6], "counts": [0, 24]}),
    "runs beyond the image": first_mask(segmentation={"size": [6, 4], "counts": [0, 25]}),
    "no runs": first_mask(segmentation=None),
    "target and not annotated at once": first_mask(segmentation={"size": [6, 4], "counts": [0, 24]}),
    "no such label": own(label="maybe"),
    "no label": own(label=None),
    "no such split": own(split="all"),
    "a negative index": own(index=-3),
    "an index that is no number": own(index="3"),
    "a case that is no text": own(case=3),
    "a case with a control character": own(case="a\nb"),
    "no such volume": own(volume=2),
    "a model that is none": own(began_with="slc_1"),
    "another normalization": lambda c: c["genseg"].update(normalization="log"),
    "a name of a data set that cannot be": lambda c: c["genseg"].update(dataset="../d"),
    "another type": own(content_type="image/jpeg"),
    "the wrong type": own(content_type=images.NPY),
    "another height": lambda c: c["images"][0].update(height=7),
    "another sum": own(sha256="0" * 64),
    "no file": own(stored="images/999999.png"),
    **{f"the path {path}": own(stored=path) for path in (
        "../secret.png", "/etc/passwd", "images/../../secret.png", "images//000001.png", ".hidden", "images", "",
        "images/link.png", "linked/000001.png", "a/b/c/d/e.png", "x" * 300)},
    "a volume without files": lambda c: c["genseg"]["volumes"][0].update(files=[]),
    "a volume of an unknown preset": lambda c: c["genseg"]["volumes"][0].update(preset="lung"),
    "a volume without a sum": lambda c: c["genseg"]["volumes"][0].pop("sha256"),
    "a file of a volume elsewhere": volume_file(file="../secret.png"),
    "a file of a volume with another sum": volume_file(sha256="0" * 64),
    "a file of a volume in an unknown role": volume_file(role="mask"),
    "two labels": lambda c: c["genseg"]["volumes"][0]["files"].append(c["genseg"]["volumes"][0]["files"][1]),
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A data folder that nothing may get into."""
    return tmp_path_factory.mktemp("untouched") / "data"


@pytest.mark.parametrize("what", list(BAD))
def test_a_folder_that_is_wrong_leaves_nothing_behind(exported, untouched, tmp_path, what):
    (tmp_path / "secret.png").write_bytes((exported / "images" / "000001.png").read_bytes())
    (exported / "images" / "link.png").symlink_to(exported / "images" / "000001.png")
    (exported / "linked").symlink_to(exported / "images")
    change(exported, BAD[what])
    said = genseg("import", "--data", untouched, "--from", exported,
                  status=2 if "control" in what or "cannot be" in what or "normalization" in what else 1)
    assert said.startswith("genseg import: ") and len(said) > 25
    with sqlite3.connect(untouched / "genseg.db") as database:
        for table in ("slices", "slice_contents", "volume_contents", "annotations", "volumes"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    assert not list(untouched.glob("uploads/*")), "no files of volumes are left"


def test_files_that_were_changed_are_refused(exported, tmp_path):
    for path in (exported / "images" / "000001.png", next(exported.glob("volumes/*/image-0.nii")),
                 next(exported.glob("slices/*.npy"))):
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
            path.write_bytes(damaged)
            assert path.name in genseg("import", "--data", tmp_path / "again", "--from", exported, status=1)
        path.unlink()
        assert path.name in genseg("import", "--data", tmp_path / "again", "--from", exported, status=1)
        path.write_bytes(whole)
    genseg("import", "--data", tmp_path / "again", "--from", exported)


def test_json_that_does_not_parse_is_refused(exported, untouched):
    text = (exported / "coco.json").read_bytes()
    for broken in (b"", text[:-3], b"[]", b"\xff" + text, text[:len(text) // 2]):
        (exported / "coco.json").write_bytes(broken)
        assert "coco.json" in genseg("import", "--data", untouched, "--from", exported, status=1)
    (exported / "coco.json").unlink()
    assert "coco.json" in genseg("import", "--data", untouched, "--from", exported, status=1)


def test_a_data_set_of_other_pixels_stays_as_it_is(filled, exported, start_server, tmp_path):
    server = start_server(name="again")
    server.put("/v1/datasets/d", json={"normalization": "unit"})
    assert server.stop() == 0
    assert "normalization" in genseg("import", "--data", tmp_path / "again", "--from", exported, status=1)
    assert "open" in genseg("import", "--data", filled.data, "--from", exported, status=1), "a server runs there"


def test_what_cannot_be_exported_leaves_no_folder(filled, exported, tmp_path):
    names = sorted(path.name for path in tmp_path.iterdir())
    genseg("export", "--data", filled.data, "--dataset", "nothing", "--out", tmp_path / "new", status=1)
    genseg("export", "--data", tmp_path / "nowhere", "--dataset", "d", "--out", tmp_path / "new", status=1)
    assert "not empty" in genseg("export", "--data", filled.data, "--dataset", "d", "--out", exported, status=1)
    genseg("export", "--data", filled.data, "--out", tmp_path / "new", status=2)
    genseg("import", "--data", filled.data, status=2)
    for limit in (1, 200, 3000):
        said = genseg("export", "--data", filled.data, "--dataset", "d", "--out", tmp_path / "new", status=1,
                      wrapper=["prlimit", f"--fsize={limit}"])
        assert "File too large" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_full_disk_fails_the_import_and_a_second_one_adds_the_rest(exported, start_server, tmp_path):
    """Too little for the database, then for nothing more than its beginning."""
    command = ["import", "--data", tmp_path / "again", "--from", exported]
    for limit in (100, 60000, 140000):
        said = genseg(*command, status=1, wrapper=["prlimit", f"--fsize={limit}"])
        assert "full" in said or "File too large" in said, said
    genseg(*command)
    counts = start_server(name="again").get("/v1/datasets/d").json()["counts"]
    records = json.loads((exported / "coco.json").read_text(encoding="utf-8"))["images"]
    assert counts["slices"] == len(records)


def test_an_empty_data_set_goes_out_and_in(filled, start_server, tmp_path):
    filled.put("/v1/datasets/empty", json={"normalization": "foreground", "channels": 2, "height": 8, "width": 9})
    genseg("export", "--data", filled.data, "--dataset", "empty", "--out", tmp_path / "out")
    genseg("import", "--data", tmp_path / "again", "--from", tmp_path / "out")
    assert content(start_server(name="again"), "empty") == content(filled, "empty")
