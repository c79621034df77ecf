"""A thin client for the tests. Every answer is held against openapi.yaml."""
import contextlib
import itertools
import re

import requests

import contract
from conftest import Server

_numbers = itertools.count()


@contextlib.contextmanager
def serving(folder, *options):
    """An Api to a new server that ends with status 0."""
    server = Server(folder / "data", options=options)
    try:
        yield Api(server.url)
    finally:
        status = server.stop()
    assert status == 0, server.log_text()[-3000:]


def unique(prefix):
    return f"{prefix}-{next(_numbers)}"


class Api:
    def __init__(self, url):
        self.url = url

    def __call__(self, method, path, status, **arguments):
        arguments.setdefault("timeout", 30)
        answer = requests.request(method, self.url + path, **arguments)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["X-Request-Id"]
        contract.check(method, path, answer)
        if status >= 400:
            check_problem(answer)
        return answer

    def get(self, path, status=200, **arguments):
        return self("GET", path, status, **arguments)

    def put(self, path, status=200, **arguments):
        return self("PUT", path, status, **arguments)

    def post(self, path, status=200, **arguments):
        return self("POST", path, status, **arguments)

    def delete(self, path, status=204, **arguments):
        return self("DELETE", path, status, **arguments)

    def dataset(self, **settings):
        """A new data set's name."""
        name = unique("set")
        self.put(f"/v1/datasets/{name}", 201, json=settings)
        return name

    def upload(self, dataset, data, content_type="image/png", status=201, headers=None, **query):
        return self.post("/v1/slices", status, params={"dataset": dataset, **query}, data=data,
                         headers={"Content-Type": content_type, **(headers or {})})

    def slice(self, dataset, data, **more):
        return self.upload(dataset, data, **more).json()


def check_problem(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"] and problem["detail"] and problem["type"].startswith("urn:genseg:problem:")
    for entry in problem.get("errors", []):
        assert entry["field"] and entry["detail"]


def check_time(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)


def fields_of(answer):
    return [entry["field"] for entry in answer.json().get("errors", [])]
