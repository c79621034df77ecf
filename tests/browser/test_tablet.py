"""Every view on a tablet, upright and lying: nothing overflows, every control can be reached, no title is cut."""
import os

import pytest

pytest.importorskip("selenium", reason="python3-selenium is not installed")

import backend  # noqa: E402
import synthetic  # noqa: E402
from conftest import set_screen  # noqa: E402
from looks import keep  # noqa: E402
from viewer import Viewer  # noqa: E402

pytestmark = pytest.mark.skipif(not {"GENSEG_BINARY", "GENSEG_URL"} & os.environ.keys(),
                                reason="the page's own mock server has no volumes")

# Controls that cannot be hit in their middle even after scrolling to them, and titles that are cut.
OUT_OF_REACH = """
const found = [];
for (const e of document.querySelectorAll('button, input, select, summary, a[href]')) {
  if (!e.checkVisibility({ visibilityProperty: true }) || e.matches('.visually-hidden')) continue;
  e.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const { left, right, top, bottom } = e.getBoundingClientRect();
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  if (left < -1 || right > innerWidth + 1 || !(e.contains(hit) || [...e.labels ?? []].some((label) => label.contains(hit)))) {
    found.push(`${e.outerHTML.slice(0, 120)} from ${left} to ${right}`);
  }
}
for (const e of document.querySelectorAll('.panel .title, h1, h2')) {
  if (e.checkVisibility() && !e.matches('.unseen') && e.scrollWidth > e.clientWidth + 1) found.push(`cut: ${e.textContent}`);
}
for (const e of document.querySelectorAll('.chart .latest, .panel .note, .key')) {
  const { right } = e.getBoundingClientRect();
  if (e.checkVisibility() && right > e.closest('.chart, .panel').getBoundingClientRect().right + 1) found.push(`beyond its frame: ${e.textContent}`);
}
return found;
"""


def fits(viewer, name):
    overflow = viewer.js("const d = document.documentElement; return [d.scrollWidth - innerWidth, d.scrollHeight - innerHeight]")
    assert max(overflow) <= 0, name
    keep(viewer, f"tablet-{name}")
    assert viewer.js(OUT_OF_REACH) == [], name


@pytest.fixture(scope="module")
def volume(client):
    client.put_dataset("tablet")
    return client.call("POST", "/v1/volumes", params={"dataset": "tablet", "preset": "plain", "case": "head"},
                       data=synthetic.nifti(backend.WIDTH, backend.HEIGHT, 5), headers={"Content-Type": "application/x-nifti"})


@pytest.fixture(params=[(1024, 768), (820, 1180)], ids=["lying", "upright"])
def viewer(request, browser, server):
    set_screen(browser, *request.param)
    return Viewer(browser, server.url)


def test_a_slice_and_its_mask(viewer, client):
    slices = client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
    presence = next(s for s in slices if s["annotated"])
    width = viewer.js("return innerWidth")
    viewer.open(dataset=backend.DATASET, slice=presence["id"]).settled()
    fits(viewer, f"slice-{width}")
    viewer.all(".tile .mark")[1].click()
    fits(viewer, f"marked-{width}")
    viewer.press("d")
    viewer.shown(".annotator canvas")
    fits(viewer, f"mask-{width}")


def test_samples_and_what_lies_between_two(viewer, client):
    absence = next(s for s in client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"] if s["label"] == "absence")
    width = viewer.js("return innerWidth")
    viewer.open(dataset=backend.DATASET, slice=absence["id"]).settled()
    fits(viewer, f"samples-{width}")
    viewer.find("[data-between]").click()
    viewer.all(".sample-tile")[3].click()
    viewer.until(lambda: viewer.all("#way"), "the frames")
    viewer.slide("way", 4)
    viewer.until(lambda: viewer.text('[data-panel="sample"] .title') == "1 \u2192 4 at 0.50", "the middle one")
    fits(viewer, f"between-{width}")


def test_the_other_views(viewer, volume):
    width = viewer.js("return innerWidth")
    for view, ready in (("models", "table.models tbody tr"), ("training", ".job .charts"), ("volumes", ".stack-pictures canvas"), ("next", ".suggestion")):
        place = {"volume": volume["id"]} if view == "volumes" else {"dataset": backend.DATASET}
        viewer.open(view=view, **place).shown(ready)
        fits(viewer, f"{view}-{width}")
    viewer.open(view="models").shown("table.models tbody tr").click()
    for box in viewer.all("table.models input[type=checkbox]")[:2]:
        box.click()
    fits(viewer, f"compared-{width}")


def test_the_keyboard_sheet(viewer):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.press("?")
    viewer.shown("dialog.help")
    width = viewer.js("return innerWidth")
    keep(viewer, f"tablet-help-{width}")
    assert viewer.js("const { left, right } = document.querySelector('dialog.help').getBoundingClientRect(); return left >= 0 && right <= innerWidth")
    viewer.find("dialog.help button").click()
    viewer.gone("dialog.help")
