"""How the edge's cost grows with its workers, its connections and its servers."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import build
import clients
import report
from compare import CLIENTS
from loads import CONNECTIONS, Setting
from place import Place, programs_installed
from processes import Failed
from proxies import DISCOVERY_PATH

PATHS = {"discovery": DISCOVERY_PATH, "get": "/v1/small"}
WORKERS = [1, 2]
CONNECTION_COUNTS = [1, 8, 64, 512, 4096]
SERVERS = [1, 2, 20, 200]
POINT = ["load", "workers", "connections", "servers"]
# Within so many seconds all connections are open.
OPENING = 2
SHOWN = {
    "requests_per_second": ("requests per second", 0), "cpu_us_per_request": ("CPU µs per request", 2),
    "p99_us": ("p99, µs", 0), "resident_mib": ("memory, MiB", 1),
}


def points():
    """(load, workers, connections, servers) of every measurement."""
    for load in PATHS:
        for workers in WORKERS:
            for connections in CONNECTION_COUNTS:
                yield load, workers, connections, 1
    for workers in WORKERS:
        for servers in SERVERS[1:]:
            yield "get", workers, CONNECTIONS, servers


def scaling(options):
    """Measures in rounds over all points, and writes what was found into the folder of the build."""
    programs = build.programs(options.edge, [])
    programs |= programs_installed(CLIENTS)
    told = report.about(options, programs, ["edge"])
    samples = {}
    for number in range(options.rounds):
        for point in points():
            samples.setdefault(point, []).append(measure(options, programs, *point))
            print(f"round {number + 1}: {line(point, samples[point][-1])}", flush=True)
    write(samples, told)


def measure(options, programs, load, workers, connections, servers):
    with Place(programs, servers, workers) as place:
        setting = Setting(place, None, options.seconds, 0, 0, 0)
        with setting.proxy("edge") as proxy:
            clients.warm(programs["h2load"], proxy, PATHS[load])
            url = f"http://127.0.0.1:{proxy.plain}{PATHS[load]}"
            with ThreadPoolExecutor() as beside:
                length = OPENING + options.seconds + 1
                load = beside.submit(clients.wrk, programs["wrk"], url, length, connections, threads=workers)
                time.sleep(OPENING)
                figures = steady(proxy, options.seconds)
                return figures | {"p99_us": load.result()["p99_us"]}


def steady(proxy, seconds):
    """What requests cost once all connections are open, by the edge's own count."""
    start, count, (user, system) = time.monotonic(), answered(proxy), proxy.process.cpu_seconds()
    time.sleep(seconds)
    later, later_count, (later_user, later_system) = time.monotonic(), answered(proxy), proxy.process.cpu_seconds()
    spent, requests = later_user - user + later_system - system, later_count - count
    if not requests:
        raise Failed(f"no request was answered within {seconds} s")
    return {
        "requests_per_second": requests / (later - start),
        "cpu_us_per_request": spent / requests * 1e6,
        "busy": spent / (later - start),
        "resident_mib": proxy.process.resident_bytes() / 2**20,
    }


def answered(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=20)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("bridgehead_requests_total{"))


def line(point, figures):
    load, workers, connections, servers = point
    values = ", ".join(f"{figures[name]:,.{decimals}f} {title}" for name, (title, decimals) in SHOWN.items())
    return f"{load}, {workers} workers, {connections} connections, {servers} servers: {values}"


def write(samples, told):
    folder = build.target() / "compare"
    middle = report.medians(samples)
    heads = [*POINT, *[title for title, _ in SHOWN.values()]]
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)]]
    for point, figures in middle.items():
        lines.append([*map(str, point), *[f"{figures[name]:,.{decimals}f}" for name, (_, decimals) in SHOWN.items()]])
    table = f"{report.described(told)}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
    results = [
        {**dict(zip(POINT, point)), "medians": figures, "samples": samples[point]} for point, figures in middle.items()
    ]
    (folder / "scaling.md").write_text(table)
    (folder / "scaling.json").write_text(json.dumps({"about": told, "results": results}, indent=1) + "\n")
    print(f"\n{table}\n{folder}/scaling.md and scaling.json")
