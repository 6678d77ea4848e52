// Log in to an MCP server with the TypeScript SDK 1.x, then list and call its tools.

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run } from "../provider.mjs";

async function connect(url, provider) {
  const client = new Client({ name: "interop-node-v1", version: "0.0.0" });
  const transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !provider.callback) throw error;
    await transport.finishAuth(provider.callback.get("code"));
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }));
  }
  return client;
}

await run("node-v1", "@modelcontextprotocol/sdk", async (url, provider) => {
  const client = await connect(url, provider);
  let progress = 0;
  const { tools } = await client.listTools();
  const call = { name: "count", arguments: { to: 3 } };
  const result = await client.callTool(call, undefined, { onprogress: () => progress++ });
  await client.close();
  return { tools, result, progress };
});
