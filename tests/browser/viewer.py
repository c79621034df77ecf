"""The viewer as a test sees it: waits, reads pixels, presses keys."""
import time

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

WAIT_S = 30
OVERLAID = """
const canvas = document.querySelector(arguments[0] + ' canvas.tint');
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let count = 0;
for (let i = 3; i < data.length; i += 4) count += data[i] > 0;
return count;"""
PIXELS = """
const canvas = document.querySelector(arguments[0]);
return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);"""


class Viewer:
    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, **place):
        """Loads the page anew; `place` is what the address remembers (view, dataset, slice, label)."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/#" + "&".join(f"{name}={value}" for name, value in place.items()))
        return self

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, what, said, within_s=WAIT_S):
        """The first true value of what(); fails with `said` when it stays false."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                value = what()
            except StaleElementReferenceException:
                value = None  # drawn anew while it was looked at
            if value:
                return value
            assert time.monotonic() < deadline, f"still not: {said}"
            time.sleep(0.05)

    def shown(self, selector):
        return self.until(lambda: next((e for e in self.all(selector) if e.is_displayed()), None), f"{selector} is shown")

    def gone(self, selector):
        self.until(lambda: not any(e.is_displayed() for e in self.all(selector)), f"{selector} is gone")

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def press(self, key):
        self.find("body").send_keys(key)

    def choose(self, value, within=""):
        self.shown(f'{within} button[data-value="{value}"]').click()

    def slide(self, name, value):
        self.js("const s = document.getElementById(arguments[0]); s.value = arguments[1];"
                "s.dispatchEvent(new Event('input'))", name, value)

    def overlaid(self, panel="slice"):
        return self.js(OVERLAID, f'[data-panel="{panel}"]')

    def pixels(self, panel, canvas="base"):
        return self.js(PIXELS, f'[data-panel="{panel}"] canvas.{canvas}')

    def settled(self):
        """Nothing is being loaded or computed for the slice any more."""
        self.shown('[data-panel="slice"]')
        self.until(lambda: self.find(".slice-view").get_attribute("aria-busy") == "false", "everything is computed")
        return self

    def select(self, slice_id):
        self.shown(f'.tile[data-id="{slice_id}"]').click()
        return self.settled()
