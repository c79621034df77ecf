"""The whole story in the browser: a scan is uploaded, its slices are labelled and annotated, a model is trained,
compared and activated, and the scan segmented; the file a person downloads is what the interface answers."""
import gzip
import os

import pytest
import requests

pytest.importorskip("selenium", reason="python3-selenium is not installed")

from selenium.webdriver import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

import backend  # noqa: E402
import synthetic  # noqa: E402
from desk import Desk  # noqa: E402
from looks import picture  # noqa: E402

WIDTH, HEIGHT, LEVELS = backend.WIDTH, backend.HEIGHT, 12
STEPS, TRAINING_S = 70, 180  # three validations and the last; and how long they may take

pytestmark = pytest.mark.skipif(not {"GENSEG_BINARY", "GENSEG_URL"} & os.environ.keys(),
                                reason="the page's own mock server has no volumes")


@pytest.fixture
def viewer(browser, server):
    return Desk(browser, server.url, WIDTH, HEIGHT)


@pytest.fixture
def scan(tmp_path):
    """Files of one head: two names, one of them a label file, and what is in them."""
    values, mask = synthetic.scan(WIDTH, HEIGHT, LEVELS)
    image, label = tmp_path / "head_t1.nii", tmp_path / "head_seg.nii.gz"
    image.write_bytes(synthetic.nifti_of(values, WIDTH, HEIGHT, LEVELS))
    label.write_bytes(gzip.compress(synthetic.nifti_of(mask, WIDTH, HEIGHT, LEVELS)))
    return image, label, mask


def set_value(viewer, field, value, event="change"):
    viewer.js("const f = document.getElementById(arguments[0]); f.value = arguments[1];"
              "f.dispatchEvent(new Event(arguments[2], { bubbles: true }))", field, value, event)


def upload(viewer, files, dataset, together="one", preset="plain"):
    viewer.open(view="volumes")
    viewer.shown(".volume-upload")
    viewer.until(lambda: viewer.all("#volume-dataset option"), "the data sets are listed")
    viewer.find("#volume-files").send_keys("\n".join(map(str, files)))
    viewer.choose(preset, ".volume-upload")
    viewer.choose(together, ".volume-upload")
    set_value(viewer, "volume-dataset", "")
    set_value(viewer, "volume-new-dataset", dataset, "input")
    viewer.shown(".volume-upload .primary").click()


@pytest.fixture
def download(viewer, tmp_path):
    """Clicks a link and gives back what the browser has saved then."""
    folder = tmp_path / "downloads"
    viewer.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def click(link):
        before = set(folder.glob("*"))
        link.click()
        saved = viewer.until(lambda: next((path for path in set(folder.glob("*")) - before if path.suffix == ".gz"), None), "a file is saved")
        return saved.name, saved.read_bytes()

    return click


def hold_out(client, dataset):
    """A second head, whose masks say how good a training is."""
    values, mask = synthetic.scan(WIDTH, HEIGHT, 4, seed=7)
    files = [(part, (f"{part}.nii", synthetic.nifti_of(voxels, WIDTH, HEIGHT, 4))) for part, voxels in (("image", values), ("label", mask))]
    client.call("POST", "/v1/volumes", files=files, params={"dataset": dataset, "preset": "plain", "case": "held out", "split": "validation", "annotate": "true"})


def points(viewer, chart):
    return int(viewer.find(f'[data-chart="{chart}"]').get_attribute("data-points") or 0)


def sheet(viewer):
    """Address of the sheet of the validation slices that is shown, once it is loaded."""
    return viewer.js("const i = document.querySelector('.training-panel img'); return i?.complete && i.naturalWidth ? i.src : ''")


def watch(viewer, client):
    """The curves and the same few slices, as the training goes and when it is over."""
    viewer.shown(".job-title .pill.running")
    viewer.until(lambda: points(viewer, "rec") > 2, "curves of the losses")
    viewer.until(lambda: points(viewer, "dice") > 0, "the validation Dice", TRAINING_S)
    first = viewer.until(lambda: sheet(viewer), "the validation slices")
    assert viewer.find(".job-title .pill").text == "running"
    assert "healthy (generated)" in viewer.text(".panel-rows")
    picture(viewer, "story-running")
    viewer.until(lambda: sheet(viewer) not in ("", first), "newer ones by themselves", TRAINING_S)
    viewer.until(lambda: viewer.all(".job-title .pill.succeeded"), "it is over", TRAINING_S)
    assert points(viewer, "dice") > 1 and "Finished after" in viewer.text(".job .log")
    viewer.until(lambda: sheet(viewer) not in ("", first), "the last ones")
    last = sheet(viewer)
    job = last.split("/v1/jobs/")[1].split("/")[0]
    steps = [each["step"] for each in client.get(f"/v1/jobs/{job}/panel")["steps"]]
    assert len(steps) > 1 and last.endswith(f"/panel/{steps[-1]}")
    slider = viewer.find(".training-panel input")
    slider.send_keys(Keys.HOME)
    viewer.until(lambda: sheet(viewer).endswith(f"/panel/{steps[0]}"), "the slider leads back to the first")
    assert viewer.text(".training-panel [role=status]").endswith(slider.get_attribute("aria-valuetext"))
    slider.send_keys(Keys.END)
    viewer.until(lambda: sheet(viewer) == last, "and to the last")


def rows_seen(mask, level):
    """Rows of one level as the page shows them: from the front, from the right."""
    plane = mask[level * WIDTH * HEIGHT:][:WIDTH * HEIGHT]
    return [plane[y * WIDTH:(y + 1) * WIDTH][::-1] for y in reversed(range(HEIGHT))]


def scribble(desk, rows):
    """One stroke through the target where it is widest, one through the ground far from it; the rest stays not annotated.
    Returns the pixels of both."""
    widest = max(range(HEIGHT), key=lambda y: sum(rows[y]))
    target = [x for x in range(WIDTH) if rows[widest][x]]
    ground = 3 if widest > HEIGHT // 2 else HEIGHT - 4
    desk.enter()
    desk.shown('[data-begin="scribbles"]').click()
    desk.press("1")
    desk.stroke((target[0], widest), (target[-1], widest))
    desk.press("2")
    desk.stroke((4, ground), (WIDTH - 5, ground))
    counts = desk.counts()
    assert min(counts) > 0 and sum(counts) == WIDTH * HEIGHT
    desk.save()
    desk.says("Saved")
    desk.press(Keys.ESCAPE)
    desk.settled()
    return counts[:2]


def test_from_a_scan_to_its_mask(viewer, client, scan, download):
    dataset = f"story-{os.getpid()}"
    image, _, truth = scan

    # Upload, and leaf through.
    upload(viewer, [image], dataset)
    viewer.shown(".upload-files p.good")
    viewer.until(lambda: viewer.find(".stack-pictures").get_attribute("data-level") == str(LEVELS // 2), "the middle level")
    picture(viewer, "story-volume")
    slices = sorted(client.get("/v1/slices", dataset=dataset)["items"], key=lambda s: s["index"])
    assert [s["index"] for s in slices] == list(range(LEVELS))

    # Label each, one after the other.
    viewer.open(view="next", dataset=dataset)
    viewer.choose("label", ".suggest-bar")
    viewer.until(lambda: len(viewer.all(".suggestion")) == LEVELS, "all slices want a label")
    picture(viewer, "story-next")
    viewer.shown(".suggestions-view .primary").click()
    for number in range(LEVELS):
        viewer.until(lambda: f"{number + 1} of {LEVELS}" in viewer.text(".queue"), f"slice {number + 1}")
        record = viewer.until(lambda: next((s for s in slices if f"slice={s['id']}" in viewer.driver.current_url), None), "a slice is open")
        if not number:
            picture(viewer.settled(), "story-queue")
        wanted = "presence" if record["index"] >= LEVELS // 2 else "absence"
        viewer.press(wanted[0])
        viewer.until(lambda: client.get(f"/v1/slices/{record['id']}")["label"] == wanted, "the label is stored")
        viewer.press(".")
    viewer.gone(".queue")

    # Scribbles on three suggested slices.
    viewer.open(view="next", dataset=dataset)
    viewer.choose("annotate", ".suggest-bar")
    viewer.until(lambda: len(viewer.all(".suggestion")) == LEVELS // 2, "every presence slice is suggested")
    viewer.shown(".suggestions-view .primary").click()
    scribbles = []
    for number in range(3):
        viewer.until(lambda: f"{number + 1} of {LEVELS // 2}" in viewer.text(".queue"), f"suggestion {number + 1}")
        record = viewer.until(lambda: next((s for s in slices if f"slice={s['id']}" in viewer.driver.current_url), None), "a slice is open")
        viewer.settled()
        scribbles.append(scribble(viewer, rows_seen(truth, record["index"])))
        assert client.get(f"/v1/slices/{record['id']}")["annotated"]
        viewer.press(".")
    assert client.get(f"/v1/datasets/{dataset}")["counts"]["annotated"] == 3

    # Train, and watch. Whether the model is to answer is left to a person.
    hold_out(client, dataset)
    viewer.open(view="training", dataset=dataset)
    viewer.shown('[data-need="annotated_presence"].enough')
    assert "Every method can train" in viewer.text(".can-train")
    viewer.shown(".training-form summary").click()
    for field, value in (("preset", "tiny"), ("width", "1"), ("batch", "2"), ("activate", "never")):
        set_value(viewer, f"train-{field}", value, "input")
    viewer.choose("max_steps", ".budget")
    set_value(viewer, "train-budget", STEPS, "input")
    before = {m["id"] for m in client.get("/v1/models")["items"]}
    viewer.shown(".training-form .primary").click()
    watch(viewer, client)
    picture(viewer, "story-training")
    job = client.get("/v1/jobs", kind="train", limit=1)["items"][0]
    assert job["request"]["min_annotated"] == 1 and job["request"]["discriminator_rate"] == 0.1
    made = job["model"]
    assert made and made not in before

    # Compare, and activate.
    viewer.open(view="models")
    for model in [made, *before][:2]:
        viewer.shown(f'tr[data-id="{model}"] input[type=checkbox]').click()
    viewer.until(lambda: len(viewer.all(".compare tr[data-slice]")) >= 3, "examples through both")
    assert len(viewer.all(".compare .example .picture")) >= 6
    picture(viewer, "story-models")
    assert not client.get(f"/v1/models/{made}")["active"]
    assert not viewer.all(f'tr[data-id="{made}"] .pill.good')
    viewer.shown(f'tr[data-id="{made}"] .actions button').click()
    viewer.shown(f'tr[data-id="{made}"] .pill.good')
    assert client.get(f"/v1/models/{made}")["active"]

    # Segment all of it, and make it healthy; what is saved is what the interface answers.
    viewer.open(view="volumes", volume=slices[0]["volume"])
    viewer.shown(".volume-main h1")
    for run, kind, names in (("segment", "segment", ["mask", "probabilities"]), ("translate", "translate", ["residual-0", "translated-0"])):
        viewer.shown(f'[data-run="{run}"]').click()
        viewer.shown(f'.volume-job[data-state="succeeded"] [data-output="{names[0]}"]')
        row = viewer.find(".volume-job")
        done = client.get(f"/v1/jobs/{row.get_attribute('data-id')}")
        assert (done["kind"], done["model"]) == (kind, made) and sorted(each["name"] for each in done["outputs"]) == names
        assert row.find_element("css selector", ".outputs .generated").is_displayed()
        for output in done["outputs"]:
            name, got = download(viewer.find(f'.volume-job[data-id="{done["id"]}"] [data-output="{output["name"]}"]'))
            assert name == f"{slices[0]['volume']}-{output['name']}.nii.gz"
            assert got == requests.get(client.url + output["href"], timeout=30).content
            assert len(gzip.decompress(got)) > WIDTH * HEIGHT * LEVELS
        picture(viewer, f"story-{run}")
    labels = gzip.decompress(download(viewer.find(".volume-header a[download]"))[1])[352:]
    assert len(labels) == WIDTH * HEIGHT * LEVELS
    assert [labels.count(value) for value in (1, 0)] == [sum(side) for side in zip(*scribbles)]
    assert labels.count(255) == len(labels) - labels.count(1) - labels.count(0)


def test_label_file_gives_labels_and_dice(viewer, client, scan):
    dataset = f"labelled-{os.getpid()}"
    image, label, _ = scan
    upload(viewer, [image, label], dataset)
    viewer.shown(".upload-files p.good")
    counts = client.get(f"/v1/datasets/{dataset}")["counts"]
    assert counts["presence"] == counts["absence"] == LEVELS // 2
    viewer.shown('[data-run="segment"]').click()
    viewer.until(lambda: "against the label file" in viewer.text(".volume-job"), "a Dice")


@pytest.mark.parametrize("preset", ["brain", "liver", "plain"])
def test_a_new_data_set_is_normalised_as_imported_ones(viewer, client, tmp_path, preset):
    dataset = f"new-{preset}-{os.getpid()}"
    values, mask = synthetic.scan(60, 60, 4)
    head, label = tmp_path / "head_t1.nii", tmp_path / "head_seg.nii"
    for path, voxels in ((head, values), (label, mask)):
        path.write_bytes(synthetic.nifti_of(voxels, 60, 60, 4, (4.0, 4.0, 4.0)))
    upload(viewer, [head, label], dataset, preset=preset)
    viewer.shown(".upload-files p.good")
    assert client.get(f"/v1/datasets/{dataset}")["normalization"] == "unit"


SHOWN = """
const canvas = document.querySelector('.stack-pictures canvas.base');
return [document.querySelector('.stack-pictures')?.dataset.level, canvas?.toDataURL()];
"""


def test_a_volume_is_leafed_through_and_its_grays_are_dragged(viewer, client, scan):
    dataset = f"leaf-{os.getpid()}"
    client.put_dataset(dataset)
    volume = client.call("POST", "/v1/volumes", params={"dataset": dataset, "preset": "plain"}, data=scan[0].read_bytes(), headers={"Content-Type": "application/x-nifti"})
    viewer.open(view="volumes", volume=volume["id"])

    def level(expected):
        viewer.until(lambda: viewer.js(SHOWN)[0] == str(expected), f"level {expected}")

    level(LEVELS // 2)
    for key, expected in (("j", 7), (Keys.ARROW_RIGHT, 8), ("k", 7), (Keys.ARROW_UP, 0), (Keys.ARROW_DOWN, 10), (Keys.ARROW_LEFT, 9)):
        viewer.press(key)
        level(expected)
    pictures = viewer.find(".stack-pictures")
    ActionChains(viewer.driver).scroll_from_origin(ScrollOrigin.from_element(pictures), 0, 100).perform()
    level(10)
    before = viewer.js(SHOWN)
    assert viewer.text("#volume-grays") == "Gray: own range"
    ActionChains(viewer.driver).drag_and_drop_by_offset(pictures, -60, 20).perform()
    viewer.until(lambda: viewer.js(SHOWN)[1] != before[1], "another window")
    assert "to" in viewer.text("#volume-grays") and viewer.js(SHOWN)[0] == before[0]
    picture(viewer, "story-grays")
    chosen = viewer.text("#volume-grays")
    viewer.press("j")
    level(11)
    assert viewer.text("#volume-grays") == chosen, "the next level has the same"
    viewer.press("k")
    level(10)
    viewer.press("0")
    viewer.until(lambda: viewer.js(SHOWN) == before, "its own again")
    viewer.press("w")
    viewer.until(lambda: viewer.js(SHOWN) != before, "the same by keyboard")
    viewer.press("?")
    assert "Ten levels on" in viewer.shown("dialog.help").text


def test_several_scans_at_once(viewer, client, tmp_path):
    dataset = f"several-{os.getpid()}"
    files = [tmp_path / f"{name}.nii" for name in ("anna", "bert")]
    for seed, path in enumerate(files, start=2):
        path.write_bytes(synthetic.nifti_of(synthetic.scan(WIDTH, HEIGHT, 4, seed)[0], WIDTH, HEIGHT, 4))
    upload(viewer, files, dataset, together="each")
    viewer.until(lambda: len(viewer.all(".upload-files p.good")) == 2, "both are stored")
    assert [v["case"] for v in client.get("/v1/volumes", dataset=dataset)["items"]] == ["anna", "bert"]
    viewer.shown(".volume-header button").click()
    viewer.shown("dialog.sure .danger")
    picture(viewer, "story-delete-volume")
    viewer.find("dialog.sure .danger").click()
    viewer.until(lambda: len(client.get("/v1/volumes", dataset=dataset)["items"]) == 1, "one is deleted")


def test_weights_come_back_and_go(viewer, client, tmp_path):
    active = next(m for m in client.get("/v1/models")["items"] if m["active"])
    weights = requests.get(f"{client.url}/v1/models/{active['id']}/weights", timeout=30).content
    # Other bytes of the same weights: the header of the file may end in blanks.
    length = int.from_bytes(weights[:8], "little")
    other = (length + 8).to_bytes(8, "little") + weights[8:8 + length] + b" " * 8 + weights[8 + length:]
    path = tmp_path / "brought.safetensors"
    path.write_bytes(other)
    viewer.open(view="models")
    viewer.until(lambda: viewer.all("table.models tbody tr"), "the models")
    viewer.find("#model-file").send_keys(str(path))
    viewer.until(lambda: viewer.text(".detail h2") == "brought", "the new model is chosen")
    added = next(m for m in client.get("/v1/models")["items"] if m.get("name") == "brought")
    assert not added["active"] and requests.get(f"{client.url}/v1/models/{added['id']}/weights", timeout=30).content == other
    viewer.shown(".detail .danger").click()
    viewer.shown("dialog.sure[open] .danger")
    picture(viewer, "story-delete-model")
    viewer.find("dialog.sure[open] .danger").click()
    viewer.until(lambda: added["id"] not in {m["id"] for m in client.get("/v1/models")["items"]}, "it is deleted")


class TestBadFiles:
    @pytest.fixture
    def expected_failures(self):
        return ["400", "415", "422"]

    def test_each_file_is_told_what_is_wrong_with_it(self, viewer, client, scan, tmp_path):
        image, _, _ = scan
        notes, broken = tmp_path / "notes.txt", tmp_path / "head_t2.nii"
        notes.write_text("no scan")
        broken.write_bytes(b"<b>no</b> scan" * 40)
        upload(viewer, [notes], f"bad-{os.getpid()}")
        assert "not a NIfTI file" in viewer.text('[data-file="notes.txt"] p')
        assert not viewer.find(".volume-upload .primary").is_enabled()
        upload(viewer, [image, broken], f"bad-{os.getpid()}")
        viewer.shown('[data-file="head_t2.nii"] p.bad')
        assert "channel 1" in viewer.text('[data-file="head_t2.nii"] p.bad')
        assert not viewer.all('[data-file="head_t1.nii"] p.bad')


class TestServerAway:
    @pytest.fixture
    def expected_failures(self):
        return ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]

    def test_volumes_are_there_again_when_the_server_is(self, browser, empty_server, scan):
        viewer = Desk(browser, empty_server.url, WIDTH, HEIGHT)
        upload(viewer, [scan[0]], "mine")
        viewer.shown(".upload-files p.good")
        empty_server.stop()
        viewer.press("1")
        viewer.press("4")
        viewer.shown(".banner")
        empty_server.start()
        viewer.gone(".banner")
        viewer.shown(".volume-row")
        viewer.until(lambda: viewer.find(".volume-upload .primary"), "the form")


def test_markup_in_the_name_of_a_case_is_text(viewer, client, scan):
    client.put_dataset("hostile")
    volume = client.call("POST", "/v1/volumes", params={"dataset": "hostile", "preset": "plain", "case": backend.HOSTILE},
                         data=scan[0].read_bytes(), headers={"Content-Type": "application/x-nifti"})
    viewer.open(view="volumes", volume=volume["id"])
    viewer.until(lambda: viewer.text(".volume-main h1") == backend.HOSTILE, "the name as it is")
    assert not viewer.all(".volumes-view img")
