"""The curl examples of README.md and docs/tour.md, run as they stand against the program itself."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import BINARY, ROOT, Server

SOURCE = Path("/usr/share/mricron/templates/ch2bet.nii.gz")
MODEL = ROOT / "demo" / "model.safetensors"


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A server with the demo's model and a population of the demo's size in pixels, but few cases."""
    if not SOURCE.exists():
        pytest.skip(f"no {SOURCE} (Debian's mricron-data)")
    if BINARY.name != "genseg":
        pytest.skip("needs the program itself")
    folder = tmp_path_factory.mktemp("tour")
    subprocess.run([BINARY, "data", "demo", "--out", folder / "demo", "--scale", "2", "--cases", "12",
                    "--annotated", "1"], check=True, stderr=subprocess.DEVNULL)
    server = Server(folder / "data", BINARY,
                    ["--import", str(folder / "demo"), "--import-model", str(MODEL)])
    yield server
    assert server.stop() == 0


def run(server, script, folder):
    environment = {**os.environ, "GENSEG": server.url, "TRAIN_SECONDS": "3"}
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
def test_the_tour_works_from_upload_to_samples(demo, tmp_path):
    script = "".join(blocks(ROOT / "docs" / "tour.md", "sh"))
    done = run(demo, script, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"state": "succeeded"' in done.stdout
    assert '"error"' not in done.stdout
    for name in ("mask.png", "healthy.png", "tumour.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG"), name
    for name, size in (("probabilities.npy", 120 * 60 * 4), ("residual.npy", 120 * 60 * 4)):
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x93NUMPY") and len(data) > size, name
    assert re.search(r"\[\s*7,\s*8,\s*9\s*\]", done.stdout)
    assert re.search(r'"dice": [0-9.]+', done.stdout)


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
def test_the_readme_examples_work(demo, tmp_path):
    examples = [b for b in blocks(ROOT / "README.md", "sh") if "curl" in b]
    assert examples
    for example in examples:
        script = example.replace("http://127.0.0.1:8080", demo.url)
        done = run(demo, script, tmp_path)
        assert done.returncode == 0, example + done.stdout[-2000:] + done.stderr[-2000:]
        assert "problem" not in done.stdout
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "healthy.png").read_bytes().startswith(b"\x89PNG")
