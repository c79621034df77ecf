"""The viewer's pure modules under `node --test`: formats, masks, colours, event parsing."""
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
OLDEST_NODE = 18


def test_modules(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; the browser tests run the same modules in Chromium")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version[1:].split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    # Node takes .js for modules only under a package.json that says so; the viewer needs none.
    shutil.copytree(HERE.parents[1] / "web", tmp_path / "web")
    shutil.copytree(HERE / "unit", tmp_path / "unit")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run([node, "--test", "unit/"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
