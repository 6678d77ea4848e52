"""The figures that decide, as a picture that is readable on light and on dark pages."""

from html import escape

from proxies import NAMES

# What is shown: load, with the access log or without, figure, what it is called, decimals.
PANELS = [
    ("discovery", False, "cpu_us_per_request", "Discovery: CPU µs per request", 1),
    ("get", False, "cpu_us_per_request", "Forwarded GET, 1.4 KB: CPU µs per request", 1),
    ("get", True, "cpu_us_per_request", "The same with an access log: CPU µs per request", 1),
    ("post", False, "cpu_us_per_request", "Forwarded POST, 2 KB to 10 KB: CPU µs per request", 1),
    ("discovery-tls", False, "cpu_us_per_request", "Discovery over TLS: CPU µs per request", 1),
    ("handshakes", False, "cpu_us_per_handshake", "TLS 1.3: CPU µs per handshake", 0),
    ("rate", False, "p99_us", "5,000 requests a second: p99, µs", 0),
    ("streams", False, "added_p99_us", "Event streams: added p99, µs", 0),
    ("streams", False, "kib_per_stream", "Event streams: KiB of memory each", 1),
    ("idle", False, "kib_per_connection", "Idle connections: KiB of memory each", 1),
]
LABELS = {"edge": "Bridgehead", "nginx": "nginx", "haproxy": "HAProxy", "caddy": "Caddy"}
COLUMN, BAR, GAP, HEAD, LABEL, VALUE = 400, 16, 4, 26, 92, 64
STYLE = """
  .page { fill: #ffffff } text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }
  .other { fill: #b7bfc8 } .edge { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .other { fill: #57606a } .edge { fill: #58a6ff }
  }
"""


def chart(middle):
    """SVG of the panels that were measured, two in a row; less is better in each."""
    panels = []
    for load, logged, figure, title, decimals in PANELS:
        found = [(name, middle.get((load, logged, name), {}).get(figure)) for name in NAMES]
        values = [(name, value) for name, value in found if value is not None]
        if values:
            panels.append((title, values, decimals))
    tall = HEAD + len(NAMES) * (BAR + GAP) + 16
    height = (len(panels) + 1) // 2 * tall + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * COLUMN + 20} {height}" role="img" '
        f'aria-label="Bridgehead next to nginx, HAProxy and Caddy; less is better">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{2 * COLUMN + 20}" height="{height}" rx="6"/>',
    ]
    for number, (title, values, decimals) in enumerate(panels):
        x, y = 20 + number % 2 * COLUMN, 20 + number // 2 * tall
        parts.extend(panel(x, y, title, values, decimals))
    return "\n".join([*parts, "</svg>", ""])


def panel(x, y, title, values, decimals):
    yield f'<text class="title" x="{x}" y="{y + 10}">{escape(title)}</text>'
    most = max([value for _, value in values if value > 0], default=1)
    for row, (name, value) in enumerate(values):
        top = y + HEAD - 4 + row * (BAR + GAP)
        width = max(1, max(0, value) / most * (COLUMN - LABEL - VALUE - 20))
        side = "edge" if name == "edge" else "other"
        yield f'<text x="{x}" y="{top + 12}">{LABELS[name]}</text>'
        yield f'<rect class="{side}" x="{x + LABEL}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        yield f'<text x="{x + LABEL + width + 6:.1f}" y="{top + 12}">{value:,.{decimals}f}</text>'
