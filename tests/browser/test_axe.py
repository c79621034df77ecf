"""axe finds no error on any view, in either theme (WCAG 2.1 A and AA, and axe's best practices)."""
import pytest

pytest.importorskip("selenium", reason="python3-selenium is not installed")

import backend  # noqa: E402
from conftest import set_screen  # noqa: E402
from looks import accessible  # noqa: E402
from viewer import Viewer  # noqa: E402


@pytest.fixture(params=["dark", "light"])
def viewer(request, browser, server):
    set_screen(browser, 1280, 720, request.param)
    return Viewer(browser, server.url)


@pytest.fixture
def slices(client):
    items = client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
    return {label: next(s for s in items if s["label"] == label) for label in ("presence", "absence")}


@pytest.mark.parametrize("label", ["presence", "absence"])
def test_a_slice(viewer, slices, label):
    viewer.open(dataset=backend.DATASET, slice=slices[label]["id"]).settled()
    accessible(viewer)


def test_swipe(viewer, slices):
    viewer.open(dataset=backend.DATASET, slice=slices["presence"]["id"]).settled()
    viewer.press("s")
    accessible(viewer)


def test_channels(viewer):
    viewer.open(dataset="channels").settled()
    viewer.press("c")
    viewer.settled()
    accessible(viewer)


def test_wide_list_with_marked_slices(viewer):
    viewer.open(dataset="many").settled()
    viewer.press("g")
    viewer.shown(".tile-text")
    viewer.js("document.querySelector('.tiles').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', shiftKey: true, bubbles: true }))")
    viewer.shown(".marked")
    accessible(viewer)


def test_drawing_a_mask(viewer, slices):
    viewer.open(dataset=backend.DATASET, slice=slices["presence"]["id"]).settled()
    viewer.press("d")
    viewer.shown(".annotator canvas")
    accessible(viewer)


def test_keyboard_help(viewer):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.press("?")
    viewer.shown("dialog.help")
    accessible(viewer)


@pytest.mark.parametrize("view, ready", [("models", "table.models tbody tr"), ("training", ".training-form"),
                                         ("volumes", ".volumes-view"), ("next", ".suggestion")])
def test_other_views(viewer, view, ready):
    viewer.open(view=view, dataset=backend.DATASET).shown(ready)
    accessible(viewer)


def test_description_of_the_interface(viewer):
    viewer.driver.get(f"{viewer.url}/docs")
    viewer.shown("article")
    accessible(viewer)


def test_nothing_there_yet(browser, empty_server):
    viewer = Viewer(browser, empty_server.url).open()
    viewer.shown(".empty")
    accessible(viewer)
