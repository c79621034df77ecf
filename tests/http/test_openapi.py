"""openapi.yaml describes exactly the calls there are, and is served."""
import json
import re

import pytest

import contract
from api import serving
from contract import DOCUMENT, METHODS, ROOT


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as api:
        yield api


def operations():
    return [(method, path, operation) for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items() if method in METHODS]


def test_it_is_served_as_yaml_and_as_json(api):
    answer = api.get("/openapi.yaml")
    assert answer.content == (ROOT / "openapi.yaml").read_bytes()
    assert answer.headers["Content-Type"].startswith("application/yaml")
    assert api.get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))


def test_every_route_is_described_and_nothing_else():
    table = (ROOT / "api" / "router.c").read_text(encoding="utf-8")
    routes = set(re.findall(r'\{(GET|PUT|POST|DELETE),\s*"([^"]+)",\s*gs_api_\w+,\s*[\w| ]+\}', table))
    described = {(method.upper(), path) for method, path, _ in operations() if path not in ("/", "/docs")}
    assert len(routes) > 25
    assert routes == described


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = set(references(DOCUMENT))
    for reference in used:
        assert contract.RESOLVER.resolve(reference)
    for kind, components in DOCUMENT["components"].items():
        for name in components:
            if kind == "securitySchemes":
                assert any(name in scheme for scheme in DOCUMENT["security"])
                continue
            path = f"#/components/{kind}/{name}"
            assert any(reference.startswith(path) for reference in used), path


def test_operations_have_names_and_errors():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for method, path, operation in operations():
        assert operation["summary"] and operation["tags"], path
        assert "default" in operation["responses"], path
        parameters = DOCUMENT["paths"][path].get("parameters", []) + operation.get("parameters", [])
        given = {contract.resolve(parameter)["name"] for parameter in parameters}
        assert set(re.findall(r"\{(\w+)\}", path)) <= given, path
        if "requestBody" in operation:
            assert {"413", "415", "422"} <= set(operation["responses"]), path
        if "{id}" in path or "{name}" in path:
            assert "404" in operation["responses"] or method == "put", path


def media_types(node):
    if isinstance(node, dict):
        if "schema" in node:
            yield node
        for value in node.values():
            yield from media_types(value)
    elif isinstance(node, list):
        for value in node:
            yield from media_types(value)


def test_examples_are_valid():
    count = 0
    for node in media_types(DOCUMENT):
        if "example" in node:
            contract.validate(node["example"], node["schema"])
            assert not list(contract.undescribed(node["example"], node["schema"]))
            count += 1
    for schema in DOCUMENT["components"]["schemas"].values():
        for example in schema.get("examples", []):
            contract.validate(example, schema)
            assert not list(contract.undescribed(example, schema))
            count += 1
    assert count > 15


def test_schemas_are_schemas():
    for schema in DOCUMENT["components"]["schemas"].values():
        contract.jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", [path for method, path, operation in operations()
                                  if method == "get" and "{" not in path and path != "/"
                                  and not any(p.get("required") for p in operation.get("parameters", []))])
def test_plain_gets_answer_as_described(api, path):
    status = 404 if path == "/v1/models/active" else 200
    api.get(path, status)


@pytest.mark.parametrize("path", [path for method, path, _ in operations()
                                  if method == "get" and "{id}" in path])
def test_unknown_ids_answer_as_described(api, path):
    api.get(path.replace("{id}", "nothing"), 404)
