"""Executes the Dockerfiles in Debian roots and runs what they make: `make test-docker`, for minutes. Docker itself is
not needed, so what an engine does on its own stays untested: layers, published ports, GPUs in containers."""
import base64
import http.client
import os
import shutil
import socket
import ssl
import sys
from pathlib import Path

import pytest

import rootfs
from build import Build
from container import OUTSIDE, Container, Network

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build-docker"
CUDA = Path("/usr/local/cuda")
sys.path.insert(0, str(ROOT / "tests" / "http"))

import images  # noqa: E402 (of the HTTP tests)

SERVER, PLAIN, TLS = 8080, 8081, 8443


def provide_debian(image, root):
    if image != "debian:12-slim":
        raise ValueError(f"no base image {image}")
    rootfs.unpack(rootfs.debian(WORK), root)


def provide_cuda(image, root):
    """In place of NVIDIA's image, which cannot be had without a registry: Debian with this machine's toolkit, its files
    where NVIDIA's packages put them."""
    if not image.startswith("nvidia/cuda:13.0"):
        return provide_debian(image, root)
    rootfs.unpack(rootfs.debian(WORK), root)
    home, headers = root / "usr/local/cuda-13.0", root / "usr/include/x86_64-linux-gnu"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    rootfs.command(["cp", "-a", f"{CUDA.resolve()}/.", home])
    headers.mkdir(parents=True, exist_ok=True)
    for found in (home / "include").glob("cudnn*.h"):
        found.rename(headers / found.name)
    for found in (home / "lib").glob("libcudnn*"):
        found.rename(libraries / found.name)


def make(dockerfile, provide_base=provide_debian):
    work = WORK / dockerfile
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return Build(ROOT, work, provide_base).execute(ROOT / "docker" / dockerfile)


@pytest.fixture(scope="session")
def server_image():
    return make("Dockerfile")


@pytest.fixture(scope="session")
def proxy_image():
    return make("Dockerfile.proxy")


@pytest.fixture(scope="session")
def cuda_image():
    if not (CUDA / "bin/nvcc").exists():
        pytest.skip("no CUDA toolkit on this machine")
    return make("Dockerfile.cuda", provide_cuda)


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture
def start(network, tmp_path):
    """start(image, …): a container that ends with the test, in one network with others of the test."""
    started = []

    def begin(image, command=None):
        container = Container(image, network, tmp_path / f"{len(started)}.log", command)
        started.append(container)
        return container

    yield begin
    for container in started:
        container.kill()


def ask(network, method, path, port=SERVER, host="127.0.0.1", body=None, tls=None, **headers):
    """(status, headers, body) of an answer in the containers' network."""
    def exchange():
        connection = (http.client.HTTPSConnection(host, port, timeout=60, context=tls) if tls
                      else http.client.HTTPConnection(host, port, timeout=60))
        connection.request(method, path, body, headers={name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    return network.call(exchange)


def empty_data(image):
    data = image.root / "data"
    for entry in data.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return data


@pytest.fixture
def server(server_image, start):
    empty_data(server_image)
    shutil.copy(ROOT / "demo" / "model.safetensors", server_image.root / "data")
    container = start(server_image, [*server_image.command, "--import-model", "/data/model.safetensors"])
    container.wait_until_healthy()
    return container


# ==== The images ====

def libraries_missing(image, *files):
    said = rootfs.run(image.root, ["ldd", *files], image.environment)
    rootfs.release(image.root)
    return [line.strip() for line in said.splitlines() if "not found" in line]


def test_the_server_image_has_what_runs_and_no_more(server_image):
    root = server_image.root
    assert libraries_missing(server_image, "/usr/local/bin/genseg") == []
    assert not [name for name in ("gcc", "cmake", "python3", "make") if (root / "usr/bin" / name).exists()]
    assert not list((root / "var/lib/apt/lists").glob("*Packages*"))
    assert not list((root / "tmp").iterdir()) and not (root / "src").exists()
    assert (root / "usr/local/share/genseg/web/index.html").exists()


def test_every_runtime_package_is_used(server_image):
    """What packages.sh calls runtime is what the program links: nothing left out, nothing left over."""
    said = rootfs.run(server_image.root, ["sh", "-ec", """
        for library in $(ldd /usr/local/bin/genseg | sed -n 's/.*=> *\\([^ ]*\\).*/\\1/p'); do
          dpkg-query -S "$(readlink -f "$library")" "*/$(basename "$(readlink -f "$library")")" 2>/dev/null | cut -d: -f1
        done | sort -u"""], {})
    rootfs.release(server_image.root)
    script = (ROOT / "docker/packages.sh").read_text()
    listed = script.split("runtime)\n")[1].split('"')[1].split()
    assert set(listed) <= set(said.split())


def test_the_server_is_not_root_and_its_data_its_own(server_image):
    assert rootfs.identity(server_image.root, server_image.user) == (10001, 10001)
    status = (server_image.root / "data").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (10001, 10001, 0o750)
    assert server_image.volumes == ["/data"]


# ==== The server ====

def test_it_serves_and_is_not_to_be_had_from_outside(server, network):
    assert ask(network, "GET", "/readyz")[0] == 200
    status, headers, body = ask(network, "GET", "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"GenSeg" in body
    with pytest.raises(ConnectionRefusedError):
        ask(network, "GET", "/readyz", host=OUTSIDE)


def test_it_segments(server, network):
    status, _, body = ask(network, "POST", "/v1/segment", body=images.png(60, 120, channels=4), Content_Type=images.PNG,
                          Accept=images.PNG)
    assert status == 200, body
    assert body.startswith(b"\x89PNG")


def test_process_1_ends_with_0_when_told_to_and_keeps_its_data(server, server_image, network, start):
    assert (Path(f"/proc/{server.first_process()}/status").read_text().split("NSpid:")[1].split()[1]) == "1"
    model = ask(network, "GET", "/v1/models")[2]
    assert server.stop() == 0
    assert "GenSeg stops: Terminated" in server.log_text()
    again = start(server_image)
    again.wait_until_healthy()
    assert ask(network, "GET", "/v1/models")[2] == model
    assert again.stop() == 0


def test_the_health_check_fails_without_a_server(server_image, start):
    container = start(server_image, ["serve", "--data", "/data", "--listen", "127.0.0.1:8090"])
    container.wait_until_listening(8090)
    status, _ = container.health()
    assert status != 0
    assert container.stop() == 0


def test_it_refuses_to_listen_outside(server_image, start):
    container = start(server_image, ["serve", "--data", "/data", "--listen", "0.0.0.0:8080"])
    assert container.process.wait(60) == 1
    assert "not a loopback address" in container.log_text()


# ==== The reverse proxy ====

@pytest.fixture
def plain(server, proxy_image, start):
    container = start(proxy_image)
    container.wait_until_healthy()
    return container


def test_the_proxy_is_what_can_be_had_from_outside(plain, network):
    status, _, body = ask(network, "GET", "/readyz", PLAIN, OUTSIDE, Host="127.0.0.1:8080")
    assert status == 200, body
    assert plain.stop() == 0


@pytest.mark.parametrize("headers, expected", [
    ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 200),
    ({"Host": "genseg.example:8080"}, 421),
    ({"Host": "127.0.0.1:8080", "Origin": "http://other.example"}, 403),
])
def test_the_servers_rules_hold_behind_the_proxy(plain, network, headers, expected):
    assert ask(network, "GET", "/v1/models", PLAIN, OUTSIDE, **headers)[0] == expected


def test_large_bodies_pass_the_proxy(plain, network):
    """The server judges sizes: 8 MiB are more than nginx takes by default."""
    status, _, body = ask(network, "POST", "/v1/segment", PLAIN, OUTSIDE, body=images.png(2048, 2048) + bytes(8 << 20),
                          Host="localhost:8080", Content_Type=images.PNG)
    assert status != 413 and b"nginx" not in body


@pytest.fixture
def tls(server, proxy_image, start):
    """Name and password as docs/docker.md makes them."""
    folder = proxy_image.root / "etc/genseg/tls"
    folder.mkdir(exist_ok=True)
    rootfs.command(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=genseg.example",
                    "-addext", f"subjectAltName=DNS:genseg.example,IP:{OUTSIDE}", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem"])
    (folder / "users").write_text("ada:" + rootfs.command(["openssl", "passwd", "-6", "secret"]))
    for name in ("key.pem", "users"):
        os.chown(folder / name, 0, 33)
        (folder / name).chmod(0o640)
    container = start(proxy_image, ["/etc/genseg/tls.conf"])
    container.wait_until_healthy()
    return ssl.create_default_context(cafile=folder / "cert.pem")


def password(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


ADA = password("ada:secret")
HOME = {"Host": "genseg.example:8443", "Authorization": ADA}


@pytest.mark.parametrize("headers, expected", [
    ({}, 401),
    ({"Authorization": password("ada:guess")}, 401),
    ({"Authorization": password("eve:secret")}, 401),
    (HOME, 200),
    ({**HOME, "Origin": "https://genseg.example:8443"}, 200),
    ({**HOME, "Origin": "https://other.example"}, 403),
    ({**HOME, "Origin": "https://genseg.example"}, 403),
    ({**HOME, "Origin": "http://genseg.example:8443"}, 403),
    ({**HOME, "Origin": "null"}, 403),
])
def test_tls_asks_for_a_password_and_takes_its_own_pages_only(tls, network, headers, expected):
    assert ask(network, "GET", "/v1/models", TLS, OUTSIDE, tls=tls, **headers)[0] == expected


def test_the_tls_port_speaks_nothing_else(tls, network):
    assert ask(network, "GET", "/readyz", TLS, OUTSIDE, Authorization=ADA)[0] == 400
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        network.call(lambda: old.wrap_socket(socket.create_connection((OUTSIDE, TLS), 10)))


# ==== The image for GPUs ====

def test_the_cuda_image_has_its_plugin_and_serves_without_a_gpu(cuda_image, start, network):
    plugin = "/usr/local/lib/genseg/libgenseg_cuda.so"
    assert libraries_missing(cuda_image, "/usr/local/bin/genseg", plugin) == []
    assert not (cuda_image.root / "usr/local/cuda").exists()
    container = start(cuda_image)
    container.wait_until_healthy()
    status, _, body = ask(network, "GET", "/readyz")
    assert status == 200 and b'"cpu"' in body
    assert container.stop() == 0
