// List the tools of an MCP server with the TypeScript SDK 2.x and call one, with a virtual key in place of a login.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { call } from "../call.mjs";

await call("node-v2", Client, StreamableHTTPClientTransport);
