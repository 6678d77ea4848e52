"""What this project holds itself to, and whether it was met."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """The edge's figure over that of another proxy, or the figure itself, at most (or at least) this."""

    load: str
    figure: str
    bound: float
    over: str = None
    at_least: bool = False
    logged: bool = False

    def text(self):
        return f"{f'{self.over} ' if self.over else ''}{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Verdict:
    """What was reached, as a ratio where the target is one, and whether that is enough."""

    target: Target
    reached: float
    met: bool


# What the edge may be, by how it was built.
BUILDS = {"plain": "`cargo build --release`", "release": "`make release`"}
CPU = "cpu_us_per_request"
FORWARDED = {
    "plain": [Target(load, CPU, 1.35, "nginx", logged=logged) for load in ["get", "post"] for logged in [False, True]],
    "release": [
        *[Target(load, CPU, 1.1, "nginx") for load in ["get", "post"]],
        *[Target(load, CPU, 1.15, "nginx", logged=True) for load in ["get", "post"]],
        *[Target(load, CPU, 1.0, "haproxy") for load in ["get", "post"]],
    ],
}
OTHERS = [
    *[Target("discovery", CPU, 1.25, "nginx", logged=logged) for logged in [False, True]],
    Target("discovery-new", CPU, 1.25, "nginx"),
    Target("discovery-tls", CPU, 1.0, "nginx"),
    Target("discovery-h2", CPU, 1.2, "nginx"),
    Target("rate", "p99_us", 1.1, "nginx"),
    Target("download", "megabytes_per_second", 1.0, "nginx", at_least=True),
    Target("upload", "megabytes_per_second", 1.0, "nginx", at_least=True),
    Target("streams", "added_p99_us", 1.0, "nginx"),
    Target("streams", "kib_per_stream", 16),
    Target("idle", "kib_per_connection", 3.5),
    Target("handshakes", "handshakes_per_cpu_second", 0.9, "nginx", at_least=True),
    Target("start", "start_ms", 100),
    Target("reload", "during_over_quiet", 2.0),
]


def targets(build):
    """All that an edge of this build is held to."""
    return [*FORWARDED[build], *OTHERS]


def verdicts(held_to, load, logged, figure, values, over):
    """What the targets say of one figure: `values` has that of each proxy, `over` the ratio of the edge's to it. A
    target whose proxies were not measured says nothing."""
    for target in held_to:
        if (target.load, target.logged, target.figure) != (load, logged, figure):
            continue
        reached = over.get(target.over) if target.over else values.get("edge")
        if target.over and reached is None and target.over in values and "edge" in values:
            # Nothing was added, or less than nothing: there is no ratio, but there is an order.
            reached = 0.0 if values["edge"] <= values[target.over] else float("inf")
        if reached is not None:
            yield Verdict(target, reached, reached >= target.bound if target.at_least else reached <= target.bound)
