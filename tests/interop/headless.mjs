// A headless browser, just enough for one OAuth login: cookies, redirects, and one HTML form, or what the script of
// Bifrost's consent page does since 1.6.3.

const MAX_STEPS = 10;
const STEP_TIMEOUT_MS = 15_000;
const REDIRECTS = [301, 302, 303, 307, 308];
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#34": '"', "#39": "'", "#x27": "'" };

/** The URL without its query and fragment, which carry codes and states. */
const originAndPath = (url) => url.origin + url.pathname;

const unescapeHtml = (text) =>
  text.replace(/&(#?\w+);/g, (entity, name) => ENTITIES[name.toLowerCase()] ?? entity);

function attributes(tag) {
  const found = {};
  for (const [, name, double, single, bare] of tag.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/g)) {
    found[name.toLowerCase()] = unescapeHtml(double ?? single ?? bare);
  }
  return found;
}

/** The action and the hidden inputs of the first form that is posted. */
function parseForm(html) {
  for (const [, opening, inside] of html.matchAll(/(<form\b[^>]*>)([\s\S]*?)<\/form>/gi)) {
    const { method = "get", action = "" } = attributes(opening);
    if (method.toLowerCase() !== "post") continue;
    const inputs = [...inside.matchAll(/<input\b[^>]*>/gi)].map(([tag]) => attributes(tag));
    const hidden = inputs.filter(({ type = "text" }) => type.toLowerCase() === "hidden");
    return { action, fields: hidden.map(({ name, value = "" }) => [name, value]) };
  }
  return undefined;
}

/** Cookies by host name; a `Secure` cookie goes over https only, with no exception for localhost. */
class CookieJar {
  #cookies = new Map();

  store(url, response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(";").map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf("="));
      const options = new Map(rest.map((part) => [part.split("=")[0].toLowerCase(), part.split("=")[1]]));
      const key = `${url.hostname} ${name}`;
      this.#cookies.delete(key);
      if (Number(options.get("max-age") ?? 1) <= 0) continue;
      this.#cookies.set(key, { host: url.hostname, pair, secure: options.has("secure") });
    }
  }

  header(url) {
    return [...this.#cookies.values()]
      .filter(({ host, secure }) => host === url.hostname && (!secure || url.protocol === "https:"))
      .map(({ pair }) => pair)
      .join("; ");
  }
}

/**
 * Walk from an authorization URL to the redirect URI, which is never dialled.
 * Trust comes from NODE_EXTRA_CA_CERTS, as it does for the SDK.
 */
export class HeadlessBrowser {
  visited = [];
  #jar = new CookieJar();

  /** Follow redirects and consent; return the callback's parameters. */
  async walk(start, redirectUri) {
    let url = new URL(start);
    let form;
    for (let step = 0; step < MAX_STEPS; step++) {
      const response = await this.#send(url, form);
      const text = await response.text();
      const location = response.headers.get("location");
      if (REDIRECTS.includes(response.status) && location !== null) {
        url = new URL(location, url);
        form = undefined;
        if (url.href.startsWith(redirectUri)) return url.searchParams;
      } else if (response.status === 200 && url.hash.startsWith("#t=")) {
        url = await this.#consent(url);
        if (url.href.startsWith(redirectUri)) return url.searchParams;
      } else if (response.status === 200) {
        const page = parseForm(text);
        if (page === undefined) throw new Error(`no form to post at ${originAndPath(url)}`);
        url = new URL(page.action, url);
        form = new URLSearchParams(page.fields);
      } else {
        const summary = text.replace(/\s+/g, " ").trim().slice(0, 200);
        throw new Error(`${response.status} at ${originAndPath(url)}: ${summary}`);
      }
    }
    throw new Error(`no callback after ${MAX_STEPS} steps`);
  }

  /** As the page's script: the token of the fragment is a header of its API. */
  async #consent(page) {
    const url = new URL(`../api/oauth2/consent/flows/${page.searchParams.get("flow")}`, page);
    const headers = { "x-bifrost-temp-token": decodeURIComponent(page.hash.slice("#t=".length)) };
    const body = JSON.stringify({ mode: "vk", value: process.env.BIFROST_VIRTUAL_KEY });
    for (const request of [{ headers }, { method: "PUT", body, headers: { ...headers, "content-type": "application/json" } }]) {
      const response = await this.#send(url, undefined, request);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} at ${originAndPath(url)}: ${text.slice(0, 200)}`);
      const { redirect_url: redirect } = JSON.parse(text);
      if (redirect) return new URL(redirect);
    }
    throw new Error("consent led nowhere");
  }

  async #send(url, form, { method = form ? "POST" : "GET", body = form, headers = {} } = {}) {
    this.visited.push(originAndPath(url));
    const cookie = this.#jar.header(url);
    const response = await fetch(url, {
      method,
      body,
      headers: cookie ? { ...headers, cookie } : headers,
      redirect: "manual",
      signal: AbortSignal.timeout(STEP_TIMEOUT_MS),
    }).catch((error) => {
      throw new Error(originAndPath(url), { cause: error.cause ?? error });
    });
    this.#jar.store(url, response);
    return response;
  }
}
