"""How the page looks: axe's judgement (WCAG 2.1 A and AA, and its best practices), and pictures for people."""
import os
from pathlib import Path

import npm
from conftest import set_screen

AXE = "axe-core/axe.min.js"
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map(
  ({ id, help, nodes }) => `${id}: ${help}\\n` + nodes.map((n) => `    ${n.target} ${n.any.map((a) => a.message).join('; ')}`).join('\\n'))),
  (error) => done([String(error)]));
"""


def accessible(viewer):
    """Fails with what axe finds on the page as it is now."""
    if not viewer.js("return typeof axe === 'object'"):
        viewer.js(npm.package(AXE).read_text())
    found = viewer.driver.execute_async_script(RUN)
    assert not found, "\n".join(found)


def picture(viewer, name):
    """The same in both themes, where axe is installed; kept in $SCREENSHOT_DIR if that is set."""
    for scheme in ("light", "dark"):
        set_screen(viewer.driver, 1280, 720, scheme)
        if (npm.MODULES / AXE).exists():
            accessible(viewer)
        keep(viewer, f"{name}-{scheme}")


def keep(viewer, name):
    if os.environ.get("SCREENSHOT_DIR"):
        place = Path(os.environ["SCREENSHOT_DIR"])
        place.mkdir(parents=True, exist_ok=True)
        viewer.driver.save_screenshot(str(place / f"{name}.png"))
