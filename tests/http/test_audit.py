"""What the audit log of a server with --auth keeps, how often one may ask, and pages of other origins."""
import contextlib
import datetime
import json
import resource
import socket
import sqlite3
import time

import pytest
import requests

import formats
from api import check_time
from test_access import bearer, create, forge, genseg
from test_inference import problem
from test_tls import refusal


@pytest.fixture
def guarded(start_server, tmp_path):
    """start(*options): a server with --auth and its tokens by name."""
    def start(*options):
        tokens = {name: create(tmp_path / "data", name, name) for name in ("read", "annotate", "admin")}
        return start_server("--auth", *options), tokens
    return start


def audit(server, token, **query):
    answer = server.get("/v1/audit", params=query, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


# ==== Audit ====

def test_writes_are_noted_with_who_from_where_and_what_became_of_them(guarded):
    server, tokens = guarded()
    server.put("/v1/datasets/d", headers={**bearer(tokens["annotate"]), "X-Request-Id": "first"})
    server.get("/v1/datasets", headers=bearer(tokens["annotate"]))
    server.post("/v1/segment", headers=bearer(tokens["annotate"]))
    assert server.put("/v1/datasets/x", headers=bearer(tokens["read"])).status_code == 403
    assert server.put("/v1/datasets/x", headers=bearer(forge(tokens["read"]))).status_code == 401
    server.delete("/v1/slices/a%20b?x=secret", headers=bearer(tokens["admin"]))
    entries = audit(server, tokens["admin"])
    assert [(entry["name"], entry["method"], entry["path"], entry["status"]) for entry in entries] == [
        ("admin", "DELETE", "/v1/slices/a%20b", 404), ("read", "PUT", "/v1/datasets/x", 403),
        ("annotate", "PUT", "/v1/datasets/d", 201)]
    first = entries[-1]
    assert first["request_id"] == "first" and first["address"] == "127.0.0.1"
    assert first["token"].startswith("tok_") and first["token"][4:] in tokens["annotate"]
    check_time(first["at"])
    assert audit(server, tokens["admin"], name="read") == [entries[1]]
    page = server.get("/v1/audit", params={"limit": 2}, headers=bearer(tokens["admin"])).json()
    assert page["items"] == entries[:2]
    assert audit(server, tokens["admin"], limit=2, cursor=page["next_cursor"]) == entries[2:]
    problem(server.get("/v1/audit", params={"cursor": "x"}, headers=bearer(tokens["admin"])), 422)


def test_a_long_path_is_cut_off_and_still_listed(guarded):
    server, tokens = guarded()
    head = b"DELETE /v1/slices/x" + b"\xc3\xa4" * 200 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(head + tokens["admin"].encode() + b"\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"404"
    assert [entry["path"] for entry in audit(server, tokens["admin"])] == ["/v1/slices/x" + "%C3%A4" * 40 + "%C3"]
    with contextlib.closing(sqlite3.connect(server.data / "genseg.db", timeout=30)) as database, database:
        database.execute("UPDATE audit SET path = CAST(x'2f78c3a40ac3' AS TEXT)")  # as earlier versions cut it
    assert [entry["path"] for entry in audit(server, tokens["admin"])] == ["/x%C3%A4%0A%C3"]


def test_signing_in_and_out_is_noted_and_tokens_are_not(guarded):
    server, tokens = guarded()
    browser = requests.Session()
    csrf_token = browser.post(server.url + "/v1/session", json={"token": tokens["read"]},
                              timeout=30).json()["csrf_token"]
    server.post("/v1/session", json={"token": forge(tokens["read"])})
    assert browser.delete(server.url + "/v1/session", headers={"X-CSRF-Token": csrf_token},
                          timeout=30).status_code == 204
    entries = audit(server, tokens["admin"])
    assert [(entry["name"], entry["method"], entry["status"]) for entry in entries] == [
        ("read", "DELETE", 204), ("read", "POST", 200)]
    database = b"".join(path.read_bytes() for path in server.data.glob("genseg.db*"))
    for token in tokens.values():
        secret = token.rsplit("_", 1)[1]
        assert secret not in server.log_text() and secret.encode() not in database


def test_a_write_that_cannot_be_noted_is_not_done(guarded):
    server, tokens = guarded()
    assert server.put("/v1/datasets/d", headers=bearer(tokens["annotate"])).status_code == 201
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (64, hard))
    problem(server.put("/v1/datasets/x", headers=bearer(tokens["annotate"])), 507)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    names = [item["name"] for item in server.get("/v1/datasets", headers=bearer(tokens["read"])).json()["items"]]
    assert names == ["d"]


def test_without_auth_nothing_is_noted(server):
    server.put("/v1/datasets/d")
    assert server.get("/v1/audit").json() == {"items": [], "next_cursor": None}


def test_an_idempotency_key_is_its_holders_own(guarded):
    server, tokens = guarded()
    server.put("/v1/datasets/d", headers=bearer(tokens["annotate"]))

    def upload(name, value):
        headers = {"Content-Type": "image/png", "Idempotency-Key": "k", **bearer(tokens[name])}
        return server.post("/v1/slices", params={"dataset": "d"}, data=formats.png([[value] * 4] * 4), headers=headers)

    assert [upload("annotate", 1).status_code, upload("admin", 2).status_code] == [201, 201]
    problem(upload("annotate", 2), 422)


# ==== How long ====

def age(data, days, name="old", count=1):
    """Entries of so many days ago, as a server made them then; their number in the log."""
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with sqlite3.connect(data / "genseg.db", timeout=30) as database:
        database.executemany("INSERT INTO audit (at, request, token, name, address, method, path, status) VALUES "
                             "(?, 'r', 'tok_old', ?, '192.0.2.1', 'PUT', '/v1/x', 200)", [(at, name)] * count)


def kept(server, tokens):
    return [entry["name"] for entry in audit(server, tokens["admin"], limit=500)]


@pytest.mark.parametrize("options, wanted", [
    ((), ["new", "year"]), (("--audit-days", "300"), ["new"]), (("--audit-days", "0"), ["new", "year", "old", "old"])])
def test_a_server_forgets_what_is_too_old(guarded, tmp_path, options, wanted):
    create(tmp_path / "data", "first", "read")
    age(tmp_path / "data", 366, count=2)
    age(tmp_path / "data", 364, "year")
    age(tmp_path / "data", 1, "new")
    server, tokens = guarded(*options)
    if len(wanted) < 4:
        assert f'"entries":{4 - len(wanted)}' in server.log_line("audit_pruned")
    else:
        time.sleep(1)
    assert kept(server, tokens) == wanted


def test_writers_go_on_while_much_is_forgotten(guarded, tmp_path):
    create(tmp_path / "data", "first", "read")
    age(tmp_path / "data", 400, count=30000)
    server, tokens = guarded()
    waits = []
    while "audit_pruned" not in server.log_text():
        begin = time.monotonic()
        assert server.put("/v1/datasets/d", headers=bearer(tokens["annotate"])).status_code in (200, 201)
        waits.append(time.monotonic() - begin)
    assert len(waits) > 10, "it is not over at once"
    assert max(waits) < 2 and sorted(waits)[len(waits) // 2] < 0.5
    assert set(kept(server, tokens)) == {"annotate"}


@pytest.mark.parametrize("value", ["-1", "x", "36501", "1.5"])
def test_days_are_a_number(start_server, value):
    with pytest.raises(RuntimeError, match="--audit-days"):
        start_server("--audit-days", value)


def test_the_command_lists_what_the_server_lists(guarded, tmp_path):
    server, tokens = guarded()
    age(server.data, 3, "three", 2)
    server.put("/v1/datasets/d", headers=bearer(tokens["annotate"]))
    entries = audit(server, tokens["admin"])
    assert len(entries) == 3

    def listed(*more):
        return [json.loads(line) for line in genseg("audit", "--data", server.data, "--json", *more).stdout.splitlines()]

    assert listed() == entries
    assert listed("--name", "three") == entries[1:] == audit(server, tokens["admin"], name="three")
    day = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%d")
    assert listed("--since", day) == entries[:1] == audit(server, tokens["admin"], since=day)
    assert listed("--since", entries[0]["at"]) == entries[:1] == audit(server, tokens["admin"], since=entries[0]["at"])
    head, *lines = genseg("audit", "--data", server.data).stdout.splitlines()
    assert head.split()[:3] == ["at", "status", "method"]
    assert [line.split()[:2] for line in lines] == [[e["at"], str(e["status"])] for e in entries]
    answer = server.get("/v1/audit", params={"since": "yesterday"}, headers=bearer(tokens["admin"]))
    assert problem(answer, 422)["errors"][0]["field"] == "since"


def test_the_command_forgets_beside_a_running_server(guarded):
    server, tokens = guarded()
    age(server.data, 30, count=1100)
    age(server.data, 10, "ten")
    day = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=20)).strftime("%Y-%m-%d")
    said = genseg("audit", "--data", server.data, "--prune-before", day).stdout
    assert said == f"forgot 1100 entries from before {day}T00:00:00.000Z\n"
    assert kept(server, tokens) == ["ten"]
    assert server.put("/v1/datasets/d", headers=bearer(tokens["annotate"])).status_code == 201
    assert kept(server, tokens) == ["annotate", "ten"]


def test_the_command_refuses_what_makes_no_sense(tmp_path):
    create(tmp_path / "data", "first", "read")
    nothing = tmp_path / "nothing"
    for arguments, status, part in [
            ((), 2, "--data"), (("--data", nothing), 1, "no database"),
            (("--data", nothing, "--prune-before", "2026-01-01"), 1, "no database"),
            (("--data", tmp_path / "data", "--since", "yesterday"), 2, "--since is 'yesterday'"),
            (("--data", tmp_path / "data", "--prune-before", "2026-02-30"), 2, "--prune-before is"),
            (("--data", tmp_path / "data", "--prune-before", "2026-02-03", "--json"), 2, "stands alone")]:
        assert part in genseg("audit", *arguments, status=status).stderr
    assert not nothing.exists()
    assert "--prune-before" in genseg("audit", "--help").stdout


# ==== How often ====

def test_a_token_that_asks_too_often_waits(guarded):
    server, tokens = guarded("--rate-limit", "1")
    answers = [server.get("/v1/datasets", headers=bearer(tokens["read"])) for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:4] == [200] * 4 and 429 in statuses
    refused = answers[statuses.index(429)]
    problem(refused, 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert server.get("/v1/datasets", headers=bearer(tokens["admin"])).status_code == 200
    assert server.get("/healthz").status_code == 200


def test_too_many_bad_tokens_wait_and_good_ones_do_not(guarded):
    server, tokens = guarded("--failure-limit", "3")
    bad = bearer(forge(tokens["read"]))
    answers = [server.get("/v1/datasets", headers=bad) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    problem(answers[-1], 429)
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    problem(server.post("/v1/session", json={"token": "gst_x"}), 429)
    assert server.get("/v1/datasets", headers=bearer(tokens["read"])).status_code == 200
    assert server.get("/v1/datasets").status_code == 401  # who shows nothing guesses nothing


@pytest.mark.parametrize("option, value", [("--rate-limit", "0"), ("--rate-limit", "x"), ("--failure-limit", "-1")])
def test_limits_are_positive_numbers(start_server, option, value):
    with pytest.raises(RuntimeError, match=option):
        start_server("--auth", option, value)


# ==== Pages of other origins ====

def test_a_listed_origin_may_ask_and_sees_the_answer(guarded):
    origin = "https://tool.example"
    server, tokens = guarded("--cors-origin", "http://localhost:3000", "--cors-origin", origin)
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT",
             "Access-Control-Request-Headers": "authorization, content-type"}
    preflight = server.api("OPTIONS", "/v1/datasets/d", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    answer = server.put("/v1/datasets/d", headers={"Origin": origin, **bearer(tokens["annotate"])})
    assert answer.status_code == 201 and answer.headers["Access-Control-Allow-Origin"] == origin
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"] and "Origin" in answer.headers["Vary"]
    refused = server.put("/v1/datasets/d", headers={"Origin": origin})
    problem(refused, 401)
    assert refused.headers["Access-Control-Allow-Origin"] == origin  # the page may read why


def test_other_origins_may_not(guarded):
    server, tokens = guarded("--cors-origin", "https://tool.example")
    for origin in ("https://evil.example", "https://tool.example.evil.example", "http://tool.example", "null"):
        answer = server.get("/v1/datasets", headers={"Origin": origin, **bearer(tokens["read"])})
        problem(answer, 403)
        assert "Access-Control-Allow-Origin" not in answer.headers and "Origin" in answer.headers["Vary"]


def test_a_list_of_origins_works_without_tokens_too(start_server):
    server = start_server("--cors-origin", "http://localhost:3000")
    assert server.get("/v1/datasets", headers={"Origin": "http://localhost:3000"}).status_code == 200
    problem(server.get("/v1/datasets", headers={"Origin": "http://localhost:3001"}), 403)


@pytest.mark.parametrize("origin", ["*", "tool.example", "https://tool.example/", "https://Tool.example", ""])
def test_what_is_no_origin_is_refused(tmp_path, origin):
    assert "--cors-origin" in refusal(tmp_path / "data", "--cors-origin", origin)
