"""Before anything is measured, every proxy must answer the same."""

import http.client
import json
import ssl
from dataclasses import dataclass

from processes import Failed, until
from proxies import DISCOVERY_PATH, HOST, TLS_HOST, Proxy

# Every proxy has its own, or leaves them to the connection.
NOT_COMPARED = {"date", "server", "connection", "keep-alive", "content-length", "content-type", "via", "alt-svc"}
FORWARDED = {
    "host": HOST, "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": HOST,
    "x-real-ip": "127.0.0.1",
}


@dataclass
class Discovery:
    """The edge's answer, which the others are given to answer, too."""

    content_type: str
    headers: list
    plain: str
    tls: str


def ask(proxy, method, path, body=None, tls=False, headers=None):
    """Status, headers in lower case, and body of one answer."""
    if tls:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.tls, timeout=20, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=20)
    try:
        connection.request(method, path, body, {"Host": TLS_HOST if tls else HOST, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def learn(place):
    """What the edge answers for discovery, held to what it promises."""
    with Proxy("edge", place) as edge:
        documents = []
        for tls, issuer in [(False, f"http://{HOST}"), (True, f"https://{TLS_HOST}")]:
            status, headers, body = ask(edge, "GET", DISCOVERY_PATH, tls=tls)
            if status != 200 or json.loads(body)["issuer"] != issuer:
                raise Failed(f"the edge answers discovery with {status} {body!r}")
            documents.append(body.decode())
    shown = [(name.title(), value) for name, value in headers.items() if name not in NOT_COMPARED]
    return Discovery(headers["content-type"], shown, *documents)


def check(proxy, discovery):
    """Raises what this proxy answers otherwise than promised."""
    def same(what, found, expected):
        if found != expected:
            raise Failed(f"{proxy.name}, {what}: {found!r} instead of {expected!r}")

    for tls, document in [(False, discovery.plain), (True, discovery.tls)]:
        status, headers, body = ask(proxy, "GET", DISCOVERY_PATH, tls=tls)
        same("discovery", (status, body.decode()), (200, document))
        same("length of discovery", headers.get("content-length"), str(len(document)))
        same("type of discovery", headers.get("content-type"), discovery.content_type)
        for name, value in discovery.headers:
            same(f"{name} of discovery", headers.get(name.lower()), value)
    for method, path, sent, length in [
        ("GET", "/v1/small", None, 1400), ("GET", "/v1/large", None, 10_000),
        ("POST", "/v1/large", b"x" * 2048, 10_000), ("POST", "/v1/upload", b"x" * 1_000_000, 1400),
        ("GET", "/v1/download", None, 100_000_000),
    ]:
        status, _, body = ask(proxy, method, path, sent)
        same(f"{method} {path}", (status, len(body)), (200, length))
    seen(proxy, same)
    logs(proxy)


def seen(proxy, same):
    """The server behind sees what the proxy knows, not what the client claims."""
    claims = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "other.test",
              "X-Real-IP": "192.0.2.2"}
    status, _, body = ask(proxy, "GET", "/v1/seen", headers=claims)
    same("GET /v1/seen", status, 200)
    lines = [line.partition(": ") for line in body.decode().split("\r\n")[1:] if line]
    for name, value in FORWARDED.items():
        same(f"{name} as the server sees it", [text for key, _, text in lines if key.lower() == name], [value])


def logs(proxy):
    """The access log has what was asked, if there is one."""
    log = proxy.access_log
    if log:
        until(f"a line in the access log of {proxy.name}", 5, lambda: log.exists() and "/v1/seen" in log.read_text())
    elif any("/v1/seen" in path.read_text() for path in [*proxy.folder.glob("*.log"), *proxy.folder.glob("*.out")]):
        raise Failed(f"{proxy.name} writes an access log that it should not")
