#!/usr/bin/env python3
"""Whether one method of an experiment is better than another at every fraction of masks: its test
Dice is higher with every seed, or its mean by a margin of 0.05. Says so of all methods that ran.
usage: better.py results.json METHOD BASELINE"""
import json
import sys

MARGIN = 0.05


def mean_dice(results):
    """{fraction: {method: mean test Dice}}; None where runs failed."""
    means = {}
    for row in results["table"]:
        dice = None if row["failed"] else row["dice"]["mean"]
        means.setdefault(row["fraction"], {})[row["method"]] = dice
    return means


def dice_by_seed(results, method, fraction):
    return {run["seed"]: run["test"]["dice"] for run in results["runs"]
            if run["method"] == method and run["fraction"] == fraction and "test" in run}


def is_better(results, method, baseline, fraction, means):
    for name in (method, baseline):
        if means.get(name) is None:
            sys.exit(f"fraction {fraction:g}: {name} has no Dice, or a run of it failed")
    ours, theirs = (dice_by_seed(results, name, fraction) for name in (method, baseline))
    if not ours or ours.keys() != theirs.keys():
        sys.exit(f"fraction {fraction:g}: {method} and {baseline} were not run with the same seeds")
    wins = sum(ours[seed] > theirs[seed] for seed in ours)
    margin = means[method] - means[baseline]
    print(f"fraction {fraction:g}: {method} is higher with {wins} of {len(ours)} seeds, by {margin:+.3f} on average")
    return wins == len(ours) or margin >= MARGIN


def main(path, method, baseline):
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    worse = 0
    table = mean_dice(results)
    if not table:
        sys.exit("nothing was run")
    for fraction, means in table.items():
        for name, dice in means.items():
            print(f"fraction {fraction:g}: {name} " + ("failed" if dice is None else f"{dice:.3f}"))
        worse += not is_better(results, method, baseline, fraction, means)
    print(f"{method} is {'not ' if worse else ''}better than {baseline}")
    return 1 if worse else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
