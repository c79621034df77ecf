"""The page at /docs in Chromium: all operations, search, deep links, both themes, a silent console."""
import os
import time

import pytest

from conftest import set_screen


def wait_for(driver, script, *arguments):
    end = time.monotonic() + 10
    while not driver.execute_script(f"return {script}", *arguments):
        assert time.monotonic() < end, script
        time.sleep(0.05)


@pytest.fixture
def page(browser, server):
    if not os.environ.get("GENSEG_BINARY") and not os.environ.get("GENSEG_URL"):
        pytest.skip("the server's double has no description")
    browser.get(f"{server.url}/docs")
    wait_for(browser, "document.querySelectorAll('article').length > 40")
    return browser


def test_every_operation_has_a_curl_command_and_a_link(page):
    counts = page.execute_script("""return [document.querySelectorAll('article').length,
        document.querySelectorAll('article pre.curl').length, document.querySelectorAll('#index a').length,
        new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size,
        document.querySelectorAll('[id]').length]""")
    assert counts[0] == counts[1] == counts[2] and counts[3] == counts[4]
    text = page.execute_script("return document.body.textContent")
    assert "undefined" not in text and "[object" not in text and "NaN" not in text.replace("NaN or infinite", "")


def test_search_leaves_what_has_all_words(page):
    page.find_element("id", "search").send_keys("annotation history")
    wait_for(page, "document.getElementById('found').textContent.endsWith(' found')")
    shown = page.execute_script("""return [...document.querySelectorAll('#index a')].filter((a) => a.offsetParent)
        .map((a) => a.getAttribute('href'))""")
    assert "#listAnnotations" in shown and "#getHealth" not in shown


def test_a_link_leads_to_its_operation(page, server):
    page.get("about:blank")
    page.get(f"{server.url}/docs#translate")
    wait_for(page, "document.getElementById('translate')")
    wait_for(page, "Math.abs(document.getElementById('translate').getBoundingClientRect().top) < 100")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_is_readable_in_both_themes(page, scheme):
    set_screen(page, 1280, 720, scheme)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    if os.environ.get("SCREENSHOT_DIR"):
        page.save_screenshot(f"{os.environ['SCREENSHOT_DIR']}/docs-{scheme}.png")
