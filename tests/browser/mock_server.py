"""A stand-in for the server, for developing and testing the viewer alone: the same interface (problems,
pages, .npy, server-sent events that resume), with toy models and a training that only pretends.

    python3 mock_server.py --port 8080 [--slices 48] [--job-seconds 8]
"""
import argparse
import json
import math
import random
import re
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import mock_engine as engine
import synthetic

WEB = Path(__file__).resolve().parents[2] / "web"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css",
         ".svg": "image/svg+xml"}
POLICY = "default-src 'self'; img-src 'self' blob: data:"
LABELS = ("presence", "absence", "unknown")
JOB_STEPS = 40


class Problem(Exception):
    def __init__(self, status, detail, errors=()):
        super().__init__(detail)
        self.status, self.errors = status, list(errors)


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class State:
    """Everything the mock keeps. One lock for all of it."""

    def __init__(self, job_seconds):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.job_seconds = job_seconds
        self.datasets, self.slices, self.contents, self.masks = {}, {}, {}, {}
        self.models, self.jobs, self.events, self.cancelled = {}, {}, {}, set()
        self.active = None
        self.number = 0

    def new_id(self, prefix):
        self.number += 1
        return f"{prefix}_{self.number:016d}"

    def add_dataset(self, name, settings):
        known = name in self.datasets
        record = self.datasets.setdefault(name, {
            "name": name, "normalization": "none", "channels": None, "height": None, "width": None,
            "created_at": now()})
        record.update(settings)
        return 200 if known else 201, self.dataset(name)

    def dataset(self, name):
        if name not in self.datasets:
            raise Problem(404, f"there is no data set '{name}'")
        mine = [s for s in self.slices.values() if s["dataset"] == name]
        counts = {label: sum(s["label"] == label for s in mine) for label in LABELS}
        annotated = [s for s in mine if s["annotated"]]
        counts.update(slices=len(mine), cases=len({s["case"] for s in mine}), annotated=len(annotated),
                      annotated_presence=sum(s["label"] == "presence" for s in annotated))
        counts["training"] = {key: counts[key] for key in ("presence", "absence", "annotated_presence")}
        return {**self.datasets[name], "counts": counts}

    def slice(self, slice_id):
        if slice_id not in self.slices:
            raise Problem(404, f"there is no slice '{slice_id}'")
        return self.slices[slice_id]

    def pixels(self, slice_id):
        kind, body = self.contents[self.slice(slice_id)["id"]]
        if kind == "image/png":
            return [value / 255 for value in engine.parse_png(body)[2]]
        return engine.parse_npy(body)[1]

    def add_slice(self, query, kind, body):
        dataset = self.dataset(query.get("dataset", ""))
        channels = []
        if kind == "image/png":
            width, height, _ = engine.parse_png(body)
        elif kind == "application/x-npy":
            *channels, height, width = engine.parse_npy(body)[0]
        else:
            raise Problem(415, f"a slice is image/png or application/x-npy, not '{kind}'")
        size = {"channels": channels[0] if channels else 1, "height": height, "width": width}
        self.datasets[dataset["name"]].update(size)
        record = {"id": self.new_id("slc"), "dataset": dataset["name"], "case": query.get("case"),
                  "index": int(query["index"]) if "index" in query else None, "name": query.get("name"),
                  "sha256": f"{hash(body) & 2**64 - 1:016x}",
                  "label": query.get("label", "unknown"), "annotated": False, "created_at": now(), **size}
        self.slices[record["id"]] = record
        self.contents[record["id"]] = (kind, body)
        return record

    def add_model(self, job):
        record = {"id": self.new_id("mdl"), "name": "", "parent": None, "job": None, "preset": "brain",
                  "width": 0.25, "metrics": {"dice": 0.81, "steps": 1200, "seconds": 540}, "dataset": None,
                  "weights_size": 4200000, "sha256": "0" * 64, "created_at": now()}
        trained = self.datasets[job["dataset"] if job else next(iter(self.datasets))]
        record["input"] = {name: trained[name] for name in ("channels", "height", "width", "normalization")}
        if job:
            init = job["request"].get("init", "scratch")
            record.update(job=job["id"], preset=job["request"]["preset"], parent=None if init == "scratch" else init,
                          metrics={"dice": job["dice"], "steps": job["step"], "seconds": self.job_seconds},
                          dataset={"dataset": job["dataset"], **self.dataset(job["dataset"])["counts"]})
        self.models[record["id"]] = record
        self.active = self.active or record["id"]
        return record

    def model(self, model_id):
        if model_id not in self.models:
            raise Problem(404, f"there is no model '{model_id}'")
        return {**self.models[model_id], "active": model_id == self.active}

    def subject(self, request):
        """The active model's id and the slice that a request is about."""
        if not self.active:
            raise Problem(409, "no model is active; train one, or upload one and activate it")
        record = self.slice(request.get("slice_id", ""))
        expected, got = ([where[side] for side in ("channels", "height", "width")]
                         for where in (self.models[self.active]["input"], record))
        if expected != got:
            raise Problem(422, f"the model takes images of {expected} (channels, height, width), this is {got}")
        return self.active, record

    def add_job(self, request):
        counts = self.dataset(request.get("dataset", ""))["counts"]
        missing = [what for key, what in (("presence", "slices labelled presence"),
                                          ("absence", "slices labelled absence"),
                                          ("annotated_presence", "annotated slices labelled presence"))
                   if not counts[key]]
        if missing and request.get("method", "genseg") == "genseg":
            text = f"lacks {', '.join(missing)}"
            raise Problem(422, f"data set '{request['dataset']}' cannot train genseg, it {text}",
                          [{"field": "dataset", "detail": text}])
        job = {"id": self.new_id("job"), "kind": "train", "state": "queued", "dataset": request["dataset"],
               "request": {"method": "genseg", "preset": "brain", "width": 0.25, **request}, "snapshot": None,
               "progress": 0.0, "step": 0, "losses": None, "dice": None, "model": None, "error": None, "runs": 0,
               "created_at": now(), "started_at": None, "finished_at": None}
        self.jobs[job["id"]] = job
        self.events[job["id"]] = []
        self.run(job)
        return job

    def job(self, job_id):
        if job_id not in self.jobs:
            raise Problem(404, f"there is no job '{job_id}'")
        return self.jobs[job_id]

    def run(self, job):
        self.cancelled.discard(job["id"])
        threading.Thread(target=self.pretend, args=(job,), daemon=True).start()

    def tell(self, job, name, data, **update):
        with self.changed:
            job.update(update)
            events = self.events[job["id"]]
            events.append((len(events) + 1, name, data))
            self.changed.notify_all()

    def become(self, job, state, **update):
        with self.changed:
            job.update(state=state, **update)
            self.changed.notify_all()

    def pretend(self, job):
        """A training that goes the way trainings go."""
        self.become(job, "running", runs=job["runs"] + 1, started_at=job["started_at"] or now(),
                    finished_at=None)
        rng = random.Random(job["id"])
        seconds = min(self.job_seconds, job["request"].get("max_seconds", self.job_seconds))
        for tick in range(int(job["progress"] * JOB_STEPS) + 1, JOB_STEPS + 1):
            time.sleep(seconds / JOB_STEPS)
            if job["id"] in self.cancelled:
                return self.become(job, "cancelled", finished_at=now())
            step, fall = 25 * tick, math.exp(-tick / 12)
            noise = {name: rng.gauss(0, 0.03) for name in ("seg", "adv", "rec", "lat", "cyc", "gen", "disc")}
            losses = {"seg": -0.85 * (1 - fall) + noise["seg"], "adv": 0.6 + fall + noise["adv"],
                      "rec": 0.04 + 0.3 * fall * (1 + noise["rec"]), "lat": 0.2 + 0.5 * fall + noise["lat"] / 2,
                      "cyc": 0.05 + 0.35 * fall * (1 + noise["cyc"]), "gen": 0.3 + fall + noise["gen"],
                      "disc": 2 - 0.8 * (1 - fall) + noise["disc"]}
            self.tell(job, "progress", {"event": "progress", "step": step, "epoch": tick // 4,
                                        "fraction": tick / JOB_STEPS, "losses": losses,
                                        "seconds": tick * seconds / JOB_STEPS},
                      progress=tick / JOB_STEPS, step=step, losses=losses)
            if tick % 4 == 0:
                value = 0.86 * (1 - fall) + rng.gauss(0, 0.02)
                best = value > (job["dice"] or 0)
                self.tell(job, "validation", {"event": "validation", "step": step, "epoch": tick // 4,
                                              "dice": value, "best": best},
                          dice=value if best else job["dice"])
        with self.lock:
            model = self.add_model(job)
        return self.become(job, "succeeded", model=model["id"], finished_at=now())


STATE = None


def page(items, query):
    limit = int(query.get("limit", 50))
    start = int(query.get("cursor") or 0)
    if not 1 <= limit <= 500:
        raise Problem(400, "limit must be 1 to 500", [{"field": "limit", "detail": "must be 1 to 500"}])
    more = start + limit < len(items)
    return 200, {"items": items[start:start + limit], "next_cursor": str(start + limit) if more else None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer leaves in one piece

    def log_message(self, *_):
        pass

    # ==== Answers ====

    def send(self, status, body=b"", kind=None, **headers):
        self.send_response(status)
        self.send_header("X-Request-Id", f"mock-{id(self):x}")
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status, value, kind="application/json"):
        self.send(status, json.dumps(value).encode(), kind)

    def answer(self):
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        try:
            for method, pattern, handler in ROUTES:
                match = re.fullmatch(pattern, parts.path)
                if match and method == self.command:
                    result = handler(self, *map(unquote, match.groups()))
                    if result:
                        self.send_json(*result)
                    return
            raise Problem(404, f"there is nothing at {parts.path}")
        except Problem as problem:
            self.send_json(problem.status, {"type": "about:blank", "title": "Problem", "status": problem.status,
                                            "detail": str(problem), "errors": problem.errors},
                           "application/problem+json")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def json_body(self):
        return json.loads(self.body or b"{}")

    # ==== Viewer ====

    def web(self, name):
        path = (WEB / (name or "index.html")).resolve()
        if WEB not in path.parents or not path.is_file():
            raise Problem(404, f"there is nothing at /{name}")
        self.send(200, path.read_bytes(), TYPES.get(path.suffix, "application/octet-stream"),
                  Content_Security_Policy=POLICY, Cache_Control="no-cache")

    def healthz(self):
        return 200, {"status": "ok"}

    def session(self):
        return 200, {"auth": False, "name": None, "scopes": ["read", "annotate", "train", "admin"], "csrf_token": None}

    # ==== Data sets and slices ====

    def dataset_list(self):
        with STATE.lock:
            return page([STATE.dataset(name) for name in STATE.datasets], self.query)

    def dataset_put(self, name):
        with STATE.lock:
            return STATE.add_dataset(name, self.json_body())

    def dataset_get(self, name):
        with STATE.lock:
            return 200, STATE.dataset(name)

    def slice_create(self):
        with STATE.lock:
            return 201, STATE.add_slice(self.query, self.headers.get("Content-Type"), self.body)

    def slice_list(self):
        def fits(record):
            wanted = {name: self.query[name] for name in ("dataset", "case", "label") if name in self.query}
            annotated = self.query.get("annotated")
            return (all(record[name] == value for name, value in wanted.items()) and
                    (annotated is None or record["annotated"] == (annotated == "true")))
        with STATE.lock:
            return page([record for record in STATE.slices.values() if fits(record)], self.query)

    def slice_get(self, slice_id):
        return 200, STATE.slice(slice_id)

    def slice_image(self, slice_id):
        record = STATE.slice(slice_id)
        size, channel = record["width"] * record["height"], int(self.query.get("channel", 0))
        pixels = STATE.pixels(slice_id)[channel * size:(channel + 1) * size]
        picture = synthetic.gray(pixels, min(pixels), max(pixels))
        self.send(200, synthetic.png(record["width"], record["height"], picture), "image/png",
                  Cache_Control="private, max-age=60")

    def slice_content(self, slice_id):
        STATE.slice(slice_id)
        kind, body = STATE.contents[slice_id]
        if self.headers.get("Accept") == "application/x-npy":
            return self.send_npy(STATE.pixels(slice_id), STATE.slice(slice_id))
        return self.send(200, body, kind)

    def label_put(self, slice_id):
        label = self.json_body().get("label")
        if label not in LABELS:
            raise Problem(422, "label must be presence, absence or unknown",
                          [{"field": "label", "detail": "must be presence, absence or unknown"}])
        with STATE.lock:
            STATE.slice(slice_id)["label"] = label
            return 200, STATE.slice(slice_id)

    def annotation_put(self, slice_id):
        record = STATE.slice(slice_id)
        width, height, rows = engine.parse_png(self.body)
        if (width, height) != (record["width"], record["height"]):
            raise Problem(422, f"the mask is {width} x {height}, the slice {record['width']} x {record['height']}")
        STATE.masks[slice_id] = rows
        record["annotated"] = True
        return 200, {"slice_id": slice_id}

    def annotation_get(self, slice_id):
        record = STATE.slice(slice_id)
        if slice_id not in STATE.masks:
            raise Problem(404, f"slice {slice_id} has no annotation")
        self.send(200, synthetic.png(record["width"], record["height"], STATE.masks[slice_id]), "image/png")

    # ==== Inference ====

    def send_npy(self, values, record):
        self.send(200, synthetic.npy(values, (record["height"], record["width"])), "application/x-npy")

    def segment(self):
        request = self.json_body()
        model, record = STATE.subject(request)
        found = engine.probabilities(STATE.pixels(record["id"]), record["width"])
        if self.headers.get("Accept") == "application/x-npy":
            return self.send_npy(found, record)
        bits = [value > request.get("threshold", 0.5) for value in found]
        answer = {"model": model, "width": record["width"], "height": record["height"], "area": sum(bits),
                  "mask": engine.rle(bits, record["width"])}
        if record["annotated"]:
            answer["dice"] = engine.dice(bits, STATE.masks[record["id"]])
        return 200, answer

    def translate(self):
        request = self.json_body()
        model, record = STATE.subject(request)
        pixels, width = STATE.pixels(record["id"]), record["width"]
        if request.get("direction") == "absence_to_presence":
            outputs = engine.insertion(pixels, width, request.get("seed", 0))
        else:
            outputs = engine.removal(pixels, width)
        if "output" not in self.query:
            return 200, {"model": model, "outputs": {name: engine.rendered(values, width)
                                                     for name, values in outputs.items()}}
        return self.send_npy(outputs[self.query["output"]], record)

    def sample(self):
        request = self.json_body()
        model, record = STATE.subject(request)
        pixels, width = STATE.pixels(record["id"]), record["width"]
        way = request.get("interpolate")
        if way:
            last = way.get("steps", 8) - 1
            drawn = [({"seed": {0: way["from"], last: way["to"]}.get(i), "t": i / last},
                      engine.between(pixels, width, way["from"], way["to"], i / last)) for i in range(last + 1)]
        else:
            first = request.get("seed", 0)
            drawn = [({"seed": seed}, engine.insertion(pixels, width, seed))
                     for seed in range(first, first + request.get("count", 4))]
        samples = []
        for said, outputs in drawn:
            bits = [value > 0.5 for value in engine.probabilities(outputs["translated"], width)]
            samples.append({**said, "image": engine.rendered(outputs["translated"], width),
                            "residual": engine.rendered(outputs["residual"], width),
                            "area": sum(bits), "mask": engine.rle(bits, width)})
        return 200, {"model": model, "samples": samples}

    # ==== Models and jobs ====

    def model_list(self):
        with STATE.lock:
            return page([STATE.model(name) for name in reversed(STATE.models)], self.query)

    def model_activate(self):
        with STATE.lock:
            STATE.active = STATE.model(self.json_body().get("id", ""))["id"]
            return 200, STATE.model(STATE.active)

    def job_list(self):
        with STATE.lock:
            return page(list(reversed(STATE.jobs.values())), self.query)

    def job_create(self):
        with STATE.lock:
            return 202, STATE.add_job(self.json_body())

    def job_get(self, job_id):
        return 200, STATE.job(job_id)

    def job_cancel(self, job_id):
        job = STATE.job(job_id)
        if job["state"] not in ("queued", "running"):
            raise Problem(409, f"job {job_id} is {job['state']}, there is nothing to cancel")
        STATE.cancelled.add(job_id)
        return 202, job

    def job_resume(self, job_id):
        job = STATE.job(job_id)
        if job["state"] not in ("failed", "cancelled"):
            raise Problem(409, f"job {job_id} is {job['state']}; only a failed or cancelled one can go on")
        STATE.become(job, "queued", finished_at=None)
        STATE.run(job)
        return 202, job

    def job_events(self, job_id):
        job = STATE.job(job_id)
        last = int(self.headers.get("Last-Event-ID") or 0)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        told = None
        while True:
            with STATE.changed:
                news = STATE.events[job_id][last:]
                state = {name: job[name] for name in ("state", "model", "error")}
                if not news and state["state"] == told:
                    STATE.changed.wait(1)
                    continue
            for number, name, data in news:
                last = number
                self.wfile.write(f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())
            if state["state"] != told:
                told = state["state"]
                self.wfile.write(f"event: state\ndata: {json.dumps(state)}\n\n".encode())
            self.wfile.flush()
            if told in ("succeeded", "failed", "cancelled"):
                return


ONE = r"([^/]+)"
ROUTES = [
    ("GET", "/healthz", Handler.healthz),
    ("GET", "/v1/session", Handler.session),
    ("GET", "/v1/datasets", Handler.dataset_list),
    ("PUT", f"/v1/datasets/{ONE}", Handler.dataset_put),
    ("GET", f"/v1/datasets/{ONE}", Handler.dataset_get),
    ("POST", "/v1/slices", Handler.slice_create),
    ("GET", "/v1/slices", Handler.slice_list),
    ("GET", f"/v1/slices/{ONE}", Handler.slice_get),
    ("GET", f"/v1/slices/{ONE}/image", Handler.slice_image),
    ("GET", f"/v1/slices/{ONE}/thumbnail", Handler.slice_image),
    ("GET", f"/v1/slices/{ONE}/content", Handler.slice_content),
    ("PUT", f"/v1/slices/{ONE}/label", Handler.label_put),
    ("PUT", f"/v1/slices/{ONE}/annotation", Handler.annotation_put),
    ("GET", f"/v1/slices/{ONE}/annotation", Handler.annotation_get),
    ("POST", "/v1/segment", Handler.segment),
    ("POST", "/v1/translate", Handler.translate),
    ("POST", "/v1/sample", Handler.sample),
    ("GET", "/v1/models", Handler.model_list),
    ("PUT", "/v1/models/active", Handler.model_activate),
    ("GET", "/v1/jobs", Handler.job_list),
    ("POST", "/v1/jobs", Handler.job_create),
    ("GET", f"/v1/jobs/{ONE}", Handler.job_get),
    ("POST", f"/v1/jobs/{ONE}/cancel", Handler.job_cancel),
    ("POST", f"/v1/jobs/{ONE}/resume", Handler.job_resume),
    ("GET", f"/v1/jobs/{ONE}/events", Handler.job_events),
    ("GET", "/([^/]*|annotate/[^/]+)", Handler.web),
]


def main():
    global STATE
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--slices", type=int, default=0, help="slices to begin with, and a model")
    parser.add_argument("--job-seconds", type=float, default=8, help="the longest a training takes")
    options = parser.parse_args()
    STATE = State(options.job_seconds)
    if options.slices:
        STATE.add_dataset("demo", {})
        for case, index, label, made, mask in synthetic.population(options.slices, 240, 120):
            body = synthetic.png(120, 240, synthetic.gray(made.pixels))
            record = STATE.add_slice({"dataset": "demo", "case": case, "index": str(index), "label": label,
                                      "name": f"{case} z{index}"}, "image/png", body)
            if mask:
                STATE.masks[record["id"]] = mask
                record["annotated"] = True
        STATE.add_model(None)
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
