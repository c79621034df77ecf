"""Fixtures: a filled server, a headless Chromium, and the rule that its console stays silent."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import backend as backends

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage"]
OF_THE_TESTS = "willReadFrequently"  # a hint about reading canvases back, which only the tests do


@pytest.fixture(scope="session")
def server():
    url = os.environ.get("GENSEG_URL")
    running = backends.External(url) if url else backends.Backend()
    client = backends.Client(running.url)
    try:
        backends.fill(client)
        backends.fill_many(client, "many")
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def client(server):
    return backends.Client(server.url)


@pytest.fixture
def empty_server():
    if os.environ.get("GENSEG_URL"):
        pytest.skip("GENSEG_URL names a server that cannot be emptied or stopped")
    running = backends.Backend()
    yield running
    running.close()


@pytest.fixture(scope="session")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
    from selenium.webdriver.chrome.service import Service
    for program in (CHROMIUM, CHROMEDRIVER):
        if not Path(program).exists():
            pytest.skip(f"{program} is not installed")
    profile = tempfile.mkdtemp(prefix="genseg-chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(CHROMEDRIVER), options=options)
    driver.set_script_timeout(120)  # axe reads long pages for a while where others work too
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def expected_failures():
    """Parts of console messages that a test provokes on purpose (the status of a refused request)."""
    return []


@pytest.fixture
def browser(chromium, expected_failures):
    """A fresh page; fails the test when anything but what it expected reached the console."""
    set_screen(chromium, 1280, 720)
    chromium.get("about:blank")
    chromium.get_log("browser")
    yield chromium
    messages = [entry["message"] for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    chromium.get("about:blank")
    expected = [*expected_failures, OF_THE_TESTS]
    unexpected = [text for text in messages if not any(part in text for part in expected)]
    assert not unexpected


def set_screen(driver, width, height, scheme="dark"):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
