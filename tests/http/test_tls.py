"""HTTPS by the server itself, and what is said about certificates that it cannot use."""
import contextlib
import socket
import ssl
import subprocess

import pytest
import requests

from conftest import BINARY
from test_access import bearer, create


def make_certificate(folder, name, *more):
    """(certificate, key): self-signed, for 127.0.0.1."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", *more],
                   check=True, capture_output=True, timeout=60)
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "server")


def trust(session, certificate):
    session.trust_env = False  # the environment may name other roots
    session.verify = str(certificate)


@pytest.fixture
def secure(start_server, pair):
    server = start_server("--auth", "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    trust(server.session, pair[0])
    return server


def refusal(data, *options):
    done = subprocess.run([BINARY, "serve", "--data", data, "--listen", "127.0.0.1:0", *map(str, options)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and not (data / "genseg.db").exists()
    return done.stderr


def test_a_token_and_a_session_over_https(secure, pair):
    assert secure.url.startswith("https://127.0.0.1:")
    token = create(secure.data, "ann", "annotate")
    assert secure.get("/v1/slices").status_code == 401
    assert secure.get("/v1/slices", headers=bearer(token)).status_code == 200
    browser = requests.Session()
    trust(browser, pair[0])
    answer = browser.post(secure.url + "/v1/session", json={"token": token}, timeout=30)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-genseg_session=") and "; Secure" in cookie
    csrf_token = answer.json()["csrf_token"]
    assert browser.put(secure.url + "/v1/datasets/d", timeout=30).status_code == 403
    assert browser.put(secure.url + "/v1/datasets/d", headers={"X-CSRF-Token": csrf_token, "Origin": secure.url},
                       timeout=30).status_code == 201


def test_a_large_body_and_a_file_over_https(secure):
    token = create(secure.data, "ann", "admin")
    secure.session.headers.update(bearer(token))
    assert secure.put("/v1/datasets/d").status_code == 201
    answer = secure.post("/v1/slices", params={"dataset": "d"}, data=b"x" * (8 << 20),
                         headers={"Content-Type": "image/png"})
    assert answer.status_code in (400, 422)
    assert len(secure.get("/openapi.yaml").content) > 10000


def test_plain_http_to_it_and_old_versions_get_no_answer(secure):
    with pytest.raises(requests.ConnectionError):
        requests.get(secure.url.replace("https", "http") + "/healthz", timeout=30)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.closing(socket.create_connection(("127.0.0.1", secure.port), timeout=30)) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(plain)
    assert secure.get("/healthz").status_code == 200


def test_who_says_nothing_does_not_hold_up_others(secure):
    with contextlib.closing(socket.create_connection(("127.0.0.1", secure.port), timeout=30)):
        assert secure.get("/healthz", timeout=10).status_code == 200


def test_files_that_cannot_be_used_are_named(tmp_path, pair):
    certificate, key = pair
    data = tmp_path / "data"
    _, other = make_certificate(tmp_path, "other")
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    assert "belong together" in refusal(data, "--tls-cert", certificate)
    assert "belong together" in refusal(data, "--tls-key", key)
    assert "--tls-cert: cannot open" in refusal(data, "--tls-cert", tmp_path / "no.pem", "--tls-key", key)
    assert "--tls-key: cannot open" in refusal(data, "--tls-cert", certificate, "--tls-key", tmp_path / "no.pem")
    assert "--tls-cert" in refusal(data, "--tls-cert", tmp_path, "--tls-key", key)
    assert "--tls-cert" in refusal(data, "--tls-cert", text, "--tls-key", key)
    assert "private key" in refusal(data, "--tls-cert", certificate, "--tls-key", text)
    assert "is not the key of" in refusal(data, "--tls-cert", certificate, "--tls-key", other)
    assert "--tls-cert" in refusal(data, "--tls-cert", key, "--tls-key", key)


def test_an_expired_certificate_is_refused(tmp_path, pair):
    certificate, _ = pair
    expired = tmp_path / "expired.pem"
    request, key = tmp_path / "request.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
                    "-subj", "/CN=localhost"], check=True, capture_output=True, timeout=60)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", key, "-out", expired, "-days", "-1"],
                   check=True, capture_output=True, timeout=60)
    assert "has expired" in refusal(tmp_path / "data", "--tls-cert", expired, "--tls-key", key)


def test_an_encrypted_key_is_refused_without_asking(tmp_path, pair):
    locked = tmp_path / "locked.pem"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", pair[1], "-out", locked, "-passout", "pass:x"],
                   check=True, capture_output=True, timeout=60)
    assert "password" in refusal(tmp_path / "data", "--tls-cert", pair[0], "--tls-key", locked)


@pytest.mark.parametrize("options", [["--auth"], ["--tls"], []])
def test_other_addresses_need_both_auth_and_tls(tmp_path, pair, options):
    options = ["--tls-cert", pair[0], "--tls-key", pair[1]] if options == ["--tls"] else options
    says = refusal(tmp_path / "data", *options, "--listen", "0.0.0.0:0")
    assert "not a loopback address" in says and "--tls-by-proxy" in says


def test_any_address_with_auth_and_tls(start_server, pair):
    server = start_server("--auth", "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]), "--listen", "0.0.0.0:0")
    trust(server.session, pair[0])
    server.url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert server.get("/healthz").json()["status"] == "ok"
    assert server.get("/v1/slices").status_code == 401


def test_behind_a_proxy(start_server, tmp_path):
    token = create(tmp_path / "data", "ann", "read")
    server = start_server("--auth", "--tls-by-proxy", "--listen", "0.0.0.0:0")
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    headers = {"Host": "segment.example", "Origin": "https://segment.example",
               "X-Forwarded-For": "192.0.2.66, 198.51.100.7"}
    answer = requests.post(url + "/v1/session", json={"token": token}, headers=headers, timeout=30)
    assert answer.status_code == 200 and "; Secure" in answer.headers["Set-Cookie"]
    assert requests.get(url + "/healthz", headers={"X-Forwarded-For": "nonsense"}, timeout=30).status_code == 200
    assert server.stop() == 0  # a line is written after the client has its answer: stopped, the log is whole
    assert '"address":"198.51.100.7"' in server.log_text() and "192.0.2.66" not in server.log_text()
    assert "nonsense" not in server.log_text()


def test_a_proxy_without_auth_is_refused(tmp_path):
    assert "--auth" in refusal(tmp_path / "data", "--tls-by-proxy")
