"""What was measured: medians, ratios to the edge, and whether the targets are met."""

import math
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from loads import LOADS
from processes import CPUS
from proxies import NAMES
from targets import BUILDS, verdicts

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


def table(middle, held_to):
    """Markdown."""
    heads = ["load", "figure", *NAMES, *[f"edge/{name}" for name in NAMES[1:]], "targets"]
    lines = [heads, ["---"] * 2 + ["--:"] * (len(heads) - 3) + ["---"]]
    for load, logged, figure, values, over in rows(middle):
        title, decimals = FIGURES[figure]
        found = verdicts(held_to, load.name, logged, figure, values, over)
        targets = "; ".join(f"{one.target.text()}: {'met' if one.met else 'missed'}" for one in found)
        lines.append([
            titled(load, logged),
            title,
            *[f"{values[name]:,.{decimals}f}" if name in values else "" for name in NAMES],
            *[f"{over[name]:.2f}" if name in over else "" for name in NAMES[1:]],
            targets,
        ])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def titled(load, logged):
    return load.title + (", access log on" if logged else "")


def judged(middle, held_to):
    """The load, whether with the access log, the figure, and the verdict of every target that could be judged."""
    for load, logged, figure, values, over in rows(middle):
        for verdict in verdicts(held_to, load.name, logged, figure, values, over):
            yield load, logged, figure, verdict


def conclusion(middle, held_to, build):
    """Which targets were missed, in a line each, or that none was."""
    every = list(judged(middle, held_to))
    missed = [one for one in every if not one[3].met]
    if not every:
        return "Of what was measured, nothing has a target."
    if not missed:
        return f"No target was missed, of {len(every)} for the edge of {BUILDS[build]}."
    said = [f"Missed: {len(missed)} of {len(every)} targets for the edge of {BUILDS[build]}.", ""]
    for load, logged, figure, verdict in missed:
        target, (title, decimals) = verdict.target, FIGURES[figure]
        if not target.over:
            reached = f"{verdict.reached:,.{max(1, decimals)}f}"
        elif math.isfinite(verdict.reached):
            reached = f"{verdict.reached:.3f} of {target.over}"
        else:
            reached = f"above zero, and that of {target.over} is not"
        bound = f"at {'least' if target.at_least else 'most'} {target.bound:g}"
        said.append(f"- {load.name} ({titled(load, logged)}), {title}: {reached}, where the target is {bound}")
    return "\n".join(said)


def document(middle, samples, about, held_to):
    """Everything as JSON."""
    found = []
    for load, logged, figure, values, over in rows(middle):
        found.append({
            "load": load.name, "access_log": logged, "figure": figure, "medians": values, "edge_over": over,
            "targets": [
                told(one) | {"met": one.met}
                for one in verdicts(held_to, load.name, logged, figure, values, over)
            ],
            "samples": {
                name: [sample[figure] for sample in samples[load.name, logged, name]] for name in values
            },
        })
    missed = [
        {"load": load.name, "access_log": logged, "figure": figure, **told(verdict)}
        for load, logged, figure, verdict in judged(middle, held_to)
        if not verdict.met
    ]
    return {"about": about, "missed": missed, "results": found}


def told(verdict):
    """What JSON can say of it, which has no infinity."""
    target = verdict.target
    reached = verdict.reached if math.isfinite(verdict.reached) else None
    return {"over": target.over, "reached": reached, "bound": target.bound, "at_least": target.at_least}


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
