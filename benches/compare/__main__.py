"""The edge side by side with nginx, HAProxy and Caddy. Run it by make bench-compare; README.md says what it does."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import build
import check
import report
from loads import LOADS, Setting
from place import Place, programs_installed
from processes import CPUS, Failed
from proxies import NAMES, Proxy

VERSIONS = {"edge": ["--version"], "nginx": ["-v"], "haproxy": ["-v"], "caddy": ["version"]}


def arguments():
    """The command line."""
    def names(known):
        def parse(text):
            chosen = [name for name in text.replace(" ", ",").split(",") if name]
            unknown = [name for name in chosen if name not in known]
            if unknown:
                raise argparse.ArgumentTypeError(f"no {', '.join(unknown)} in {', '.join(known)}")
            return chosen or list(known)
        return parse

    parser = argparse.ArgumentParser(prog="make bench-compare", description=__doc__)
    every = [load.name for load in LOADS]
    parser.add_argument("--loads", type=names(every), default=every, help=", ".join(every))
    parser.add_argument("--proxies", type=names(NAMES), default=NAMES, help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--reloaded", type=int, default=100_000, help="MCP clients in the reload")
    parser.add_argument("--edge", help="the edge to measure instead of the default release")
    return parser.parse_args()


def main():
    for number in [signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, lambda *_: sys.exit(143))
    options = arguments()
    try:
        compare(options)
    except Failed as failed:
        sys.exit(f"bench-compare: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)


def compare(options):
    proxies = [name for name in NAMES if name in options.proxies]
    programs = build.programs(options.edge, proxies)
    programs |= programs_installed(["wrk", "h2load", "openssl", *[name for name in proxies if name not in programs]])
    with Place(programs) as place:
        discovery = check.learn(place)
        for name in proxies:
            for access_log in [False, True]:
                with Proxy(name, place, discovery, access_log) as proxy:
                    check.check(proxy, discovery)
        print(f"{', '.join(proxies)} answer the same", flush=True)
        setting = Setting(place, discovery, options.seconds, options.streams, options.idle, options.reloaded)
        samples = measure(options, proxies, setting)
    write(build.target() / "compare", samples, about(options, programs, proxies))


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


def about(options, programs, proxies):
    """Where and how it was measured."""
    def version(name):
        said = subprocess.run([programs[name], *VERSIONS[name]], capture_output=True, text=True, check=False)
        return (said.stdout + said.stderr).strip().splitlines()[0]

    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processor": processor(),
        "processors": len(CPUS),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "streams": options.streams,
        "idle": options.idle,
        "reloaded": options.reloaded,
        "load_average": os.getloadavg()[0],
        "versions": {name: version(name) for name in proxies},
    }


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def write(folder, samples, told):
    middle = report.medians(samples)
    folder.mkdir(parents=True, exist_ok=True)
    table = report.table(middle)
    (folder / "compare.md").write_text(table + "\n")
    (folder / "compare.json").write_text(json.dumps(report.document(middle, samples, told), indent=1) + "\n")
    print(f"\n{table}\n\n{folder}/compare.md and compare.json")


if __name__ == "__main__":
    main()
