"""What better.py says of experiments: which are better, which are not, and which say nothing."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("better.py")


def results(*rows, fraction=0.1):
    """Rows of (method, Dice by seed); None for a run that failed."""
    table, runs = [], []
    for method, dices in rows:
        good = [dice for dice in dices if dice is not None]
        table.append({"method": method, "fraction": fraction, "failed": len(dices) - len(good),
                      "dice": {"mean": sum(good) / len(good) if good else None}})
        for seed, dice in enumerate(dices, 1):
            run = {"method": method, "fraction": fraction, "seed": seed}
            runs.append(run | ({"failure": "not finite"} if dice is None else {"test": {"dice": dice}}))
    return {"table": table, "runs": runs}


def judge(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    done = subprocess.run([sys.executable, SCRIPT, path, "ours", "theirs"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("ours, theirs, status", [
    ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], 0),
    ([0.5, 0.6, 0.7], [0.49, 0.59, 0.69], 0),  # little, but with every seed
    ([0.5, 0.6, 0.39], [0.4, 0.5, 0.4], 0),  # not with every seed, but by a margin
    ([0.5, 0.6, 0.39], [0.49, 0.59, 0.4], 1),  # neither: higher on average is not enough
    ([0.5, 0.6, 0.7], [0.5, 0.6, 0.7], 1),
    ([0.4, 0.5, 0.6], [0.5, 0.6, 0.7], 1),
])
def test_better_is_with_every_seed_or_by_a_margin(tmp_path, ours, theirs, status):
    code, said = judge(tmp_path, results(("ours", ours), ("theirs", theirs), ("third", [0.1, 0.2, 0.3])))
    assert code == status, said
    assert ("ours is better" if status == 0 else "ours is not better") in said
    assert "third 0.200" in said


@pytest.mark.parametrize("ours, theirs", [([0.9, None], [0.1, 0.1]), ([0.9, 0.9], [0.1, None]), ([None], [0.1])])
def test_a_failed_run_says_nothing(tmp_path, ours, theirs):
    code, said = judge(tmp_path, results(("ours", ours), ("theirs", theirs)))
    assert code == 1 and "failed" in said and "is better" not in said


def test_other_seeds_or_a_missing_method_say_nothing(tmp_path):
    code, said = judge(tmp_path, results(("ours", [0.9, 0.9]), ("theirs", [0.1])))
    assert code == 1 and "same seeds" in said
    code, said = judge(tmp_path, results(("ours", [0.9, 0.9])))
    assert code == 1 and "theirs has no Dice" in said
    assert judge(tmp_path, {"table": [], "runs": []})[0] == 1


def test_every_fraction_counts(tmp_path):
    good, bad = results(("ours", [0.9]), ("theirs", [0.1])), results(("ours", [0.1]), ("theirs", [0.9]), fraction=1)
    code, said = judge(tmp_path, {key: good[key] + bad[key] for key in good})
    assert code == 1 and "fraction 0.1" in said and "fraction 1:" in said
