// What both Node clients do to call a tool.

const TOTAL_TIMEOUT_MS = 60_000;

/** Prints one line of JSON, or one line on stderr. */
export async function call(name, Client, Transport) {
  if (process.argv.length !== 5) {
    console.error("usage: call.mjs MCP_URL VIRTUAL_KEY TOOL");
    process.exit(1);
  }
  const [url, key, tool] = process.argv.slice(2);
  setTimeout(() => {
    console.error(`${name}: not done after ${TOTAL_TIMEOUT_MS / 1000} seconds`);
    process.exit(1);
  }, TOTAL_TIMEOUT_MS).unref();
  try {
    const client = new Client({ name: `interop-${name}`, version: "0.0.0" });
    const headers = { Authorization: `Bearer ${key}` };
    await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
    const { tools } = await client.listTools();
    const { content, isError } = await client.callTool({ name: tool, arguments: { to: 3 } });
    if (isError) throw new Error(`the tool answered ${JSON.stringify(content)}`);
    const server = client.getServerVersion().name;
    await client.close();
    console.log(JSON.stringify({ server, tools: tools.map((tool) => tool.name), result: content[0].text }));
  } catch (error) {
    console.error(`${name}: ${String(error).split("\n")[0]}`);
    process.exit(1);
  }
}
