"""Training jobs: validation, one after the other, events, cancel and resume, death and restart. The toy
trainer of tests/server speaks the protocol of docs/training-process.md."""
import json
import os
import signal
import threading
import time

import pytest
import requests

import contract
import formats
from test_inference import PIXELS, PNG, problem

MASK = [[255 if x > 1 else 0 for x in range(4)] for _ in range(6)]
WISH = {"kind": "train", "dataset": "d", "preset": "tiny", "max_steps": 4}


def fill(server, presence=2, absence=2, annotated=1, dataset="d"):
    for i in range(presence):
        server.upload([[value + i for value in row] for row in PIXELS], dataset=dataset, label="presence",
                      case=f"p{i}", mask=MASK if i < annotated else None)
    for i in range(absence):
        server.upload([[value + 50 + i for value in row] for row in PIXELS], dataset=dataset, label="absence",
                      case=f"a{i}")


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def start_job(server, **wish):
    answer = server.post("/v1/jobs", json={**WISH, **wish})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()["id"]


@pytest.fixture
def trained(start_toy):
    """Starts a server with data and the given plan for the toy trainer."""
    def start(**plan):
        server = start_toy(environment={"TOY_TRAINER": json.dumps(plan)})
        fill(server)
        return server
    return start


def read_events(server, job_id, headers=None, count=None):
    """(id or None, event, data) of the stream, to its end or `count` of them."""
    events, current = [], {}
    with server.api("GET", f"/v1/jobs/{job_id}/events", headers=headers, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream"
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            if line:
                key, _, value = line.partition(": ")
                current[key] = value
            elif "event" in current:
                data = json.loads(current["data"])
                contract.check_event(current["event"], data)
                events.append((current.get("id"), current["event"], data))
                current = {}
                if len(events) == count:
                    break
            else:
                current = {}
    return events


# ==== From request to model ====

def test_a_training_makes_a_model_and_activates_the_first_one(trained):
    server = trained()
    job_id = start_job(server, seed=7, learning_rate=0.01, weights={"seg": 1, "cyc": 20}, batch_size=3)
    events = read_events(server, job_id)
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded", job
    assert job["progress"] == 1 and job["step"] == 4 and job["dice"] == pytest.approx(0.9)
    assert job["losses"]["seg"] == -1 and job["runs"] == 1 and job["started_at"] and job["finished_at"]
    assert job["snapshot"]["slices"] == 4 and job["snapshot"]["annotated"] == 1
    assert job["request"]["method"] == "genseg" and job["request"]["init"] == "scratch"

    names = [event[1] for event in events]
    assert names[-1] == "state" and events[-1][2]["state"] == "succeeded" and events[-1][2]["model"] == job["model"]
    assert [name for name in names if name != "state"] == ["start"] + ["progress", "validation"] * 4 + ["done"]
    numbers = [int(event[0]) for event in events if event[0]]
    assert numbers == sorted(set(numbers))

    model = server.get(f"/v1/models/{job['model']}").json()
    assert model["active"] is True and model["job"] == job_id and "parent" not in model
    assert model["metrics"]["dice"] == pytest.approx(0.9) and model["metrics"]["steps"] == 4
    assert model["dataset"] == job["snapshot"] and model["preset"] == "tiny"
    weights = json.loads(server.get(f"/v1/models/{job['model']}/weights").content)
    assert weights["seed"] == 7
    assert server.post("/v1/segment", data=formats.png(PIXELS), headers=PNG).json()["model"] == model["id"]
    assert not (server.data / "jobs" / job_id).exists(), "what only the trainer needed is removed"


def test_a_training_from_a_model_names_its_parent_and_does_not_activate(trained):
    server = trained()
    parent = server.wait_for_job(start_job(server))["model"]
    job = server.wait_for_job(start_job(server, init=parent, preset=None, seed=2))
    assert job["state"] == "succeeded", job
    model = server.get(f"/v1/models/{job['model']}").json()
    assert model["parent"] == parent and model["active"] is False
    weights = json.loads(server.get(f"/v1/models/{job['model']}/weights").content)
    assert weights["init"].endswith(f"{parent}.safetensors")


def test_every_option_reaches_the_trainer(trained):
    server = trained(pause=0.3)
    wish = {"method": "mean_teacher", "teacher": "both", "dropout": 0.25, "average_decay": 0.95, "encoder_norm": "batch",
            "decoder_norm": "instance", "skips": "sum", "min_annotated": 1, "pretraining_steps": 4, "annotated_fraction": 0.5, "patience": 3, "validate_every": 7,
            "discriminator_rate": 0.1, "keep_last": True, "unguarded": True, "augment": True}
    job_id = start_job(server, **wish)
    server.wait_for_job(job_id, ("running",))
    path = server.data / "jobs" / job_id / "out" / "arguments.json"
    wait_until(path.exists)
    arguments = json.loads(path.read_text())
    for name, value in wish.items():
        option = {"annotated_fraction": "--annotated"}.get(name, "--" + name.replace("_", "-"))
        assert option in arguments, arguments
        if value is not True:
            assert arguments[arguments.index(option) + 1] == str(value)
    assert "--mutual-information" not in arguments and "--translation" not in arguments
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded" and all(job["request"][name] == value for name, value in wish.items())


def test_a_recovery_is_told(trained):
    server = trained(recover_at=2)
    events = read_events(server, start_job(server))
    told = [data for _, name, data in events if name == "recovery"]
    assert told == [{"event": "recovery", "step": 2, "reason": "the gen loss is not finite after step 2", "back_to": 1,
                     "recoveries": 1, "learning_rate": 0.00025}]


def test_two_trainings_run_one_after_the_other(trained):
    server = trained(pause=0.05)
    first, second = start_job(server), start_job(server, seed=2)
    server.wait_for_job(first, ("running",))
    assert server.get(f"/v1/jobs/{second}").json()["state"] == "queued"
    metrics = server.get("/metrics").text
    assert 'genseg_jobs{state="queued"} 1' in metrics and 'genseg_jobs{state="running"} 1' in metrics
    one, two = server.wait_for_job(first), server.wait_for_job(second)
    assert one["state"] == two["state"] == "succeeded"
    assert one["finished_at"] <= two["started_at"]
    listed = server.get("/v1/jobs", params={"state": "succeeded"}).json()["items"]
    assert [job["id"] for job in listed] == [second, first]


def test_an_idempotency_key_starts_one_job(trained):
    server = trained()
    answers = [server.post("/v1/jobs", json=WISH, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    problem(server.post("/v1/jobs", json={**WISH, "seed": 9}, headers={"Idempotency-Key": "k1"}), 422)
    server.wait_for_job(answers[0].json()["id"])


# ==== Validation ====

@pytest.mark.parametrize("change, field", [
    ({"kind": None}, "kind"),
    ({"kind": "guess"}, "kind"),
    ({"dataset": "nothing"}, "dataset"),
    ({"dataset": 5}, "dataset"),
    ({"method": "magic"}, "method"),
    ({"init": "mdl_nothing"}, "init"),
    ({"preset": "huge"}, "preset"),
    ({"width": 0}, "width"),
    ({"width": 2}, "width"),
    ({"batch_size": 0}, "batch_size"),
    ({"batch_size": "many"}, "batch_size"),
    ({"learning_rate": -1}, "learning_rate"),
    ({"discriminator_rate": 0}, "discriminator_rate"),
    ({"epochs": 1}, "epochs"),
    ({"max_steps": 0}, "max_steps"),
    ({"max_steps": 1.5}, "max_steps"),
    ({"weights": {"seg": "x"}}, "weights"),
    ({"weights": {"dice": 1}}, "weights"),
    ({"weights": [1]}, "weights"),
    ({"seed": -1}, "seed"),
    ({"augment": "yes"}, "augment"),
    ({"translation": "sideways"}, "translation"),
    ({"translation": "none", "method": "autoencoder"}, "translation"),
    ({"encoder_norm": "group"}, "encoder_norm"),
    ({"decoder_norm": 3}, "decoder_norm"),
    ({"skips": "long"}, "skips"),
    ({"teacher": "strict", "method": "mean_teacher"}, "teacher"),
    ({"teacher": "dropout"}, "teacher"),
    ({"teacher": "dropout", "encoder_norm": "batch", "method": "mean_teacher"}, "teacher"),
    ({"dropout": 1, "method": "mean_teacher"}, "dropout"),
    ({"dropout": 0.5}, "dropout"),
    ({"average_decay": 1}, "average_decay"),
    ({"mutual_information": True, "method": "segmentation_only"}, "mutual_information"),
    ({"mutual_information": True, "batch_size": 1}, "batch_size"),
    ({"min_annotated": -1}, "min_annotated"),
    ({"pretraining_steps": -1}, "pretraining_steps"),
    ({"pretraining_steps": 5, "method": "segmentation_only"}, "pretraining_steps"),
    ({"annotated_fraction": 0}, "annotated_fraction"),
    ({"annotated_fraction": 1.1}, "annotated_fraction"),
    ({"patience": 0}, "patience"),
    ({"validate_every": 0}, "validate_every"),
    ({"keep_last": 1}, "keep_last"),
    ({"unguarded": "no"}, "unguarded"),
    ({"lerning_rate": 1}, "lerning_rate"),
])
def test_wrong_wishes_are_422_and_named(trained, change, field):
    server = trained()
    errors = problem(server.post("/v1/jobs", json={**WISH, **change}), 422)["errors"]
    if field == "epochs":
        field = "max_steps"  # the second of the two that exclude each other
    assert field in [error["field"] for error in errors], errors
    assert server.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("method, have, missing", [
    ("genseg", {"presence": 0}, ["presence"]),
    ("genseg", {"absence": 0}, ["absence"]),
    ("genseg", {"annotated": 0}, ["annotated"]),
    ("genseg", {"presence": 0, "absence": 0}, ["presence", "absence", "annotated"]),
    ("segmentation_only", {"annotated": 0}, ["annotated"]),
    ("segmentation_only", {"absence": 0}, None),
    ("autoencoder", {"absence": 0}, ["absence"]),
    ("autoencoder", {"annotated": 0}, ["annotated"]),
    ("mean_teacher", {"annotated": 0}, ["annotated"]),
    ("mean_teacher", {"absence": 0}, None),
])
def test_missing_data_is_422_and_named(start_toy, method, have, missing):
    server = start_toy()
    fill(server, **have)
    if not (have.get("presence", 1) or have.get("absence", 1)):
        server.upload(PIXELS)
    answer = server.post("/v1/jobs", json={**WISH, "method": method})
    if missing is None:
        assert answer.status_code == 202, answer.text
        server.wait_for_job(answer.json()["id"])
    else:
        detail = problem(answer, 422)["detail"]
        assert all(word in detail for word in missing), detail


@pytest.mark.parametrize("preset, epochs", [("tiny", 500), ("liver", 200), ("synthetic48", 300)])
def test_an_unbounded_training_is_bounded_as_in_the_paper(start_toy, preset, epochs):
    server = start_toy()
    fill(server)
    answer = server.post("/v1/jobs", json={"kind": "train", "dataset": "d", "preset": preset})
    if answer.status_code == 422:  # the images are too small for this preset
        assert preset != "tiny", answer.text
    else:
        assert answer.json()["request"]["epochs"] == epochs


def test_a_model_of_another_size_cannot_be_the_start(trained):
    server = trained()
    other = server.post("/v1/models", data=formats.toy_model(height=8),
                        headers={"Content-Type": "application/octet-stream"}).json()["id"]
    errors = problem(server.post("/v1/jobs", json={**WISH, "init": other, "preset": None}), 422)["errors"]
    assert "1 x 8 x 4" in errors[0]["detail"] and "1 x 6 x 4" in errors[0]["detail"]


def test_unknown_jobs_are_404(start_toy):
    server = start_toy()
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/resume")):
        problem(server.api(method, "/v1/jobs/job_nothing" + path), 404)


# ==== Going wrong ====

@pytest.mark.parametrize("how, text", [
    ("exit", "the loss is not a finite number at step 2"),
    ("signal", "signal 9"),
    ("silent", "something broke badly"),
])
def test_a_trainer_that_fails_is_told_and_the_next_job_runs(trained, how, text):
    server = trained(fail=how)
    job = server.wait_for_job(start_job(server))
    assert job["state"] == "failed" and text in job["error"], job
    assert server.get("/v1/models").json()["items"] == []
    assert server.wait_for_job(start_job(server, max_steps=1))["state"] == "succeeded"


def test_garbage_of_the_trainer_is_ignored(trained):
    server = trained(fail="garbage")
    job_id = start_job(server)
    assert server.wait_for_job(job_id)["state"] == "succeeded"
    assert {event[1] for event in read_events(server, job_id)} == {"start", "progress", "validation", "done", "state"}


def test_a_failed_job_goes_on_from_its_checkpoint(trained):
    server = trained(fail="signal")
    job_id = start_job(server)
    assert server.wait_for_job(job_id)["state"] == "failed"
    problem(server.post(f"/v1/jobs/{job_id}/cancel"), 409)
    assert server.post(f"/v1/jobs/{job_id}/resume").status_code == 202
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded" and job["runs"] == 2
    starts = [event[2] for event in read_events(server, job_id) if event[1] == "start"]
    assert [start["resumed_from"] for start in starts] == [None, 2]
    problem(server.post(f"/v1/jobs/{job_id}/resume"), 409)


# ==== Cancel ====

def test_cancel_stops_at_a_checkpoint_and_resume_goes_on(trained):
    server = trained(pause=0.05)
    job_id = start_job(server, max_steps=20)
    read_events(server, job_id, count=4)
    assert server.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    job = server.wait_for_job(job_id)
    assert job["state"] == "cancelled" and not job["error"], job
    step = job["step"]
    assert 0 < step < 20
    assert server.post(f"/v1/jobs/{job_id}/resume").json()["state"] in ("queued", "running")
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded" and job["step"] == 20
    starts = [event[2] for event in read_events(server, job_id) if event[1] == "start"]
    assert starts[1]["resumed_from"] >= step - 1


def test_a_queued_job_is_cancelled_at_once(trained):
    server = trained(pause=0.1)
    first, second = start_job(server, max_steps=50), start_job(server)
    server.wait_for_job(first, ("running",))
    assert server.post(f"/v1/jobs/{second}/cancel").json()["state"] == "cancelled"
    assert server.post(f"/v1/jobs/{first}/cancel").status_code == 202
    assert server.wait_for_job(first)["state"] == "cancelled"
    assert server.get(f"/v1/jobs/{second}").json()["runs"] == 0


# ==== Events ====

def test_events_resume_behind_the_last_id_and_end_with_204(trained):
    server = trained()
    job_id = start_job(server)
    server.wait_for_job(job_id)
    events = read_events(server, job_id)
    numbered = [event for event in events if event[0]]
    rest = read_events(server, job_id, headers={"Last-Event-ID": numbered[3][0]})
    assert [event for event in rest if event[0]] == numbered[4:]
    assert rest[-1][1] == "state"
    last = server.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": numbered[-1][0]})
    assert last.status_code == 204
    problem(server.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"}), 422)


def test_several_clients_watch_and_leave(trained):
    server = trained(pause=0.05)
    job_id = start_job(server, max_steps=15)
    results = []
    watchers = [threading.Thread(target=lambda: results.append(read_events(server, job_id))) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for _ in range(3):
        read_events(server, job_id, count=2)  # hangs up in the middle
    for watcher in watchers:
        watcher.join()
    ids = [[event[0] for event in events if event[0]] for events in results]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) == 32


# ==== The server ends ====

def child_of(server, wait=5):
    """The process id of the running trainer."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    text = stat.read()
            except OSError:
                continue
            if text.rsplit(")", 1)[1].split()[1] == str(server.process.pid):
                return int(entry)
        time.sleep(0.02)
    raise AssertionError("there is no trainer")


def is_alive(process):
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def watch(server, job_id, heard):
    """Reads the stream until the server ends it."""
    with requests.get(f"{server.url}/v1/jobs/{job_id}/events", stream=True, timeout=30) as answer:
        for _ in answer.iter_lines(chunk_size=1):
            heard.set()


def test_sigterm_leaves_a_job_that_goes_on_by_itself(trained):
    server = trained(pause=0.05)
    job_id = start_job(server, max_steps=20)
    read_events(server, job_id, count=5)
    heard = threading.Event()
    watcher = threading.Thread(target=lambda: watch(server, job_id, heard))
    watcher.start()
    assert heard.wait(10)
    assert server.stop() == 0, "an open event stream does not keep the server"
    watcher.join(10)
    assert not watcher.is_alive()
    server.start()
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded" and job["runs"] == 2 and job["step"] == 20
    starts = [event[2] for event in read_events(server, job_id) if event[1] == "start"]
    assert starts[0]["resumed_from"] is None and starts[1]["resumed_from"] >= 1


def test_after_sigkill_the_trainer_is_dead_and_the_job_goes_on(trained):
    server = trained(pause=0.05)
    job_id = start_job(server, max_steps=20)
    read_events(server, job_id, count=6)
    trainer = child_of(server)
    server.kill()
    end = time.monotonic() + 5
    while is_alive(trainer) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(trainer), "the trainer outlived its server"
    server.start()
    job = server.wait_for_job(job_id)
    assert job["state"] == "succeeded" and job["runs"] == 2


def nice_of(process_id):
    with open(f"/proc/{process_id}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[16])


def test_the_trainer_runs_at_a_lower_priority(trained):
    server = trained(pause=0.05)
    job_id = start_job(server, max_steps=100)
    read_events(server, job_id, count=4)  # it is the trainer itself by now, and hears signals
    assert nice_of(child_of(server)) >= min(19, nice_of(server.process.pid) + 1)
    os.kill(child_of(server), signal.SIGTERM)  # somebody else stops it
    job = server.wait_for_job(job_id)
    assert job["state"] == "cancelled" and "somebody else" in job["error"]
