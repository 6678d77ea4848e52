"""What was measured: medians, ratios to the edge, and whether the targets are met."""

import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from loads import LOADS
from processes import CPUS
from proxies import NAMES

VERSIONS = {"edge": ["--version"], "nginx": ["-v"], "haproxy": ["-v"], "caddy": ["version"]}

# The title of each figure, and how many decimals of it mean something. The first that a load has stands for it.
FIGURES = {
    "cpu_us_per_request": ("CPU µs per request", 2),
    "system_us_per_request": ("of these in the system, µs", 2),
    "cpu_us_per_handshake": ("CPU µs per handshake", 0),
    "handshakes_per_cpu_second": ("handshakes per CPU second", 0),
    "megabytes_per_second": ("MB per second", 0),
    "cpu_ms_per_100_mb": ("CPU ms per 100 MB", 1),
    "peak_mib": ("most memory, MiB", 1),
    "requests_per_second": ("requests per second", 0),
    "p50_us": ("p50, µs", 0),
    "p99_us": ("p99, µs", 0),
    "added_p50_us": ("added p50 of an event, µs", 0),
    "added_p99_us": ("added p99 of an event, µs", 0),
    "direct_p99_us": ("p99 of an event without a proxy, µs", 0),
    "busy": ("share of a processor that it used", 2),
    "cpu_us_per_event": ("CPU µs per event", 2),
    "events_per_second": ("events per second", 0),
    "kib_per_stream": ("memory of a stream, KiB", 1),
    "kib_per_connection": ("memory of a connection, KiB", 1),
    "start_ms": ("ms", 0),
    "start_cpu_ms": ("CPU ms", 0),
    "quiet_p99_us": ("p99 before it, µs", 0),
    "during_p99_us": ("p99 during it, µs", 0),
    "during_over_quiet": ("p99 during it over before it", 2),
    "reload_seconds": ("seconds of it", 2),
    "reload_cpu_seconds": ("CPU seconds of it", 2),
}


@dataclass(frozen=True)
class Target:
    """The edge's figure over that of another proxy, or the figure itself, at most (or at least) this."""

    load: str
    figure: str
    bound: float
    over: str = None
    at_least: bool = False
    logged: bool = False


CPU = "cpu_us_per_request"
TARGETS = [
    *[Target("discovery", CPU, bound, over) for over, bound in [("nginx", 1.0), ("haproxy", 1.0), ("caddy", 0.25)]],
    *[Target("get", CPU, bound, over) for over, bound in [("nginx", 1.1), ("haproxy", 1.1), ("caddy", 0.25)]],
    *[Target("discovery", CPU, 1.1, over, logged=True) for over in ["nginx"]],
    *[Target("get", CPU, 1.1, over, logged=True) for over in ["nginx"]],
    Target("rate", "p99_us", 1.1, "nginx"),
    Target("streams", "added_p99_us", 1.0, "nginx"),
    Target("streams", "kib_per_stream", 40),
    Target("idle", "kib_per_connection", 12),
    Target("download", "megabytes_per_second", 0.9, "nginx", at_least=True),
    Target("upload", "megabytes_per_second", 0.9, "nginx", at_least=True),
    Target("handshakes", "handshakes_per_cpu_second", 0.9, "nginx", at_least=True),
    Target("start", "start_ms", 100),
    Target("reload", "during_over_quiet", 2.0),
]


def medians(samples):
    """Of samples by (load, logged, proxy): the median of each figure."""
    return {
        key: {figure: statistics.median(sample[figure] for sample in taken) for figure in taken[0]}
        for key, taken in samples.items()
        if taken
    }


def rows(middle):
    """The lines of the table: load, figure, value of each proxy, ratio of the edge to each other."""
    for load in LOADS:
        for logged in [False, True]:
            here = {name: middle[load.name, logged, name] for name in NAMES if (load.name, logged, name) in middle}
            for figure in FIGURES:
                values = {name: figures[figure] for name, figures in here.items() if figure in figures}
                if values:
                    yield load, logged, figure, values, ratios(values)


def ratios(values):
    """The edge's value over each other's, where both are above zero."""
    edge = values.get("edge")
    return {
        name: edge / value for name, value in values.items() if name != "edge" and edge and edge > 0 and value > 0
    }


def verdicts(target_load, logged, figure, values, over):
    """What the targets say of one line, such as `nginx ≤ 1.1: met`."""
    for target in TARGETS:
        if (target.load, target.logged, target.figure) != (target_load, logged, figure):
            continue
        reached = over.get(target.over) if target.over else values.get("edge")
        if target.over and reached is None and target.over in values and "edge" in values:
            # Nothing was added, or less than nothing: there is no ratio, but there is an order.
            reached = 0.0 if values["edge"] <= values[target.over] else float("inf")
        if reached is None:
            continue
        met = reached >= target.bound if target.at_least else reached <= target.bound
        name = f"{target.over} " if target.over else ""
        yield target, met, f"{name}{'≥' if target.at_least else '≤'} {target.bound:g}: {'met' if met else 'missed'}"


def table(middle, wanted=lambda figure: True):
    """Markdown."""
    heads = ["load", "figure", *NAMES, *[f"edge/{name}" for name in NAMES[1:]], "targets"]
    lines = [heads, ["---"] * 2 + ["--:"] * (len(heads) - 3) + ["---"]]
    for load, logged, figure, values, over in rows(middle):
        if not wanted(figure):
            continue
        title, decimals = FIGURES[figure]
        targets = "; ".join(text for _, _, text in verdicts(load.name, logged, figure, values, over))
        lines.append([
            load.title + (", access log on" if logged else ""),
            title,
            *[f"{values[name]:,.{decimals}f}" if name in values else "" for name in NAMES],
            *[f"{over[name]:.2f}" if name in over else "" for name in NAMES[1:]],
            targets,
        ])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def document(middle, samples, about):
    """Everything as JSON."""
    found = []
    for load, logged, figure, values, over in rows(middle):
        found.append({
            "load": load.name, "access_log": logged, "figure": figure, "medians": values, "edge_over": over,
            "targets": [
                {"over": target.over, "bound": target.bound, "at_least": target.at_least, "met": met}
                for target, met, _ in verdicts(load.name, logged, figure, values, over)
            ],
            "samples": {
                name: [sample[figure] for sample in samples[load.name, logged, name]] for name in values
            },
        })
    return {"about": about, "results": found}


def about(options, programs, proxies):
    """Where and how it is measured."""
    def version(name):
        said = subprocess.run([programs[name], *VERSIONS[name]], capture_output=True, text=True, check=False)
        return (said.stdout + said.stderr).strip().splitlines()[0]

    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processor": processor(),
        "processors": len(CPUS),
        "load_average_before": round(os.getloadavg()[0], 2),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "reloaded": options.reloaded,
        "versions": {name: version(name) for name in proxies},
    }


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def described(told):
    """The same in a sentence or two."""
    busy = "" if told["load_average_before"] < 0.5 else " The machine had other work: trust ratios at most."
    return (
        f"{told['when']}, {told['processors']} × {told['processor']}, Linux {told['kernel']}; "
        f"medians of {told['rounds']} rounds of {told['seconds']} s. {'; '.join(told['versions'].values())}.{busy}"
    )
