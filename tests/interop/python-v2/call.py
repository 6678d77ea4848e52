"""List the tools of an MCP server with the Python SDK 2.x and call one, with a virtual key in place of a login."""

import sys
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from headless import run

CLIENT = "python-v2"


async def call(url: str, key: str, tool: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30.0) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        tools = await client.list_tools()
        result = await client.call_tool(tool, {"to": 3})
        server = client.server_info.name
    text = result.content[0] if result.content else None
    if result.is_error or not isinstance(text, TextContent):
        raise RuntimeError(f"the tool answered {result.model_dump_json()}")
    return {"server": server, "tools": [tool.name for tool in tools.tools], "result": text.text}


if __name__ == "__main__":
    sys.exit(run(CLIENT, "MCP_URL VIRTUAL_KEY TOOL", call))
