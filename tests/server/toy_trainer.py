#!/usr/bin/python3
"""A trainer that trains nothing: it speaks docs/training-process.md and writes a model of the toy
engine. What it does is steered by TOY_TRAINER, a JSON object in the environment:

  steps       progress lines to print (default 5; the job's max_steps comes first)
  pause       seconds between them (default 0.02)
  fail        "exit", "signal", "silent" or "garbage": how it goes wrong, at step fail_at (default 2)
  recover_at  a step at which it says that it went back
  ignore_term true: SIGTERM is not heard
  offset      of the model that it writes (default 0)
  panel       steps of which it leaves a sheet of 2 x 1 pixels, the first as bright as the step
"""
import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
import formats  # noqa: E402 (beside the HTTP tests)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train"])
    for name in ("--dataset", "--out", "--init", "--method", "--preset", "--weights", "--backend",
                 "--translation", "--encoder-norm", "--decoder-norm", "--skips", "--teacher", "--precision"):
        parser.add_argument(name)
    for name in ("--batch-size", "--epochs", "--max-steps", "--max-seconds", "--seed", "--threads",
                 "--min-annotated", "--panel", "--patience", "--pretraining-steps", "--validate-every", "--device"):
        parser.add_argument(name, type=int)
    for name in ("--width", "--learning-rate", "--discriminator-rate", "--dropout", "--average-decay", "--annotated"):
        parser.add_argument(name, type=float)
    for name in ("--resume", "--augment", "--mutual-information", "--keep-last", "--unguarded"):
        parser.add_argument(name, action="store_true")
    return parser.parse_args()


def say(event, step, **fields):
    print(json.dumps({"event": event, "step": step, **fields}), flush=True)


def write_whole(path, text):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_panel(folder, steps):
    folder.mkdir(exist_ok=True)
    write_whole(folder / "panel.json", json.dumps({"rows": ["image"], "slices": ["p"], "height": 1, "width": 2}))
    for step in steps:
        (folder / f"{step:012}.png").write_bytes(formats.png([[step, 0]]))


def go_wrong(how):
    if how == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "silent":
        sys.stderr.write("something broke\nbadly\n")
        sys.exit(3)
    if how == "garbage":
        print("not JSON {")
        print("[1, 2]")
        print("{" * 5000)
        print("x" * 200000)
        print('{"event": "unheard of", "step": 1}', flush=True)
        return
    say("error", 2, status="NUMERIC", detail="the loss is not a finite number at step 2")
    sys.exit(1)


def main():
    wish, plan = options(), json.loads(os.environ.get("TOY_TRAINER", "{}"))
    out, data = Path(wish.out), json.loads((Path(wish.dataset) / "dataset.json").read_text())
    (out / "arguments.json").write_text(json.dumps(sys.argv))
    stopped = []
    if plan.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    checkpoint = out / "checkpoint.safetensors"
    first = int(checkpoint.read_text()) if wish.resume else 0
    steps = wish.max_steps or plan.get("steps", 5)
    labels = [entry["label"] for entry in data["slices"]]
    say("start", first, method=wish.method, preset=wish.preset, width=wish.width, channels=data["channels"],
        height=data["height"], columns=data["width"], parameters=1, batch_size=wish.batch_size, total_steps=steps,
        slices={"presence": labels.count("presence"), "absence": labels.count("absence"), "annotated": 1,
                "validation": 0}, resumed_from=first if wish.resume else None)
    for step in range(first + 1, steps + 1):
        time.sleep(plan.get("pause", 0.02))
        if stopped:
            write_whole(checkpoint, str(step - 1))
            say("checkpoint", step - 1)
            sys.exit(75)
        say("progress", step, epoch=1, fraction=step / steps, seconds=0.1,
            losses={"seg": -step / steps, "adv": 1, "rec": 1, "lat": 1, "cyc": 1, "gen": 1, "disc": 1})
        say("validation", step, epoch=1, dice=step / steps * 0.9, best=True)
        write_whole(checkpoint, str(step))
        if step == plan.get("recover_at"):
            say("recovery", step, reason=f"the gen loss is not finite after step {step}", back_to=step - 1,
                recoveries=1, learning_rate=0.00025)
        if plan.get("fail") and step == plan.get("fail_at", 2):
            go_wrong(plan["fail"])
    if plan.get("panel"):
        write_panel(out / "panel", plan["panel"])
    write_whole(out / "model.safetensors", json.dumps({
        "toy": 1, "preset": wish.preset, "width": wish.width, "channels": data["channels"], "height": data["height"],
        "columns": data["width"], "normalization": data["normalization"], "seed": wish.seed, "init": wish.init,
        "offset": plan.get("offset", 0.0), "compute_ms": 0, "load_ms": 0}))
    say("done", steps, dice=0.9, seconds=0.5)


main()
