// List the tools of an MCP server with the TypeScript SDK 1.x and call one, with a virtual key in place of a login.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { call } from "../call.mjs";

await call("node-v1", Client, StreamableHTTPClientTransport);
