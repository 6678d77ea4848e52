"""Where everything runs: a folder that goes away, certificates, free ports, processors, the server behind."""

import os
import random
import resource
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from processes import CPUS, Failed, Process, run, until

# Twice the 10,000 connections that are held at once, and some.
OPEN_FILES = 32_768
# More workers share as many processors.
MOST_PROCESSORS = 2
# Below it other servers of the machine may want to listen.
LOWEST_PORT = 10_000


class Place:
    """What all proxies of one comparison share."""

    def __init__(self, programs, servers=1, workers=1, let_end=False):
        self.programs = programs
        self.workers = workers
        self.let_end = let_end
        self.folder = Path(tempfile.mkdtemp(prefix="bridgehead-compare-"))
        self.folder.chmod(0o755)
        self.open_files = raise_open_files()
        # Each may take two open files of a proxy, and it has others.
        self.connections = (self.open_files - 512) // 2
        # The proxy has a processor for each worker, and whatever loads it has the others, if there are others.
        own = min(workers, MOST_PROCESSORS)
        apart = len(CPUS) > own
        self.proxy_cpus = CPUS[:own] if apart else CPUS
        os.sched_setaffinity(0, CPUS[own:] if apart else CPUS)
        try:
            self.certificate()
            self.server_ports = free_ports(servers)
            self.origin = Process(
                [programs["origin"], *self.server_ports], self.folder, "origin", standard_input=subprocess.PIPE
            )
            until("the server behind", 10, lambda: self.origin.said.read_text() or self.origin.must_run())
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if hasattr(self, "origin"):
            self.origin.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def certificate(self):
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=secure.test", "-addext", "subjectAltName=DNS:secure.test",
             "-keyout", key, "-out", certificate],
            30,
        )
        (self.folder / "both.pem").write_text(certificate.read_text() + key.read_text())


def raise_open_files():
    """As many open files as are needed or as this user may have, for all that is started from here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, OPEN_FILES), max(most, OPEN_FILES)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_ports(count):
    """Ports to listen on, if possible of those that the system gives no connection: one that was free a moment ago
    still is when the proxy starts, and the many thousand that closed connections hold for a minute are none of them."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    every = range(LOWEST_PORT, 65_536)
    apart = [port for port in every if not low <= port <= high]
    ports = apart if len(apart) > 10 * count else every
    found = []
    for port in random.sample(ports, len(ports)):
        if len(found) < count and free(port):
            found.append(port)
    if len(found) < count:
        raise Failed(f"fewer than {count} ports of 127.0.0.1 are free from {LOWEST_PORT} on")
    return found


def free(port):
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def programs_installed(names):
    """The programs of the path by name; says which are missing."""
    found = {name: shutil.which(name) for name in names}
    missing = [name for name, path in found.items() if not path]
    if missing:
        raise Failed(f"missing: {', '.join(missing)}. make bench-compare installs them")
    return found
