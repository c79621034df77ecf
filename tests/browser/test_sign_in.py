"""The page of a server with --auth: it asks for a token, writes with the cookie, signs out, and notices that a
session is over."""
import os
import subprocess

import pytest

import backend as backends
from looks import picture
from viewer import Viewer

NAME = "<b>Ann</b>"  # names are text
EXPECTED = ["401 (Unauthorized)"]


class Guarded(backends.Backend):
    def command(self):
        return [*super().command(), "--auth"]

    def token(self, *arguments):
        done = subprocess.run([os.environ["GENSEG_BINARY"], "token", *arguments, "--data", self.folder],
                              capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def guarded():
    if not os.environ.get("GENSEG_BINARY"):
        pytest.skip("the server's double has no tokens")
    running = Guarded()
    token = running.token("create", "--name", "filling", "--scopes", "annotate")
    client = backends.Client(running.url)
    client.session.headers["Authorization"] = f"Bearer {token}"
    backends.fill_many(client, "many", 12)
    yield running
    running.close()


@pytest.fixture
def expected_failures():
    return EXPECTED


@pytest.fixture
def viewer(browser, guarded):
    browser.delete_all_cookies()
    page = Viewer(browser, guarded.url).open(dataset="many")
    yield page
    page.driver.delete_all_cookies()


@pytest.fixture(scope="module")
def token(guarded):
    return guarded.token("create", "--name", NAME, "--scopes", "annotate")


def sign_in(viewer, token):
    viewer.shown("dialog.sign-in[open]")
    field = viewer.find("#token")
    field.clear()
    field.send_keys(token)
    viewer.find(".sign-in button[type=submit]").click()


def test_nothing_is_asked_for_before_one_signed_in(viewer, token):
    viewer.shown("dialog.sign-in[open]")
    asked = viewer.js("return performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname)")
    assert [path for path in asked if path.startswith("/v1/")] == ["/v1/session"]
    sign_in(viewer, token[:-1] + ("0" if token[-1] != "0" else "1"))
    viewer.until(lambda: "not one of" in viewer.text("#token-error"), "a wrong token is said to be wrong")
    assert viewer.find("dialog.sign-in").is_displayed()
    sign_in(viewer, token)
    viewer.gone("dialog.sign-in")
    viewer.shown(".tile")
    assert viewer.text("button.account") == f"{NAME}: sign out"


def test_labels_are_written_and_the_session_survives_a_reload(viewer, token):
    sign_in(viewer, token)
    viewer.gone("dialog.sign-in")
    viewer.open(dataset="many")
    viewer.shown(".tile")
    assert not viewer.find("dialog.sign-in").is_displayed()
    assert viewer.js("return document.cookie") == "" and token not in viewer.js(
        "return JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href")
    viewer.shown(".tile[aria-selected=true]")
    viewer.press("p")
    viewer.until(lambda: "presence" in viewer.text(".toasts"), "the label is set")


def test_signing_out_and_a_session_that_ends(viewer, guarded, token):
    sign_in(viewer, token)
    viewer.shown(".tile")
    viewer.find("button.account").click()
    viewer.shown("dialog.sign-in[open]")
    other = guarded.token("create", "--name", "brief", "--scopes", "read")
    sign_in(viewer, other)
    viewer.gone("dialog.sign-in")
    viewer.until(lambda: viewer.text("button.account") == "brief: sign out", "the other name is shown")
    guarded.token("revoke", "brief")
    viewer.find("#tab-models").click()
    viewer.shown("dialog.sign-in[open]")


def test_the_dialog_fits(viewer):
    viewer.shown("dialog.sign-in[open]")
    assert viewer.js("return document.documentElement.scrollWidth <= innerWidth")
    picture(viewer, "sign-in")
    sign_in(viewer, "gsk_wrong")
    viewer.until(lambda: viewer.text("#token-error"), "what is wrong")
    picture(viewer, "sign-in-refused")
