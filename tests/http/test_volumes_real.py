"""The whole way of a volume with the program itself: simulated brains with labels go in, a model is trained on their
slices, a volume is segmented and translated, and its answers are those of its slices."""
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


def upload(server, case):
    files = parts(*(read(case, sequence) for sequence in SEQUENCES), label=read(case, "seg"))
    answer = server.post("/v1/volumes", files=files, params={"dataset": "brains", "preset": "brain", "scale": SCALE,
                                                             "case": case.name, "annotate": "true"})
    contract.check("POST", "/v1/volumes", answer)
    assert answer.status_code == 201, answer.text
    return answer.json()


def compare_with_slices(server, volume, found, size):
    """With voxels as large as pixels, a half-slice's pixels are the volume's voxels."""
    slices = server.get("/v1/slices", params={"volume": volume["id"], "limit": 500}).json()["items"]
    assert {s["part"] for s in slices} == {"left", "right"} and len(slices) == volume["slices"] > 20
    compared = 0
    for s in slices[::9]:
        answer = server.post("/v1/segment", json={"slice_id": s["id"]}, headers={"Accept": "application/x-npy"})
        shape, pixels = formats.read_npy(answer.content)
        assert shape == (FRAME, FRAME // 2)
        # The frame lies somewhere over the volume: the place where all pixels agree is unique.
        rows = [pixels[y * FRAME // 2:(y + 1) * FRAME // 2] for y in range(FRAME)]
        plane = {(x, y): found[x, y, s["index"]] for x in range(size[0]) for y in range(size[1])}
        shifts = [(dx, dy) for dx in range(-30, 90) for dy in range(-30, 120) if agrees(rows, plane, s["part"], dx, dy)]
        assert shifts, f"{s['name']} is nowhere in the volume"
        compared += 1
    assert compared > 2


def agrees(rows, plane, part, dx, dy):
    """Column 0 of a half is the side of the head, row 0 its front."""
    overlap = 0
    for y in range(0, FRAME, 7):
        for x in range(0, FRAME // 2, 7):
            at = (dx + x if part == "left" else dx + FRAME - 1 - x, dy - y)
            if at not in plane:
                continue
            overlap += 1
            if abs(plane[at] - rows[y][x]) > 1e-4:
                return False
    return overlap > 25


def test_a_brain_from_upload_to_healthy_volume(server, cases):
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
    compare_with_slices(server, volumes[0], found["probabilities"].at, size)

    maps = outputs(server, run(server, volumes[0], "translate"), LPS, size)
    assert len(maps) == 2 * len(SEQUENCES)
    brain = [place for place, value in scan.at.items() if value]
    assert all(maps["translated-0"].at[place] == 0 == maps["residual-0"].at[place]
               for place, value in scan.at.items() if not value and not any(
                   nifti_value(cases[0], size, kind)[place] for kind in SEQUENCES))
    changed = sum(abs(maps["translated-0"].at[place] - scan.at[place]) for place in brain) / len(brain)
    typical = sum(abs(scan.at[place]) for place in brain) / len(brain)
    assert 0 < changed < 3 * typical, "the healthy volume is in the scan's own units"


_read = {}


def nifti_value(case, size, kind):
    if kind not in _read:
        _read[kind] = nifti.Read(read(case, kind), size, LPS).at
    return _read[kind]
