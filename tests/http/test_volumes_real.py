"""The whole way of a volume with the program itself: simulated brains with labels go in, a model is trained on their
slices, a volume is segmented and translated, and its answers are those of its slices."""
import math
import subprocess
from pathlib import Path

import pytest

import contract
import formats
import nifti
from conftest import BINARY, TOY
from test_volumes import outputs, parts, run

SOURCE = Path("/usr/share/mricron/templates/ch2bet.nii.gz")
SEQUENCES = ("flair", "t1", "t1ce", "t2")
SCALE, FRAME = 4, 60
LPS = ((0, -1), (1, -1), (2, 1))  # of the simulator's files

pytestmark = [pytest.mark.skipif(BINARY == TOY, reason="there is no real engine in this build"),
              pytest.mark.skipif(not SOURCE.exists(), reason=f"no {SOURCE} (Debian's mricron-data)")]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brains")
    subprocess.run([BINARY, "data", "phantom", "--kind", "brain", "--out", folder, "--scale", str(SCALE), "--cases",
                    "6", "--seed", "3"], check=True, stderr=subprocess.DEVNULL)
    return sorted(folder.glob("*/*"))


def read(case, kind):
    return (case / f"{case.name}_{kind}.nii.gz").read_bytes()


def upload(server, case, dataset="brains"):
    files = parts(*(read(case, sequence) for sequence in SEQUENCES), label=read(case, "seg"))
    answer = server.post("/v1/volumes", files=files, params={"dataset": dataset, "preset": "brain", "scale": SCALE,
                                                             "case": case.name, "annotate": "true"})
    contract.check("POST", "/v1/volumes", answer)
    assert answer.status_code == 201, answer.text
    return answer.json()


def voxels(case, kind, size, _read={}):
    if (case, kind) not in _read:
        _read[case, kind] = nifti.Read(read(case, kind), size, LPS).at
    return _read[case, kind]


def is_brain(case, size, place):
    return any(voxels(case, kind, size)[place] for kind in SEQUENCES)


def whole(number):
    """As C rounds positive numbers."""
    return int(math.floor(number + 0.5))


def frame_of(case, found, size):
    """With voxels as large as pixels, a half-slice's pixels are the volume's voxels. The middle of the brain's box is
    the middle of the frame; column 0 of a half is the side of the head, row 0 its front."""
    inside = [place for place in found if is_brain(case, size, place)]
    low, high = ([choose(place[k] for place in inside) for k in (0, 1)] for choose in (min, max))
    left = whole((low[0] + high[0] + 1 - FRAME) / 2)
    front = whole((low[1] + high[1] + 1 + FRAME) / 2) - 1
    return lambda s, x, y: (left + (x if s["part"] == "left" else FRAME - 1 - x), front - y, s["index"])


def slices_of(server, volume):
    return server.get("/v1/slices", params={"volume": volume["id"], "limit": 500}).json()["items"]


def compare_with_slices(server, volume, case, found, size, tolerance=1e-4):
    slices = slices_of(server, volume)
    assert {s["part"] for s in slices} == {"left", "right"} and len(slices) == volume["slices"] > 20
    place = frame_of(case, found, size)
    for s in slices[::5]:
        answer = server.post("/v1/segment", json={"slice_id": s["id"]}, headers={"Accept": "application/x-npy"})
        shape, pixels = formats.read_npy(answer.content)
        assert shape == (FRAME, FRAME // 2)
        compared = 0
        for y in range(FRAME):
            for x in range(FRAME // 2):
                at = place(s, x, y)
                compared += at in found
                assert abs(found.get(at, pixels[y * FRAME // 2 + x]) - pixels[y * FRAME // 2 + x]) < tolerance, s["name"]
        assert compared > FRAME * FRAME / 3


def test_masks_of_half_slices_come_back_as_one_volume(server, cases):
    server.put("/v1/datasets/drawn", json={"normalization": "unit"})
    volume = upload(server, cases[0], dataset="drawn")
    size = volume["geometry"]["size"]
    drawn = [s for s in slices_of(server, volume) if s["annotated"]]
    assert len(drawn) > 3
    scribble = [[127] * (FRAME // 2) for _ in range(FRAME // 2)] + [[0] * 8 + [255] * 22] * (FRAME // 2)
    path = f"/v1/slices/{drawn[1]['id']}/annotation"
    assert server.put(path, data=formats.png(scribble), headers={"Content-Type": "image/png"}).status_code == 200
    answer = server.get(f"/v1/volumes/{volume['id']}/annotations")
    found = nifti.Read(answer.content, size, LPS).at
    place, wanted = frame_of(cases[0], found, size), dict.fromkeys(found, 255)
    for s in drawn:
        rows = formats.read_png(server.get(f"/v1/slices/{s['id']}/annotation").content)[3]
        for y, x in ((y, x) for y in range(FRAME) for x in range(FRAME // 2)):
            if place(s, x, y) in found:
                wanted[place(s, x, y)] = {0: 0, 255: 1, 127: 255}[rows[y][x]]
    assert found == wanted and {0, 1, 255} == set(found.values())


def test_a_brain_from_upload_to_healthy_volume(start_server, cases):
    server = start_server("--precision", "fp32")
    server.put("/v1/datasets/brains", json={"normalization": "unit"})
    volumes = [upload(server, case) for case in cases]
    size = volumes[0]["geometry"]["size"]
    dataset = server.get("/v1/datasets/brains").json()
    assert (dataset["channels"], dataset["height"], dataset["width"]) == (4, FRAME, FRAME // 2)
    assert dataset["counts"]["cases"] == len(cases) and dataset["counts"]["annotated_presence"] > 10
    job = server.post("/v1/jobs", json={"kind": "train", "dataset": "brains", "preset": "tiny", "width": 1,
                                        "batch_size": 4, "max_steps": 30}).json()
    assert server.wait_for_job(job["id"], seconds=120)["state"] == "succeeded"

    job = run(server, volumes[0])
    found = outputs(server, job, LPS, size)
    scan = nifti.Read(read(cases[0], "flair"), size, LPS)
    truth = nifti.Read(read(cases[0], "seg"), size, LPS).at
    assert found["mask"].geometry()[:3] == scan.geometry()[:3] and found["mask"].head[252:328] == scan.head[252:328]
    both = sum(1 for place, mask in found["mask"].at.items() if mask and truth[place])
    total = sum(found["mask"].at.values()) + sum(1 for value in truth.values() if value)
    assert abs(job["dice"] - 2 * both / total) < 1e-9
    compare_with_slices(server, volumes[0], cases[0], found["probabilities"].at, size)
    # A model of normalization unit, slices that a data set of another one stores; [0, 1] rounds its values otherwise.
    server.put("/v1/datasets/others", json={"normalization": "none"})
    others = upload(server, cases[0], "others")
    compare_with_slices(server, others, cases[0], found["probabilities"].at, size, tolerance=1e-3)

    maps = outputs(server, run(server, volumes[0], "translate"), LPS, size)
    assert len(maps) == 2 * len(SEQUENCES)
    brain = [place for place in scan.at if is_brain(cases[0], size, place)]
    outside = set(scan.at) - set(brain)
    assert all(maps["translated-0"].at[place] == 0 == maps["residual-0"].at[place] for place in outside)
    changed = sum(abs(maps["translated-0"].at[place] - scan.at[place]) for place in brain) / len(brain)
    typical = sum(abs(scan.at[place]) for place in brain) / len(brain)
    assert 0 < changed < 3 * typical, "the healthy volume is in the scan's own units"
