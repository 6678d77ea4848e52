"""A headless browser, just enough for one OAuth login: cookies, redirects, and one HTML form, or
what the script of Bifrost's consent page does since 1.6.3."""

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

MAX_STEPS = 10
STEP_TIMEOUT = 15.0
TOTAL_TIMEOUT = 60.0
REDIRECTS = (301, 302, 303, 307, 308)


class LoginError(Exception):
    """The login pages did not lead back to the redirect URI."""


class _KeepRedirects(HTTPRedirectHandler):
    """Hand 3xx answers back, so that every hop is seen and recorded."""

    def redirect_request(self, *_: object) -> None:
        return None


class _FormParser(HTMLParser):
    """Collect the action and the hidden inputs of the first form that is posted."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attr = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None and attr.get("method", "").lower() == "post":
            self.action, self._inside = attr.get("action", ""), True
        elif tag == "input" and self._inside and attr.get("type", "").lower() == "hidden":
            self.fields[attr.get("name", "")] = attr.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def origin_and_path(url: str) -> str:
    """The URL without its query and fragment, which carry codes and states."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


class HeadlessBrowser:
    """Walk from an authorization URL to the redirect URI, which is never dialled.

    The cookie jar of the standard library sends a `Secure` cookie over https only, with no
    exception for localhost. Trust comes from `SSL_CERT_FILE`, as it does for the SDK.
    """

    def __init__(self) -> None:
        self.visited: list[str] = []
        self._opener = build_opener(_KeepRedirects, HTTPCookieProcessor(CookieJar()))

    def walk(self, url: str, redirect_uri: str) -> dict[str, str]:
        """Follow redirects and consent; return the callback's parameters."""
        form: dict[str, str] | None = None
        for _ in range(MAX_STEPS):
            response, text = self._send(url, form)
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location is not None:
                target, form = urljoin(url, location), None
                if target.startswith(redirect_uri):
                    return dict(parse_qsl(urlsplit(target).query))
            elif response.status == HTTPStatus.OK and urlsplit(url).fragment.startswith("t="):
                target, form = self._consent(url), None
                if target.startswith(redirect_uri):
                    return dict(parse_qsl(urlsplit(target).query))
            elif response.status == HTTPStatus.OK:
                page = _FormParser()
                page.feed(text)
                if page.action is None:
                    raise LoginError(f"no form to post at {origin_and_path(url)}")
                target, form = urljoin(url, page.action), page.fields
            else:
                summary = " ".join(text.split())[:200]
                raise LoginError(f"{response.status} at {origin_and_path(url)}: {summary}")
            url = target
        raise LoginError(f"no callback after {MAX_STEPS} steps")

    def _consent(self, page: str) -> str:
        """As the page's script: the token of the fragment is a header of its API."""
        parts = urlsplit(page)
        url = urljoin(page, f"../api/oauth2/consent/flows/{dict(parse_qsl(parts.query))['flow']}")
        headers = {"X-Bifrost-Temp-Token": unquote(parts.fragment.removeprefix("t="))}
        key = os.environ.get("BIFROST_VIRTUAL_KEY", "")
        body = json.dumps({"mode": "vk", "value": key}).encode()
        put = Request(url, data=body, method="PUT", headers={**headers, "Content-Type": "application/json"})
        for request in (Request(url, headers=headers), put):
            response, text = self._open(request)
            if response.status != HTTPStatus.OK:
                raise LoginError(f"{response.status} at {origin_and_path(url)}: {text[:200]}")
            if redirect := json.loads(text).get("redirect_url"):
                return str(redirect)
        raise LoginError("consent led nowhere")

    def _send(self, url: str, form: dict[str, str] | None) -> tuple[HTTPResponse | HTTPError, str]:
        body = None if form is None else urlencode(form).encode()
        return self._open(Request(url, data=body))

    def _open(self, request: Request) -> tuple[HTTPResponse | HTTPError, str]:
        url = request.full_url
        self.visited.append(origin_and_path(url))
        try:
            response = self._opener.open(request, timeout=STEP_TIMEOUT)
        except HTTPError as answer:  # urllib's name for any status that is not 2xx
            response = answer
        except (OSError, HTTPException) as error:
            raise LoginError(f"{origin_and_path(url)}: {error}") from error
        with response:
            return response, response.read().decode("utf-8", "replace")


def report(client: str, error: BaseException) -> None:
    """Print one line about the first real error inside the groups that task groups raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    line = f"{client}: {type(error).__name__}: {error}"
    print(" ".join(line.split()), file=sys.stderr, flush=True)


def exit_after(seconds: float, client: str) -> None:
    """End the process after a time, whatever its tasks and threads are waiting for."""

    def give_up() -> None:
        report(client, TimeoutError(f"not done after {seconds:.0f} seconds"))
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def run(client: str, arguments: str, outcome: Callable[..., Awaitable[dict[str, object]]]) -> int:
    """Print what comes of the command line's arguments as JSON, or one line about why nothing does: the exit code."""
    if len(sys.argv) != 1 + len(arguments.split()):
        print(f"usage: {Path(sys.argv[0]).name} {arguments}", file=sys.stderr)
        return 1
    logging.disable(logging.CRITICAL)  # the SDK logs tracebacks; one line is enough here
    exit_after(TOTAL_TIMEOUT, client)
    try:
        print(json.dumps(asyncio.run(outcome(*sys.argv[1:]))))
    except Exception as error:
        report(client, error)
        return 1
    return 0
