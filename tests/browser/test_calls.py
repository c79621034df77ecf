"""The paths that the page asks for are those of openapi.yaml, with the methods they have there. It needs nothing from
npm, as test_types.py does, which also checks parameters, bodies and fields."""
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
LITERAL = re.compile(r"""['"`](/v1[^'"`]*)['"`]""")
CALL = re.compile(r"""\b(?:ask|request|address)\(\s*'(\w+)',\s*(?:'(/v1[^']*)'|([A-Z]+)\b)""")
CONSTANT = re.compile(r"""^const ([A-Z]+) = '(/v1[^']*)';$""", re.MULTILINE)


def described():
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]


def sources():
    found = {path: path.read_text() for path in sorted((ROOT / "web").rglob("*.js"))}
    assert len(found) > 50
    return found


def strays(paths):
    """What the page asks for and `paths` does not have."""
    found, calls = set(), 0
    for text in sources().values():
        found |= {literal for literal in LITERAL.findall(text) if literal not in paths}
        constants = dict(CONSTANT.findall(text))
        for method, literal, name in CALL.findall(text):
            calls += 1
            path = literal or constants[name]
            if method not in paths.get(path, {}):
                found.add(f"{method} {path}")
    assert calls > 40, "calls are written in another way: CALL has to follow"
    return found


def test_every_call_is_described():
    assert strays(described()) == set()


def test_a_moved_path_and_another_method_are_found():
    paths = described()
    paths["/v1/slices/{id}/weak-label"] = paths.pop("/v1/slices/{id}/label")
    paths["/v1/jobs/{id}/cancel"]["put"] = paths["/v1/jobs/{id}/cancel"].pop("post")
    assert strays(paths) == {"/v1/slices/{id}/label", "put /v1/slices/{id}/label", "post /v1/jobs/{id}/cancel"}
