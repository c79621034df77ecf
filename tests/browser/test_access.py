"""What the page shows to tokens of different scopes, and what its keys do then."""
import os

import pytest

import backend as backends
import synthetic
from looks import picture
from test_sign_in import Guarded, sign_in
from viewer import Viewer

MODEL = backends.HERE.parents[1] / "demo" / "model.safetensors"
SCOPES = ("read", "annotate", "train", "admin")
# (view, selector, the scopes that are enough)
CONTROLS = [
    ("slices", "button.annotate", {"annotate", "admin"}),
    ("slices", ".list-foot button", {"train", "admin"}),
    ("models", "label[for=model-file]", {"train", "admin"}),
    ("models", "td.actions button", {"train", "admin"}),
    ("models", ".detail button.danger", {"admin"}),
    ("training", "form.training-form", {"train", "admin"}),
    ("volumes", "form.volume-upload", {"annotate", "admin"}),
    ("volumes", ".run-bar", {"annotate", "admin"}),
    ("volumes", ".volume-header button", {"admin"}),
]
# What stands in their place.
EXPLAINED = [("training", "[data-without=train]", {"read", "annotate"}),
             ("volumes", ".training-side [data-without=annotate]", {"read", "train"}),
             ("volumes", ".volume-results [data-without=annotate]", {"read", "train"})]
LEVELS = 500  # of a scan that is worked on for a while


@pytest.fixture(scope="module")
def guarded():
    if not os.environ.get("GENSEG_BINARY"):
        pytest.skip("the server's double has no tokens")
    running = Guarded()
    running.tokens = {scope: running.token("create", "--name", scope, "--scopes", scope) for scope in SCOPES}
    client = backends.Client(running.url)
    client.session.headers["Authorization"] = f"Bearer {running.tokens['admin']}"
    backends.fill_many(client, "many", 12)
    running.model = client.call("POST", "/v1/models", data=MODEL.read_bytes(),
                                headers={"Content-Type": "application/octet-stream"})
    client.call("POST", "/v1/volumes", params={"dataset": "many", "preset": "plain"}, data=synthetic.nifti(8, 16, 3),
                headers={"Content-Type": "application/x-nifti"})
    running.client = client
    yield running
    running.close()


@pytest.fixture
def viewer(browser, guarded):
    browser.delete_all_cookies()
    page = Viewer(browser, guarded.url).open(dataset="many")
    yield page
    page.driver.delete_all_cookies()


@pytest.fixture
def expected_failures():
    return ["401 (Unauthorized)"]


def enter(viewer, guarded, scope):
    sign_in(viewer, guarded.tokens[scope])
    viewer.gone("dialog.sign-in")
    viewer.shown(".tile[aria-selected=true]")


@pytest.mark.parametrize("scope", SCOPES)
def test_controls_are_those_that_the_token_allows(viewer, guarded, scope):
    enter(viewer, guarded, scope)
    for view, selector, enough in CONTROLS:
        viewer.find(f"#tab-{view}").click()
        viewer.until(lambda: viewer.all(selector), f"{selector} is made")
        if scope in enough:
            viewer.shown(selector)
        else:
            assert not any(element.is_displayed() for element in viewer.all(selector)), f"{selector} is not for {scope}"
    for view, selector, told in EXPLAINED:
        viewer.find(f"#tab-{view}").click()
        viewer.until(lambda: viewer.find(selector).is_displayed() == (scope in told), f"{selector} for {scope}")


@pytest.mark.parametrize("scope", ["read", "annotate"])
def test_the_label_is_shown_to_all_and_set_by_some(viewer, guarded, scope):
    enter(viewer, guarded, scope)
    buttons = viewer.all(".slice-header .labels button")
    assert len(buttons) == 3 and all(button.is_displayed() for button in buttons)
    assert [button.is_enabled() for button in buttons] == [scope != "read"] * 3
    assert all(("needs the scope" in button.get_attribute("title")) == (scope == "read") for button in buttons)
    assert viewer.js("return document.querySelector('.slice-header .labels [aria-pressed=true]').textContent")
    if scope == "read":
        labels = [item["label"] for item in guarded.client.get("/v1/slices", dataset="many")["items"]]
        viewer.press("p")
        viewer.until(lambda: "needs the scope \u201cannotate\u201d" in viewer.text(".toasts"), "it says what is missing")
        viewer.press("d")
        assert not viewer.js("return document.querySelector('.annotating')")
        assert labels == [item["label"] for item in guarded.client.get("/v1/slices", dataset="many")["items"]]
    else:
        viewer.press("d")
        viewer.until(lambda: viewer.js("return document.querySelector('.annotating')"), "the mask is drawn")


@pytest.mark.parametrize("scope", ["read", "annotate"])
def test_how_to_upload_is_told_to_those_who_may(viewer, guarded, scope):
    guarded.client.put_dataset("nothing-yet")
    viewer.open(dataset="nothing-yet")
    sign_in(viewer, guarded.tokens[scope])
    viewer.gone("dialog.sign-in")
    viewer.until(lambda: "has no slices yet" in viewer.text(".empty"), "the data set is empty")
    commands = [each.text for each in viewer.all(".empty .command code") if each.is_displayed()]
    assert len(commands) == (1 if scope == "annotate" else 0)
    assert all("Authorization: Bearer" in command for command in commands)
    assert viewer.find(".empty [data-without=annotate]").is_displayed() == (scope == "read")


def test_keys_that_do_nothing_are_not_explained(viewer, guarded):
    enter(viewer, guarded, "read")
    viewer.press("?")
    viewer.shown("dialog.help[open]")
    titles = [title.get_attribute("textContent") for title in viewer.all("dialog.help h3") if title.is_displayed()]
    assert "Pictures" in titles and "Weak label" not in titles and "While a mask is drawn" not in titles
    drawn = viewer.js("""return [...document.querySelectorAll('dialog.help dd')].filter((e) => e.offsetHeight)
        .map((e) => e.textContent)""")
    assert "All channels" in drawn and "Annotate: draw the mask" not in drawn


def test_another_token_brings_the_controls_back(viewer, guarded):
    enter(viewer, guarded, "read")
    viewer.gone("button.annotate")
    viewer.find("button.account").click()
    enter(viewer, guarded, "annotate")
    viewer.shown("button.annotate")
    assert all(button.is_enabled() for button in viewer.all(".slice-header .labels button"))


def test_who_started_a_job_on_a_volume_may_cancel_it(viewer, guarded):
    guarded.client.put_dataset("scans")
    size = guarded.model["input"]
    channel = synthetic.nifti(size["width"], size["height"], LEVELS)
    volume = guarded.client.call("POST", "/v1/volumes", params={"dataset": "scans", "preset": "plain"},
                                 files=[("image", (f"{i}.nii", channel)) for i in range(size["channels"])])
    by_annotate = backends.Client(guarded.url)
    by_annotate.session.headers["Authorization"] = f"Bearer {guarded.tokens['annotate']}"
    cancel = ".volume-job-head button"

    def start(client):
        return client.call("POST", f"/v1/volumes/{volume['id']}/translate", json={"model": guarded.model["id"]})["id"]

    def enter_volumes(scope):
        sign_in(viewer, guarded.tokens[scope])
        viewer.gone("dialog.sign-in")

    def look(client):
        """At a job that has just begun."""
        job = start(client)
        viewer.open(dataset="scans", view="volumes", volume=volume["id"])
        viewer.shown(f'[data-id="{job}"]')
        return job

    def cancels():
        return [button for button in viewer.all(cancel) if button.is_displayed()]

    enter_volumes("read")
    job = look(by_annotate)
    assert not cancels()
    guarded.client.call("POST", f"/v1/jobs/{job}/cancel")
    viewer.find("button.account").click()
    enter_volumes("annotate")
    job = look(by_annotate)
    viewer.shown(f'[data-id="{job}"][data-state=running]')
    button, facts = viewer.shown(cancel), viewer.text(".volume-job .what")
    viewer.until(lambda: viewer.text(".volume-job .what") != facts, "it has got further")
    button.click()  # the same one still
    viewer.until(lambda: guarded.client.get(f"/v1/jobs/{job}")["state"] == "cancelled", "it is cancelled")
    viewer.shown(f'[data-id="{job}"][data-state=cancelled]')
    assert not cancels(), "starting again is for those who train"
    other = look(guarded.client)
    assert not cancels(), "another's job"
    guarded.client.call("POST", f"/v1/jobs/{other}/cancel")
    guarded.client.session.request("DELETE", f"{guarded.url}/v1/volumes/{volume['id']}", timeout=60)


def test_it_looks_whole_with_little(viewer, guarded):
    enter(viewer, guarded, "read")
    for view in ("slices", "models", "training", "volumes"):
        viewer.find(f"#tab-{view}").click()
        assert viewer.js("return document.documentElement.scrollWidth <= innerWidth")
        picture(viewer, f"read-{view}")
