"""All proxies, all loads, in rounds."""

import json
import time

import build
import chart
import check
import report
from loads import LOADS, Setting
from place import Place, programs_installed
from proxies import NAMES, Proxy
from targets import targets

CLIENTS = ["wrk", "h2load", "openssl"]


def compare(options):
    """Checks, measures, and writes what was found into the folder of the build. Whether all targets are met."""
    proxies = [name for name in NAMES if name in options.proxies]
    programs = build.programs(options.edge, proxies)
    programs |= programs_installed([*CLIENTS, *[name for name in proxies if name not in programs]])
    told = report.about(options, programs, proxies)
    with Place(programs, let_end=options.let_end) as place:
        discovery = check.learn(place)
        for name in proxies:
            for access_log in [False, True]:
                with Proxy(name, place, discovery, access_log) as proxy:
                    check.check(proxy, discovery)
        print(f"{', '.join(proxies)} answer the same", flush=True)
        # A few less than the proxies are allowed to hold.
        most = place.connections - 16
        told |= {"streams": min(options.streams, most), "idle": min(options.idle, most)}
        setting = Setting(place, discovery, options.seconds, told["streams"], told["idle"], options.reloaded)
        samples = measure(options, proxies, setting)
    return write(samples, told, options.build or build.kind(options.edge))


def measure(options, proxies, setting):
    """Samples by (load, logged, proxy), taken in rounds of all proxies."""
    samples = {}
    for load in LOADS:
        if load.name not in options.loads:
            continue
        for logged in [False, True] if load.also_logged else [False]:
            setting.access_log = logged
            start = time.monotonic()
            for _ in range(options.rounds):
                for name in proxies:
                    if name in load.proxies:
                        samples.setdefault((load.name, logged, name), []).append(load.measure(setting, name))
            print(summary(load, logged, samples, time.monotonic() - start), flush=True)
    return samples


def summary(load, logged, samples, seconds):
    """One line for who waits."""
    middle = report.medians({key: taken for key, taken in samples.items() if key[:2] == (load.name, logged)})
    figure = next((name for name in report.FIGURES if any(name in figures for figures in middle.values())), None)
    values = ", ".join(f"{key[2]} {figures[figure]:.2f}" for key, figures in middle.items())
    title = load.title + (", access log on" if logged else "")
    return f"{title}: {report.FIGURES[figure][0] if figure else ''}: {values} ({seconds:.0f} s)"


def write(samples, told, built):
    """A table with what of it is missed, everything as JSON, and a picture. Whether nothing is missed."""
    folder = build.target() / "compare"
    middle = report.medians(samples)
    held_to = targets(built)
    found = report.document(middle, samples, told | {"build": built}, held_to)
    parts = [report.described(told), report.table(middle, held_to), report.conclusion(middle, held_to, built)]
    text = "\n\n".join(parts) + "\n"
    (folder / "compare.md").write_text(text)
    (folder / "compare.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "compare.svg").write_text(chart.chart(middle))
    print(f"\n{text}\n{folder}/compare.md, compare.json and compare.svg")
    return not found["missed"]
