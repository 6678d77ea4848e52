"""The programs that ask, and what they print, as figures. Times are in microseconds."""

import json
import re
import tempfile
from pathlib import Path

from processes import Failed, run
from proxies import HOST, TEMPLATES, TLS_HOST


def host(url):
    """Whom the client means: each has one scheme."""
    return TLS_HOST if url.startswith("https:") else HOST


def percentile(values, share):
    """Of sorted values; of none it is 0."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def wrk(program, url, seconds, connections, kind="get", threads=1):
    """Asks as fast as it is answered, on so many connections."""
    out = run(
        [program, f"-t{min(threads, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency",
         "--timeout", "20s", "-H", f"Host: {host(url)}", "-s", TEMPLATES / "load.lua", url, "--", kind],
        seconds + 20,
    )
    figures = json.loads(out.strip().splitlines()[-1])
    if figures["errors"] or not figures["requests"]:
        raise Failed(f"wrk {kind} {url}: {figures}")
    return figures


def h2load(program, url, seconds, connections, streams=1, rate=None, http1=False):
    """Asks on so many connections with so many streams each; at a rate, if there is one. `times` are pairs of the
    start of each request, in microseconds since 1970, and its length."""
    with tempfile.TemporaryDirectory(prefix="bridgehead-h2load-") as folder:
        log = Path(folder) / "requests"
        command = [program, "-t1", f"-c{connections}", f"-m{streams}", "-D", seconds, f"--log-file={log}"]
        command += ["-H", f":authority: {host(url)}", *(["--h1"] if http1 else [])]
        command += [f"--rps={rate / connections:.3f}"] if rate else []
        out = run([*command, url], seconds + 30)
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    bad = [line for line in lines if line[1] != "200"]
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", out)
    if bad or not lines or any(int(count) for count in failed.groups()):
        raise Failed(f"h2load {url}: {len(bad)} of {len(lines)} answers were not 200\n{out}")
    times = [(int(start), int(length)) for start, _, length in lines]
    lengths = sorted(length for _, length in times)
    return {
        "requests": len(lines), "seconds": seconds, "times": times,
        "p50_us": percentile(lengths, 0.5), "p99_us": percentile(lengths, 0.99),
    }


def warm(program, proxy, path="/v1/small", count=2000, tls=False):
    """Fills pools and caches before anything is measured."""
    url = f"https://127.0.0.1:{proxy.tls}{path}" if tls else f"http://127.0.0.1:{proxy.plain}{path}"
    out = run([program, "--h1", "-t1", "-c32", f"-n{count}", "-H", f":authority: {host(url)}", url], 60)
    if f" {count} succeeded" not in out:
        raise Failed(f"warming {proxy.name} up with {url}:\n{out}")


def handshakes(program, port, seconds):
    """New TLS 1.3 sessions one after the other: how many in how long."""
    out = run(
        [program, "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-tls1_3", "-time", seconds], seconds + 20
    )
    found = re.search(r"(\d+) connections in (\d+) real seconds", out)
    if not found or not int(found[1]):
        raise Failed(f"openssl s_time: {out}")
    return int(found[1])
