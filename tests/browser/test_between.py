"""What lies between two samples of a healthy slice: choosing them, by pointer and by keyboard, the frames and the
slider through them."""
import pytest
from selenium.webdriver.common.keys import Keys

import backend
from conftest import set_screen
from looks import accessible, keep
from viewer import Viewer

SAMPLE = '[data-panel="sample"]'
TITLE = f"{SAMPLE} .title"
GRID = '[data-panel="grid"]'
BOXES = "return [...document.querySelectorAll('.panel .frame, .seeds')].map((e) => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height].map(Math.round); });"

TOO_WIDE = """const right = document.querySelector('.seeds').getBoundingClientRect().right;
return [...document.querySelectorAll('.seeds > *')].filter((e) => e.offsetWidth && (e.getBoundingClientRect().right > right + 0.5 || e.scrollWidth > e.clientWidth + 1))
  .map((e) => [e.outerHTML, e.clientWidth, e.scrollWidth, e.getBoundingClientRect().right - right]);"""


@pytest.fixture
def viewer(browser, server):
    return Viewer(browser, server.url)


@pytest.fixture
def grid(viewer, client):
    """The samples of a healthy slice."""
    record = client.get(f"/v1/slices?dataset={backend.DATASET}&label=absence")["items"][0]
    viewer.open(dataset=backend.DATASET, slice=record["id"])
    viewer.until(lambda: viewer.text(TITLE) == "Seed 1", "a sample is shown")
    viewer.settled()
    return viewer


def tiles(viewer, name):
    return [tile.get_attribute(f"data-{name}") for tile in viewer.all(".sample-tile")]


def go_between(viewer, index):
    viewer.find("[data-between]").click()
    viewer.until(lambda: viewer.text(f"{GRID} .title") == "From seed 1 to\u2026", "the other one is asked for")
    viewer.all(".sample-tile")[index].click()
    viewer.until(lambda: viewer.text(f"{GRID} .title") == f"Between seeds 1 and {index + 1}", "the frames are there")


def slide(viewer, index):
    viewer.js("""const way = document.querySelector('#way');
        way.value = arguments[0];
        way.dispatchEvent(new Event('input', { bubbles: true }));""", index)


def test_frames_lead_from_one_sample_to_another(grid):
    grid.all(".sample-tile")[4].click()
    grid.until(lambda: grid.text(TITLE) == "Seed 5", "seed 5 is shown")
    fifth = grid.pixels("sample")
    grid.all(".sample-tile")[0].click()
    grid.until(lambda: grid.text(TITLE) == "Seed 1", "seed 1 is shown")
    first = grid.pixels("sample")
    before = grid.js(BOXES)
    go_between(grid, 4)
    assert grid.js(BOXES) == before, "nothing moves"
    assert [float(t) for t in tiles(grid, "t")] == [i / 8 for i in range(9)]
    assert "generated" in grid.text(f"{GRID} .frame")
    shown, residuals = [], []
    for i in range(9):
        slide(grid, i)
        title = {0: "Seed 1", 8: "Seed 5"}.get(i, f"1 \u2192 5 at {i / 8 + 1e-9:.2f}")
        grid.until(lambda: grid.text(TITLE) == title, f"frame {i} is shown")
        assert [tile.get_attribute("aria-checked") for tile in grid.all(".sample-tile")].index("true") == i
        shown.append(grid.pixels("sample"))
        residuals.append(grid.pixels("residual"))
    assert len({str(pixels) for pixels in shown}) == 9 and len({str(pixels) for pixels in residuals}) == 9
    near = lambda a, b: max(abs(x - y) for x, y in zip(a, b)) <= 3  # a frame is a picture of 256 grays
    assert near(shown[0], first) and near(shown[8], fifth)
    grid.find("[data-back]").click()
    grid.until(lambda: tiles(grid, "seed") == [str(seed) for seed in range(1, 10)], "the samples are back")
    grid.until(lambda: grid.text(TITLE) == "Seed 1", "and the one from before")
    assert grid.pixels("sample") == first


def test_by_keyboard_alone(grid):
    grid.press("b")
    active = lambda: grid.js("return document.activeElement.dataset.seed ?? document.activeElement.id")
    assert active() == "1"
    grid.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    grid.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert active() == "5"
    grid.driver.switch_to.active_element.send_keys(Keys.ENTER)
    grid.until(lambda: grid.text(f"{GRID} .title") == "Between seeds 1 and 5", "the frames are there")
    grid.until(lambda: active() == "way", "the slider has the focus")
    grid.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    grid.until(lambda: grid.text(TITLE) == "1 \u2192 5 at 0.25", "two steps on")
    assert grid.find("#way").get_attribute("aria-valuetext") == "1 \u2192 5 at 0.25"
    grid.press("b")
    grid.until(lambda: grid.text(TITLE) == "Seed 1", "back")
    grid.press("b")
    grid.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    grid.until(lambda: grid.text(f"{GRID} .title") == "Samples", "Escape takes the question back")
    grid.press("?")
    assert "Between two samples" in grid.text("dialog.help")


def test_a_frame_is_saved_as_generated(grid, tmp_path):
    grid.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    go_between(grid, 2)
    slide(grid, 4)
    grid.until(lambda: grid.text(TITLE) == "1 \u2192 3 at 0.50", "the middle is shown")
    for panel, output in (("sample", "translated"), ("residual", "residual")):
        grid.find(f'[data-panel="{panel}"] .save').click()
        saved = grid.until(lambda: next(tmp_path.glob(f"*-seeds-1-3-at-0.5-{output}.png"), None), f"{output} is saved")
        assert b"Generated image" in grid.until(saved.read_bytes, "its content")


def test_further_seeds_and_other_slices_leave_the_way(grid):
    go_between(grid, 2)
    grid.press("n")
    grid.until(lambda: tiles(grid, "seed")[:1] == ["10"], "samples again")
    assert grid.text(f"{GRID} .title") == "Samples" and not grid.all("#way")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width, height", [(1280, 720), (1024, 768), (820, 1180)])
def test_it_fits(grid, width, height, scheme):
    set_screen(grid.driver, width, height, scheme)
    assert grid.js(TOO_WIDE) == []
    go_between(grid, 3)
    slide(grid, 4)
    grid.until(lambda: grid.text(TITLE) == "1 \u2192 4 at 0.50", "the middle is shown")
    assert grid.js(TOO_WIDE) == []
    accessible(grid)
    keep(grid, f"between-{width}x{height}-{scheme}")
