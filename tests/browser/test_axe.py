"""axe finds no error on any view, in either theme (WCAG 2.1 A and AA, and axe's best practices)."""
import pytest

pytest.importorskip("selenium", reason="python3-selenium is not installed")

import backend  # noqa: E402
import npm  # noqa: E402
from conftest import set_screen  # noqa: E402
from viewer import Viewer  # noqa: E402

RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map(
  ({ id, help, nodes }) => `${id}: ${help}\\n` + nodes.map((n) => `    ${n.target} ${n.any.map((a) => a.message).join('; ')}`).join('\\n'))),
  (error) => done([String(error)]));
"""


@pytest.fixture(scope="module")
def axe():
    return npm.package("axe-core/axe.min.js").read_text()


@pytest.fixture(params=["dark", "light"])
def viewer(request, browser, server):
    set_screen(browser, 1280, 720, request.param)
    return Viewer(browser, server.url)


def check(viewer, axe):
    viewer.js(axe)
    found = viewer.driver.execute_async_script(RUN)
    assert not found, "\n".join(found)


@pytest.fixture
def slices(client):
    items = client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
    return {label: next(s for s in items if s["label"] == label) for label in ("presence", "absence")}


@pytest.mark.parametrize("label", ["presence", "absence"])
def test_a_slice(viewer, axe, slices, label):
    viewer.open(dataset=backend.DATASET, slice=slices[label]["id"]).settled()
    check(viewer, axe)


def test_swipe(viewer, axe, slices):
    viewer.open(dataset=backend.DATASET, slice=slices["presence"]["id"]).settled()
    viewer.press("s")
    check(viewer, axe)


def test_channels(viewer, axe):
    viewer.open(dataset="channels").settled()
    viewer.press("c")
    viewer.settled()
    check(viewer, axe)


def test_wide_list_with_marked_slices(viewer, axe):
    viewer.open(dataset="many").settled()
    viewer.press("g")
    viewer.shown(".tile-text")
    viewer.js("document.querySelector('.tiles').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', shiftKey: true, bubbles: true }))")
    viewer.shown(".marked")
    check(viewer, axe)


def test_drawing_a_mask(viewer, axe, slices):
    viewer.open(dataset=backend.DATASET, slice=slices["presence"]["id"]).settled()
    viewer.press("d")
    viewer.shown(".annotator canvas")
    check(viewer, axe)


def test_keyboard_help(viewer, axe):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.press("?")
    viewer.shown("dialog.help")
    check(viewer, axe)


@pytest.mark.parametrize("view, ready", [("models", "table.models tbody tr"), ("training", ".training-form"),
                                         ("volumes", ".volumes-view"), ("next", ".suggestion")])
def test_other_views(viewer, axe, view, ready):
    viewer.open(view=view, dataset=backend.DATASET).shown(ready)
    check(viewer, axe)


def test_description_of_the_interface(viewer, axe):
    viewer.driver.get(f"{viewer.url}/docs")
    viewer.shown("article")
    check(viewer, axe)


def test_nothing_there_yet(browser, empty_server, axe):
    viewer = Viewer(browser, empty_server.url).open()
    viewer.shown(".empty")
    check(viewer, axe)
