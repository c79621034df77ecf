"""The page's annotator as a test uses it: strokes, clicks, questions, keys."""
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from viewer import Viewer

SURFACE = ".annotate-surface"


class Desk(Viewer):
    """The annotator as a test uses it, of slices of one size; places are pixels of the slice."""

    def __init__(self, driver, url, width, height):
        super().__init__(driver, url)
        self.width, self.height = width, height

    def draw(self, record):
        self.open(dataset=record["dataset"], slice=record["id"]).settled()
        return self.enter()

    def enter(self):
        self.shown(".slice-view button.annotate").click()
        return self.ready()

    def ready(self):
        self.until(lambda: self.find(".annotator").get_attribute("aria-busy") == "false", "the drawing is open")
        return self

    def place(self, x, y):
        """Offset from the middle of the area, as long as all of the slice is shown."""
        width, height = self.js("const s = document.querySelector(arguments[0]); return [s.clientWidth, s.clientHeight]", SURFACE)
        scale = min(width / self.width, height / self.height)
        return round((x - self.width / 2) * scale), round((y - self.height / 2) * scale)

    def stroke(self, *points):
        area = self.find(SURFACE)
        chain = ActionChains(self.driver, duration=20)
        chain.move_to_element_with_offset(area, *self.place(*points[0])).click_and_hold()
        for point in points[1:]:
            chain.move_to_element_with_offset(area, *self.place(*point))
        chain.release().perform()

    def click(self, *points):
        for point in points:
            ActionChains(self.driver, duration=20).move_to_element_with_offset(self.find(SURFACE), *self.place(*point)).click().perform()

    def counts(self):
        """(target, background, not annotated)"""
        words = self.text(".annotate-counts").replace(",", "").split()
        return tuple(int(word) for word in words if word.isdigit())

    def status(self):
        return self.text(".annotate-status")

    def says(self, text):
        self.until(lambda: text in self.status(), f"the state says {text!r}, not {self.status()!r}")

    def save(self):
        self.shown(".annotator button.primary").click()

    def answer(self, question, answer):
        self.shown(f'dialog[data-ask="{question}"] [data-answer="{answer}"]').click()
        self.gone(f'dialog[data-ask="{question}"]')

    def control(self, key, *others):
        chain = ActionChains(self.driver)
        for each in (Keys.CONTROL, *others):
            chain.key_down(each)
        chain.send_keys(key)
        for each in (Keys.CONTROL, *others):
            chain.key_up(each)
        chain.perform()
