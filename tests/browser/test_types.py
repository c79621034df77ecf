"""The page against openapi.yaml: every call's path, parameters and body, and every field that is read of an
answer, by TypeScript's checker over the page's own JavaScript and its JSDoc. A drift fails."""
import shutil
import subprocess
from pathlib import Path

import pytest

import npm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.fixture
def page(tmp_path):
    """A copy of the page with the types that openapi.yaml makes; check() says what is wrong with it."""
    return Page(tmp_path)


class Page:
    def __init__(self, folder):
        self.folder = folder
        self.node = npm.node()
        self.checker = npm.package("typescript/bin/tsc")
        self.generator = npm.package("openapi-typescript/bin/cli.js")
        shutil.copytree(ROOT / "web", folder / "web")
        shutil.copy(ROOT / "openapi.yaml", folder)
        shutil.copy(HERE / "tsconfig.json", folder)

    def replace(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def run(self, *command):
        return subprocess.run([self.node, *map(str, command)], cwd=self.folder, capture_output=True, text=True, timeout=120)

    def check(self):
        made = self.run(self.generator, "openapi.yaml", "-o", "web/openapi.d.ts")
        assert made.returncode == 0, made.stdout + made.stderr
        return self.run(self.checker, "-p", ".").stdout


def test_the_page_calls_what_is_described(page):
    assert page.check() == ""


def test_a_renamed_field_is_found(page):
    page.replace("openapi.yaml", "annotated: {type: boolean}", "is_annotated: {type: boolean}")
    assert "web/tile.js" in page.check()


def test_a_renamed_parameter_and_a_moved_path_are_found(page):
    page.replace("openapi.yaml", "/v1/slices/{id}/label:", "/v1/slices/{id}/weak-label:")
    page.replace("openapi.yaml", "slice_id:", "slice:")
    found = page.check()
    assert "'/v1/slices/{id}/label'" in found or '"/v1/slices/{id}/label"' in found
    assert "'slice_id' does not exist" in found
