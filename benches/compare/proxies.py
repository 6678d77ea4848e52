"""The proxies: how each is configured, started, and known to answer."""

import os
import re
import socket
import time
from pathlib import Path

from place import free_ports
from processes import Process, until

TEMPLATES = Path(__file__).parent / "templates"
DISCOVERY_PATH = "/.well-known/oauth-authorization-server"
HOST = "gateway.test"
TLS_HOST = "secure.test"
NAMES = ["edge", "nginx", "haproxy", "caddy"]
# Idle connections to servers that a worker keeps: the edge's number, which is no setting of it.
POOL = 1024
# An MCP client that turns discovery on, as Bifrost's config.json has it.
MCP_CLIENT = (
    "- name: client_{number}\n  client_id: id-{number:08}\n  connection_type: http\n"
    '  connection_string: "https://mcp{number}.example.com/mcp"\n  auth_type: per_user_oauth\n'
    '  tools_to_execute: ["*"]\n'
)


class Proxy:
    """One running proxy, fresh: `plain`, `tls` and `admin` are ports of 127.0.0.1."""

    def __init__(self, name, place, discovery=None, access_log=False, mcp_clients=1, cpus=None):
        self.name, self.place = name, place
        self.folder = place.folder / f"{name}-{time.monotonic_ns()}"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        for file in ["certificate.pem", "key.pem", "both.pem"]:
            (self.folder / file).write_bytes((place.folder / file).read_bytes())
            (self.folder / file).chmod(0o644)
        self.plain, self.tls, self.admin = free_ports(3)
        self.mcp_clients = mcp_clients
        # HAProxy has none but its standard output.
        log = self.folder / ("haproxy.out" if name == "haproxy" else "access.log")
        self.access_log = log if access_log else None
        command, environment = CONFIGURE[name](self, discovery)
        start = time.monotonic()
        self.process = Process(command, self.folder, name, cpus or place.proxy_cpus, environment)
        try:
            until(f"the first answer of {name}", 20, self.answers)
        except BaseException:
            self.process.stop()
            raise
        self.start_seconds = time.monotonic() - start

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        try:
            if self.place.let_end and failure is None:
                self.process.end(60)
        finally:
            self.process.stop()

    def answers(self):
        self.process.must_run()
        try:
            with socket.create_connection(("127.0.0.1", self.plain), timeout=5) as stream:
                stream.sendall(f"GET {DISCOVERY_PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                return stream.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def configuration(self, template, **values):
        """Writes the configuration, and returns where it is. Every @{name} must have a value."""
        known = {
            "folder": self.folder, "plain": self.plain, "tls": self.tls, "admin": self.admin,
            "workers": self.place.workers, "open_files": self.place.open_files,
            "connections": self.place.connections, "discovery_path": DISCOVERY_PATH, "pool": POOL, **values,
        }
        text = re.sub(r"@\{(\w+)\}", lambda match: str(known[match[1]]), (TEMPLATES / template).read_text())
        path = self.folder / template
        path.write_text(text)
        return path

    def servers(self, line):
        return "\n".join(line.format(port=port, pool=POOL) for port in self.place.server_ports)


def edge(proxy, _):
    log = f'access_log: {{format: text, to: "{proxy.access_log}"}}'
    path = proxy.configuration(
        "edge.yaml",
        access_log=log if proxy.access_log else "",
        servers=proxy.servers('  - address: "127.0.0.1:{port}"'),
        mcp_clients="".join(MCP_CLIENT.format(number=number) for number in range(proxy.mcp_clients)),
    )
    return [proxy.place.programs["edge"], "run", "--config", path], None


def nginx(proxy, discovery):
    headers = [f"            default_type {discovery.content_type};"]
    headers += [f"            add_header {name} '{value}';" for name, value in discovery.headers]
    path = proxy.configuration(
        "nginx.conf",
        user="user root;" if os.geteuid() == 0 else "",
        access_log=proxy.access_log or "off",
        # Without it more workers than one share connections as badly as chance has it.
        reuseport=" reuseport" if proxy.place.workers > 1 else "",
        servers=proxy.servers("        server 127.0.0.1:{port};"),
        discovery_headers="\n".join(headers),
        discovery_plain=discovery.plain,
        discovery_tls=discovery.tls,
    )
    return [proxy.place.programs["nginx"], "-p", proxy.folder, "-e", proxy.folder / "error.log", "-c", path], None


def haproxy(proxy, discovery):
    (proxy.folder / "plain.json").write_text(discovery.plain)
    (proxy.folder / "tls.json").write_text(discovery.tls)
    path = proxy.configuration(
        "haproxy.cfg",
        global_log="    log stdout format raw local0 info" if proxy.access_log else "",
        access_log="    log global\n    option httplog" if proxy.access_log else "",
        servers=proxy.servers("    server server{port} 127.0.0.1:{port} pool-max-conn {pool}"),
        discovery_type=discovery.content_type,
        discovery_headers=" ".join(f'hdr {name} "{value}"' for name, value in discovery.headers),
    )
    return [proxy.place.programs["haproxy"], "-db", "-f", path], None


def caddy(proxy, discovery):
    path = proxy.configuration(
        "Caddyfile",
        access_log=f"log {{\n\t\toutput file {proxy.access_log}\n\t}}" if proxy.access_log else "",
        servers=proxy.servers("127.0.0.1:{port}").replace("\n", " "),
        discovery_headers="\n".join(
            f"\t\theader {name} `{value}`"
            for name, value in [("Content-Type", discovery.content_type), *discovery.headers]
        ),
        discovery_plain=discovery.plain,
        discovery_tls=discovery.tls,
    )
    environment = {
        "GOMAXPROCS": str(proxy.place.workers),
        "XDG_DATA_HOME": str(proxy.folder),
        "XDG_CONFIG_HOME": str(proxy.folder),
    }
    return [proxy.place.programs["caddy"], "run", "--adapter", "caddyfile", "--config", path], environment


CONFIGURE = {"edge": edge, "nginx": nginx, "haproxy": haproxy, "caddy": caddy}
