"""A strict reader of Prometheus' text format 0.0.4: what promtool would complain about is an assertion here."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def number(text):
    return {"+Inf": math.inf, "-Inf": -math.inf}.get(text) if text.endswith("Inf") else float(text)


def parse(text):
    """{family: {"type", "help", "samples": {(name, labels as sorted tuples): value}}}"""
    families, current, seen = {}, None, set()
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, helping = line[7:].partition(" ")
            assert re.fullmatch(NAME, name) and helping, line
            assert name not in families, f"{name} comes in two places"
            current = families[name] = {"help": helping, "type": None, "samples": {}}
            current["name"] = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert current and name == current["name"] and not current["samples"] and not current["type"], line
            assert kind in ("counter", "gauge", "histogram"), line
            current["type"] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match[1], tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")))
            assert current and belongs(name, current), f"{line} is not of {current and current['name']}"
            assert len({key for key, _ in labels}) == len(labels), line
            assert (name, labels) not in seen, f"{line} comes twice"
            seen.add((name, labels))
            current["samples"][name, labels] = number(match[3])
    for family in families.values():
        check(family)
    return families


def belongs(name, family):
    if family["type"] == "histogram":
        return name in [family["name"] + ending for ending in ("_bucket", "_sum", "_count")]
    return name == family["name"]


def check(family):
    name = family["name"]
    assert family["type"], f"{name} has no TYPE"
    assert (family["type"] == "counter") == name.endswith("_total"), name
    if family["type"] == "counter":
        assert all(value >= 0 for value in family["samples"].values()), name
    if family["type"] != "histogram":
        return
    rows = {}
    for (sample, labels), value in family["samples"].items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        row = rows.setdefault(rest, {"buckets": []})
        if sample.endswith("_bucket"):
            row["buckets"].append((number(dict(labels)["le"]), value))
        else:
            row[sample[len(name):]] = value
    for labels, row in rows.items():
        bounds, counts = zip(*row["buckets"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == math.inf, (name, labels)
        assert list(counts) == sorted(counts), (name, labels)
        assert counts[-1] == row["_count"] and "_sum" in row, (name, labels)


def sample(families, name, **labels):
    """The value of one sample."""
    for family in families.values():
        if (name, tuple(sorted(labels.items()))) in family["samples"]:
            return family["samples"][name, tuple(sorted(labels.items()))]
    raise AssertionError(f"no {name}{labels}")
