"""Log in to an MCP server with the Python SDK 1.x, then list and call its tools."""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types import TextContent
from pydantic import AnyUrl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from headless import HeadlessBrowser, run

CLIENT = "python-v1"
REDIRECT_URI = "http://127.0.0.1:9/callback"  # named, never dialled


class MemoryStorage:
    """Keep what the SDK stores for the length of one run."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client_info: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client_info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client_info = client_info


async def log_in(url: str) -> dict[str, object]:
    browser = HeadlessBrowser()
    authorize_url = ""
    callback: dict[str, str] = {}
    steps: list[float] = []

    async def on_redirect(target: str) -> None:
        nonlocal authorize_url, callback
        authorize_url = target
        callback = await asyncio.to_thread(browser.walk, target, REDIRECT_URI)

    async def on_callback() -> tuple[str, str | None]:
        return callback.get("code", ""), callback.get("state")

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name=f"interop {CLIENT}",
            redirect_uris=[AnyUrl(REDIRECT_URI)],
            token_endpoint_auth_method="none",
        ),
        storage=MemoryStorage(),
        redirect_handler=on_redirect,
        callback_handler=on_callback,
    )
    async with (
        httpx.AsyncClient(auth=provider, timeout=30.0) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = await session.list_tools()
        result = await session.call_tool("count", {"to": 3}, progress_callback=on_progress)

    text = result.content[0] if result.content else None
    if result.isError or not isinstance(text, TextContent):
        raise RuntimeError(f"the tool answered {result.model_dump_json()}")
    metadata = provider.context.oauth_metadata
    authorize = urlsplit(authorize_url)
    return {
        "client": CLIENT,
        "version": version("mcp"),
        # This SDK's URL type ends an origin with a slash; the document has none.
        "issuer": str(metadata.issuer).removesuffix("/") if metadata else None,
        "authorize_url_origin": f"{authorize.scheme}://{authorize.netloc}",
        "browser_urls": browser.visited,
        "tools": [tool.name for tool in tools.tools],
        "result": text.text,
        "progress": len(steps),
    }


if __name__ == "__main__":
    sys.exit(run(CLIENT, "MCP_URL", log_in))
