"""`genseg backup` of a server that runs, and `genseg restore`: everything is there again, or nothing is."""
import hashlib
import io
import shutil
import subprocess
import tarfile
import threading

import pytest

import formats
from conftest import TOY, BINARY, TRAINER
from test_inference import PIXELS, PNG
from test_statuses import upload_volume
from test_workflow import start_training, train

pytestmark = pytest.mark.skipif(BINARY.name != "genseg", reason="needs the program itself")


def genseg(*arguments, status=0, wrapper=()):
    done = subprocess.run([*wrapper, str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def everything(server):
    """All that a server says it has, with every byte that can be downloaded."""
    found = {}
    for kind in ("datasets", "slices", "volumes", "models", "jobs"):
        found[kind] = server.get(f"/v1/{kind}", params={"limit": 500}).json()["items"]
    for record in found["slices"]:
        path = f"/v1/slices/{record['id']}"
        found[path] = server.get(path + "/content").content
        found[path + "/history"] = server.get(path + "/annotation/history").json()
    for record in found["models"]:
        found[record["id"]] = hashlib.sha256(server.get(f"/v1/models/{record['id']}/weights").content).hexdigest()
    for record in found["jobs"]:
        for output in record["outputs"]:
            found[output["href"]] = server.get(output["href"]).content
    return found


@pytest.fixture
def filled(toy_server):
    for i in range(5):
        toy_server.upload([[value + i for value in row] for row in PIXELS], label="presence", case=f"c{i}",
                          mask=[[0, 127, 255, 255]] * 6 if i < 2 else None)
    volume = upload_volume(toy_server)
    toy_server.post("/v1/models", data=formats.toy_model(note="second"),
                    headers={"Content-Type": "application/octet-stream"})
    toy_server.wait_for_job(toy_server.post(f"/v1/volumes/{volume}/segment", json={}).json()["id"])
    return toy_server


@pytest.fixture
def archive(filled, tmp_path):
    path = tmp_path / "backup.tar"
    genseg("backup", path, "--data", filled.data)
    return path


def test_what_was_backed_up_is_there_again(filled, start_server, tmp_path):
    before = everything(filled)
    said = genseg("backup", tmp_path / "backup.tar", "--data", filled.data)
    with tarfile.open(tmp_path / "backup.tar") as tar:
        names = tar.getnames()
        sums = tar.extractfile(names[-1]).read().decode().splitlines()
        assert names[0] == "genseg.db" and names[-1] == "SHA256SUMS"
        assert [line.split("  ")[1] for line in sums] == names[:-1]
        for line in sums:
            digest, name = line.split("  ")
            assert hashlib.sha256(tar.extractfile(name).read()).hexdigest() == digest
    assert said.startswith(f"backed up {len(names) - 1} files, ")
    assert genseg("restore", tmp_path / "backup.tar", "--data", tmp_path / "again").startswith("restored ")
    other = start_server("--trainer", str(TRAINER), name="again", binary=TOY)
    assert everything(other) == before
    assert len(before["models"]) == 2 and any(key.startswith("/v1/jobs/") for key in before)
    answer = other.post("/v1/segment", data=formats.png(PIXELS), headers=PNG)
    assert answer.status_code == 200, "the model is active and runs"


def pictures(server, job):
    """The panel of a training, and its sheets."""
    panel = server.get(f"/v1/jobs/{job}/panel").json()
    return panel, [server.get(entry["href"]).content for entry in panel["steps"]]


def test_the_panels_of_finished_trainings_are_there_again(start_toy, tmp_path):
    server = start_training(start_toy, 0.0, panel=[20, 40])
    jobs = [train(server)["id"] for _ in range(3)]
    shutil.rmtree(server.data / "panels" / jobs[1])  # as those of long ago go
    before = {job: pictures(server, job) for job in jobs}
    assert [len(sheets) for _, sheets in before.values()] == [2, 0, 2]
    genseg("backup", tmp_path / "backup.tar", "--data", server.data)
    with tarfile.open(tmp_path / "backup.tar") as tar:
        assert [name for name in tar.getnames() if name.startswith("panels/")] == [
            f"panels/{job}/{name}" for job in (jobs[0], jobs[2])
            for name in ("000000000020.png", "000000000040.png", "panel.json")]
    genseg("restore", tmp_path / "backup.tar", "--data", tmp_path / "again")
    other = start_toy(name="again")
    assert {job: pictures(other, job) for job in jobs} == before
    # Their order of age is kept, too: the next ones drive out the oldest.
    ages = [(tmp_path / "again" / "panels" / job).stat().st_mtime_ns for job in (jobs[0], jobs[2])]
    assert ages[0] < ages[1]


def test_a_backup_while_others_write_is_of_one_moment(filled, start_server, tmp_path):
    """Slices come and go, models are uploaded and deleted; every backup opens and lacks nothing its rows name."""
    stop, failures = threading.Event(), []

    def disturb():
        i = 0
        while not stop.is_set():
            i += 1
            filled.upload([[(value + i) % 256 for value in row] for row in PIXELS], case=f"w{i}", dataset="busy")
            answer = filled.post("/v1/models", data=formats.toy_model(note=f"w{i}"),
                                 headers={"Content-Type": "application/octet-stream"})
            if answer.status_code != 201 or filled.delete(f"/v1/models/{answer.json()['id']}").status_code != 204:
                failures.append(answer.text)
    writer = threading.Thread(target=disturb)
    writer.start()
    try:
        for i in range(6):
            genseg("backup", tmp_path / f"{i}.tar", "--data", filled.data)
            genseg("restore", tmp_path / f"{i}.tar", "--data", tmp_path / f"restored-{i}")
    finally:
        stop.set()
        writer.join()
    assert not failures
    server = start_server("--trainer", str(TRAINER), name="restored-5", binary=TOY)
    for record in everything(server)["slices"]:
        content = server.get(f"/v1/slices/{record['id']}/content").content
        assert hashlib.sha256(content).hexdigest() == record["sha256"]


def rewrite(archive, change):
    """The archive with its entries [(TarInfo, bytes)] changed, as good a tar as before."""
    with tarfile.open(archive) as tar:
        entries = [(info, tar.extractfile(info).read()) for info in tar.getmembers()]
    entries = change(entries)
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def renamed(info, name, **more):
    entry = tarfile.TarInfo(name)
    entry.mode = info.mode
    for key, value in more.items():
        setattr(entry, key, value)
    return entry


def with_sums(entries):
    """The sums made to fit, as one who means harm would."""
    entries = entries[:-1]
    text = "".join(f"{hashlib.sha256(data).hexdigest()}  {info.name}\n" for info, data in entries)
    return entries + [(tarfile.TarInfo("SHA256SUMS"), text.encode())]


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


BAD = {
    "a changed file": lambda e: [(i, flip(d) if i.name.startswith("models/") else d) for i, d in e],
    "a lost file": lambda e: [entry for entry in e if not entry[0].name.startswith("models/")],
    "a lost file and its sum": lambda e: with_sums([entry for entry in e if not entry[0].name.startswith("models/")]),
    "no sums": lambda e: e[:-1],
    "something after the sums": lambda e: e + [e[0]],
    "a file twice": lambda e: with_sums([e[0], *e]),
    "no database": lambda e: with_sums(e[1:]),
    "no such database": lambda e: with_sums([(e[0][0], b"x" * 8192), *e[1:]]),
    "a broken database": lambda e: with_sums([(e[0][0], e[0][1][:8192] + b"\xff" * (len(e[0][1]) - 8192)), *e[1:]]),
    "a link": lambda e: with_sums([(renamed(e[0][0], "models/x.safetensors", type=tarfile.SYMTYPE,
                                            linkname="/etc/passwd"), b""), *e]),
    "a hard link": lambda e: with_sums([(renamed(e[0][0], "models/x.safetensors", type=tarfile.LNKTYPE,
                                                 linkname="genseg.db"), b""), *e]),
    **{f"the name {name}": lambda e, name=name: with_sums([(renamed(e[0][0], name), b"x"), *e])
       for name in ("../outside", "/tmp/genseg-outside", "models/../../outside", "models/a/b", "volumes/a",
                    "volumes/a/b/c/d", "panels/a", "panels/a/b/c", "panels/a/../b", "models/.hidden", "genseg.lock", "models//x", "models/x\\y", "")},
}


@pytest.mark.parametrize("change", list(BAD))
def test_what_is_no_backup_leaves_nothing_behind(archive, tmp_path, change):
    rewrite(archive, BAD[change])
    names = sorted(path.name for path in tmp_path.iterdir())
    said = genseg("restore", archive, "--data", tmp_path / "again", status=1)
    assert said.startswith("genseg restore: ") and "backup.tar" in said or "genseg.db" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_an_archive_cut_anywhere_is_refused(archive, tmp_path):
    whole = archive.read_bytes()
    for size in [0, 1, 511, 512, *range(5000, len(whole) - 10240, len(whole) // 12)]:
        archive.write_bytes(whole[:size])
        genseg("restore", archive, "--data", tmp_path / "again", status=1)
        assert not (tmp_path / "again").exists()
    assert not list(tmp_path.glob("again.*"))


def test_only_an_empty_folder_is_filled(archive, tmp_path):
    target = tmp_path / "again"
    target.mkdir()
    (target / "precious").write_text("kept")
    assert "not empty" in genseg("restore", archive, "--data", target, status=1)
    assert (target / "precious").read_text() == "kept"
    (target / "precious").unlink()
    genseg("restore", archive, "--data", f"{target}/")
    assert (target / "genseg.db").exists()


def test_a_backup_replaces_no_file_and_needs_a_database(filled, tmp_path):
    (tmp_path / "there.tar").write_text("kept")
    assert "exists" in genseg("backup", tmp_path / "there.tar", "--data", filled.data, status=1)
    assert (tmp_path / "there.tar").read_text() == "kept"
    genseg("backup", tmp_path / "new.tar", "--data", tmp_path / "nowhere", status=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "genseg.db").write_text("no database")
    genseg("backup", tmp_path / "new.tar", "--data", tmp_path / "other", status=1)
    genseg("backup", status=2)
    genseg("restore", tmp_path / "there.tar", status=2)
    assert sorted(path.name for path in tmp_path.glob("*.tar*")) == ["there.tar"]


@pytest.mark.parametrize("limit", [1, 4096, 60000])
def test_a_full_disk_fails_both_and_leaves_nothing(archive, filled, tmp_path, limit):
    wrapper = ["prlimit", f"--fsize={limit}"]
    names = sorted(path.name for path in tmp_path.iterdir())
    genseg("backup", tmp_path / "new.tar", "--data", filled.data, status=1, wrapper=wrapper)
    said = genseg("restore", archive, "--data", tmp_path / "again", status=1, wrapper=wrapper)
    assert "File too large" in said or "full" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_disk_that_is_full_at_the_very_end_fails_the_backup(archive, filled, tmp_path):
    """The copy of the database fits, the archive only almost."""
    wrapper = ["prlimit", f"--fsize={archive.stat().st_size - 600}"]
    genseg("backup", tmp_path / "new.tar", "--data", filled.data, status=1, wrapper=wrapper)
    assert not list(tmp_path.glob("new.tar*"))


def test_a_killed_restore_leaves_no_half_folder(archive, tmp_path):
    for delay in (0.0, 0.002, 0.01, 0.02):
        process = subprocess.Popen([BINARY, "restore", archive, "--data", tmp_path / "again"],
                                   stdout=subprocess.DEVNULL, env={"OMP_WAIT_POLICY": "passive"})
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if (tmp_path / "again").exists():
            assert (tmp_path / "again" / "models").is_dir() and (tmp_path / "again" / "genseg.db").exists()
            break
    else:
        genseg("restore", archive, "--data", tmp_path / "again")
