#!/usr/bin/python3
"""At equal numbers of masks, do suggested slices beat random ones? Over HTTP, as a person would work:

  the same FIRST random masks for all, train, predict; each strategy then draws ADDED slices that it
  suggests (the truth being the pen), trains from scratch, and is measured on the test split.

usage: suggestions.py GENSEG DATA OUT [--seeds 3] [--steps 300] [--first 8] [--added 8]
DATA is a data set with masks for all presence slices (docs/suggestions.md makes one). What
was measured is a line of OUT/suggestions.jsonl; a run that is there is not made again.
"""
import argparse
import json
import math
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import requests

STRATEGIES = ("random", "uncertainty", "disagreement")
PNG = {"Content-Type": "image/png"}


class Server:
    def __init__(self, genseg, folder, *options):
        self.process = subprocess.Popen(
            [genseg, "serve", "--data", folder, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE,
            stderr=open(f"{folder}.log", "ab"), text=True)
        self.url = self.process.stdout.readline().split(" on ")[1].strip()

    def __call__(self, method, path, **options):
        answer = requests.request(method, self.url + path, timeout=120, **options)
        answer.raise_for_status()
        return answer

    def items(self, path, **query):
        found, cursor = [], ""
        while cursor is not None:
            page = self("GET", path, params={**query, "limit": 500, "cursor": cursor or None}).json()
            found, cursor = found + page["items"], page["next_cursor"]
        return found

    def job(self, **wish):
        job = self("POST", "/v1/jobs", json=wish).json()["id"]
        while True:
            job_now = self("GET", f"/v1/jobs/{job}").json()
            if job_now["state"] in ("succeeded", "failed", "cancelled"):
                assert job_now["state"] == "succeeded", job_now["error"]
                return job_now
            time.sleep(0.5)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(120) == 0


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("genseg"), parser.add_argument("data", type=Path), parser.add_argument("out", type=Path)
    for name, value in (("seeds", 3), ("steps", 300), ("first", 8), ("added", 8), ("batch-size", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def wish_of(wish, seed):
    """The page's "quick" settings but for the budget."""
    return {"kind": "train", "dataset": wish.dataset, "preset": "brain", "width": 0.25, "batch_size": wish.batch_size,
            "min_annotated": 1, "average_decay": 0.99, "discriminator_rate": 0.1, "augment": True, "seed": seed,
            "weights": {"adv": 10, "seg": 5, "rec": 20, "lat": 1, "cyc": 20}, "max_steps": wish.steps,
            "activate": "always"}


def test_dice(wish, server, job):
    """Of the model that the job made, on the test split of the whole data set."""
    path = wish.out / "model.safetensors"
    path.write_bytes(server("GET", f"/v1/models/{job['model']}/weights").content)
    said = subprocess.run([wish.genseg, "eval", "--model", path, "--dataset", wish.data], check=True,
                          capture_output=True, text=True).stdout
    return json.loads(said)["dice"]


def draw(server, truth, slices):
    for entry in slices:
        server("PUT", f"/v1/slices/{entry}/annotation", data=truth[entry], headers=PNG)


def suggested(server, wish, strategy, seed, limit):
    answer = server("GET", "/v1/suggestions", params={"dataset": wish.dataset, "strategy": strategy, "seed": seed,
                                                      "label": "presence", "limit": limit}).json()
    return [item["slice"]["id"] for item in answer["items"]]


def begin(wish, folder):
    """A server's folder with all masks of the training part taken away, and those masks."""
    server = Server(wish.genseg, folder, "--import", wish.data)
    truth = {}
    for entry in server.items("/v1/slices", dataset=wish.dataset, annotated="true", split="train"):
        truth[entry["id"]] = server("GET", f"/v1/slices/{entry['id']}/annotation", headers={"Accept": "image/png"}).content
        server("DELETE", f"/v1/slices/{entry['id']}/annotation")
    return server, truth


def run_seed(wish, seed, done, keep):
    base = wish.out / f"seed-{seed}"
    shutil.rmtree(base, ignore_errors=True)
    server, truth = begin(wish, base)
    draw(server, truth, suggested(server, wish, "random", seed, wish.first))
    job = server.job(**wish_of(wish, seed))
    server.job(kind="predict", dataset=wish.dataset)
    keep(seed=seed, strategy="before", masks=wish.first, dice=test_dice(wish, server, job))
    for strategy in STRATEGIES:
        if (seed, strategy) in done:
            continue
        chosen = suggested(server, wish, strategy, seed + 1000, wish.added)
        draw(server, truth, chosen)
        job = server.job(**{**wish_of(wish, seed), "activate": "never"})
        keep(seed=seed, strategy=strategy, masks=wish.first + len(chosen), dice=test_dice(wish, server, job))
        for entry in chosen:
            server("DELETE", f"/v1/slices/{entry}/annotation")
    server.stop()
    shutil.rmtree(base)


def main():
    wish = options()
    wish.out.mkdir(parents=True, exist_ok=True)
    wish.dataset = json.loads((wish.data / "dataset.json").read_text())["name"]
    kept = wish.out / "suggestions.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []

    def keep(**line):
        lines.append(line)
        with open(kept, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    for seed in range(1, wish.seeds + 1):
        done = {(line["seed"], line["strategy"]) for line in lines}
        if not all((seed, strategy) in done for strategy in STRATEGIES):
            run_seed(wish, seed, done, keep)
    for strategy in ("before", *STRATEGIES):
        by_seed = {line["seed"]: line["dice"] for line in lines if line["strategy"] == strategy}
        values = list(by_seed.values())
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        print(f"{strategy:13} Dice {statistics.mean(values):.3f} ± {spread:.3f} ({len(values)} seeds)")


main()
