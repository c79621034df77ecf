"""The viewer in Chromium: what a person sees and does in it."""
import gzip
import os
from pathlib import Path

import pytest
import requests

pytest.importorskip("selenium", reason="python3-selenium is not installed")
from selenium.webdriver import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

import backend  # noqa: E402
import synthetic  # noqa: E402
from conftest import set_screen  # noqa: E402
from viewer import Viewer  # noqa: E402

RESIDUAL = """
const [slice, done] = arguments;
const [{ removeLesion }, { parseNpy }, { diverging, symmetricLimit }] = await Promise.all(
  ['/api.js', '/npy.js', '/colormap.js'].map((path) => import(path)));
const { data } = parseNpy(await removeLesion(slice, 'residual'));
const canvas = document.querySelector('[data-panel="residual"] canvas.base');
const shown = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
const limit = Number(document.querySelector('[data-panel="residual"] .bar').getAttribute('aria-label').split(' ').pop());
let worst = 0;
data.forEach((value, i) => diverging(value / limit).forEach((colour, c) => {
  worst = Math.max(worst, Math.abs(colour - shown[4 * i + c]));
}));
done({ worst, limit, largest: symmetricLimit(data, 0) });
"""

OTHER_CHANNEL = """
const done = arguments[0];
const [{ ChannelsMode }, { Panel }] = await Promise.all(['/channels_mode.js', '/panel.js'].map((path) => import(path)));
const mode = new ChannelsMode((what) => new Panel({ ...what, onCursor() {}, onEnlarge() {}, gestures: {} }));
mode.prepare({ channels: 2 });
const said = (mask) => {
  mode.paint({ pixels: { channels: 2, width: 1, height: 1, data: Float32Array.of(0, 1) }, channel: 0, mask, opacity: 1, windowOf: (own) => own });
  return mode.panels[0].element.querySelector('.keys').textContent;
};
done([said(null), said([1])]);
"""


@pytest.fixture
def viewer(browser, server):
    return Viewer(browser, server.url)


@pytest.fixture
def slices(client):
    """The data set's slices by what they are."""
    items = client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
    return {
        "annotated": next(s for s in items if s["annotated"]),
        "presence": next(s for s in items if s["label"] == "presence" and not s["annotated"]),
        "absence": next(s for s in items if s["label"] == "absence"),
        "hostile": next(s for s in items if s["name"] == backend.HOSTILE),
    }


def touch(viewer, fingers):
    """Each finger goes along its places (CSS pixels of the window), all at once."""
    inputs = [PointerInput(POINTER_TOUCH, f"finger{i}") for i in range(len(fingers))]
    build = ActionBuilder(viewer.driver, mouse=inputs[0])
    build.devices.extend(inputs[1:])
    for each, (first, *others) in zip(inputs, fingers):
        each.create_pointer_move(x=int(first[0]), y=int(first[1]))
        each.create_pointer_down(button=0)
        for x, y in others:
            each.create_pointer_move(duration=80, x=int(x), y=int(y))
        each.create_pointer_up(button=0)
    build.perform()


def at(viewer, record):
    return viewer.open(dataset=backend.DATASET, slice=record["id"]).settled()


# ==== Looking ====

def test_first_click_shows_a_segmentation(viewer, slices):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.select(slices["annotated"]["id"])
    viewer.slide("threshold", 0.01)
    assert viewer.overlaid() > 0
    assert "Dice" in viewer.text('[data-panel="slice"] .note')
    assert viewer.find('[data-panel="slice"] .truth-line').get_attribute("d")


def test_a_link_shows_its_slice_even_if_it_is_not_listed(viewer, slices):
    viewer.open(dataset=backend.DATASET, label="absence", slice=slices["presence"]["id"]).settled()
    assert viewer.text("#view-slices h1") == slices["presence"]["name"]


def test_overlay_follows_threshold_and_opacity(viewer, slices):
    at(viewer, slices["presence"])
    areas = []
    for threshold in (0.01, 0.5, 0.99):
        viewer.slide("threshold", threshold)
        areas.append(viewer.overlaid())
        assert f"{areas[-1]} px" in viewer.text('[data-panel="slice"] .note')
    assert areas == sorted(areas, reverse=True) and areas[0] > areas[-1]
    viewer.slide("threshold", 0.01)
    viewer.slide("opacity", 0)
    assert viewer.overlaid() == 0


def test_residual_is_painted_in_the_diverging_map_and_its_legend_is_symmetric(viewer, slices):
    at(viewer, slices["presence"])
    found = viewer.driver.execute_async_script(f"(async (...arguments) => {{ {RESIDUAL} }})(...arguments)",
                                               slices["presence"]["id"])
    assert found["worst"] <= 4  # one step of the table
    assert found["limit"] >= found["largest"] * (1 - 1e-5) > 0  # asked for twice, in batches of any size
    ticks = [tick.text for tick in viewer.all('[data-panel="residual"] .ticks span')]
    assert ticks[2] == "0" and ticks[0][1:] == ticks[4][1:] and (ticks[0][0], ticks[4][0]) == ("\u2212", "+")


def test_swipe_shows_the_original_beside_the_translation(viewer, slices):
    at(viewer, slices["presence"])
    viewer.press("s")
    handle = viewer.shown('[data-panel="healthy"] .handle')
    assert viewer.pixels("healthy", "other") == viewer.pixels("slice")
    assert viewer.pixels("healthy", "other") != viewer.pixels("healthy")
    clip = "return getComputedStyle(document.querySelector('[data-panel=\"healthy\"] .clip')).clipPath"
    before = viewer.js(clip)
    ActionChains(viewer.driver).drag_and_drop_by_offset(handle, 40, 0).perform()
    assert int(handle.get_attribute("aria-valuenow")) > 55 and viewer.js(clip) != before
    handle.send_keys(Keys.ARROW_LEFT)
    viewer.press("s")
    assert not handle.is_displayed()


def test_blink_alternates(viewer, slices):
    at(viewer, slices["presence"])
    viewer.press(" ")
    other = viewer.find('[data-panel="healthy"] canvas.other')
    viewer.until(other.is_displayed, "the original is shown")
    viewer.until(lambda: not other.is_displayed(), "the translation is shown")
    viewer.until(other.is_displayed, "the original is shown again")


def test_generated_pictures_say_so(viewer, slices):
    at(viewer, slices["presence"])
    marked = {p.get_attribute("data-panel") for p in viewer.all(".panel") if "generated" in p.text}
    assert marked == {"slice", "healthy", "residual", "reconstruction", "uncertainty"}
    assert not viewer.all('[data-panel="slice"] .frame .generated')  # the picture is measured, its mask is not
    assert viewer.text('[data-panel="slice"] .key.mask') == "segmentedgenerated"
    assert "Not for clinical use" in viewer.text("footer") and "simulated" in viewer.text("footer")


def test_samples_come_from_seeds(viewer, slices):
    at(viewer, slices["absence"])
    tiles = viewer.all(".sample-tile")
    assert [tile.get_attribute("data-seed") for tile in tiles] == [str(seed) for seed in range(1, 10)]
    assert len({tile.get_attribute("aria-label") for tile in tiles}) == 9
    first = viewer.pixels("sample")
    tiles[2].click()
    viewer.until(lambda: "Seed 3" in viewer.text('[data-panel="sample"] .title'), "seed 3 is shown")
    third = viewer.pixels("sample")
    assert third != first
    viewer.press("n")
    viewer.until(lambda: [t.get_attribute("data-seed") for t in viewer.all(".sample-tile")][:1] == ["10"], "seed 10")
    at(viewer, slices["absence"])
    viewer.all(".sample-tile")[2].click()
    viewer.until(lambda: "Seed 3" in viewer.text('[data-panel="sample"] .title'), "seed 3 is shown")
    assert viewer.pixels("sample") == third


def test_cursor_reads_values_in_all_pictures(viewer, slices):
    at(viewer, slices["presence"])
    ActionChains(viewer.driver).move_to_element(viewer.find('[data-panel="residual"] .view')).perform()
    readout = viewer.text(".readout")
    for name in ("intensity", "probability", "healthy", "residual"):
        assert name in readout
    assert all(cross.get_attribute("d") for cross in viewer.all('[data-panel="slice"] .cross'))


def test_pictures_are_never_stretched(viewer, slices):
    at(viewer, slices["presence"])
    for width, height in ((1280, 720), (1920, 1080), (1100, 620)):
        set_screen(viewer.driver, width, height)
        viewer.until(lambda: viewer.js("return innerWidth") == width, "the new size")
        for kind in ("remove", "add"):
            viewer.choose(kind, ".slice-header")
            viewer.settled()
            for frame in viewer.all(".frame"):
                size = frame.size
                assert abs(size["height"] - 2 * size["width"]) <= 2 and size["width"] > 90
        overflow = viewer.js("const d = document.documentElement; return [d.scrollWidth - innerWidth, d.scrollHeight - innerHeight]")
        assert max(overflow) <= 0


def transform(viewer, panel):
    return viewer.js("return getComputedStyle(document.querySelector(arguments[0])).transform",
                     f'[data-panel="{panel}"] canvas.base')


def test_zoom_is_shared_and_the_cursor_reads_what_is_seen(viewer, slices):
    at(viewer, slices["presence"])
    view = viewer.find('[data-panel="healthy"] .view')
    ActionChains(viewer.driver).move_to_element_with_offset(view, -view.size["width"] // 4, 0).perform()

    def read():
        return viewer.js("return [...document.querySelectorAll('.readout span')].slice(0, 2).map((s) => s.textContent)")

    before = read()
    viewer.press("+")
    viewer.press("+")
    assert transform(viewer, "slice") == transform(viewer, "residual") != "none"
    assert "156" in viewer.text(".view-state")
    ActionChains(viewer.driver).move_to_element_with_offset(view, -view.size["width"] // 4, 1).perform()
    assert read()[0] != before[0]  # nearer to the middle now
    moved = transform(viewer, "slice")
    ActionChains(viewer.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert transform(viewer, "slice") != moved
    viewer.press("0")
    viewer.until(lambda: transform(viewer, "slice") == "matrix(1, 0, 0, 1, 0, 0)", "all of it again")


def test_dragging_changes_contrast_of_all_pictures_alike(viewer, slices):
    at(viewer, slices["presence"])
    before = viewer.pixels("slice"), viewer.pixels("healthy")
    view = viewer.find('[data-panel="slice"] .view')
    ActionChains(viewer.driver).drag_and_drop_by_offset(view, -30, 0).perform()
    viewer.until(lambda: viewer.pixels("slice") != before[0], "another window")
    assert viewer.pixels("healthy") != before[1] and "own range" not in viewer.text(".view-state")
    viewer.press("0")
    viewer.until(lambda: viewer.pixels("slice") == before[0], "its own grays again")
    viewer.press("w")
    viewer.until(lambda: viewer.pixels("slice") != before[0], "the same by keyboard")


def test_what_is_read_moves_no_picture(viewer, slices):
    at(viewer, slices["presence"])
    views = viewer.all(".view")
    before = [view.rect for view in views]
    for view in views:
        ActionChains(viewer.driver).move_to_element(view).perform()
        assert [each.rect for each in views] == before, viewer.text(".readout")


def zoom_of(viewer):
    return float(viewer.js("return getComputedStyle(document.querySelector('.stage')).getPropertyValue('--zoom') || '1'"))


def test_the_wheel_zooms_where_it_is(viewer, slices):
    at(viewer, slices["presence"])
    view = viewer.find('[data-panel="slice"] .view')
    width, height = view.size["width"], view.size["height"]
    corner = ScrollOrigin.from_element(view, -width // 2 + 4, -height // 2 + 4)
    ActionChains(viewer.driver).scroll_from_origin(corner, 0, -400).perform()
    viewer.until(lambda: zoom_of(viewer) == 2, "twice as large")
    assert transform(viewer, "slice") == transform(viewer, "residual")
    x, y = (float(part) for part in transform(viewer, "slice").strip("matrix()").split(",")[4:])
    assert abs(x) < 10 and abs(y) < 10  # the corner stays where it was
    ActionChains(viewer.driver).scroll_from_origin(corner, 0, 4000).perform()
    viewer.until(lambda: transform(viewer, "slice") == "matrix(1, 0, 0, 1, 0, 0)", "no further than all of it")


def test_one_finger_sets_grays_two_move_and_zoom(viewer, slices):
    at(viewer, slices["presence"])
    view = viewer.find('[data-panel="slice"] .view')
    box = view.rect
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = viewer.pixels("slice")
    touch(viewer, [((x - 30, y), (x - 60, y))])
    viewer.until(lambda: viewer.pixels("slice") != before, "another window")
    assert zoom_of(viewer) == 1
    window = viewer.pixels("slice")
    touch(viewer, [((x - 20, y), (x - 50, y)), ((x + 20, y), (x + 50, y))])
    viewer.until(lambda: 2 < zoom_of(viewer) < 3, "two fingers zoom")
    zoomed = transform(viewer, "slice")
    assert zoomed == transform(viewer, "residual")
    touch(viewer, [((x - 20, y), (x - 20, y + 40)), ((x + 20, y), (x + 20, y + 40))])
    viewer.until(lambda: transform(viewer, "slice") != zoomed, "and move")
    assert float(transform(viewer, "slice").strip("matrix()").split(",")[5]) > float(zoomed.strip("matrix()").split(",")[5])
    assert 2 < zoom_of(viewer) < 3 and viewer.pixels("slice") == window  # and leave the grays
    viewer.press("0")
    viewer.until(lambda: zoom_of(viewer) == 1 and viewer.pixels("slice") == before, "all of it again")


def test_difference_is_slice_minus_healthy(viewer, slices):
    at(viewer, slices["presence"])
    viewer.press("i")
    assert viewer.find('[data-panel="healthy"] canvas.difference').is_displayed()
    ticks = [tick.text for tick in viewer.all('[data-panel="healthy"] .ticks span')]
    assert ticks[2] == "0" and ticks[0][1:] == ticks[4][1:]
    viewer.press("i")
    assert not viewer.find('[data-panel="healthy"] canvas.difference').is_displayed()


def test_uncertainty_says_how_little_mask_and_residual_agree(viewer, slices):
    at(viewer, slices["presence"])
    assert 0 <= float(viewer.text('[data-panel="uncertainty"] .note')) <= 1
    painted = viewer.pixels("uncertainty")
    assert len({tuple(painted[i:i + 3]) for i in range(0, len(painted), 4)}) > 3


def test_saved_pictures_say_that_they_are_generated(viewer, slices, tmp_path):
    viewer.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    at(viewer, slices["presence"])
    viewer.shown('[data-panel="healthy"] .save').click()
    saved = viewer.until(lambda: next(tmp_path.glob("*.png"), None), "a file")
    assert saved.name.endswith("-translated.png")
    content = viewer.until(saved.read_bytes, "its content")
    assert b"tEXt" in content and b"Generated image (translated), not an acquired one" in content


def test_channels_side_by_side(viewer):
    viewer.open(dataset="channels").settled()
    viewer.press("c")
    viewer.settled()
    titles = [title.text for title in viewer.all(".panel .title") if title.is_displayed()]
    assert titles == ["Channel 1", "Channel 2"]
    viewer.until(lambda: any(viewer.pixels("channel-0")), "the other channel is painted")
    first, second = viewer.pixels("slice"), viewer.pixels("channel-0")
    viewer.js("const s = document.getElementById('channel'); s.value = 1; s.dispatchEvent(new Event('change'))")
    viewer.until(lambda: viewer.pixels("slice") == second, "the second one is the chosen one")
    assert viewer.pixels("channel-0") == first
    viewer.press("e")
    assert len([p for p in viewer.all(".panel") if p.is_displayed()]) == 1
    viewer.press(Keys.ESCAPE)


def test_a_mask_over_another_channel_says_that_it_is_generated(viewer):
    viewer.open()
    said = viewer.driver.execute_async_script(f"(async (...arguments) => {{ {OTHER_CHANNEL} }})(...arguments)")
    assert said == ["", "segmentedgenerated"]


def test_slice_the_model_does_not_take(viewer):
    viewer.open(dataset="channels").settled()
    for panel in ("healthy", "residual", "reconstruction"):
        assert "this slice is 2 \u00d7 64 \u00d7 32" in viewer.text(f'[data-panel="{panel}"] .message')
    first = viewer.pixels("slice")
    viewer.js("const s = document.getElementById('channel'); s.value = 1; s.dispatchEvent(new Event('change'))")
    assert viewer.pixels("slice") != first


# ==== The list ====

def test_list_keeps_few_tiles_of_many_slices(viewer):
    viewer.open(dataset="many").settled()
    seen = set()
    for _ in range(60):
        tiles = viewer.all(".tile")
        assert len(tiles) < 150
        seen.update(viewer.js("return [...document.querySelectorAll('.tile')].map((t) => t.dataset.id)"))
        if len(seen) == backend.MANY:
            break
        viewer.js("document.querySelector('.tiles').scrollTop += 350")
        viewer.until(lambda: viewer.find(".tiles").get_attribute("aria-busy") == "false", "the page has arrived")
    assert len(seen) == backend.MANY


def test_filters_and_their_counts(viewer, client):
    counts = client.get(f"/v1/datasets/{backend.DATASET}")["counts"]
    viewer.open(dataset=backend.DATASET).settled()
    viewer.choose("absence", ".filters")
    viewer.until(lambda: viewer.all(".tile") and all("absence" in t.get_attribute("class") for t in viewer.all(".tile")),
                 "only absence")
    assert viewer.text(".list-count").startswith(f"{counts['absence']} ")
    viewer.choose("true", ".filters")
    viewer.until(lambda: viewer.find(".list-nothing").is_displayed(), "no annotated absence slice")


def test_more_filters_split_case_and_volume(viewer, client):
    if requests.get(f"{client.url}/v1/volumes", timeout=10).status_code == 404:
        pytest.skip("the server of the page's own development has no volumes")
    name = f"filters-{os.getpid()}"
    client.put_dataset(name)
    volume = client.call("POST", "/v1/volumes", params={"dataset": name, "preset": "plain", "case": "scan", "split": "validation"},
                         data=synthetic.nifti(8, 16, 3), headers={"Content-Type": "application/x-nifti"})
    for number in range(4):
        client.upload(synthetic.png(8, 16, bytes(120) + (1000 + number).to_bytes(8, "big")), "image/png", dataset=name, case=f"c{number % 2}", split="train")
    cut, first = ([s["id"] for s in client.get("/v1/slices", dataset=name, **wish)["items"]] for wish in ({"split": "validation"}, {"case": "c0"}))
    viewer.open(dataset=name).settled()
    viewer.shown(".more-filters summary").click()
    viewer.choose("validation", ".more-filters")
    viewer.until(lambda: shown_ids(viewer) == cut, "what is held out")
    assert viewer.text(".more-filters summary") == "More filters (1)" and viewer.text(".list-count") == "3 slices"
    viewer.open(dataset=name, split="validation").settled()
    assert shown_ids(viewer) == cut, "a link remembers it"
    viewer.shown(".more-filters summary").click()
    viewer.choose("", ".more-filters")
    viewer.shown("#case").send_keys("c0", Keys.ENTER)
    viewer.until(lambda: shown_ids(viewer) == first, "one case")
    viewer.until(lambda: {o.get_attribute("value") for o in viewer.all("#volume option")} == {"", volume["id"]}, "the volumes of the data set")
    viewer.find("#case").clear()
    viewer.find("#case").send_keys(Keys.TAB)
    viewer.until(lambda: len(shown_ids(viewer)) == 7, "all")
    viewer.find(f'#volume option[value="{volume["id"]}"]').click()
    viewer.until(lambda: shown_ids(viewer) == cut, "one volume")
    viewer.js("const s = document.getElementById('dataset'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", backend.DATASET)
    viewer.until(lambda: len(shown_ids(viewer)) > 3, "another data set has other volumes")


def test_keyboard_walks_the_list_and_explains_itself(viewer):
    viewer.open(dataset=backend.DATASET).settled()

    def selected():
        return int(viewer.find('.tile[aria-selected="true"]').get_attribute("data-index"))

    first = selected()
    for key, expected in (("j", 1), ("k", 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_DOWN, 5), (Keys.ARROW_UP, 1)):
        viewer.press(key)
        viewer.until(lambda: selected() == first + expected, f"{key!r} selects {expected}")
    viewer.press("?")
    assert viewer.shown("dialog.help kbd")
    viewer.shown("dialog.help button").click()
    viewer.gone("dialog.help")


def shown_ids(viewer):
    return viewer.js("return [...document.querySelectorAll('.tile')].sort((a, b) => a.dataset.index - b.dataset.index)"
                     ".map((t) => t.dataset.id)")


def test_arrows_lead_through_the_tabs(viewer):
    viewer.open(dataset=backend.DATASET).settled()
    names = [tab.get_attribute("id") for tab in viewer.all('[role="tab"]')]

    def reachable():
        return [tab.get_attribute("id") for tab in viewer.all('[role="tab"][tabindex="0"]')]

    viewer.shown("#tab-slices").click()
    for key, expected in ((Keys.ARROW_RIGHT, 1), (Keys.ARROW_LEFT, 0), (Keys.ARROW_LEFT, -1), (Keys.ARROW_RIGHT, 0), (Keys.END, -1), (Keys.HOME, 0)):
        viewer.driver.switch_to.active_element.send_keys(key)
        assert viewer.driver.switch_to.active_element.get_attribute("id") == names[expected]
        assert reachable() == [names[expected]]
        viewer.shown("#" + names[expected].replace("tab-", "view-"))
        assert len([view for view in viewer.all('[role="tabpanel"]') if view.is_displayed()]) == 1


def test_search_finds_by_words_of_name_and_case(viewer, client):
    items = client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
    wish = items[5]["case"]
    expected = [s["id"] for s in items if wish in (s["name"] or "") + " " + s["case"]]
    viewer.open(dataset=backend.DATASET).settled()
    viewer.press("/")
    viewer.driver.switch_to.active_element.send_keys(wish.upper())
    viewer.until(lambda: shown_ids(viewer) == expected, f"only {wish}")
    assert viewer.text(".list-count") == f"{len(expected)} found"


def test_search_looks_at_pages_that_were_not_loaded(viewer):
    viewer.open(dataset="many").settled()
    viewer.find("#search").send_keys(f"c{backend.MANY - 1}")
    viewer.until(lambda: len(viewer.all(".tile")) == 1, "the last one is found")


def test_sorted_by_name_and_the_order_is_remembered(viewer, client):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.js("const s = document.getElementById('sort'); s.value = 'name'; s.dispatchEvent(new Event('change'))")
    expected = [s["id"] for s in client.get("/v1/slices", dataset=backend.DATASET, sort="name", limit=8)["items"]]
    viewer.js("document.querySelector('.tiles').scrollTop = 0")
    viewer.until(lambda: shown_ids(viewer)[:8] == expected, "by name")
    assert "sort=name" in viewer.driver.current_url


def test_predictions_are_made_and_shown_in_the_wide_list(viewer, client):
    viewer.open(dataset=backend.DATASET).settled()
    viewer.js("[...document.querySelectorAll('.list-foot button')].find((b) => b.textContent === 'Predict').click()")
    viewer.until(lambda: all(s["prediction"] for s in client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]),
                 "every slice has a prediction")
    viewer.open(dataset=backend.DATASET, sort="-score").settled()
    viewer.press("g")
    viewer.shown(".tile-text small")
    best = client.get("/v1/slices", dataset=backend.DATASET, sort="-score", limit=1)["items"][0]
    viewer.js("document.querySelector('.tiles').scrollTop = 0")
    said = viewer.until(lambda: viewer.text(f'.tile[data-id="{best["id"]}"] small'), "the first tile")
    assert said == f"{best['prediction']['area']:,} px \u00b7 {best['prediction']['score']:.3f}"
    assert not viewer.find(".slice-view").is_displayed()
    viewer.driver.switch_to.active_element.send_keys(Keys.ENTER)
    viewer.shown(".slice-view")


def test_many_are_labelled_at_once_and_undone(viewer, client):
    viewer.open(dataset="many").settled()
    viewer.shown('.tile[data-index="2"]').click()
    ActionChains(viewer.driver).key_down(Keys.SHIFT).click(viewer.find('.tile[data-index="7"]')).key_up(Keys.SHIFT).perform()
    ActionChains(viewer.driver).key_down(Keys.CONTROL).click(viewer.find('.tile[data-index="4"]')).key_up(Keys.CONTROL).perform()
    ids = [t.get_attribute("data-id") for t in viewer.all('.tile[aria-selected="true"]')]
    assert len(ids) == 5 and viewer.text(".marked [role=status]") == "5 marked"

    def labels():
        return {client.get(f"/v1/slices/{each}")["label"] for each in ids}

    viewer.choose("absence", ".marked")
    viewer.until(lambda: labels() == {"absence"}, "all five are labelled")
    assert client.get("/v1/datasets/many")["counts"]["absence"] == 5
    viewer.until(lambda: "5 slices: absence" in viewer.text(".toasts"), "it says so")
    viewer.shown(".toast button:not(.quiet)").click()
    viewer.until(lambda: labels() == {"unknown"}, "undone")


def test_marking_by_keyboard(viewer):
    viewer.open(dataset="many").settled()
    tiles = viewer.find(".tiles")
    tiles.send_keys(Keys.HOME)
    ActionChains(viewer.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    viewer.until(lambda: viewer.text(".marked [role=status]") == "3 marked", "three are marked")
    tiles.send_keys(Keys.ESCAPE)
    viewer.gone(".marked")


def marked(viewer):
    return sorted(int(t.get_attribute("data-index")) for t in viewer.all('.tile[aria-selected="true"]'))


def test_single_ones_are_marked_by_keyboard(viewer):
    viewer.open(dataset="many").settled()
    viewer.shown('.tile[data-index="0"]').click()
    tiles = viewer.find(".tiles")

    def control(*keys):
        ActionChains(viewer.driver).key_down(Keys.CONTROL).send_keys(*keys).key_up(Keys.CONTROL).perform()

    control(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    viewer.until(lambda: tiles.get_attribute("aria-activedescendant") == "tile-2", "the third is the current one")
    assert marked(viewer) == [0]
    control(" ")
    viewer.until(lambda: marked(viewer) == [0, 2], "the first and the third")
    control(Keys.ARROW_DOWN, " ")
    viewer.until(lambda: viewer.text(".marked [role=status]") == "3 marked", "one of the next row")
    control(" ")
    viewer.until(lambda: marked(viewer) == [0, 2], "and not")
    viewer.press("?")
    assert "ctrl space" in viewer.shown("dialog.help").text


def test_single_ones_are_marked_by_touch(viewer):
    viewer.open(dataset="many").settled()
    viewer.shown('.tile[data-index="0"]').click()
    before = viewer.driver.current_url
    for index in (3, 5):
        box = viewer.find(f'.tile[data-index="{index}"] .mark').rect
        touch(viewer, [((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2),)])
    viewer.until(lambda: marked(viewer) == [0, 3, 5], "the boxes mark")
    assert viewer.driver.current_url == before, "what is shown stays"
    viewer.find('.tile[data-index="3"] .mark').click()
    viewer.until(lambda: marked(viewer) == [0, 5], "a mouse takes a mark away")


def test_names_are_text_never_markup(viewer, slices):
    at(viewer, slices["hostile"])
    assert viewer.find(".slice-name h1").text == backend.HOSTILE
    assert not viewer.all(".slice-name img")


# ==== Labelling ====

def test_label_persists_and_can_be_undone(viewer, client, slices):
    record = slices["presence"]
    at(viewer, record)
    viewer.press("u")
    viewer.until(lambda: client.get(f"/v1/slices/{record['id']}")["label"] == "unknown", "the server knows")
    at(viewer, record)
    assert viewer.shown('.labels [data-value="unknown"]').get_attribute("aria-pressed") == "true"
    viewer.choose("presence", ".labels")
    viewer.until(lambda: client.get(f"/v1/slices/{record['id']}")["label"] == "presence", "the server knows")
    viewer.shown(".toast button:not(.quiet)").click()
    viewer.until(lambda: client.get(f"/v1/slices/{record['id']}")["label"] == "unknown", "undone")
    viewer.press("p")
    viewer.until(lambda: client.get(f"/v1/slices/{record['id']}")["label"] == "presence", "as at first")


# ==== Training and models ====

def points(viewer, chart):
    return int(viewer.find(f'[data-chart="{chart}"]').get_attribute("data-points") or 0)


def test_training_curve_grows_stops_and_goes_on(viewer, client):
    viewer.open(view="training", dataset=backend.DATASET)
    viewer.shown('[data-need="annotated_presence"].enough')
    for name, value in (("preset", "tiny"), ("width", "1"), ("budget", "0.2"), ("batch", "2")):
        viewer.js("document.getElementById(arguments[0]).value = arguments[1]", f"train-{name}", value)
    viewer.shown(".training-form .primary").click()
    viewer.shown(".job-title .pill.running")
    viewer.until(lambda: points(viewer, "rec") >= 3, "three points")
    seen = points(viewer, "rec")
    viewer.until(lambda: points(viewer, "rec") > seen, "the curve grows")
    viewer.js("[...document.querySelectorAll('.job .actions button')].find((b) => b.textContent === 'Cancel').click()")
    viewer.shown(".job-title .pill.cancelled")
    viewer.js("[...document.querySelectorAll('.job .actions button')].find((b) => b.textContent === 'Resume').click()")
    viewer.shown(".job-title .pill.succeeded")
    assert points(viewer, "dice") >= 1
    job = client.get("/v1/jobs", limit=1)["items"][0]
    assert job["state"] == "succeeded" and job["request"]["max_seconds"] == 12
    viewer.open(view="training")
    viewer.until(lambda: points(viewer, "rec") >= seen, "the curve of a finished job is whole")


def test_jobs_on_volumes_are_no_trainings(viewer, client):
    if requests.get(f"{client.url}/v1/volumes", timeout=10).status_code == 404:
        pytest.skip("the server of the page's own development has no volumes")
    client.put_dataset("scans")
    volume = client.call("POST", "/v1/volumes", params={"dataset": "scans", "preset": "plain"},
                         data=synthetic.nifti(backend.WIDTH, backend.HEIGHT, 3),
                         headers={"Content-Type": "application/x-nifti"})
    job = client.call("POST", f"/v1/volumes/{volume['id']}/segment", json={})
    viewer.open(view="training")
    viewer.shown(".job-row")
    listed = [row.get_attribute("data-id") for row in viewer.all(".job-row")]
    trainings = client.get("/v1/jobs", kind="train")["items"]
    assert job["id"] not in listed and listed == [each["id"] for each in trainings]


def test_activation_and_going_back(viewer, client):
    if len(client.get("/v1/models")["items"]) < 2:
        client.train(backend.TRAINING_S)
    before = next(m["id"] for m in client.get("/v1/models")["items"] if m["active"])

    def active():
        return next(m["id"] for m in client.get("/v1/models")["items"] if m["active"])

    viewer.open(view="models")
    row = viewer.until(lambda: next((r for r in viewer.all("table.models tbody tr")
                                     if r.get_attribute("data-id") != before), None), "another model")
    other = row.get_attribute("data-id")
    viewer.shown(f'tr[data-id="{other}"] .actions button').click()
    viewer.shown(f'tr[data-id="{other}"] .pill.good')
    assert active() == other
    viewer.shown(".models-view .page-header button").click()
    viewer.shown(f'tr[data-id="{before}"] .pill.good')
    assert active() == before


class TestRefusals:
    @pytest.fixture
    def expected_failures(self):
        return ["422"]

    def test_problem_is_told_in_words(self, viewer):
        viewer.open(view="training", dataset="many")
        viewer.shown('[data-need="presence"].missing')
        viewer.shown(".training-form .primary").click()
        viewer.shown(".toast.bad")
        assert "could not be started" in viewer.text(".toast.bad") and "lacks" in viewer.text(".toast.bad")


# ==== Without data, without a model, without a server ====

def test_nothing_yet_tells_how_to_begin(browser, empty_server):
    viewer = Viewer(browser, empty_server.url).open()
    viewer.shown(".empty")
    text = viewer.text(".empty-place")
    assert "No data yet" in text and f"curl --data-binary @slice.png" in text and empty_server.url in text
    client = backend.Client(empty_server.url)
    backend.fill_many(client, "first", 5)
    viewer.shown(".tile")
    viewer.until(lambda: "No active model" in viewer.find(".stage").text, "no model to answer")
    assert viewer.text(".chip") == "No active model"


class TestServerAway:
    @pytest.fixture
    def expected_failures(self):
        return ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]

    def test_server_gone_and_back(self, browser, empty_server):
        backend.fill_many(backend.Client(empty_server.url), "first", 5)
        viewer = Viewer(browser, empty_server.url).open()
        viewer.shown(".tile")
        empty_server.stop()
        viewer.press("2")
        viewer.shown(".banner")
        empty_server.start()
        viewer.gone(".banner")
        if not {"GENSEG_BINARY"} & os.environ.keys():
            return  # the server's double remembers nothing
        viewer.press("1")
        tile = '.tile[data-index="3"]'
        viewer.until(lambda: viewer.shown(tile).click() or "current" in viewer.find(tile).get_attribute("class"), "another slice")
        shown = viewer.settled().find(tile).get_attribute("data-id")
        viewer.press("p")
        viewer.until(lambda: backend.Client(empty_server.url).get(f"/v1/slices/{shown}")["label"] == "presence", "the label is stored")
        viewer.until(lambda: "presence" in viewer.find(f'.tile[data-id="{shown}"]').get_attribute("class"), "and shown")

    def test_a_running_job_is_followed_again(self, browser, empty_server):
        if "GENSEG_BINARY" not in os.environ:
            pytest.skip("the server's double remembers nothing")
        client = backend.Client(empty_server.url)
        client.put_dataset(backend.DATASET)
        for case, index, label, made, mask in synthetic.population(8, backend.HEIGHT, backend.WIDTH):
            record = client.upload(synthetic.npy(made.pixels, (backend.HEIGHT, backend.WIDTH)), "application/x-npy", dataset=backend.DATASET, case=case, index=index, label=label)
            if mask:
                client.annotate(record["id"], mask, backend.WIDTH, backend.HEIGHT)
        job = client.call("POST", "/v1/jobs", json={"kind": "train", "dataset": backend.DATASET, "preset": "tiny", "width": 1, "batch_size": 2, "max_seconds": 300})
        viewer = Viewer(browser, empty_server.url).open(view="training", dataset=backend.DATASET)
        viewer.until(lambda: points(viewer, "rec") >= 3, "three points", 90)
        empty_server.stop()
        viewer.shown(".banner")
        seen = points(viewer, "rec")
        empty_server.start()
        viewer.gone(".banner")
        viewer.until(lambda: client.get(f"/v1/jobs/{job['id']}")["runs"] == 2, "the training goes on")
        viewer.until(lambda: points(viewer, "rec") > seen, "the curve goes on", 90)
        viewer.until(lambda: viewer.find(".job-title .pill").text in ("running", "succeeded") and
                     viewer.find(".job-row").get_attribute("data-id") == job["id"], "it is the same job")


# ==== How it looks ====

def test_the_whole_page_is_small_and_loads_nothing_from_elsewhere(viewer, slices):
    at(viewer, slices["presence"])
    loaded = viewer.js("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert loaded and all(name.startswith(viewer.url) for name in loaded)
    folder = Path(__file__).resolve().parents[2] / "web"
    files = [path for path in folder.rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 300_000


class TestPolicy:
    @pytest.fixture
    def expected_failures(self):
        return ["Content Security Policy"]

    def test_nothing_but_the_servers_own_files_runs(self, viewer):
        policy = requests.get(f"{viewer.url}/", timeout=10).headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "*" not in policy
        viewer.open()
        viewer.shown(".tile")
        viewer.js("const s = document.createElement('script'); s.textContent = 'window.injected = true'; document.body.append(s);")
        assert viewer.js("return window.injected") is None


def test_every_control_has_a_name(viewer, slices):
    at(viewer, slices["annotated"])
    nameless = viewer.js("""
        const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length;
        return [...document.querySelectorAll('button, input, select, [role]')].filter((e) => !named(e) &&
          !['presentation', 'status', 'tabpanel', 'alert'].includes(e.getAttribute('role'))).map((e) => e.outerHTML);""")
    assert not nameless


def test_screenshots(viewer, slices):
    """Pictures for people to look at, in $SCREENSHOT_DIR."""
    folder = os.environ.get("SCREENSHOT_DIR")
    if not folder:
        pytest.skip("SCREENSHOT_DIR is not set")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for width, height, scheme in ((1280, 720, "dark"), (1920, 1080, "dark"), (1280, 720, "light")):
        set_screen(viewer.driver, width, height, scheme)
        name = f"{width}x{height}-{scheme}"
        at(viewer, slices["annotated"])
        viewer.driver.save_screenshot(str(place / f"{name}-remove.png"))
        at(viewer, slices["absence"])
        viewer.driver.save_screenshot(str(place / f"{name}-add.png"))
        for view, ready in (("models", "table.models tbody tr"), ("training", ".job")):
            viewer.open(view=view, dataset=backend.DATASET).shown(ready)
            viewer.driver.save_screenshot(str(place / f"{name}-{view}.png"))
