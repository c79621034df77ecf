"""The viewer's files: compressed where that is asked for, and only then."""
import gzip

import pytest

from contract import ROOT

FILES = sorted(path for path in (ROOT / "web").rglob("*") if path.is_file() and path.suffix in (".js", ".css", ".html", ".svg"))
PLAIN = {"Accept-Encoding": "identity"}


def address_of(path):
    name = "/" + str(path.relative_to(ROOT / "web"))
    return name.removesuffix("index.html").rstrip("/") or "/" if name.endswith("index.html") else name


def raw(server, path, headers):
    """The answer, and its bytes as they came."""
    answer = server.get(path, headers=headers, stream=True)
    return answer, answer.raw.read(decode_content=False)


def test_texts_come_compressed_and_are_the_same(server):
    sent = 0
    for file in FILES:
        answer, body = raw(server, address_of(file), {"Accept-Encoding": "br, gzip;q=0.5"})
        assert answer.status_code == 200 and answer.headers["Vary"] == "Accept-Encoding"
        is_gzip = answer.headers.get("Content-Encoding") == "gzip"
        assert (gzip.decompress(body) if is_gzip else body) == file.read_bytes()
        plain, same = raw(server, address_of(file), PLAIN)
        assert same == file.read_bytes() and "Content-Encoding" not in plain.headers
        assert (plain.headers["ETag"] == answer.headers["ETag"]) == (not is_gzip)
        assert len(body) == int(answer.headers["Content-Length"]) <= len(same)
        sent += len(body)
    assert len(FILES) > 50 and sent < 300_000, f"{sent} bytes: the page is to be there within a second"


@pytest.mark.parametrize("asked, is_gzip", [("gzip", True), ("GZIP", True), ("deflate, gzip;q=0.1", True), ("gzip;q=0", False),
                                            ("deflate, br", False), ("", False), ("xgzip", False)])
def test_what_is_asked_for_decides(server, asked, is_gzip):
    answer, _ = raw(server, "/main.js", {"Accept-Encoding": asked})
    assert (answer.headers.get("Content-Encoding") == "gzip") == is_gzip


def test_each_coding_has_its_own_etag(server):
    tags = {coding: raw(server, "/main.js", {"Accept-Encoding": coding})[0].headers["ETag"] for coding in ("gzip", "identity")}
    for coding, tag in tags.items():
        for asked in tags:
            answer = server.get("/main.js", headers={"Accept-Encoding": asked, "If-None-Match": tag})
            assert answer.status_code == (304 if asked == coding else 200)


def test_what_is_compressed_already_is_not_again(start_server, tmp_path):
    web = tmp_path / "web"
    web.mkdir()
    (web / "a.png").write_bytes(bytes(1000))
    (web / "b.js").write_bytes(b"x")
    server = start_server("--web", str(web))
    for name, size in (("a.png", 1000), ("b.js", 1)):
        answer, body = raw(server, f"/{name}", {"Accept-Encoding": "gzip"})
        assert len(body) == size and "Content-Encoding" not in answer.headers and "Vary" not in answer.headers
