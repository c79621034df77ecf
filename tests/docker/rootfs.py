"""Debian roots in folders, and commands in them: what a container engine gives a build. Needs to be root in a mount
namespace of its own, where what is mounted is gone with the process (`make test-docker` sees to that)."""
import os
import shutil
import subprocess
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command(words, **options):
    """Runs a program; what it says is the error when it fails."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def debian(cache):
    """A minimal Debian 12 as a tar file in the folder `cache`, made once; images of Debian are made the same way."""
    archive = Path(cache) / "debian-12.tar"
    if not archive.exists():
        part = archive.with_suffix(".part.tar")
        command(["mmdebstrap", "--variant=minbase", "bookworm", part])
        part.rename(archive)
    return archive


def unpack(archive, root):
    root.mkdir(parents=True)
    command(["tar", "-C", root, "-xf", archive])
    # As in images: packages that are installed start no services.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def duplicate(source, target):
    command(["cp", "-a", "--one-file-system", source, target])


def inside(root, path, workdir="/"):
    """A path of the image as a path here."""
    return Path(root) / os.path.normpath(os.path.join(workdir, path)).lstrip("/")


def identity(root, user):
    """(user, group) as numbers, of a USER instruction's text."""
    name, _, group = user.partition(":")
    entries = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    for entry in entries:
        if name in (entry[0], entry[2]):
            return int(entry[2]), int(group or entry[3])
    return int(name), int(group or 0)


def run(root, words, environment, workdir="/"):
    """Runs a command in a root as its superuser, with the network of this machine."""
    for kind, place in (("proc", "proc"), ("sysfs", "sys")):
        if not os.path.ismount(root / place):
            command(["mount", "-t", kind, kind, root / place])
    if not os.path.ismount(root / "dev"):
        command(["mount", "--rbind", "/dev", root / "dev"])
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    enter = ["chroot", root, "/bin/sh", "-c", 'cd "$0" && exec "$@"', workdir, *words]
    return command(enter, env={"PATH": PATH, "HOME": "/root", **environment})


def release(root):
    """Takes away what `run` mounted."""
    for place in ("proc", "sys", "dev"):
        if os.path.ismount(root / place):
            command(["umount", "--recursive", root / place])
