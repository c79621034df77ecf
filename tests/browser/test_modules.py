"""The viewer's pure modules under `node --test`: formats, masks, colours, event parsing."""
import shutil
import subprocess
from pathlib import Path

import npm

HERE = Path(__file__).resolve().parent


def test_modules(tmp_path):
    node = npm.node()
    # Node takes .js for modules only under a package.json that says so; the viewer needs none.
    shutil.copytree(HERE.parents[1] / "web", tmp_path / "web")
    shutil.copytree(HERE / "unit", tmp_path / "unit")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run([node, "--test", "unit/"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
