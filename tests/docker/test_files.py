"""The Dockerfiles and compose.yaml keep to the rules, and every rule notices what it is for."""
import copy
from pathlib import Path

import pytest
import yaml

import compose
import dockerfile
import rules
from context import Context

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile*"))

GOOD = """\
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*
FROM debian:12-slim
COPY --from=build /install /usr/local
COPY docker/health.sh /bin/
USER 10001
HEALTHCHECK --interval=30s --timeout=5s CMD ["health.sh"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["genseg"]
"""


def test_there_are_dockerfiles():
    assert {path.name for path in DOCKERFILES} == {"Dockerfile", "Dockerfile.cuda", "Dockerfile.proxy"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_keep_to_the_rules(path):
    assert rules.complaints(path.read_text(), Context(ROOT)) == []


def test_a_good_file_has_no_complaints():
    assert rules.complaints(GOOD, Context(ROOT)) == []


@pytest.mark.parametrize("old, new, complaint", [
    ("debian:12-slim\n", "debian\n", "line 3: debian has no tag"),
    ("debian:12-slim\n", "debian:latest\n", "line 3: debian:latest has no tag"),
    ("debian:12-slim\n", "debian:stable\n", "line 3: debian:stable has no tag"),
    ("USER 10001\n", "", "has no USER"),
    ("USER 10001\n", "USER root\n", "line 6: the last stage runs as root"),
    ("USER 10001\n", "USER 0:0\n", "line 6: the last stage runs as root"),
    ("STOPSIGNAL SIGTERM\n", "", "has no STOPSIGNAL"),
    ('["genseg"]', "genseg", "line 9: ENTRYPOINT of a shell"),
    ("HEALTHCHECK --interval=30s --timeout=5s", "HEALTHCHECK --interval=30s", "line 7: HEALTHCHECK without --timeout"),
    ('HEALTHCHECK --interval=30s --timeout=5s CMD ["health.sh"]', "HEALTHCHECK NONE", "HEALTHCHECK without CMD"),
    ("COPY docker", "ADD docker", "line 5: ADD"),
    ("docker/health.sh", "docker/nothing.sh", "line 5: nothing to copy at docker/nothing.sh"),
    ("docker/health.sh", "tests/docker", "line 5: nothing to copy at tests/docker"),
    ("--from=build", "--from=built", "line 4: COPY from built"),
    ("COPY docker/health.sh /bin/", "COPY docker/health.sh docker/packages.sh /bin", "needs a folder"),
    (" && rm -rf /var/lib/apt/lists/*", "", "line 2: apt's lists stay"),
    ("--no-install-recommends", "", "without -y and --no-install-recommends"),
    ("update &&", "update ;", "line 2: commands after ;"),
    ("update &&", "update &", "in the background"),
    ("update &&", "update | cat &&", "line 2: a pipe hides"),
    ("update &&", "update && (", "no shell would run this"),
    ("USER 10001", "USR 10001", "line 6: no instruction: USR"),
    ('["genseg"]', '["genseg"', "line 9:"),
    ("USER 10001", "USER $USER", "variables of builds"),
    ("COPY --from=build /install /usr/local", "COPY <<EOF /usr/local", "here-documents"),
    ('["genseg"]\n', '["genseg"] \\\n', "goes on after the file's end"),
])
def test_rules_notice(old, new, complaint):
    assert old in GOOD
    assert complaint in "\n".join(rules.complaints(GOOD.replace(old, new), Context(ROOT)))


def test_set_e_makes_semicolons_safe():
    assert rules.complaints(GOOD.replace("RUN apt-get update &&", "RUN set -e; apt-get update;"), Context(ROOT)) == []


def test_quoted_operators_are_none():
    assert rules.complaints(GOOD.replace("RUN apt", "RUN echo 'a | b; c' && apt"), Context(ROOT)) == []


def test_continued_lines_comments_and_flags_are_read():
    [stage] = dockerfile.parse("# a\nFROM a:1\nRUN one \\\n# between\n  two\nENV A=1 B='x y'\nCOPY --from=b c d\n")
    run, env, copied = stage.instructions
    assert (run.line, run.text) == (3, "one   two")
    assert dockerfile.environment(env) == {"A": "1", "B": "x y"}
    assert copied.flags == {"from": "b"} and copied.words() == ["c", "d"]


def test_dockerignore_leaves_what_is_named(tmp_path):
    for name in ("a/x.c", "a/y.o", "b/z.c", "c", "a/deep/w.o"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("# comment\n*\n!a\n**/*.o\n")
    assert Context(tmp_path).files() == ["a/x.c"]
    assert Context(tmp_path).files("b") == []


def test_images_get_no_keys_builds_or_history():
    context = Context(ROOT)
    assert not any(context.has(name) for name in ("docker/tls/key.pem", "build/genseg", ".git/config", "data/genseg.db"))


def read_compose():
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_compose_keeps_to_the_rules():
    assert compose.complaints(read_compose(), ROOT / "docker") == []


@pytest.mark.parametrize("service, key, value, complaint", [
    ("proxy", "ports", ["8080:8081"], "proxy: port 8080:8081 is not on a loopback"),
    ("proxy", "ports", ["${ADDRESS:-0.0.0.0}:8080:8081"], "is not on a loopback"),
    ("genseg", "ports", ["127.0.0.1:8080:8080"], "genseg: it cannot publish ports"),
    ("genseg", "network_mode", "service:nobody", "names no service"),
    ("genseg", "network_mode", "host", "names no service"),
    ("genseg", "network_mode", "service:tls", "profile cpu: genseg needs tls"),
    ("genseg", "profiles", ["gpu"], "profile gpu has 2 servers"),
    ("genseg", "profiles", [], "belongs to no profile"),
    ("genseg", "build", {"context": "nowhere", "dockerfile": "docker/Dockerfile"}, "no build context"),
    ("genseg", "build", {"context": "..", "dockerfile": "Dockerfile"}, "no Dockerfile at"),
    ("genseg", "image", "genseg:latest", "has no tag"),
    ("genseg", "volumes", ["other:/data"], "volume other is not declared"),
    ("genseg", "read_only", False, "can be written"),
    ("genseg", "cap_drop", [], "keeps privileges"),
    ("genseg", "privileged", True, "unknown: privileged"),
    ("genseg-cuda", "deploy", {}, "a GPU is reserved for the server"),
])
def test_compose_rules_notice(service, key, value, complaint):
    document = copy.deepcopy(read_compose())
    document["services"][service][key] = value
    assert complaint in "\n".join(compose.complaints(document, ROOT / "docker"))
