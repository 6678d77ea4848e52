// The OAuth provider both Node clients hand to their SDK: everything in memory, no browser.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { HeadlessBrowser } from "./headless.mjs";

const REDIRECT_URI = "http://127.0.0.1:9/callback"; // named, never dialled
const TOTAL_TIMEOUT_MS = 60_000;

export class HeadlessProvider {
  browser = new HeadlessBrowser();
  authorizeUrl;
  callback;
  #state;
  #client;
  #tokens;
  #verifier;
  #discovery;

  constructor(name) {
    this.name = name;
  }

  get redirectUrl() {
    return REDIRECT_URI;
  }

  get clientMetadata() {
    return {
      client_name: `interop ${this.name}`,
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state() {
    return (this.#state = randomUUID());
  }

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(client) {
    this.#client = client;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  discoveryState() {
    return this.#discovery;
  }

  saveDiscoveryState(discovery) {
    this.#discovery = discovery;
  }

  /** The SDKs leave the check of `state` to the provider. */
  async redirectToAuthorization(url) {
    this.authorizeUrl = url;
    this.callback = await this.browser.walk(url, REDIRECT_URI);
    if (this.callback.get("state") !== this.#state) throw new Error("the callback carries another state");
    if (!this.callback.get("code")) throw new Error(`the callback carries no code: ${this.callback}`);
  }
}

/** Run one client against the URL on the command line; print its outcome or its failure in one line. */
export async function run(name, sdk, login) {
  const fail = (error) => {
    const cause = error.cause ? ` (${error.cause.message || error.cause.code})` : "";
    console.error(`${name}: ${error.name}: ${error.message}${cause}`.replace(/\s+/g, " "));
    process.exit(1);
  };
  if (process.argv.length !== 3) fail(new Error("usage: login.mjs MCP_URL"));
  setTimeout(() => fail(new Error(`not done after ${TOTAL_TIMEOUT_MS / 1000} seconds`)), TOTAL_TIMEOUT_MS).unref();
  try {
    const provider = new HeadlessProvider(name);
    const { tools, result, progress } = await login(new URL(process.argv[2]), provider);
    const [content] = result.content;
    if (result.isError || content?.type !== "text") throw new Error(`the tool answered ${JSON.stringify(result)}`);
    const { version } = JSON.parse(readFileSync(new URL(`${name}/node_modules/${sdk}/package.json`, import.meta.url)));
    const outcome = {
      client: name,
      version,
      issuer: provider.discoveryState()?.authorizationServerMetadata?.issuer ?? null,
      authorize_url_origin: provider.authorizeUrl?.origin ?? "",
      browser_urls: provider.browser.visited,
      tools: tools.map((tool) => tool.name),
      result: content.text,
      progress,
    };
    console.log(JSON.stringify(outcome));
  } catch (error) {
    fail(error);
  }
}
