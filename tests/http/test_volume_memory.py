"""Memory does not grow with a volume: four times the levels, the same peaks."""
import gzip
import struct

import pytest

import formats
import nifti
from test_volumes import run

SIDE, LEVELS, MORE = 240, 155, 4
ROOM_MIB = 30


def scan(levels):
    """One voxel of a level says which it is, so that every level is stored and run."""
    rest = bytes(2 * SIDE * SIDE - 2)
    return gzip.compress(nifti.header((SIDE, SIDE, levels)) + b"".join(
        rest + struct.pack("<h", 1 + level) for level in range(levels)), 1)


def peak_mib(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def reset_peak(server):
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as file:
        file.write("5")


@pytest.fixture
def peaks(start_toy, tmp_path):
    """The server's peaks of storing a volume and of a job on it."""
    model = tmp_path / "model.safetensors"
    model.write_bytes(formats.toy_model(height=SIDE, columns=SIDE))

    def measure(levels):
        server = start_toy("--import-model", str(model), name=f"of-{levels}")
        server.skip_if_sanitized()
        server.put("/v1/datasets/d")
        answer = server.post("/v1/volumes", params={"dataset": "d", "preset": "plain"}, data=scan(levels),
                             headers={"Content-Type": "application/x-nifti"}, timeout=300)
        assert answer.status_code == 201 and answer.json()["slices"] == levels, answer.text
        stored = peak_mib(server)
        reset_peak(server)
        assert run(server, answer.json())["step"] == levels
        return stored, peak_mib(server)

    return measure


def test_four_times_the_levels_need_the_same_memory(peaks):
    few, many = peaks(LEVELS), peaks(MORE * LEVELS)
    assert all(abs(a - b) < ROOM_MIB for a, b in zip(few, many)), (few, many)
