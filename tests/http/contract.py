"""openapi.yaml as a judge of answers."""
import contextlib
import re
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
RESOLVER = jsonschema.RefResolver.from_schema(DOCUMENT)
METHODS = ("get", "put", "post", "delete")


def resolve(node):
    return RESOLVER.resolve(node["$ref"])[1] if "$ref" in node else node


def validate(value, schema):
    jsonschema.Draft202012Validator(schema, resolver=RESOLVER,
                                    format_checker=jsonschema.FormatChecker()).validate(value)


def find_path(path):
    """The template that describes a path, a literal one before one with {…}; None for none."""
    found = [template for template in DOCUMENT["paths"]
             if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", re.escape(template).replace(r"\{", "{")
                                    .replace(r"\}", "}")), path)]
    return min(found, key=lambda template: template.count("{"), default=None)


def undescribed(value, schema, where=""):
    """The members of objects in `value` that the schema has no word for; where it lists none, any may be."""
    parts = [resolve(schema)]
    for part in parts:  # grows
        parts.extend(resolve(inner) for kind in ("allOf", "anyOf", "oneOf") for inner in part.get(kind, []))
    if isinstance(value, list):
        items = {"allOf": [part["items"] for part in parts if "items" in part]}
        for i, item in enumerate(value):
            yield from undescribed(item, items, f"{where}[{i}]")
    if not isinstance(value, dict) or not any("properties" in part for part in parts):
        return
    for key, inner in value.items():
        known = [part["properties"][key] for part in parts if key in part.get("properties", {})]
        if not known:
            yield f"{where}.{key}"
        yield from undescribed(inner, {"allOf": known}, f"{where}.{key}")


def check_event(name, data):
    """Asserts that the data of a server-sent event are as described."""
    schema = {"$ref": "#/components/schemas/JobEvent"}
    validate(data, schema)
    assert name == data.get("event", "state"), (name, data)
    surplus = list(undescribed(data, schema))
    assert not surplus, f"the event {name}: members that are not described: {surplus[:5]}"


# What any call may answer beside what it describes itself, as the description says.
ANY_CALL = {str(status) for status in DOCUMENT["components"]["responses"]["Problem"]["x-statuses"]}


# The server's own failure: described for any call, but none that a test may pass over.
FAILURE = "500"
_failures_expected = []


@contextlib.contextmanager
def failures():
    """Within this, the server may fail."""
    _failures_expected.append(True)
    try:
        yield
    finally:
        _failures_expected.pop()


def operation_of(method, path):
    """The template of a path and what is described of the method there; None, None for what is not."""
    template = find_path(path.split("?")[0])
    operation = template and DOCUMENT["paths"][template].get(method.lower())
    return (template, operation) if operation else (None, None)


def check(method, path, answer, has_body=True):
    """Asserts that the description knows this status for this call, and the body is as it says."""
    template, operation = operation_of(method, path)
    if not operation:
        return
    responses = operation["responses"]
    status = str(answer.status_code)
    assert status != FAILURE or _failures_expected, f"{method} {template}: {answer.text}"
    assert status in responses or status in ANY_CALL, f"{method} {template} does not describe {status}"
    response = resolve(responses.get(status, responses["default"]))
    for name, header in response.get("headers", {}).items():
        header = resolve(header)
        assert name in answer.headers or not header.get("required"), f"{method} {template}: no {name}"
        if name in answer.headers and header["schema"]["type"] == "string":
            validate(answer.headers[name], header["schema"])
    content = response.get("content")
    if not has_body:
        return
    if not content or not answer.content:
        assert not answer.content, f"{method} {template}: {status} has a body"
        return
    content_type = answer.headers["Content-Type"].split(";")[0]
    assert content_type in content, f"{method} {template} does not describe {content_type}"
    if content_type.endswith("json"):
        schema = content[content_type]["schema"]
        validate(answer.json(), schema)
        surplus = list(undescribed(answer.json(), schema))
        assert not surplus, f"{method} {template}: members that are not described: {surplus[:5]}"
