"""Requests while the edge loads a large MCP client table anew."""

import http.client
import json
import threading
import time

import clients
from processes import CPUS, until
from proxies import MCP_CLIENT

RATE = 2000
LONGEST_RELOAD = 60


def measure(setting, name):
    """p99 of forwarded requests at a fixed rate, quiet and during the reload. The edge may use every processor, as it
    compiles off its workers."""
    with setting.proxy(name, mcp_clients=setting.reloaded, cpus=CPUS) as proxy:
        clients.warm(setting.program("h2load"), proxy)
        # Within the first second the connections are opened.
        quiet_seconds = setting.seconds + 1
        length = quiet_seconds + 2 + setting.reloaded // 12_500
        found = {}
        load = threading.Thread(target=lambda: found.update(ask(setting, proxy, length)))
        load.start()
        try:
            time.sleep(quiet_seconds)
            user, system = proxy.process.cpu_seconds()
            start = time.time()
            replace(proxy, setting.reloaded)
            until("the reload", LONGEST_RELOAD, lambda: generation(proxy) == 2, 0.02)
            end = time.time()
            later_user, later_system = proxy.process.cpu_seconds()
        finally:
            load.join()
    if "error" in found:
        raise found["error"]
    lengths = [
        sorted(length for at, length in found["times"] if first * 1e6 <= at < last * 1e6)
        for first, last in [(start - setting.seconds, start), (start, end)]
    ]
    quiet, during = (clients.percentile(values, 0.99) for values in lengths)
    return {
        "quiet_p99_us": quiet,
        "during_p99_us": during,
        "during_over_quiet": during / quiet,
        "during_requests": len(lengths[1]),
        "reload_seconds": end - start,
        "reload_cpu_seconds": later_user - user + later_system - system,
    }


def ask(setting, proxy, seconds):
    try:
        url = f"http://127.0.0.1:{proxy.plain}/v1/small"
        return clients.h2load(setting.program("h2load"), url, seconds, 64, rate=RATE, http1=True)
    except Exception as error:
        return {"error": error}


def replace(proxy, count):
    """The table with one more client, put in the place of the old one by a rename, as editors do."""
    path = proxy.folder / "edge.yaml"
    later = proxy.folder / "edge.yaml.new"
    later.write_text(path.read_text() + MCP_CLIENT.format(number=count))
    later.rename(path)


def generation(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=20)
    try:
        connection.request("GET", "/status")
        return json.loads(connection.getresponse().read())["configuration"]["generation"]
    finally:
        connection.close()
