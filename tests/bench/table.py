"""The table that `make bench` prints, a row as soon as it is known, and what it says about the goals."""
import contextlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    limit: float
    unit: str
    is_upper: bool

    def is_met(self, value):
        return value <= self.limit if self.is_upper else value >= self.limit

    def __str__(self):
        return f"{'≤' if self.is_upper else '≥'} {self.limit:g}{self.unit}"


def at_least(limit, unit=""):
    return Goal(limit, unit, False)


def at_most(limit, unit=""):
    return Goal(limit, unit, True)


def duration(seconds):
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


class Table:
    def __init__(self):
        self.rows = 0
        self.missed = []
        self.notes = []

    def _print(self, *cells):
        if self.rows == 0:
            print("| | beside | genseg | result | goal | |\n| --- | --- | --- | --- | --- | --- |")
        self.rows += 1
        print("|", " | ".join(cells), "|", flush=True)

    def add(self, name, beside, ours, value, goal):
        """value: what the goal is about, in the goal's unit; beside and ours: the two sides, as text."""
        is_met = goal.is_met(value)
        if not is_met:
            self.missed.append(f"{name}: {value:.3g}{goal.unit}, goal {goal}")
        self._print(name, beside, ours, f"{value:.3g}{goal.unit}", str(goal), "met" if is_met else "**missed**")

    def skip(self, name, goal, reason):
        self._print(name, "–", "–", "–", str(goal), reason)

    def fail(self, name, reason):
        self.missed.append(f"{name}: {reason}")
        self._print(name, "–", "–", "–", "–", "**failed**")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    @contextlib.contextmanager
    def row(self, name):
        """Whatever goes wrong while this row is measured is told in the summary; the next rows go on."""
        try:
            yield
        except Exception as error:
            self.fail(name, str(error) or type(error).__name__)

    def print_summary(self):
        for note in self.notes:
            print(f"\n{note}")
        print(f"\n{self.rows} rows, {len(self.missed)} goals missed" + (":" if self.missed else ""))
        for missed in self.missed:
            print(f"- {missed}")
