"""Tokens, scopes and sessions: who may ask what of a server with --auth."""
import json
import re
import sqlite3
import subprocess

import pytest
import requests

import contract
import formats
from conftest import BINARY, Server, TOY, TRAINER
from test_inference import problem
from test_statuses import Filled

SCOPES = ("read", "annotate", "train", "admin")
ROUTER = re.compile(r'\{(GET|PUT|POST|DELETE),\s*"([^"]+)",\s*gs_api_\w+,\s*(\w+(?: \| \w+)*)\}')


def table():
    """{(method, path): the scopes of which one will do} of every row of the router's table; () for open ones."""
    text = (contract.ROOT / "api" / "router.c").read_text(encoding="utf-8")
    return {(method, path): () if scopes == "OPEN" else tuple(scopes.lower().split(" | "))
            for method, path, scopes in ROUTER.findall(text)}


def routes():
    """(method, path, the least scope) of every row; the scope of open ones is None."""
    return [(*route, scopes[0] if scopes else None) for route, scopes in table().items()]


def guarded():
    return [(method, path, scope) for method, path, scope in routes() if scope]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def genseg(*arguments, status=0):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def create(data, name, scopes, *more):
    return genseg("token", "create", "--data", data, "--name", name, "--scopes", scopes, *more).stdout.strip()


def forge(token):
    """The same id, another secret."""
    return token[:-1] + ("0" if token[-1] != "0" else "1")


class Guarded:
    """A toy server with --auth, one of everything in it, and tokens of all kinds."""

    def __init__(self, folder):
        data = folder / "data"
        self.tokens = {scope: create(data, scope, scope) for scope in SCOPES}
        self.tokens["expired"] = create(data, "expired", "admin", "--days", "1")
        with sqlite3.connect(data / "genseg.db") as database:
            database.execute("UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000Z' WHERE name = 'expired'")
        self.tokens["revoked"] = create(data, "revoked", "admin")
        genseg("token", "revoke", "revoked", "--data", data)
        self.tokens["forged"] = forge(self.tokens["admin"])
        model = folder / "first.safetensors"
        model.write_bytes(formats.toy_model())
        self.server = Server(data, TOY, ["--auth", "--failure-limit", "100000", "--trainer", str(TRAINER), "--import-model", str(model)])
        self.server.session.headers.update(bearer(self.tokens["admin"]))
        self.filled = Filled(self.server)
        del self.server.session.headers["Authorization"]
        self.cookies = {"forged": "a" * 16 + "." + "0" * 64, "nonsense": "x"}
        for kind in ("expired", "ended"):
            browser, csrf_token = self.sign_in("admin")
            self.cookies[kind] = browser.cookies["genseg_session"]
            if kind == "ended":
                browser.delete(self.server.url + "/v1/session", headers={"X-CSRF-Token": csrf_token}, timeout=30)
        with sqlite3.connect(data / "genseg.db") as database:
            database.execute("UPDATE sessions SET expires_at = '2020-01-01T00:00:00.000Z'")

    def __call__(self, method, template, token=None, headers=(), identity=None):
        request = self.filled.request(method, template)
        sent = {**request.pop("headers", {}), **dict(headers), **(bearer(token) if token else {})}
        return self.server.api(method, self.filled.path(template, identity), headers=sent, **request)

    def sign_in(self, name):
        """A browser: its cookies, and its CSRF token in every write."""
        browser = requests.Session()
        answer = browser.post(self.server.url + "/v1/session", json={"token": self.tokens[name]}, timeout=30)
        assert answer.status_code == 200, answer.text
        return browser, answer.json()["csrf_token"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = Guarded(tmp_path_factory.mktemp("access"))
    yield made
    assert made.server.stop() == 0, made.server.log_text()[-3000:]
    for name, token in made.tokens.items():
        assert token.rsplit("_", 1)[1] not in made.server.log_text(), f"the secret of {name} is in the log"


# ==== Every route ====

def test_the_description_names_the_scope_of_every_route():
    assert len(routes()) > 40
    default = contract.DOCUMENT["security"]
    for (method, path), scopes in table().items():
        security = contract.DOCUMENT["paths"][path][method.lower()].get("security", default)
        wanted = [{by: [scope]} for scope in scopes for by in ("bearer", "session")]
        assert security == wanted, f"{method} {path}"


def test_no_row_of_the_table_is_left_out():
    text = (contract.ROOT / "api" / "router.c").read_text(encoding="utf-8")
    assert len(routes()) == len(set(re.findall(r"gs_api_\w+", text)) - {"gs_api_context"})


@pytest.mark.parametrize("kind", [None, "forged", "expired", "revoked"])
@pytest.mark.parametrize("method, path, scope", guarded())
def test_no_route_answers_without_a_good_token(house, method, path, scope, kind):
    answer = house(method, path, kind and house.tokens[kind])
    problem(answer, 401)
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and ('error="invalid_token"' in challenge) == bool(kind)


@pytest.mark.parametrize("kind", ["forged", "expired", "ended", "nonsense"])
@pytest.mark.parametrize("method, path, scope", guarded())
def test_no_route_answers_a_session_that_is_not_there(house, method, path, scope, kind):
    problem(house(method, path, headers={"Cookie": f"genseg_session={house.cookies[kind]}"}), 401)


@pytest.mark.parametrize("method, path, scope", [route for route in guarded() if route[2] != "read"])
def test_no_route_answers_without_its_scope(house, method, path, scope):
    for other in SCOPES[:3]:
        if other in table()[method, path]:
            continue
        answer = house(method, path, house.tokens[other])
        problem(answer, 403)
        assert f"'{scope}'" in answer.json()["detail"]
        assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("method, path, scope", guarded())
def test_a_write_with_a_cookie_needs_the_csrf_token(house, method, path, scope):
    if method == "GET":
        pytest.skip("nothing is written")
    browser, csrf_token = house.sign_in("admin")
    cookie = {"Cookie": f"genseg_session={browser.cookies['genseg_session']}"}
    for headers in (cookie, {**cookie, "X-CSRF-Token": ""}, {**cookie, "X-CSRF-Token": csrf_token[:-1] + "g"}):
        problem(house(method, path, headers=headers), 403)


@pytest.mark.parametrize("method, path, scope", guarded())
def test_every_route_answers_with_its_scope(house, method, path, scope):
    """Of something that there is not, so that nothing is deleted under the other tests."""
    identity = "nothing" if "{" in path else None
    answer = house(method, path, house.tokens[scope], identity=identity)
    assert answer.status_code not in (401, 403), answer.text


def test_a_job_on_a_volume_is_cancelled_by_whoever_started_it(house):
    server = house.server
    tokens = {**house.tokens, "Ben": create(server.data, "Ben", "annotate")}
    slow = server.post("/v1/models", data=formats.toy_model(compute_ms=400), headers={
        **bearer(tokens["train"]), "Content-Type": "application/octet-stream"}).json()["id"]
    volume = house.filled.path("/v1/volumes/{id}")

    def job(token):
        answer = server.api("POST", f"{volume}/segment", json={"model": slow}, headers=bearer(token))
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def cancel(name, token):
        return server.api("POST", f"/v1/jobs/{name}/cancel", headers=bearer(token))

    def state(name):
        return server.get(f"/v1/jobs/{name}", headers=bearer(tokens["read"])).json()["state"]

    own = job(tokens["annotate"])
    for other in ("Ben", "read"):
        problem(cancel(own, tokens[other]), 403)
    assert state(own) in ("queued", "running")
    assert cancel(own, tokens["annotate"]).status_code == 202
    others = job(tokens["Ben"])
    assert cancel(others, tokens["train"]).status_code == 202, "who may train may cancel any"
    training = server.api("POST", "/v1/jobs", headers=bearer(tokens["admin"]), json={
        "kind": "train", "dataset": "d", "preset": "tiny", "max_steps": 1000}).json()["id"]
    refused = problem(cancel(training, tokens["annotate"]), 403)
    assert "'train'" in refused["detail"]
    cancel(training, tokens["admin"])
    predicting = server.api("POST", "/v1/jobs", headers=bearer(tokens["train"]), json={
        "kind": "predict", "dataset": "d", "model": slow}).json()["id"]
    problem(cancel(predicting, tokens["annotate"]), 403)


@pytest.mark.parametrize("method, path", [(method, path) for method, path, scope in routes() if not scope])
def test_open_routes_ask_for_nothing(house, method, path):
    answer = house(method, path)
    assert answer.status_code in ((401, 422) if (method, path) == ("POST", "/v1/session") else (200, 204))


def test_the_page_is_open_and_what_is_not_there_is_404(house):
    assert house.server.get("/").status_code == 200
    assert house.server.get("/docs").status_code == 200
    assert house.server.get("/v1/nothing").status_code == 404
    assert house.server.api("PATCH", "/v1/slices").status_code == 405


def test_nothing_was_changed_by_those_who_may_not(house):
    slices = house.server.get("/v1/slices", headers=bearer(house.tokens["read"])).json()["items"]
    assert house.filled.slice in [entry["id"] for entry in slices]
    label = next(entry["label"] for entry in slices if entry["id"] == house.filled.slice)
    assert label == "presence"


# ==== Headers ====

@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "bearer x", "Bearer gst_", "Bearer \u00e9",
                                    "Bearer " + "x" * 5000, "gst_aaaaaaaaaaaaaaaa_" + "0" * 64])
def test_what_is_no_token_is_401(house, header):
    answer = house.server.get("/v1/slices", headers={"Authorization": header.encode()})
    problem(answer, 401)


def test_an_unwanted_body_is_not_kept(house):
    """It is read and dropped, and the answer is the refusal, not the body's error."""
    answer = house.server.post("/v1/slices", data=b"x" * (8 << 20), headers={"Content-Type": "image/png"})
    problem(answer, 401)


def test_the_scheme_is_of_any_case(house):
    answer = house.server.get("/v1/slices", headers={"Authorization": "bearer " + house.tokens["read"]})
    assert answer.status_code == 200


# ==== Sessions ====

def test_a_browser_signs_in_writes_and_signs_out(house):
    browser, csrf_token = house.sign_in("annotate")
    url = house.server.url
    state = browser.get(url + "/v1/session", timeout=30).json()
    assert state == {"auth": True, "name": "annotate", "scopes": ["read", "annotate"], "csrf_token": csrf_token}
    label = f"{url}/v1/slices/{house.filled.slice}/label"
    assert browser.put(label, json={"label": "presence"}, headers={"X-CSRF-Token": csrf_token},
                       timeout=30).status_code == 200
    problem(browser.delete(url + "/v1/session", timeout=30), 403)
    assert browser.delete(url + "/v1/session", headers={"X-CSRF-Token": csrf_token}, timeout=30).status_code == 204
    assert browser.get(url + "/v1/session", timeout=30).json()["name"] is None
    assert browser.get(url + "/v1/slices", timeout=30).status_code == 401


def test_the_cookie_is_for_this_site_and_not_for_scripts(house):
    answer = house.server.post("/v1/session", json={"token": house.tokens["read"]})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Domain" not in cookie
    assert answer.headers["Cache-Control"] == "no-store"
    assert house.tokens["read"] not in cookie and house.tokens["read"] not in answer.text
    house.server.session.cookies.clear()


@pytest.mark.parametrize("kind", ["forged", "expired", "revoked"])
def test_nobody_signs_in_with_a_bad_token(house, kind):
    answer = house.server.post("/v1/session", json={"token": house.tokens[kind]})
    problem(answer, 401)
    assert "Set-Cookie" not in answer.headers
    if kind != "forged":
        assert kind in answer.json()["detail"]


def test_who_one_is(house):
    anonymous = {"auth": True, "name": None, "scopes": [], "csrf_token": None}
    assert house.server.get("/v1/session").json() == anonymous
    assert house.server.get("/v1/session", headers={"Cookie": "genseg_session=x"}).json() == anonymous
    admin = house.server.get("/v1/session", headers=bearer(house.tokens["admin"])).json()
    assert admin == {"auth": True, "name": "admin", "scopes": list(SCOPES), "csrf_token": None}
    problem(house.server.get("/v1/session", headers=bearer(house.tokens["revoked"])), 401)


def test_the_oldest_of_too_many_sessions_ends(house):
    browsers = [house.sign_in("train")[0] for _ in range(17)]
    states = [browser.get(house.server.url + "/v1/session", timeout=30).json()["name"] for browser in browsers]
    assert states == [None] + ["train"] * 16


def test_a_session_outlives_a_restart_and_ends_with_its_token(start_server, tmp_path):
    token = create(tmp_path / "data", "ann", "read")
    server = start_server("--auth")
    browser = requests.Session()
    signed_in = browser.post(server.url + "/v1/session", json={"token": token}, timeout=30).json()
    assert server.stop() == 0
    server.start()
    state = browser.get(server.url + "/v1/session", timeout=30).json()
    assert state == signed_in
    genseg("token", "revoke", "ann", "--data", server.data)
    problem(browser.get(server.url + "/v1/slices", timeout=30), 401)
    assert browser.get(server.url + "/v1/session", timeout=30).json()["name"] is None


# ==== The command ====

def test_a_token_is_shown_once_and_kept_as_a_digest(tmp_path):
    token = create(tmp_path / "data", "ann", "read,annotate", "--days", "30")
    assert re.fullmatch(r"gst_[a-z2-7]{16}_[0-9a-f]{64}", token)
    secret = token.rsplit("_", 1)[1]
    for path in (tmp_path / "data").glob("genseg.db*"):
        assert secret.encode() not in path.read_bytes()
    listed = genseg("token", "list", "--data", tmp_path / "data").stdout
    assert "ann" in listed and "read,annotate" in listed and secret not in listed and " valid " in listed


def test_tokens_are_made_and_revoked_beside_a_running_server(start_server):
    server = start_server("--auth")
    token = create(server.data, "ann", "read")
    assert server.get("/v1/slices", headers=bearer(token)).status_code == 200
    assert "is revoked" in genseg("token", "revoke", "ann", "--data", server.data).stdout
    problem(server.get("/v1/slices", headers=bearer(token)), 401)
    again = create(server.data, "ann", "read")
    assert again != token and server.get("/v1/slices", headers=bearer(again)).status_code == 200


@pytest.mark.parametrize("arguments, says", [
    (["create"], "--name"), (["create", "--name", "a"], "--data"),
    (["create", "--name", "a", "--data", "D", "--scopes", "read,write"], "'write'"),
    (["create", "--name", "a", "--data", "D", "--scopes", ""], "not a scope"),
    (["create", "--name", "", "--data", "D"], "name"),
    (["create", "--name", "a\nb", "--data", "D"], "control"),
    (["create", "--name", "x" * 80, "--data", "D"], "longer"),
    (["create", "--name", "a", "--data", "D", "--days", "-1"], "days"),
    (["revoke", "--data", "D"], "id or name"), (["list"], "--data"), (["list", "more"], "more"), ([], "usage")])
def test_wrong_usage_of_the_command(tmp_path, arguments, says):
    arguments = [str(tmp_path / "data") if a == "D" else a for a in arguments]
    assert says in genseg("token", *arguments, status=2).stderr


def test_names_are_not_given_twice_nor_revoked_twice(tmp_path):
    data = tmp_path / "data"
    create(data, "ann", "read")
    assert "already" in genseg("token", "create", "--data", data, "--name", "ann", status=1).stderr
    genseg("token", "revoke", "ann", "--data", data)
    assert "no token 'ann'" in genseg("token", "revoke", "ann", "--data", data, status=1).stderr
    identity = genseg("token", "list", "--data", data).stdout.splitlines()[1].split()[0]
    assert "was revoked" in genseg("token", "revoke", identity, "--data", data, status=1).stderr


# ==== Without --auth ====

def test_a_server_without_auth_asks_for_nothing(server):
    assert server.get("/v1/session").json() == {"auth": False, "name": None, "scopes": list(SCOPES),
                                                "csrf_token": None}
    answer = server.post("/v1/session", json={"token": "gst_x"})
    problem(answer, 409)
    assert server.get("/v1/slices", headers=bearer("whatever")).status_code == 200


def test_other_addresses_need_auth(tmp_path):
    done = genseg("serve", "--data", tmp_path / "data", "--listen", "0.0.0.0:0", status=1)
    assert "--auth" in done.stderr


def test_a_name_with_markup_stays_text(start_server):
    server = start_server("--auth")
    name = "<b>&\"ann\"</b>"
    token = create(server.data, name, "read")
    assert server.get("/v1/session", headers=bearer(token)).json()["name"] == name
    assert json.loads(server.get("/v1/session", headers=bearer(token)).text)["name"] == name


def test_the_author_of_a_mask_is_the_holder_of_the_token(house):
    slice_url = f"/v1/slices/{house.filled.slice}/annotation"
    headers = bearer(house.tokens["annotate"])
    answer = house.server.put(slice_url, params={"author": "someone else"}, headers=headers,
                              json={"size": [6, 4], "counts": [12, 12]})
    assert answer.status_code == 200 and answer.json()["author"] == "annotate"


def test_the_author_of_a_job_is_the_holder_of_the_token(house):
    """Also of one that is found by its Idempotency-Key again."""
    request = {"json": {"kind": "train", "dataset": "d", "preset": "tiny", "max_steps": 1},
               "headers": {"Idempotency-Key": "once", **bearer(house.tokens["train"])}}
    jobs = [house.server.post("/v1/jobs", **request).json() for _ in range(2)]
    assert jobs[0]["id"] == jobs[1]["id"] and [job["author"] for job in jobs] == ["train", "train"]
    earlier = house.server.get(f"/v1/jobs/{house.filled.job}", headers=bearer(house.tokens["read"])).json()
    assert earlier["author"] == "admin"
