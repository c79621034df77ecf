"""How fast the page is there, and that thousands of slices scroll smoothly: by the browser's own clock, on one machine, so that
bounds are generous and the best of a few tries counts."""
import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="python3-selenium is not installed")

import backend  # noqa: E402
import synthetic  # noqa: E402
from viewer import Viewer  # noqa: E402

TRIES = 3
BUSY = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others on this machine take their part of the time
FIRST_VIEW_MS = 1000 * BUSY
LONG_TASK_MS = 200 * BUSY
SLICES = 5000
DIGITS = str.maketrans("0189", "abcd")  # ids are base32

# Says when the first thumbnail and the picture of the slice are there, counted from the beginning of the navigation.
FIRST_VIEW = """
const look = () => {
  const thumbnail = document.querySelector('.tile img');
  const canvas = document.querySelector('[data-panel="slice"] canvas.base');
  const isPainted = () => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
  if (thumbnail?.complete && thumbnail.naturalWidth && canvas && isPainted()) window.firstView = performance.now();
  else requestAnimationFrame(look);
};
look();
"""

# Scrolls by half a page a frame, at most `frames` times, and answers with the longest task (ms) and the most tiles.
SWEEP = """
const [frames, direction, done] = arguments;
const list = document.querySelector('.tiles');
let longest = 0;
let most = 0;
const observer = new PerformanceObserver((entries) => entries.getEntries().forEach(({ duration }) => { longest = Math.max(longest, duration); }));
observer.observe({ type: 'longtask' });
let count = 0;
const step = () => {
  const before = list.scrollTop;
  list.scrollTop += direction * list.clientHeight / 2;
  most = Math.max(most, document.querySelectorAll('.tile').length);
  if (++count < frames && list.scrollTop !== before) requestAnimationFrame(step);
  else setTimeout(() => { observer.disconnect(); done([longest, most]); }, 100);
};
requestAnimationFrame(step);
"""
THUMBNAILS = """
return performance.getEntriesByType('resource').filter(({ name, startTime }) => name.includes('/thumbnail') && startTime >= arguments[0])
  .map(({ name, transferSize }) => [name, transferSize]);
"""


def test_the_first_view_is_there_within_a_second(browser, server):
    viewer = Viewer(browser, server.url)
    command = browser.execute_cdp_cmd
    command("Network.enable", {})
    script = command("Page.addScriptToEvaluateOnNewDocument", {"source": f"addEventListener('DOMContentLoaded', () => {{ {FIRST_VIEW} }});"})
    try:
        times = []
        while len(times) < TRIES and min(times, default=FIRST_VIEW_MS) >= FIRST_VIEW_MS:
            command("Network.clearBrowserCache", {})
            viewer.open(dataset=backend.DATASET)
            times.append(viewer.until(lambda: viewer.js("return window.firstView"), "the first view"))
            assert viewer.js("return performance.getEntriesByType('resource').some((e) => e.name.endsWith('main.js') && e.transferSize > e.encodedBodySize)"), "nothing came from the cache"
    finally:
        command("Page.removeScriptToEvaluateOnNewDocument", script)
    assert min(times) < FIRST_VIEW_MS, times


@pytest.fixture(scope="module")
def thousands():
    """A server with a data set of thousands of slices, put into its database beside it: through the interface, one transaction
    each, it would take minutes."""
    if not os.environ.get("GENSEG_BINARY"):
        pytest.skip("this needs the server's folder")
    running = backend.Backend()
    backend.fill_many(backend.Client(running.url), "thousands", 1)
    running.stop()
    with contextlib.closing(sqlite3.connect(Path(running.folder) / "genseg.db")) as store, store:
        columns = [name for _, name, *_ in store.execute("PRAGMA table_info(slices)") if name != "seq"]
        first = dict(zip(columns, store.execute(f"SELECT {', '.join(columns)} FROM slices").fetchone()))
        for number in range(1, SLICES):
            body = synthetic.png(8, 16, bytes(120) + number.to_bytes(8, "big"))
            row = {**first, "id": "slc_" + f"{number:016d}".translate(DIGITS), "case_name": f"c{number}", "content_size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            done = store.execute(f"INSERT INTO slices ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", [row[name] for name in columns])
            store.execute("INSERT INTO slice_contents (slice, bytes) VALUES (?, ?)", (done.lastrowid, body))
    running.start()
    yield running
    running.close()


def test_thousands_of_slices_scroll_smoothly(browser, thousands):
    viewer = Viewer(browser, thousands.url).open(dataset="thousands")
    viewer.settled()
    viewer.js("performance.setResourceTimingBufferSize(20000)")
    viewer.until(lambda: len(viewer.js(THUMBNAILS, 0)) > 20, "the first thumbnails")
    # To the end, page by page.
    def last():
        viewer.js("const list = document.querySelector('.tiles'); list.scrollTop = list.scrollHeight")
        return viewer.all(f'.tile[data-index="{SLICES - 1}"]')
    viewer.until(last, "the last slice")
    assert f"{SLICES:,} slices" in viewer.text(".list-count")
    # Up, frame by frame; the longest task of the best sweep.
    worst = []
    while len(worst) < TRIES and min(worst, default=LONG_TASK_MS) >= LONG_TASK_MS:
        longest, most = viewer.driver.execute_async_script(SWEEP, 200, -1)
        assert 0 < most < 150
        worst.append(longest)
    assert min(worst) < LONG_TASK_MS, worst
    # What was seen before is not sent again.
    seen = {name for name, _ in viewer.js(THUMBNAILS, 0)}
    back = viewer.js("return performance.now()")
    viewer.js("document.querySelector('.tiles').scrollTop = 0")
    viewer.until(lambda: viewer.js("return [...document.querySelectorAll('.tile img')].filter((i) => i.complete && i.naturalWidth).length > 20"), "the first ones again")
    assert [(name, size) for name, size in viewer.js(THUMBNAILS, back) if name in seen and size > 0] == []
