"""Runs images as compose.yaml does: first process of its own process namespace, the root read-only but for volumes and
/tmp, no privileges, several in one network namespace."""
import ctypes
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import rootfs

CLONE_NEWNET = 0x40000000
OUTSIDE = "192.0.2.1"  # an address of the namespace that is not loopback, for documentation by RFC 5737

# Mounts of the container, then its command as its user, without changing the process.
LAUNCH = """
root=$1 user=$2 group=$3 workdir=$4 volumes=$5
shift 5
mount --bind "$root" "$root"
for volume in $volumes; do mount --bind "$root$volume" "$root$volume"; done
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --bounding-set=-all \
  --inh-caps=-all /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
"""


class Network:
    """A network namespace with loopback and one more address."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.file = f"/proc/{self.holder.pid}/ns/net"
        while os.readlink(self.file) == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{OUTSIDE}/32", "dev", "lo"]):
            rootfs.command(["nsenter", f"--net={self.file}", "ip", *words])

    def call(self, function, *arguments, **options):
        """Calls a function in a thread that is in the namespace."""
        outcome = []

        def target():
            with open(self.file, "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    outcome.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                outcome.append(function(*arguments, **options))
            except Exception as problem:  # handed on to the caller
                outcome.append(problem)

        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Container:
    def __init__(self, image, network, log, command=None):
        self.image, self.log = image, Path(log)
        self.user, self.group = rootfs.identity(image.root, image.user)
        self.environment = {"PATH": rootfs.PATH, **image.environment}
        words = [*image.entrypoint, *(image.command if command is None else command)]
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                ["nsenter", f"--net={network.file}", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                 LAUNCH, "launch", str(image.root), str(self.user), str(self.group), image.workdir,
                 " ".join(image.volumes), *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment)

    def first_process(self):
        """The container's process 1, by the number that it has here; waits until there is one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while self.process.poll() is None:
            numbers = children.read_text().split()
            if numbers:
                return int(numbers[0])
            time.sleep(0.01)
        raise AssertionError(f"the container did not start: {self.log_text()[-3000:]}")

    def health(self):
        """The exit status of HEALTHCHECK's command, and what it said."""
        enter = ["nsenter", f"--target={self.first_process()}", "--mount", "--net", "--pid", "chroot",
                 str(self.image.root), "setpriv", "--reuid", str(self.user), "--regid", str(self.group), "--clear-groups"]
        done = subprocess.run([*enter, *self.image.health], capture_output=True, text=True, env=self.environment)
        return done.returncode, done.stdout + done.stderr

    def wait_until_healthy(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self.health()[0] == 0:
                return
            time.sleep(0.2)
        raise AssertionError(f"not healthy: {self.log_text()[-3000:]}")

    def wait_until_listening(self, port, seconds=60):
        """By what the server says."""
        end = time.monotonic() + seconds
        while f":{port}" not in self.log_text():
            assert time.monotonic() < end and self.process.poll() is None, self.log_text()[-3000:]
            time.sleep(0.05)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def stop(self, seconds=60):
        """Sends STOPSIGNAL as an engine does; the exit status."""
        if self.process.poll() is None:
            os.kill(self.first_process(), signal.Signals[self.image.stop_signal])
        return self.process.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()  # and with it, --kill-child, the container
        self.process.wait()
