"""The page at /docs: it is served as the viewer is, and the curl command of every operation works as it stands but
for its ids."""
import json
import re
import shutil
import subprocess

import pytest

import contract
import formats
import nifti
from contract import ROOT
from test_inference import PIXELS
from test_statuses import SIZE, upload_volume, value

# States in which the command was right and the moment was not.
OF_THE_MOMENT = {"cancelJob": {202, 409}, "resumeJob": {202, 409}, "deleteModel": {204, 409},
                 "getActiveModel": {200, 404}, "getJobPanelSheet": {200, 404}, "createSession": {200, 409}}


def test_the_page_is_served_with_a_strict_policy(server):
    page = server.get("/docs")
    assert page.status_code == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Encoding"] == "gzip"  # what the client library asks for
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for path in re.findall(r'(?:href|src)="(/[^"]+)"', page.text):
        assert server.get(path).status_code == 200, path
    assert "http://" not in page.text and "https://" not in page.text and "<style" not in page.text


@pytest.fixture
def demo(toy_server, tmp_path):
    """A server with what the examples name, and the ids in place of theirs."""
    for i in range(3):
        pixels = [[v + i for v in row] for row in PIXELS]
        toy_server.upload(pixels, dataset="demo", label="presence", case=f"p{i}", mask=[[0, 0, 255, 255]] * 6)
        toy_server.upload([[v + 9 for v in row] for row in pixels], dataset="demo", label="absence", case=f"a{i}")
    slices = toy_server.get("/v1/slices", params={"dataset": "demo"}).json()["items"]
    toy_server.put("/v1/datasets/d")
    volume = upload_volume(toy_server)
    job = toy_server.post(f"/v1/volumes/{volume}/segment", json={}).json()["id"]
    toy_server.wait_for_job(job)
    (tmp_path / "slice.png").write_bytes(formats.png([[v + 40 for v in row] for row in PIXELS]))
    (tmp_path / "volume.nii.gz").write_bytes(nifti.volume(lambda x, y, z: value(x, y, z) + 1, SIZE, kind="f"))
    (tmp_path / "model.safetensors").write_bytes(formats.toy_model(note="uploaded"))
    annotated = next(record["id"] for record in slices if record["annotated"])
    version = toy_server.get(f"/v1/slices/{annotated}/annotation/history").json()["items"][0]["id"]
    ids = {"slc": annotated, "ann": version, "vol": volume, "job": job,
           "mdl": toy_server.get("/v1/models/active").json()["id"]}
    return toy_server, ids


def adapted(command, ids):
    """The toy's slices are 6 x 4, and its preset for volumes is the plain one."""
    command = re.sub(r"\b(slc|ann|vol|job|mdl)_[a-z0-9]{16}\b", lambda match: ids[match[1]], command)
    return (command.replace('"height":240,"width":120', '"height":6,"width":4').replace("preset=brain", "preset=plain")
            .replace('"size":[2,3],"counts":"132"', '"size":[6,4],"counts":[12,12]')
            .replace('"normalization":"foreground"', '"normalization":"none"'))


def check_json(operation, status, example, path):
    """That an answer in JSON, and the example of it that the page shows, are as described."""
    content = contract.resolve(operation["responses"][str(status)]).get("content", {})
    if status >= 300 or "application/json" not in content:
        return
    schema = content["application/json"]["schema"]
    shown = [example] if schema.get("type") != "object" or "properties" in schema else []
    answers = [json.loads(path.read_bytes())] if list(content) == ["application/json"] else []
    assert None not in shown, f"{operation['operationId']} has no example of its answer"
    for value_ in [*shown, *answers]:
        contract.validate(value_, schema)
        assert not list(contract.undescribed(value_, schema)), operation["operationId"]


@pytest.mark.skipif(not shutil.which("node") or not shutil.which("curl"), reason="needs node and curl")
def test_every_curl_command_of_the_page_works(demo, tmp_path):
    server, ids = demo
    (tmp_path / "openapi.json").write_bytes(server.get("/openapi.json").content)
    script = ROOT / "tests" / "http" / "every_curl.mjs"
    commands = json.loads(subprocess.run(
        ["node", script, ROOT / "web" / "docs", tmp_path / "openapi.json", server.url],
        check=True, capture_output=True, text=True).stdout)
    assert {entry["operation"] for entry in commands} == {
        operation["operationId"] for item in contract.DOCUMENT["paths"].values()
        for method, operation in item.items() if method in contract.METHODS}
    # What they need is there until the end: deletions last, of parts before the whole.
    commands.sort(key=lambda entry: (entry["method"] == "delete", -len(entry["path"])))
    for entry in commands:
        command = adapted(entry["command"], ids)
        done = subprocess.run(["bash", "-c", f"{command} -m 30 -o answer.bin -w '%{{http_code}}'"], cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
        status = int(done.stdout[-3:] or 0)
        body = (tmp_path / "answer.bin").read_bytes()[:300] if (tmp_path / "answer.bin").exists() else b""
        operation = contract.DOCUMENT["paths"][entry["path"]][entry["method"]]
        accepted = OF_THE_MOMENT.get(entry["operation"]) or {int(s) for s in operation["responses"] if s[0] == "2"}
        assert status in accepted, f"{command}: {status} {body} {done.stderr}"
        check_json(operation, status, entry.get("example"), tmp_path / "answer.bin")
        if entry["operation"] == "createJob":
            server.api("POST", f"/v1/jobs/{json.loads((tmp_path / 'answer.bin').read_bytes())['id']}/cancel")
