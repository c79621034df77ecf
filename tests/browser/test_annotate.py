"""Drawing masks in Chromium, with a mouse, a pen, fingers and keys, against a server that others use too."""
import os
import struct
import zlib

import pytest
import requests

pytest.importorskip("selenium", reason="python3-selenium is not installed")
from selenium.webdriver import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.interaction import POINTER_PEN, POINTER_TOUCH  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

import backend  # noqa: E402
import synthetic  # noqa: E402
from conftest import set_screen  # noqa: E402
from desk import SURFACE, Desk  # noqa: E402
from looks import picture  # noqa: E402
from viewer import Viewer  # noqa: E402

pytestmark = pytest.mark.skipif(not {"GENSEG_BINARY", "GENSEG_URL"} & os.environ.keys(),
                                reason="the page's own mock server has no history of masks")

WIDTH, HEIGHT = 40, 30
TARGET, UNKNOWN, GROUND = 255, 127, 0


@pytest.fixture
def viewer(browser, server):
    return Viewer(browser, server.url)


class Person(backend.Client):
    """Somebody else, who uses the interface without the page."""

    def new_slice(self, seed, label="presence"):
        self.put_dataset("draw")
        pixels = bytes((x * 5 + (90 if 10 <= x < 20 and 8 <= y < 18 else 0) + seed % 7) % 256
                       for y in range(HEIGHT) for x in range(WIDTH - 1))
        rows = b"".join(pixels[y * (WIDTH - 1):(y + 1) * (WIDTH - 1)] + bytes([seed * 37 % 256]) for y in range(HEIGHT))
        return self.upload(synthetic.png(WIDTH, HEIGHT, rows), "image/png", dataset="draw", case=f"case {seed}",
                           label=label)

    def mask(self, record):
        """Its rows, or None."""
        answer = self.session.get(f"{self.url}/v1/slices/{record['id']}/annotation", headers={"Accept": "image/png"}, timeout=30)
        if answer.status_code == 404:
            return None
        return rows_of(answer.content)

    def draw(self, record, value, author):
        mask = bytes([value]) * (WIDTH * HEIGHT // 2) + bytes(WIDTH * HEIGHT // 2)
        return self.call("PUT", f"/v1/slices/{record['id']}/annotation", params={"author": author},
                         data=synthetic.png(WIDTH, HEIGHT, mask), headers={"Content-Type": "image/png"})

    def history(self, record):
        return self.get(f"/v1/slices/{record['id']}/annotation/history")["items"]


def rows_of(png):
    """Rows of an 8-bit gray PNG whose rows are not filtered or filtered by left and up alone."""
    at, data, width = 8, b"", 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", png[at + 8:at + 18])
            assert (depth, colour) == (8, 0)
        elif kind == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += 12 + size
    raw, rows, above = zlib.decompress(data), [], [0] * width
    for y in range(height):
        kind, line, row = raw[y * (width + 1)], raw[y * (width + 1) + 1:(y + 1) * (width + 1)], []
        for x, value in enumerate(line):
            left, corner = (row[x - 1], above[x - 1]) if x else (0, 0)
            guess = min((left, above[x], corner), key=lambda v: abs(left + above[x] - corner - v))
            row.append((value + [0, left, above[x], (left + above[x]) // 2, guess][kind]) % 256)
        rows.append(row)
        above = row
    return rows


def count_of(rows, value):
    return sum(row.count(value) for row in rows)


@pytest.fixture
def person(server):
    return Person(server.url)


_seed = iter(range(1, 1000))


@pytest.fixture
def record(person):
    return person.new_slice(next(_seed))


@pytest.fixture
def desk(browser, server):
    """Leaves no drafts to the next test."""
    desk = Desk(browser, server.url, WIDTH, HEIGHT)
    yield desk
    forget_drafts(desk)


def forget_drafts(desk):
    desk.open()
    desk.driver.execute_async_script("""
        const done = arguments[0];
        import('/annotate/drafts.js').then(async ({ drafts }) => {
          for (const { slice } of await drafts.all()) await drafts.remove(slice);
          done();
        });""")


# ==== What is drawn on ====

def test_a_nifti_slice_has_its_own_values(desk, person):
    person.put_dataset("scans")
    record = person.upload(synthetic.nifti(12, 8, 1), "application/x-nifti", dataset="scans", case="scan")
    desk.open()
    found = desk.driver.execute_async_script("""
        const [record, done] = arguments;
        import('/pixels.js').then(({ loadPixels }) => loadPixels(record)).then(({ data }) => done([...data]));""", record)
    assert len(found) == 96 and max(found) < 1, "not stretched to black and white"
    assert all(abs(value - i / 96) < 1e-6 for i, value in enumerate(sorted(found)))


# ==== Drawing ====

def test_a_stroke_is_saved_and_there_after_a_reload(desk, person, record):
    desk.draw(record)
    desk.says("Nothing saved yet")
    desk.stroke((10, 10), (25, 10), (25, 20))
    target, ground, unknown = desk.counts()
    assert 100 < target < 300 and target + ground == WIDTH * HEIGHT and unknown == 0
    desk.says("Not saved")
    picture(desk, "annotate-stroke")
    desk.save()
    desk.says("Saved")
    rows = person.mask(record)
    assert count_of(rows, TARGET) == target and rows[10][10] == rows[10][25] == rows[20][25] == TARGET and rows[25][10] == GROUND
    desk.draw(record)
    assert desk.counts() == (target, ground, 0) and desk.status() == "Saved"
    assert not desk.all("dialog[open]")
    desk.press(Keys.ESCAPE)
    desk.settled()
    assert desk.find('[data-panel="slice"] .truth-line').get_attribute("d")
    assert "annotated" in desk.text(".facts")


def test_undo_redo_eraser_and_sizes(desk, record):
    desk.draw(record)
    desk.stroke((10, 10), (20, 10))
    first = desk.counts()
    desk.press("]")
    desk.stroke((10, 20), (20, 20))
    second = desk.counts()
    assert second[0] - first[0] > first[0]  # the brush is larger
    desk.control("z")
    assert desk.counts() == first
    desk.control("z")
    assert desk.counts() == (0, WIDTH * HEIGHT, 0)
    assert not desk.find(".annotator button[title^=Undo]").is_enabled()
    desk.control("y")
    desk.control("z", Keys.SHIFT)
    assert desk.counts() == second
    desk.press("e")
    desk.stroke((10, 10), (20, 10))
    assert desk.counts()[0] < second[0]
    size = desk.text("output[for=annotate-size]")
    ActionChains(desk.driver).scroll_from_origin(origin(desk), 0, 100).perform()
    assert int(desk.text("output[for=annotate-size]").split()[0]) < int(size.split()[0])


def origin(desk):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    return ScrollOrigin.from_element(desk.find(SURFACE))


def test_polygon_and_fill_and_similar(desk, person, record):
    desk.draw(record)
    desk.press("g")
    desk.click((5, 5), (15, 5), (15, 15), (5, 15))
    desk.press(Keys.BACKSPACE)
    desk.click((5, 15), (5, 5))  # the first corner again closes it
    assert abs(desk.counts()[0] - 100) <= 20
    desk.control("z")
    desk.press("r")  # the bright square of the slice
    desk.slide("annotate-tolerance", 0.02)
    desk.click((12, 12))
    assert 0 < desk.counts()[0] < 100
    desk.control("z")
    desk.press("3")
    desk.press("f")
    desk.click((30, 20))
    assert desk.counts() == (0, 0, WIDTH * HEIGHT)
    picture(desk, "annotate-filled")


def test_scribbles_keep_their_three_values(desk, person, record):
    desk.draw(record)
    desk.shown('[data-begin="scribbles"]').click()
    assert desk.counts() == (0, 0, WIDTH * HEIGHT)
    desk.stroke((10, 10), (18, 12))
    desk.press("2")
    desk.stroke((5, 25), (35, 25))
    target, ground, unknown = desk.counts()
    assert target > 20 and ground > 100 and target + ground + unknown == WIDTH * HEIGHT
    desk.press("e")  # erasing leaves "not annotated" here
    desk.stroke((30, 25), (35, 25))
    target, ground, unknown = desk.counts()
    picture(desk, "annotate-scribbles")
    desk.save()
    desk.says("Saved")
    rows = person.mask(record)
    assert [count_of(rows, v) for v in (TARGET, GROUND, UNKNOWN)] == [target, ground, unknown]


def test_the_prediction_is_accepted_and_corrected(desk, person, client):
    presence = next(s for s in client.get("/v1/slices", dataset=backend.DATASET, limit=500)["items"]
                    if s["label"] == "presence" and not s["annotated"])
    desk.open(dataset=backend.DATASET, slice=presence["id"]).settled()
    desk.slide("threshold", 0.3)
    area = desk.overlaid()
    desk.enter()
    desk.shown('[data-begin="prediction"]').click()
    desk.until(lambda: desk.counts()[0] == area, f"the {area} pixels of the segmentation")
    ActionChains(desk.driver).move_to_element(desk.find(SURFACE)).click().perform()
    corrected = desk.counts()[0]
    picture(desk, "annotate-prediction")
    desk.find("#annotate-author").send_keys("Ada")
    desk.save()
    desk.says("Saved")
    assert count_of(person.mask(presence), TARGET) == corrected
    model = client.get("/v1/models/active")["id"]
    entry = person.history(presence)[0]
    assert (entry["author"], entry["began_with"]) == ("Ada", model)
    desk.press("y")
    desk.until(lambda: desk.all(".annotate-entries .origin"), "the history says so")
    assert desk.find(".annotate-entries .origin").text.startswith("began with model ")
    picture(desk, "began")
    desk.js("localStorage.clear()")
    client.call("PUT", f"/v1/slices/{presence['id']}/label", json={"label": "presence"})
    client.session.delete(f"{client.url}/v1/slices/{presence['id']}/annotation")


def test_keys_alone_draw_and_say_so(desk, person, record):
    desk.draw(record)
    for _ in range(7):
        desk.press("[")
    desk.press(Keys.ARROW_RIGHT)
    desk.press(Keys.ENTER)
    for _ in range(4):
        desk.press(Keys.ARROW_DOWN)
    desk.until(lambda: "target, drawing" in desk.text(".annotate-spoken"), "what is drawn is said")
    desk.press(Keys.ENTER)
    desk.press(Keys.ARROW_RIGHT)
    assert desk.counts()[0] == 5
    desk.press("g")
    for key in (Keys.ENTER, *[Keys.ARROW_RIGHT] * 6, Keys.ENTER, *[Keys.ARROW_DOWN] * 6, Keys.ENTER):
        desk.press(key)
    desk.press(Keys.ENTER)
    assert desk.counts()[0] > 15
    desk.control("s")
    desk.says("Saved")
    assert count_of(person.mask(record), TARGET) == desk.counts()[0]


# ==== Pen and fingers ====

def pointer_of(desk, kind, name="finger"):
    return PointerInput(kind, name)


def test_a_pen_draws_as_hard_as_it_is_pressed_and_the_palm_does_not(desk, record):
    desk.draw(record)
    area = desk.find(SURFACE)
    box = area.rect

    def at(x, y):
        dx, dy = desk.place(x, y)
        return {"x": int(box["x"] + box["width"] / 2 + dx), "y": int(box["y"] + box["height"] / 2 + dy)}

    sizes = []
    for row, pressure in ((8, 0.05), (22, 1.0)):
        before = desk.counts()[0]
        pen = PointerInput(POINTER_PEN, f"pen{row}")
        build = ActionBuilder(desk.driver, mouse=pen)
        pen.create_pointer_move(**at(8, row))
        pen.create_pointer_down(button=0, pressure=pressure)
        pen.create_pointer_move(**at(30, row), pressure=pressure)
        pen.create_pointer_up(button=0)
        build.perform()
        sizes.append(desk.counts()[0] - before)
    assert 0 < sizes[0] < sizes[1] / 2
    before = desk.counts()
    finger = PointerInput(POINTER_TOUCH, "palm")
    build = ActionBuilder(desk.driver, mouse=finger)
    finger.create_pointer_move(**at(5, 15))
    finger.create_pointer_down(button=0)
    finger.create_pointer_move(**at(10, 15))
    finger.create_pointer_up(button=0)
    build.perform()
    assert desk.counts() == before


def test_one_finger_draws_two_move_and_zoom(desk, record):
    desk.draw(record)
    box = desk.find(SURFACE).rect
    middle = (int(box["x"] + box["width"] / 2), int(box["y"] + box["height"] / 2))

    def gesture(*fingers):
        inputs = [PointerInput(POINTER_TOUCH, f"finger{i}") for i in range(len(fingers))]
        build = ActionBuilder(desk.driver, mouse=inputs[0])
        build.devices.extend(inputs[1:])
        for each, ((x1, y1), (x2, y2)) in zip(inputs, fingers):
            each.create_pointer_move(x=middle[0] + x1, y=middle[1] + y1)
            each.create_pointer_down(button=0)
            each.create_pointer_move(duration=80, x=middle[0] + x2, y=middle[1] + y2)
            each.create_pointer_up(button=0)
        build.perform()

    gesture(((-60, 0), (60, 0)))
    drawn = desk.counts()
    assert drawn[0] > 20
    before = pixels(desk)
    gesture(((-40, 0), (-160, 0)), ((40, 0), (160, 0)))
    assert desk.counts() == drawn  # nothing was drawn
    desk.until(lambda: pixels(desk) != before, "it is zoomed")
    desk.press("0")
    desk.until(lambda: pixels(desk) == before, "all of it again")


def pixels(desk):
    return desk.js(f"return document.querySelector('{SURFACE} canvas').toDataURL()")


# ==== Several people ====

class TestConflict:
    @pytest.fixture
    def expected_failures(self):
        return ["412"]

    def begin(self, desk, person, record):
        person.draw(record, GROUND, "Bob")
        desk.draw(record)
        desk.stroke((10, 22), (25, 22))
        self.drawn = desk.counts()[0]
        self.theirs = person.draw(record, TARGET, "Eve")
        desk.save()
        desk.shown('dialog[data-ask="conflict"]')
        assert "Eve" in desk.text("dialog .actions") + desk.text('dialog[data-ask="conflict"] p')
        assert f"{self.drawn} px only in yours" in desk.text("dialog .difference")

    def test_mine_is_kept_and_theirs_stays_in_the_history(self, desk, person, record):
        self.begin(desk, person, record)
        picture(desk, "annotate-conflict")
        desk.answer("conflict", "mine")
        desk.until(lambda: desk.status() == "Saved", "it is saved")
        assert count_of(person.mask(record), TARGET) == self.drawn
        assert [entry["author"] for entry in person.history(record)] == ["anonymous", "Eve", "Bob"]

    def test_theirs_is_taken_and_mine_comes_back_with_undo(self, desk, person, record):
        self.begin(desk, person, record)
        desk.answer("conflict", "theirs")
        desk.until(lambda: desk.status() == "Saved", "theirs is there")
        assert desk.counts()[0] == WIDTH * HEIGHT // 2
        desk.control("z")
        assert desk.counts()[0] == self.drawn
        desk.save()
        desk.until(lambda: desk.status() == "Saved", "mine is saved after all")
        assert count_of(person.mask(record), TARGET) == self.drawn

    def test_nobody_is_overwritten_while_one_makes_up_ones_mind(self, desk, person, record):
        self.begin(desk, person, record)
        desk.answer("conflict", "")
        desk.says("Not saved")
        assert person.history(record)[0]["id"] == self.theirs["id"]
        desk.save()
        desk.shown('dialog[data-ask="conflict"]')
        desk.press(Keys.ESCAPE)
        desk.gone("dialog")
        assert desk.counts()[0] == self.drawn

    def test_a_mask_that_was_taken_away_meanwhile(self, desk, person, record):
        person.draw(record, TARGET, "Bob")
        desk.draw(record)
        desk.stroke((10, 22), (25, 22))
        requests.delete(f"{person.url}/v1/slices/{record['id']}/annotation", timeout=10)
        desk.save()
        desk.shown('dialog[data-ask="conflict"]')
        assert "taken away" in desk.text('dialog[data-ask="conflict"] p')
        desk.answer("conflict", "mine")
        desk.until(lambda: desk.status() == "Saved", "it is saved")
        assert person.mask(record)


def test_the_history_shows_and_restores(desk, person, record):
    person.draw(record, TARGET, "Bob")
    person.draw(record, GROUND, backend.HOSTILE)
    desk.draw(record)
    before = pixels(desk)
    desk.press("y")
    rows = desk.until(lambda: desk.all(".annotate-entries button"), "the entries")
    assert [row.find_element("css selector", ".author").text for row in rows] == [backend.HOSTILE, "Bob"]
    assert not desk.all(".annotate-history img")
    rows[1].click()
    desk.until(lambda: desk.find(".annotate-history .primary").is_enabled(), "it can be restored")
    desk.until(lambda: pixels(desk) != before, "its border is shown")
    picture(desk, "annotate-history")
    desk.find(".annotate-history .primary").click()
    desk.until(lambda: desk.counts()[0] == WIDTH * HEIGHT // 2, "the old mask is back")
    desk.until(lambda: desk.status() == "Saved", "and current")
    assert count_of(person.mask(record), TARGET) == WIDTH * HEIGHT // 2
    desk.until(lambda: len(desk.all(".annotate-entries button")) == 3, "the history has one more")


# ==== Nothing is lost ====

def test_a_draft_is_offered_after_a_reload(desk, person, record):
    desk.draw(record)
    desk.stroke((10, 10), (25, 10))
    drawn = desk.counts()
    desk.until(lambda: stored_drafts(desk) == 1, "the draft is kept")
    desk.driver.refresh()
    desk.shown(".toast.lasting button:not(.quiet)").click()
    desk.shown('dialog[data-ask="draft"]')
    picture(desk, "annotate-draft")
    desk.answer("draft", "draft")
    desk.ready()
    assert desk.counts() == drawn and "Not saved" in desk.status()
    desk.save()
    desk.says("Saved")
    desk.until(lambda: stored_drafts(desk) == 0, "it is no draft any more")
    desk.stroke((10, 20), (25, 20))
    desk.press(Keys.ESCAPE)
    desk.settled().enter_with_draft()
    desk.answer("draft", "discard")
    desk.ready()
    assert desk.counts() == drawn and stored_drafts(desk) == 0


def stored_drafts(desk):
    return desk.driver.execute_async_script(
        "const done = arguments[0]; import('/annotate/drafts.js').then(({ drafts }) => drafts.all()).then((all) => done(all.length))")


Desk.enter_with_draft = lambda self: self.shown(".slice-view button.annotate").click()


def test_an_empty_mask_is_asked_about(desk, person, record):
    desk.draw(record)
    desk.save()
    assert "label says" in desk.shown('dialog[data-ask="empty"]').text
    picture(desk, "annotate-empty")
    desk.answer("empty", "")
    assert person.mask(record) is None
    desk.shown('[data-begin="scribbles"]').click()
    desk.save()
    assert "learns nothing" in desk.shown('dialog[data-ask="empty"]').text
    desk.answer("empty", "")
    desk.shown('[data-begin="nothing"]').click()
    desk.save()
    desk.answer("empty", "save")
    desk.says("Saved")
    assert count_of(person.mask(record), GROUND) == WIDTH * HEIGHT


class TestRefusals:
    @pytest.fixture
    def expected_failures(self):
        return ["400", "404", "413"]

    def test_a_slice_that_was_deleted_meanwhile(self, desk, person, record):
        desk.draw(record)
        desk.stroke((10, 10), (25, 10))
        drawn = desk.counts()
        requests.delete(f"{person.url}/v1/slices/{record['id']}", timeout=10)
        desk.save()
        desk.says("the slice was deleted")
        assert desk.counts() == drawn and stored_drafts(desk) == 1
        desk.open(dataset="draw")
        desk.shown(".toast.lasting button:not(.quiet)").click()
        desk.answer("gone", "discard")
        desk.until(lambda: stored_drafts(desk) == 0, "it is discarded")

    @pytest.mark.parametrize("status", [400, 413])
    def test_what_the_server_refuses_is_said_and_kept(self, desk, person, record, status):
        desk.draw(record)
        desk.stroke((10, 10), (25, 10))
        if status == 400:  # a real one: a name with a control character
            desk.js("const f = document.querySelector('#annotate-author'); f.type = 'hidden'; f.value = 'a\\tb'")
        else:  # masks are too small to be too large
            desk.js("const real = window.fetch; window.fetch = (path, how) => how?.method === 'PUT' ? (window.fetch = real, "
                    "fetch('/v1/slices/' + path.split('/')[3] + '/annotation', "
                    "{ ...how, body: new Blob([new Uint8Array(300 * 2 ** 20)]) })) : real(path, how)")
        desk.save()
        desk.says("Not saved: ")
        assert "kept in this browser" in desk.status() and person.mask(record) is None
        desk.js("const f = document.querySelector('#annotate-author'); f.type = 'text'; f.value = ''")
        desk.save()
        desk.until(lambda: desk.status() == "Saved", "it is saved after all")


class TestServerAway:
    @pytest.fixture
    def expected_failures(self):
        return ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]

    def test_what_is_drawn_meanwhile_is_sent_when_the_server_is_back(self, browser, empty_server):
        person = Person(empty_server.url)
        record = person.new_slice(1)
        desk = Desk(browser, empty_server.url, WIDTH, HEIGHT).draw(record)
        assert not desk.find('[data-begin="prediction"]').is_enabled()
        desk.stroke((10, 10), (25, 10))
        empty_server.stop()
        desk.save()
        desk.says("sent again")
        desk.shown(".banner")
        picture(desk, "annotate-away")
        desk.stroke((10, 20), (25, 20))
        drawn = desk.counts()
        empty_server.start()
        desk.gone(".banner")
        desk.until(lambda: desk.status() == "Saved", "it was sent again")
        assert count_of(Person(empty_server.url).mask(record), TARGET) == drawn[0]

    def test_even_if_the_drawing_was_closed(self, browser, empty_server):
        record = Person(empty_server.url).new_slice(1)
        desk = Desk(browser, empty_server.url, WIDTH, HEIGHT).draw(record)
        desk.stroke((10, 10), (25, 10))
        drawn = desk.counts()
        empty_server.stop()
        desk.save()
        desk.says("sent again")
        desk.press(Keys.ESCAPE)
        empty_server.start()
        desk.until(lambda: "saved" in desk.text(".toasts"), "it is told")
        assert count_of(Person(empty_server.url).mask(record), TARGET) == drawn[0]


# ==== For everybody ====

def test_every_control_has_a_name_and_nothing_overflows(desk, record):
    desk.draw(record)
    desk.press("y")
    nameless = desk.js("""
        const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length;
        return [...document.querySelectorAll('.annotator button, .annotator input, .annotator select, .annotator [role]')]
          .filter((e) => !named(e) && e.getAttribute('role') !== 'status').map((e) => e.outerHTML);""")
    assert not nameless
    for width, height in ((1280, 720), (1024, 768)):
        set_screen(desk.driver, width, height)
        overflow = desk.js("const d = document.documentElement; return [d.scrollWidth - innerWidth, d.scrollHeight - innerHeight]")
        assert max(overflow) <= 0
        for button in desk.all(".annotator button"):
            if button.is_displayed():
                assert button.rect["x"] + button.rect["width"] <= width + 1, button.text
