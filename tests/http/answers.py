"""Holds every answer that a test gets through `requests` against openapi.yaml, and notes which answers of
which operations were seen: one file per run in the folder GENSEG_COVERAGE, which test_z_coverage.py reads."""
import os
from pathlib import Path
from urllib.parse import urlsplit

import requests

import contract

_seen = set()
_send = requests.Session.send
_prefixes = set()


def watch(url):
    """Answers below this address are those of a server under test."""
    _prefixes.add(url)


def note(method, path, status):
    """An answer that did not come through `requests`."""
    template, operation = contract.operation_of(method, path)
    if operation:
        _seen.add((method, template, str(status)))


def _checked_send(session, request, **options):
    answer = _send(session, request, **options)
    parts = urlsplit(request.url)
    if f"{parts.scheme}://{parts.netloc}" in _prefixes:
        # A stream that is read as it comes is not read here.
        contract.check(request.method, parts.path, answer, has_body=not options.get("stream"))
        note(request.method, parts.path, answer.status_code)
    return answer


def install():
    requests.Session.send = _checked_send


def folder():
    """Where runs leave what they saw; None when nobody asked."""
    name = os.environ.get("GENSEG_COVERAGE")
    return Path(name) if name else None


def write(run):
    """Replaces what an earlier run of that name saw."""
    if folder():
        folder().mkdir(parents=True, exist_ok=True)
        lines = sorted(" ".join(entry) for entry in _seen)
        (folder() / f"{run}.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read():
    """All that all runs saw."""
    return {tuple(line.split(" ")) for file in folder().glob("*.txt")
            for line in file.read_text(encoding="utf-8").splitlines()}
