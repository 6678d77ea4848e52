"""How the cost of the edge and of nginx grows with workers, connections, servers, bodies and slow clients."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, astuple, dataclass, fields

import build
import check
import clients
import report
import slow
from compare import CLIENTS
from loads import CONNECTIONS, Setting
from place import MOST_PROCESSORS, Place, programs_installed
from processes import Failed
from proxies import DISCOVERY_PATH


@dataclass(frozen=True)
class Asked:
    """What is asked as fast as it is answered, and of which kind the slow clients beside it are."""

    path: str
    kind: str = "get"
    slow: str = None


LOADS = {
    "discovery": Asked(DISCOVERY_PATH),
    "get": Asked("/v1/small"),
    "post of 1 MB": Asked("/v1/upload", "post-1m"),
    f"get, {slow.COUNT} slow readers": Asked("/v1/small", slow="readers"),
    f"get, {slow.COUNT} slow senders": Asked("/v1/small", slow="senders"),
}
WORKERS = [1, 2, 4]
MANY_CONNECTIONS, MANY_SERVERS = 4096, 200
PROXIES = ["edge", "nginx"]
SHOWN = {
    "requests_per_second": ("requests per second", 0), "cpu_us_per_request": ("CPU µs per request", 2),
    "p99_us": ("p99, µs", 0), "busy": ("processors that it used", 2), "resident_mib": ("memory, MiB", 1),
}


@dataclass(frozen=True)
class Point:
    """One line of the table: what is asked, of how many workers, on how many connections, with how many servers."""

    load: str
    workers: int = 1
    connections: int = CONNECTIONS
    servers: int = 1

    def title(self):
        return f"{self.load}, {self.workers} workers, {self.connections} connections, {self.servers} servers"


# Between the few and the many: the edge alone.
GROWTH = [*[Point("get", connections=count) for count in [1, 512]], Point("get", servers=20)]


def points():
    """Every measurement, and of which proxies."""
    for workers in WORKERS:
        yield Point("discovery", workers), PROXIES
    yield Point("discovery", connections=MANY_CONNECTIONS), PROXIES
    for workers in WORKERS:
        for connections in [CONNECTIONS, MANY_CONNECTIONS]:
            yield Point("get", workers, connections), PROXIES
    for workers in WORKERS[:2]:
        yield Point("get", workers, servers=MANY_SERVERS), PROXIES
        yield Point("post of 1 MB", workers), PROXIES
    for load, asked in LOADS.items():
        if asked.slow:
            yield Point(load), PROXIES
    for point in GROWTH:
        yield point, PROXIES[:1]


def scaling(options):
    """Measures in rounds over all points, and writes what was found into the folder of the build."""
    proxies = [name for name in PROXIES if name in options.proxies]
    if not proxies:
        raise Failed(f"the scaling is that of {' and '.join(PROXIES)}")
    programs = build.programs(options.edge, [])
    programs |= programs_installed([*CLIENTS, *[name for name in proxies if name not in programs]])
    told = report.about(options, programs, proxies)
    with Place(programs) as place:
        discovery = check.learn(place)
    samples = {}
    for number in range(options.rounds):
        for point, of in points():
            for name in proxies:
                if name in of:
                    figures = measure(options, programs, discovery, point, name)
                    samples.setdefault((point, name), []).append(figures)
                    print(f"round {number + 1}: {name}, {point.title()}: {line(figures)}", flush=True)
    write(samples, told, proxies)


def measure(options, programs, discovery, point, name):
    asked = LOADS[point.load]
    with Place(programs, point.servers, point.workers) as place:
        setting = Setting(place, discovery, options.seconds, 0, 0, 0)
        with setting.proxy(name) as proxy, slow.beside(setting, proxy, asked.slow), ThreadPoolExecutor() as beside:
            clients.warm(programs["h2load"], proxy, asked.path)
            url = f"http://127.0.0.1:{proxy.plain}{asked.path}"
            # Within so many seconds all connections are open; as long may the count be in coming.
            opening = 1 + point.connections // 2048
            load = beside.submit(
                clients.wrk, programs["wrk"], url, opening + options.seconds + opening, point.connections, asked.kind,
                threads=min(point.workers, MOST_PROCESSORS),
            )
            time.sleep(opening)
            figures = steady(proxy, options.seconds, load)
            return figures | {"p99_us": load.result()["p99_us"]}


def steady(proxy, seconds, load):
    """What requests cost once all connections are open and as long as the load lasts, by the proxy's own count. It is
    asked for that first: where it has much to do, its answer takes a while."""
    count, (user, system), start = answered(proxy), proxy.process.cpu_seconds(), time.monotonic()
    wait([load], timeout=seconds)
    later_count, (later_user, later_system), later = answered(proxy), proxy.process.cpu_seconds(), time.monotonic()
    spent, requests = later_user - user + later_system - system, later_count - count
    if requests <= 0:
        raise Failed(f"no request was answered within {seconds} s")
    return {
        "requests_per_second": requests / (later - start),
        "cpu_us_per_request": spent / requests * 1e6,
        "busy": spent / (later - start),
        "resident_mib": proxy.process.resident_bytes() / 2**20,
    }


def answered(proxy):
    """How many requests it has had: of the edge the sum of a metric, of nginx the third number of its status."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=20)
    try:
        connection.request("GET", "/status" if proxy.name == "nginx" else "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    if proxy.name == "nginx":
        return int(lines[2].split()[2])
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("bridgehead_requests_total{"))


def line(figures):
    return ", ".join(f"{figures[name]:,.{decimals}f} {title}" for name, (title, decimals) in SHOWN.items())


def rows(middle):
    """Of each point and figure: the value of each proxy, and the ratio of the edge's to each other's."""
    for point, _ in points():
        for figure in SHOWN:
            values = {name: middle[point, name][figure] for name in PROXIES if (point, name) in middle}
            yield point, figure, values, report.ratios(values)


def write(samples, told, proxies):
    """A table, and everything as JSON."""
    folder = build.target() / "compare"
    middle = report.medians(samples)
    heads = [*[field.name for field in fields(Point)], "figure", *proxies, *[f"edge/{name}" for name in proxies[1:]]]
    lines = [heads, ["---", "--:", "--:", "--:", "---", *["--:"] * (len(heads) - 5)]]
    results = []
    for point, figure, values, over in rows(middle):
        title, decimals = SHOWN[figure]
        shown = [f"{values[name]:,.{decimals}f}" if name in values else "" for name in proxies]
        shown += [f"{over[name]:.2f}" if name in over else "" for name in proxies[1:]]
        lines.append([*map(str, astuple(point)), title, *shown])
        taken = {name: [sample[figure] for sample in samples[point, name]] for name in values}
        results.append({**asdict(point), "figure": figure, "medians": values, "edge_over": over, "samples": taken})
    table = f"{report.described(told)}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
    (folder / "scaling.md").write_text(table)
    (folder / "scaling.json").write_text(json.dumps({"about": told, "results": results}, indent=1) + "\n")
    print(f"\n{table}\n{folder}/scaling.md and scaling.json")
