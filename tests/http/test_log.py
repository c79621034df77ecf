"""What a server writes on standard error: one line per event, for programs (json) or for people (text)."""
import json
import re
import subprocess

import pytest

from conftest import BINARY
from test_inference import PIXELS

SECRET = "hunter2-is-no-secret"
STRING = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
TEXT_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>info|warning|error) (?P<event>[a-z_]+)"
    rf'(?P<fields>(?: [a-z_]+=(?:{STRING}|[^ "=\\\x00-\x1f]+|[\[{{].*?[\]}}]))*)')


def entries(server, form):
    """The lines as dictionaries; every line must be of the form."""
    for line in server.log_text().splitlines():
        if form == "json":
            yield json.loads(line)
            continue
        match = TEXT_LINE.fullmatch(line)
        assert match, line
        entry = {key: match[key] for key in ("time", "level", "event")}
        for key, value in re.findall(rf" ([a-z_]+)=({STRING}|[^ ]+)", match["fields"]):
            entry[key] = json.loads(value) if value.startswith('"') or re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", value) else value
        yield entry


@pytest.mark.parametrize("form", ["json", "text"])
def test_every_request_is_one_line_without_secrets(start_server, form):
    server = start_server("--log-format", form)
    server.upload(PIXELS, case=SECRET)
    nasty = "/v1/slices/a%20info%20request=%22%C3%A9%5C"
    answers = [server.get(nasty), server.get("/v1/slices", params={"dataset": "d", "case": SECRET}),
               server.get("/healthz", headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}",
                                               "X-Request-Id": "mine-1"})]
    assert server.get("/v1/slices/a%0Ainfo%20request").status_code == 400
    assert server.stop() == 0
    requests = {entry["request_id"]: entry for entry in entries(server, form) if entry["event"] == "request"}
    for answer, route in zip(answers, ("/v1/slices/{id}", "/v1/slices", "/healthz")):
        entry = requests[answer.headers["X-Request-Id"]]
        assert (entry["method"], entry["route"], entry["status"]) == ("GET", route, answer.status_code)
        assert entry["bytes_out"] == len(answer.content) and 0 <= entry["seconds"] < 10 and entry["level"] == "info"
    assert requests[answers[0].headers["X-Request-Id"]]["path"] == nasty
    assert "mine-1" in requests
    assert SECRET not in server.log_text()
    starts = [entry for entry in entries(server, form) if entry["event"] == "engine"]
    assert [entry["backend"] for entry in starts] == ["cpu"]


def test_another_form_is_refused(tmp_path):
    done = subprocess.run([BINARY, "serve", "--data", tmp_path / "data", "--log-format", "xml"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 2 and "must be json or text, not 'xml'" in done.stderr
    assert not (tmp_path / "data").exists()
