"""What was drawn on the slices of a volume, got back as one label volume: by GET and by `genseg export`."""
import hashlib
import json

import pytest

import contract
import formats
import nifti
from conftest import BINARY
from test_backup import genseg
from test_inference import PNG, problem
from test_volumes import LPS, ODD, SIZE, floats, parts, upload

OPEN = 255
# Rows from the front, columns from the right, as slices are shown: 0 background, 127 open, 255 target.
SCRIBBLES = {1: [[0] * 4, [255, 0, 127, 127], [127] * 4, [127, 255, 255, 127], [127] * 4, [0, 127, 127, 255]],
             3: [[0, 0, 0, 255]] + [[0] * 4] * 5,
             4: [[127] * 4] * 5 + [[255, 127, 0, 127]]}
MARKS = {0: 0, 127: OPEN, 255: 1}


@pytest.fixture
def data(toy_server):
    assert toy_server.put("/v1/datasets/d").status_code == 201
    return toy_server


def levels(server, volume):
    items = server.get("/v1/slices", params={"volume": volume["id"]}).json()["items"]
    return {s["index"]: s["id"] for s in items}


def draw(server, volume, masks):
    ids = levels(server, volume)
    for level, rows in masks.items():
        answer = server.put(f"/v1/slices/{ids[level]}/annotation", data=formats.png(rows), headers=PNG)
        assert answer.status_code in (200, 201), answer.text


def fetch(server, volume):
    answer = server.get(f"/v1/volumes/{volume['id']}/annotations")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-nifti"
    assert f'{volume["id"]}-annotations.nii.gz"' in answer.headers["Content-Disposition"]
    assert list((server.data / "uploads").iterdir()) == [], "nothing is left of it"
    return answer.content


def voxels(masks):
    """What the masks say of each place; the others are open."""
    return {(x, y, z): MARKS[masks[z][SIZE[1] - 1 - y][SIZE[0] - 1 - x]] if z in masks else OPEN
            for x in range(SIZE[0]) for y in range(SIZE[1]) for z in range(SIZE[2])}


@pytest.mark.parametrize("axes", [nifti.RAS, LPS, ODD])
@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_scribbles_on_three_slices_are_a_volume_of_the_scans_geometry(data, axes, tilt):
    scan = floats(axes, tilt=tilt)
    volume = upload(data, scan)
    draw(data, volume, SCRIBBLES)
    got = nifti.Read(fetch(data, volume), SIZE, axes)
    assert got.at == voxels(SCRIBBLES)
    assert got.geometry()[0] == nifti.Read(scan, SIZE, axes).geometry()[0]
    assert got.geometry() == nifti.Read(scan, SIZE, axes).geometry()
    assert got.descrip == "Masks of GenSeg: 0 background, 1 target, 255 not annotated"


def test_it_says_how_many_masks_a_model_began(data):
    volume = upload(data, floats())
    draw(data, volume, SCRIBBLES)
    path = f"/v1/slices/{levels(data, volume)[2]}/annotation"
    answer = data.put(path, data=formats.png(SCRIBBLES[1]), headers=PNG, params={"began_with": "mdl_" + "a" * 16})
    assert answer.status_code in (200, 201)
    got = nifti.Read(fetch(data, volume), SIZE)
    assert got.descrip == "Masks of GenSeg: 0 background, 1 target, 255 not annotated; 1 from a model"


def test_it_is_what_is_drawn_now(data):
    volume = upload(data, floats())
    assert set(nifti.Read(fetch(data, volume), SIZE).at.values()) == {OPEN}
    draw(data, volume, SCRIBBLES)
    draw(data, volume, {3: SCRIBBLES[1]})
    ids = levels(data, volume)
    assert data.delete(f"/v1/slices/{ids[1]}/annotation").status_code == 204
    assert data.delete(f"/v1/slices/{ids[4]}").status_code == 204
    assert nifti.Read(fetch(data, volume), SIZE).at == voxels({3: SCRIBBLES[1]})
    problem(data.get("/v1/volumes/vol_none/annotations"), 404)


def test_a_volume_that_was_labelled_gives_its_labels_back(data):
    labels = nifti.volume(lambda x, y, z: int(z >= 3 and x >= 2 and y != 4), SIZE, LPS, "B")
    volume = upload(data, floats(ODD), label=labels, query={"annotate": "true"})
    wanted = {place: int(place[0] >= 2 and place[1] != 4) if place[2] >= 3 else OPEN
              for place in nifti.places(SIZE, nifti.RAS)}
    assert nifti.Read(fetch(data, volume), SIZE, ODD).at == wanted


def test_pixels_smaller_than_voxels_are_put_together(data):
    """The square around a liver of 6 x 6 voxels is 32 x 32 pixels."""
    size = (12, 12, 3)
    data.put("/v1/datasets/l")
    organ = nifti.volume(lambda x, y, z: int(2 <= x < 8 and 3 <= y < 9), size, LPS, "B", spacing=(1, 1, 1))
    scan = nifti.volume(lambda x, y, z: x + 20 * y + 300 * z, size, LPS, spacing=(1, 1, 1))
    answer = data.post("/v1/volumes", params={"dataset": "l", "preset": "liver", "scale": 8},
                       files=parts(scan, organ=organ))
    assert answer.status_code == 201, answer.text
    volume = answer.json()
    draw(data, volume, {1: [[255] * 16 + [0] * 16] * 16 + [[127] * 16 + [0] * 16] * 16})
    wanted = dict.fromkeys(nifti.places(size, LPS), OPEN)
    for x, y in ((x, y) for x in range(2, 8) for y in range(3, 9)):
        wanted[x, y, 1] = 0 if x < 5 else 1 if y >= 6 else OPEN  # columns run from the right, rows from the front
    assert nifti.Read(fetch(data, volume), size, LPS).at == wanted


def test_files_that_are_damaged_are_said_to_be(data):
    volume = upload(data, floats())
    path = data.data / "volumes" / volume["id"] / "image-0.nii"
    path.write_bytes(path.read_bytes()[:400])
    with contract.failures():
        assert "damaged" in problem(data.get(f"/v1/volumes/{volume['id']}/annotations"), 500)["detail"]
    assert list((data.data / "uploads").iterdir()) == []


@pytest.mark.skipif(BINARY.name != "genseg", reason="needs the program itself")
def test_an_export_has_it_beside_the_slices(data, tmp_path):
    drawn, bare = upload(data, floats(ODD, tilt=0.3)), upload(data, nifti.volume(lambda x, y, z: 60 * z + x + y, SIZE))
    draw(data, drawn, SCRIBBLES)
    genseg("export", "--data", data.data, "--dataset", "d", "--out", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "coco.json").read_text(encoding="utf-8"))["genseg"]["volumes"]
    assert [volume["sha256"] for volume in told] == [drawn["sha256"], bare["sha256"]]
    file = told[0]["annotations"]
    content = (tmp_path / "out" / file["file"]).read_bytes()
    assert file["file"] == "volumes/0001/annotations.nii.gz" and hashlib.sha256(content).hexdigest() == file["sha256"]
    assert content == fetch(data, drawn) and nifti.Read(content, SIZE, ODD).at == voxels(SCRIBBLES)
    assert "annotations" not in told[1]
    assert [path.parent.name for path in tmp_path.rglob("annotations.nii.gz*")] == ["0001"]
    genseg("import", "--data", tmp_path / "again", "--from", tmp_path / "out")


@pytest.mark.skipif(BINARY.name != "genseg", reason="needs the program itself")
def test_an_imported_volume_whose_preset_does_not_fit_has_none(data, start_toy, tmp_path):
    """Import takes slices as they are, without cutting them: here the scan has no brain as the preset wants it."""
    folder = tmp_path / "out"
    volume = upload(data, nifti.volume(lambda x, y, z: 1 + 60 * z + x + y, SIZE))
    draw(data, volume, SCRIBBLES)
    genseg("export", "--data", data.data, "--dataset", "d", "--out", folder)
    coco = (folder / "coco.json").read_text(encoding="utf-8")
    (folder / "coco.json").write_text(coco.replace('"preset":"plain"', '"preset":"brain"'), encoding="utf-8")
    genseg("import", "--data", tmp_path / "again", "--from", folder)
    other = start_toy(name="again")
    imported, = other.get("/v1/volumes").json()["items"]
    assert imported["preset"] == "brain"
    assert "no place" in problem(other.get(f"/v1/volumes/{imported['id']}/annotations"), 422)["detail"]
    genseg("export", "--data", other.data, "--dataset", "d", "--out", tmp_path / "third")
    assert len(list((tmp_path / "third").glob("masks/*.png"))) == 3
    assert not list((tmp_path / "third").rglob("annotations.nii.gz*"))
