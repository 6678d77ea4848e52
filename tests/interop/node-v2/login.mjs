// Log in to an MCP server with the TypeScript SDK 2.x, then list and call its tools.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

import { run } from "../provider.mjs";

async function connect(url, provider) {
  const client = new Client({ name: "interop-node-v2", version: "0.0.0" });
  const transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !provider.callback) throw error;
    await transport.finishAuth(provider.callback);
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }));
  }
  return client;
}

await run("node-v2", "@modelcontextprotocol/client", async (url, provider) => {
  const client = await connect(url, provider);
  let progress = 0;
  const { tools } = await client.listTools();
  const call = { name: "count", arguments: { to: 3 } };
  const result = await client.callTool(call, { onprogress: () => progress++ });
  await client.close();
  return { tools, result, progress };
});
