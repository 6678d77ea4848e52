"""Bodies of 100 MB, one after the other on one connection."""

import http.client
import time

from processes import Failed
from proxies import HOST

BYTES = 100_000_000
BLOCK = bytes(256 * 1024)


def download(setting, name):
    return transfers(setting, name, fetch)


def upload(setting, name):
    return transfers(setting, name, send)


def transfers(setting, name, transfer):
    """At least two, and for as long as the setting says; the first is not counted."""
    with setting.proxy(name) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=60)
        try:
            transfer(connection)
            proxy.process.forget_peak()
            user, system = proxy.process.cpu_seconds()
            start, count = time.monotonic(), 0
            while count == 0 or time.monotonic() - start < setting.seconds:
                transfer(connection)
                count += 1
            seconds = time.monotonic() - start
            later_user, later_system = proxy.process.cpu_seconds()
        finally:
            connection.close()
        return {
            "megabytes_per_second": count * BYTES / 1e6 / seconds,
            "cpu_ms_per_100_mb": (later_user - user + later_system - system) / count * 1000,
            "peak_mib": proxy.process.peak_bytes() / 2**20,
        }


def fetch(connection):
    connection.request("GET", "/v1/download", headers={"Host": HOST})
    answer = connection.getresponse()
    buffer, count = bytearray(len(BLOCK)), 0
    while got := answer.readinto(buffer):
        count += got
    complete(answer, count, BYTES)


def send(connection):
    connection.putrequest("POST", "/v1/upload", skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", HOST)
    connection.putheader("Content-Length", str(BYTES))
    connection.endheaders()
    left = BYTES
    while left:
        here = BLOCK[:left]
        connection.sock.sendall(here)
        left -= len(here)
    answer = connection.getresponse()
    complete(answer, len(answer.read()), 1400)


def complete(answer, count, expected):
    if (answer.status, count) != (200, expected):
        raise Failed(f"{answer.status} with {count} bytes instead of 200 with {expected}")
