"""What the tests of the page take from npm. Without it they are skipped by name: the page needs none of it."""
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parent / "node_modules"
OLDEST_NODE = 18


def node():
    """The path of a Node that is new enough."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version[1:].split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    return program


def package(path):
    """The path of a file in a package."""
    place = MODULES / path
    if not place.exists():
        pytest.skip(f"{path.split('/')[0]} is not in tests/browser/node_modules: npm's registry did not answer `make test`")
    return place
