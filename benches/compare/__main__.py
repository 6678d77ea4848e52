"""The edge side by side with nginx, HAProxy and Caddy, and how its cost grows. README.md says what is measured."""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from compare import compare
from loads import LOADS
from processes import Failed
from proxies import NAMES
from scaling import scaling
from targets import BUILDS


def arguments():
    """The command line."""
    every = [load.name for load in LOADS]
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__)
    parser.add_argument("--scaling", action="store_true", help="edge and nginx with more of everything")
    parser.add_argument("--edge", help="the edge to measure instead of the default release")
    parser.add_argument("--build", choices=BUILDS, help="whose targets the edge has, if its folder does not say")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a target is missed")
    parser.add_argument("--loads", type=some_of(every), default=every, help=", ".join(every))
    parser.add_argument("--proxies", type=some_of(NAMES), default=NAMES, help=", ".join(NAMES))
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--seconds", type=at_least_one, default=3, help="of each measurement")
    parser.add_argument("--streams", type=at_least_one, default=2000, help="event streams at a time")
    parser.add_argument("--idle", type=at_least_one, default=10_000, help="idle connections at a time")
    parser.add_argument("--reloaded", type=at_least_one, default=100_000, help="MCP clients in a large table")
    parser.add_argument("--let-end", action="store_true", help="proxies end by themselves, such as those that profile")
    return parser.parse_args()


def some_of(known):
    def parse(text):
        chosen = [name for name in text.replace(",", " ").split() if name]
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is not in {', '.join(known)}")
        return chosen

    return parse


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)


def main():
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    options = arguments()
    try:
        if options.scaling:
            scaling(options)
        elif not compare(options) and options.strict:
            sys.exit(1)
    except Failed as failed:
        sys.exit(f"bench-compare: {failed}")


if __name__ == "__main__":
    main()
