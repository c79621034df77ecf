#!/usr/bin/env python3
"""Whether one method of an experiment has a higher mean test Dice than another at every fraction.
usage: better.py results.json METHOD BASELINE"""
import json
import sys


def mean_dice(results, method):
    """By fraction of masks."""
    rows = [row for row in results["table"] if row["method"] == method]
    if not rows or any(row["failed"] or row["dice"]["mean"] is None for row in rows):
        sys.exit(f"{method} has no Dice, or a run of it failed")
    return {row["fraction"]: row["dice"]["mean"] for row in rows}


def main(path, method, baseline):
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    ours, theirs = mean_dice(results, method), mean_dice(results, baseline)
    if ours.keys() != theirs.keys():
        sys.exit(f"{method} and {baseline} were not run at the same fractions")
    worse = 0
    for fraction, dice in ours.items():
        print(f"fraction {fraction:g}: {method} {dice:.3f}, {baseline} {theirs[fraction]:.3f}")
        worse += not dice > theirs[fraction]
    return 1 if worse else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
