"""The work: what each load asks of a proxy that is fresh and warm, and what it costs the proxy."""

import time
from dataclasses import dataclass
from typing import Callable

import clients
import held
import large
import reload
from proxies import DISCOVERY_PATH, NAMES, Proxy

CONNECTIONS = 64
RATE = 5000


@dataclass
class Setting:
    """One measurement: of what, for how long, and how much is held open."""

    place: object
    discovery: object
    seconds: int
    streams: int
    idle: int
    reloaded: int
    access_log: bool = False

    def proxy(self, name, **options):
        return Proxy(name, self.place, self.discovery, self.access_log, **options)

    def program(self, name):
        return self.place.programs[name]


@dataclass
class Load:
    """`measure(setting, name of the proxy)` gives figures by name."""

    name: str
    title: str
    measure: Callable
    also_logged: bool = False
    proxies: tuple = tuple(NAMES)


def costs(process, work):
    """What this work costs the process: its own figures, and processor time for each of its requests."""
    user, system = process.cpu_seconds()
    start = time.monotonic()
    figures = work()
    seconds = time.monotonic() - start
    later_user, later_system = process.cpu_seconds()
    requests = figures["requests"]
    figures.pop("times", None)
    return {
        "requests_per_second": requests / figures["seconds"],
        "cpu_us_per_request": (later_user - user + later_system - system) / requests * 1e6,
        "system_us_per_request": (later_system - system) / requests * 1e6,
        "p50_us": figures["p50_us"],
        "p99_us": figures["p99_us"],
        "busy": (later_user - user + later_system - system) / seconds,
    }


def plain(path, kind="get", large_table=False):
    def measure(setting, name):
        with setting.proxy(name, mcp_clients=setting.reloaded if large_table else 1) as proxy:
            clients.warm(setting.program("h2load"), proxy, path)
            url = f"http://127.0.0.1:{proxy.plain}{path}"
            return costs(
                proxy.process, lambda: clients.wrk(setting.program("wrk"), url, setting.seconds, CONNECTIONS, kind)
            )

    return measure


def over_tls(setting, name):
    with setting.proxy(name) as proxy:
        clients.warm(setting.program("h2load"), proxy, DISCOVERY_PATH, tls=True)
        url = f"https://127.0.0.1:{proxy.tls}{DISCOVERY_PATH}"
        return costs(proxy.process, lambda: clients.wrk(setting.program("wrk"), url, setting.seconds, CONNECTIONS))


def over_http2(setting, name):
    with setting.proxy(name) as proxy:
        clients.warm(setting.program("h2load"), proxy, DISCOVERY_PATH, tls=True)
        url = f"https://127.0.0.1:{proxy.tls}{DISCOVERY_PATH}"
        return costs(
            proxy.process,
            lambda: clients.h2load(setting.program("h2load"), url, setting.seconds, CONNECTIONS, streams=10),
        )


def at_a_rate(setting, name):
    with setting.proxy(name) as proxy:
        clients.warm(setting.program("h2load"), proxy)
        url = f"http://127.0.0.1:{proxy.plain}/v1/small"
        return costs(
            proxy.process,
            lambda: clients.h2load(
                setting.program("h2load"), url, setting.seconds, CONNECTIONS, rate=RATE, http1=True
            ),
        )


def handshakes(setting, name):
    with setting.proxy(name) as proxy:
        clients.warm(setting.program("h2load"), proxy, DISCOVERY_PATH, count=200, tls=True)
        user, system = proxy.process.cpu_seconds()
        count = clients.handshakes(setting.program("openssl"), proxy.tls, setting.seconds)
        later_user, later_system = proxy.process.cpu_seconds()
        spent = later_user - user + later_system - system
        return {"cpu_us_per_handshake": spent / count * 1e6, "handshakes_per_cpu_second": count / spent}


def start(setting, name):
    with setting.proxy(name) as proxy:
        return {"start_ms": proxy.start_seconds * 1000, "start_cpu_ms": sum(proxy.process.cpu_seconds()) * 1000}


LOADS = [
    Load("discovery", "Discovery, kept alive", plain(DISCOVERY_PATH), also_logged=True),
    Load("discovery-large", "Discovery with a large table", plain(DISCOVERY_PATH, large_table=True), proxies=("edge",)),
    Load("discovery-new", "Discovery, a connection each", plain(DISCOVERY_PATH, "close")),
    Load("discovery-tls", "Discovery over TLS", over_tls),
    Load("discovery-h2", "Discovery over HTTP/2", over_http2),
    Load("get", "Forwarded GET, 1.4 KB", plain("/v1/small"), also_logged=True),
    Load("get-10k", "Forwarded GET, 10 KB", plain("/v1/large"), also_logged=True),
    Load("post", "Forwarded POST, 2 KB to 10 KB", plain("/v1/large", "post"), also_logged=True),
    Load("rate", "Forwarded GET, 5,000 a second", at_a_rate),
    Load("download", "Download of 100 MB", large.download),
    Load("upload", "Upload of 100 MB", large.upload),
    Load("streams", "Event streams, 20 events a second each", held.streams),
    Load("idle", "Idle connections", held.idle),
    Load("handshakes", "TLS 1.3 handshakes", handshakes),
    Load("start", "Start to first answer", start),
    Load("reload", "Reload of the MCP client table under load", reload.measure, proxies=("edge",)),
]
