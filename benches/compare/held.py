"""What only stays open: event streams and idle connections."""

import json
import socket

from processes import Failed, Process, until
from proxies import HOST

REQUEST = f"GET /v1/small HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
# Of one source address: few, as a system may have been given few ports for it.
CONNECTIONS_OF_ONE_ADDRESS = 500
# IP_BIND_ADDRESS_NO_PORT of Linux, which Python has no name for before 3.12.
BIND_ADDRESS_NO_PORT = 24


def streams(setting, name):
    """Latency of events, of which the part that they have without a proxy is taken off, and memory of a stream."""
    direct = measured(setting, setting.place.server_ports[0])
    with setting.proxy(name) as proxy:
        before = proxy.process.resident_bytes()
        user, system = proxy.process.cpu_seconds()
        memory = {}

        def while_open():
            memory["each"] = (proxy.process.resident_bytes() - before) / setting.streams
            memory["cpu"] = proxy.process.cpu_seconds()

        through = measured(setting, proxy.plain, while_open)
        later_user, later_system = proxy.process.cpu_seconds()
        spent = later_user + later_system - sum(memory["cpu"])
    return {
        "added_p50_us": through["p50_us"] - direct["p50_us"],
        "added_p99_us": through["p99_us"] - direct["p99_us"],
        "p99_us": through["p99_us"],
        "direct_p99_us": direct["p99_us"],
        "events_per_second": through["events"] / through["seconds"],
        "cpu_us_per_event": spent / through["events"] * 1e6,
        "kib_per_stream": memory["each"] / 1024,
    }


def measured(setting, port, while_open=lambda: None):
    seconds = setting.seconds
    with Process(
        [setting.program("streams"), port, setting.streams, seconds], setting.place.folder, f"streams-{port}"
    ) as client:

        def said(lines):
            enough = client.said.read_text().count("\n") >= lines
            return enough or client.must_run()

        until("opening the streams", 90, lambda: said(1), 0.05)
        while_open()
        until("the end of the streams", seconds + 30, lambda: said(2), 0.05)
        figures = json.loads(client.said.read_text().splitlines()[1])
    if figures["broken"] or not figures["events"]:
        raise Failed(f"streams through port {port}: {figures}")
    return figures


def idle(setting, name):
    """Memory of a connection that was answered once and is kept."""
    with setting.proxy(name) as proxy:
        held = []
        try:
            # With the first ones a proxy allocates what it allocates once. They are counted as idle, too: there are
            # no more open files than for those.
            first = setting.idle // 20
            for number in range(first):
                ask(proxy.plain, number, held)
            before = proxy.process.resident_bytes()
            for number in range(first, setting.idle):
                ask(proxy.plain, number, held)
            each = (proxy.process.resident_bytes() - before) / (setting.idle - first)
            if any(closed(stream) for stream in held):
                raise Failed(f"{name} has closed connections that it should hold")
        finally:
            for stream in held:
                stream.close()
    return {"kib_per_connection": each / 1024}


def ask(port, number, held):
    stream = socket.socket()
    held.append(stream)
    stream.settimeout(20)
    # The port is chosen when it connects, when the system knows to whom. Otherwise each port that another connection
    # of this address had within the last minute counts as taken, whomever it was to, and soon there is none.
    stream.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    stream.bind((f"127.0.0.{2 + number // CONNECTIONS_OF_ONE_ADDRESS}", 0))
    stream.connect(("127.0.0.1", port))
    stream.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"x" * 1400):
        try:
            here = stream.recv(16384)
        except TimeoutError:
            here = b""
        if not here:
            raise Failed(f"connection {number} to port {port} has no whole answer, but {answer!r}")
        answer += here


def closed(stream):
    stream.setblocking(False)
    try:
        return stream.recv(1) == b""
    except BlockingIOError:
        return False
