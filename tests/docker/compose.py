"""What compose.yaml must hold. Reads it as YAML; variables take their defaults."""
import re
from pathlib import Path

import rules

SERVICE_KEYS = {"restart", "read_only", "tmpfs", "cap_drop", "security_opt", "network_mode", "volumes",
                "stop_grace_period", "profiles", "image", "build", "deploy", "ports", "command"}
LOOPBACK = re.compile(r"127\.0\.0\.1:\d+:\d+|\[::1\]:\d+:\d+")


def with_defaults(text):
    """${NAME:-default} as if no variable were set; another form of variable is an error."""
    value = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
    if "$" in value:
        raise ValueError(f"a variable without default: {text}")
    return value


def build_complaints(service, folder):
    build = service.get("build", {})
    context = folder / build.get("context", "missing")
    if not (context / ".dockerignore").is_file():
        yield f"no build context with .dockerignore at {context}"
    if not (context / build.get("dockerfile", "missing")).is_file():
        yield f"no Dockerfile at {context / build.get('dockerfile', 'missing')}"
    if not rules.pinned(service.get("image", "")):
        yield f"image {service.get('image')!r} has no tag that pins a version"


def confinement_complaints(service):
    if service.get("read_only") is not True:
        yield "its root file system can be written"
    if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it keeps privileges"
    if not service.get("profiles"):
        yield "it belongs to no profile, so it starts beside every other"


def volume_complaints(service, volumes):
    for volume in service.get("volumes", []):
        source, target, *_ = with_defaults(volume).split(":")
        if not target.startswith("/"):
            yield f"volume {volume} has no absolute place"
        if not source.startswith(("/", "./")) and source not in volumes:
            yield f"volume {source} is not declared"


def network_complaints(service, services):
    for port in service.get("ports", []):
        if not LOOPBACK.fullmatch(with_defaults(port)):
            yield f"port {port} is not on a loopback address by default"
    kind, _, owner = service.get("network_mode", "").partition(":")
    if not kind:
        return
    if kind != "service" or owner not in services:
        yield f"network_mode {service['network_mode']} names no service"
    if service.get("ports"):
        yield "it cannot publish ports in another service's network"


def is_server(service):
    return any(volume.endswith(":/data") for volume in service.get("volumes", []))


def device_complaints(service):
    devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    has_gpu = any(d.get("driver") == "nvidia" and d.get("count") and d.get("capabilities") == ["gpu"] for d in devices)
    if has_gpu != ("gpu" in service.get("profiles", []) and is_server(service)):
        yield "a GPU is reserved for the server of profile gpu, and for nothing else"


def profile_complaints(services):
    """Each profile alone that has a server must be whole: one server, and the owner of its network."""
    for profile in ("cpu", "gpu"):
        chosen = {name: s for name, s in services.items() if profile in s.get("profiles", [])}
        servers = [name for name, service in chosen.items() if is_server(service)]
        if len(servers) != 1:
            yield f"profile {profile} has {len(servers)} servers"
        for name, service in chosen.items():
            owner = service.get("network_mode", "").partition(":")[2]
            if owner and owner not in chosen:
                yield f"profile {profile}: {name} needs {owner}, which is not in it"


def complaints(document, folder):
    """All complaints about a compose file that was read as YAML, "SERVICE: …"."""
    services, volumes, folder = document.get("services", {}), document.get("volumes", {}), Path(folder)
    unknown = {key for key in document if not key.startswith("x-")} - {"name", "services", "volumes"}
    found = [f"no such part of a compose file: {key}" for key in sorted(unknown)]
    for name, service in services.items():
        unknown = set(service) - SERVICE_KEYS
        parts = [f"unknown: {key}" for key in sorted(unknown)]
        parts += build_complaints(service, folder)
        parts += confinement_complaints(service)
        parts += volume_complaints(service, volumes)
        parts += network_complaints(service, services)
        parts += device_complaints(service)
        found += [f"{name}: {part}" for part in parts]
    return found + list(profile_complaints(services))
