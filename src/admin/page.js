
// The sections of the page, and how it is kept up to date. After plot.js.

const EVERY_MS = 2000;
const PATIENCE_MS = 5000;
const STATES = {
  up: ["good", "●", "Up"],
  down: ["bad", "✕", "Down"],
  open: ["warn", "❚❚", "Paused"],
  unknown: ["quiet", "○", "Unchecked"],
  draining: ["warn", "◐", "Draining"],
};
const EXPLAINED = {
  down: "its health checks are bad",
  open: "its requests failed one after the other",
  unknown: "gets requests; its health is not known",
  draining: "no longer configured; finishes what it has",
};
const KINDS = { connect: "no connection", broken: "broke off", stale: "idle connection died", status_5xx: "5xx" };
const VERDICTS = { agrees: ["good", "agrees"], disagrees: ["bad", "disagrees"], unreachable: ["warn", "not reached"] };
const OUTCOMES = {
  ok: "200", not_modified: "304 not modified", not_found: "404 not found", misdirected: "421 misdirected",
  method_not_allowed: "405 method not allowed", preflight: "204 preflight", bad_host: "400 bad host",
};
const ICONS = { good: "%2317734a", bad: "%23b9251f", warn: "%23b27d12", quiet: "%23777777" };

// A list that is drawn anew only when it has become another one.
function fill(node, items, draw) {
  const key = JSON.stringify(items);
  if (node.dataset.shown === key) return;
  node.dataset.shown = key;
  node.replaceChildren(...items.map(draw));
}

// === sections ===

const RATES = new Plot("plot-rate", [
  { name: "requests_per_second", label: "all", style: "one", area: true },
  { name: "errors_per_second", label: "5xx", style: "bad", quiet: true },
], { unit: rate, axis: (value) => number.format(value), scale: evenly });
const LATENCIES = new Plot("plot-latency", [
  { name: "p50_ms", label: "median", style: "one" },
  { name: "p99_ms", label: "p99", style: "two" },
  { name: "streams_p99_ms", label: "p99 of streams", style: "three" },
], { unit: (ms) => duration(ms).join(" "), axis: (ms) => short(duration(ms)), scale: byPowers });

function banner(status) {
  const { tone: look, words, reasons } = status.headline;
  verdict(look, words, reasons);
  say(at("host"), status.host ?? "unknown");
  say(at("version"), status.version);
  say(at("uptime"), span(status.uptime_seconds));
  say(at("generation"), number.format(status.configuration.generation));
  say(at("pid"), String(status.pid));
}

function verdict(look, words, reasons) {
  tone(at("banner"), look);
  say(at("mark"), { good: "✓", warn: "!", bad: "✕", quiet: "…" }[look]);
  say(at("verdict"), words);
  fill(at("why"), reasons, ({ text, place }) => {
    const reason = make(place === null ? "span" : "a");
    say(reason, text);
    if (place !== null) reason.href = `#${place}`;
    return make("li", "", reason);
  });
  const title = `${words} · Bridgehead`;
  if (document.title !== title) document.title = title;
  if (at("icon").dataset.tone === look) return;
  tone(at("icon"), look);
  const circle = `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='${ICONS[look]}'/%3E%3C/svg%3E`;
  at("icon").href = `data:image/svg+xml,${circle}`;
}

function traffic(status) {
  const last = status.history.points.at(-1);
  say(at("rate"), last ? rate(last.requests_per_second) : "–");
  say(at("errors"), last ? rate(last.errors_per_second) : "–");
  tone(at("errors"), last?.errors_per_second > 0 ? "bad" : "quiet");
  for (const name of ["p50", "p99"]) {
    const ms = last?.[`${name}_ms`];
    const [value, unit] = ms == null ? ["–", ""] : duration(ms);
    say(at(name), value);
    say(at(`${name}-unit`), unit);
  }
  const inFlight = status.fleet.list.reduce((sum, server) => sum + server.in_flight, 0);
  say(at("in-flight"), number.format(inFlight));
  say(at("connections"), number.format(status.clients.connections));
  RATES.draw(status);
  LATENCIES.draw(status);
}

const rows = new Map();

function row() {
  const [name, address, since] = [make("span"), make("small"), make("small")];
  const pill = make("span", "pill", make("i"), make("span"));
  pill.firstChild.setAttribute("aria-hidden", "true");
  const [count, bar] = [make("b"), make("span")];
  const cells = [
    make("td", "server", name, address), make("td", "state", pill, since),
    make("td", "flight", make("div", "load", count, make("div", "track", bar))),
    make("td", "picks number"), make("td", "failed number"), make("td", "verify"),
    make("td", "kinds"),
  ];
  cells.forEach((cell) => cell.setAttribute("role", "cell"));
  const line = make("tr", "", ...cells);
  line.setAttribute("role", "row");
  const [, , , picks, failed, verify, kinds] = cells;
  return { line, name, address, since, pill, count, bar, picks, failed, verify, kinds };
}

const role = ({ weight, backup }) => `weight ${weight}${backup ? ", backup" : ""}`;

function fleet(status) {
  const { list, available, configured } = status.fleet;
  const busiest = Math.max(10, ...list.map((server) => server.in_flight));
  const there = new Set();
  list.forEach((server, place) => {
    const key = `${server.server} ${server.address}`;
    there.add(key);
    if (!rows.has(key)) rows.set(key, row());
    const shown = rows.get(key);
    const [look, sign, word] = STATES[server.state] ?? ["quiet", "○", server.state];
    shown.line.dataset.server = server.server;
    shown.line.dataset.state = server.state;
    say(shown.name, server.server);
    const roles = [...new Set(server.roles.map(role))];
    const places = [server.server === server.address ? "" : server.address, ...(server.sites ?? []), ...roles];
    say(shown.address, places.filter(Boolean).join(" · "));
    tone(shown.pill, look);
    say(shown.pill.firstChild, sign);
    say(shown.pill.lastChild, word);
    shown.pill.title = EXPLAINED[server.state] ?? "";
    say(shown.since, server.since === null ? "" : `${time(server.since)}, ${span(Math.max(0, status.now - server.since))}`);
    say(shown.count, number.format(server.in_flight));
    shown.bar.style.width = `${(100 * server.in_flight) / busiest}%`;
    say(shown.picks, number.format(server.picks));
    const failures = Object.entries(server.recent_failures).filter(([, count]) => count > 0);
    const failed = failures.reduce((sum, [, count]) => sum + count, 0);
    say(shown.failed, number.format(failed));
    tone(shown.failed, failed > 0 ? "bad" : "quiet");
    const [agreed, verdict] = VERDICTS[server.verification] ?? ["quiet", "–"];
    tone(shown.verify, agreed);
    say(shown.verify, verdict);
    const last = server.last_failure === null ? "" : `${time(server.last_failure.at)}: ${server.last_failure.why}`;
    const counted = failures.map(([kind, count]) => `${number.format(count)} ${KINDS[kind] ?? kind}`).join(", ");
    say(shown.kinds, [last, counted && `in 10 min: ${counted}`].filter(Boolean).join(" · "));
    const body = at("servers");
    if (body.children[place] !== shown.line) body.insertBefore(shown.line, body.children[place] ?? null);
  });
  for (const [key, shown] of rows) {
    if (there.has(key)) continue;
    shown.line.remove();
    rows.delete(key);
  }
  say(at("fleet-count"), `${available} of ${configured} available`);
  const sum = (count) => status.sites.reduce((all, site) => all + site[count], 0);
  const [retries, unpaid, lastResort] = [sum("retries"), sum("retries_refused"), sum("last_resort_picks")];
  const note = list.length === 0
    ? ["No servers. Discovery is answered; everything else gets 503."]
    : [many(retries, "retry", "retries"), `${number.format(unpaid)} not allowed by the budget`,
       `${number.format(lastResort)} sent to a server that was not available, because none was`];
  say(at("fleet-note"), note.join(" · "));
}

// One section a site, made from the template. The parts of the second site have ids that end with -2, and so on.
function sites({ sites: list, more_sites: more }) {
  const sections = at("sites");
  while (sections.children.length > list.length) sections.lastChild.remove();
  list.forEach((site, place) => {
    const suffix = place === 0 ? "" : `-${place + 1}`;
    if (!sections.children[place]) sections.append(section(suffix));
    const part = (name) => at(name + suffix);
    say(part("site-name"), site.name === null ? "Discovery" : `Site ${site.name}: discovery`);
    say(part("site-fleet"), site.name === null ? ""
      : `Profile ${site.profile} · ${site.available} of ${many(site.configured, "server", "servers")} available`);
    verification(site, part);
    discovery(site, part);
  });
  say(at("sites-note"), more > 0 ? `And ${many(more, "site", "sites")} more.` : "");
}

// What may be missing in public_urls: clients ask for it.
function misdirected({ misdirected: hosts }) {
  at("misdirected-section").hidden = hosts.length === 0;
  fill(at("misdirected"), hosts, ({ url, requests, last }) => {
    const [line, count] = [make("code"), make("small")];
    say(line, `- "${url}"`);
    say(count, `${many(requests, "request", "requests")}, the last at ${time(last)}`);
    return make("li", "", line, count);
  });
}

function section(suffix) {
  const made = at("site").content.cloneNode(true).firstElementChild;
  for (const part of made.querySelectorAll("[id]")) part.id += suffix;
  made.setAttribute("aria-labelledby", `discovery-title${suffix}`);
  return made;
}

// What the servers answered for discovery when they were asked last.
function verification({ verification: report }, part) {
  const servers = report?.servers ?? [];
  const count = (verdict) => servers.filter((server) => server.verdict === verdict).length;
  const counts = `${count("agrees")} agree with the edge, ${count("disagrees")} disagree, ${count("unreachable")} not reached`;
  say(part("verification"), report ? `Discovery of the servers at ${time(report.at)}: ${counts}` : "");
  const told = ({ server, verdict, unreachable, differences, more_differences: more }) => verdict === "disagrees"
    ? `${server}: ${many(differences.length + more, "difference", "differences")}, which bridgehead verify tells`
    : `${server}: ${unreachable}`;
  const lines = servers.filter((server) => server.verdict !== "agrees").map(told);
  const warnings = servers.flatMap(({ server, warnings: list }) => list.map((warning) => `${server}: ${warning}`));
  fill(part("disagreements"), [...lines, ...warnings], (line) => make("li", "", line));
}

function discovery(site, part) {
  const { on, mcp_server_auth_mode: mode, deciding, deciding_clients: names, mcp_clients: all } = site.discovery;
  tone(part("discovery"), on ? "good" : "quiet");
  say(part("discovery"), on ? "On" : "Off");
  const clients = on
    ? `${number.format(deciding)} of ${many(all, "MCP client", "MCP clients")} ${deciding === 1 ? "has" : "have"} auth_type per_user_oauth:`
    : `404 is answered: none of ${many(all, "MCP client", "MCP clients")} has auth_type per_user_oauth.`;
  say(part("discovery-why"), mode === null ? clients
    : `${on ? "" : "404 is answered: "}mcp_server_auth_mode is ${mode}. No MCP client decides.`);
  const answers = site.discovery.answers.map(({ outcome, count }) => `${number.format(count)} × ${OUTCOMES[outcome] ?? outcome}`);
  say(part("answers"), answers.length === 0 ? "Not asked for since the start." : `Answered since the start: ${answers.join(", ")}`);
  const more = deciding - names.length;
  fill(part("deciding"), more > 0 ? [...names, `and ${number.format(more)} more`] : names, (name) => {
    const item = make("li");
    say(item, name);
    return item;
  });
  const { derived, urls, count } = site.public_urls;
  say(part("urls-note"), derived
    ? "None are configured: each is derived from the Host of its request."
    : count > urls.length ? `The first ${urls.length} of ${number.format(count)}.` : "");
  fill(part("urls"), urls.map((url) => ({ ...url, on })), ({ url, documents, on: isOn }) => {
    const name = make("strong");
    say(name, url);
    return make("li", "", name, ...documents.map((document) => {
      const link = make(isOn ? "a" : "span", isOn ? "" : "plain");
      say(link, document.slice(new URL(url).origin.length));
      if (isOn) Object.assign(link, { href: document, target: "_blank", rel: "noreferrer" });
      return link;
    }));
  });
}

function configuration(status) {
  const { generation, reloads, reloads_refused: refused, last_reload: last } = status.configuration;
  const isRefused = last?.result === "refused";
  tone(at("reload"), !last ? "quiet" : isRefused ? "bad" : "good");
  say(at("reload"), !last ? "As started" : isRefused ? "✕ Reload refused" : "✓ Reloaded");
  const ago = last ? `${span(Math.max(0, status.now - last.at))} ago, ${time(last.at)}` : "";
  say(at("reload-text"), !last
    ? "It has not been reloaded since the start."
    : isRefused
      ? `Refused ${ago}. Generation ${number.format(generation)} is served on, unchanged. What is wrong:`
      : `Reloaded ${ago}, as generation ${number.format(last.generation)}.`);
  fill(at("problems"), last?.problems ?? [], (problem) => {
    const item = make("li");
    say(item, problem);
    return item;
  });
  // Those of certificates have a place of their own.
  const troubles = new Set(status.certificates.map(({ trouble }) => trouble));
  const warnings = status.configuration.warnings.filter((line) => !troubles.has(line));
  const remarks = [["warning", warnings], ["note", status.configuration.notes]];
  fill(at("remarks"), remarks.flatMap(([kind, lines]) => lines.map((line) => ({ kind, line }))), ({ kind, line }) => {
    const item = make("li");
    tone(item, kind === "warning" ? "warn" : "quiet");
    say(item, `${kind}: ${line}`);
    return item;
  });
  const pair = ([name, value]) => {
    const [term, description] = [make("dt"), make("dd")];
    say(term, name);
    say(description, value);
    return make("div", "", term, description);
  };
  const { file, certificates_read: read, certificates_refused: unfit } = status.configuration;
  fill(at("configuration"), [
    ...(file === null ? [] : [["File", file]]), ...(status.sites.length > 1 ? [] : [["Profile", status.sites[0].profile]]), ["Generation", number.format(generation)],
    ["Reloads", `${number.format(reloads)} used, ${number.format(refused)} refused`],
    ...(read + unfit === 0 ? [] : [["Certificates read again", `${number.format(read)} used, ${number.format(unfit)} refused`]]),
    ...(status.access_log === null ? [] : [["Access log", `${many(status.access_log.written, "line", "lines")}, ${number.format(status.access_log.dropped)} dropped`]]),
  ], pair);
  certificates(status);
  const { requests_failed: failed, connections_closed: closed } = status.clients;
  const named = (reason, what) => `${reason.reason.replaceAll("_", " ")}${what}`;
  const counts = [
    ...failed.map((reason) => [named(reason, ""), number.format(reason.count)]),
    ...closed.map((reason) => [named(reason, " (connection closed)"), number.format(reason.count)]),
  ];
  say(at("refusals-note"), counts.length === 0 ? "Nothing since the start." : "");
  fill(at("refusals"), counts, pair);
}

function certificates({ certificates: list }) {
  say(at("certificates-note"), list.length === 0 ? "None are used." : "");
  fill(at("certificates"), list, ({ file, name, not_after: until, trouble }) => {
    const item = make("li");
    tone(item, trouble === null ? "quiet" : "warn");
    say(item, trouble ?? `${name} in ${file}, until ${day.format(new Date(until * 1000))}`);
    return item;
  });
}

// === the loop ===

let answered;
let version;

function lost(why) {
  const [since, below] = answered === undefined
    ? ["", ""] : [` since ${clock.format(answered)}`, " What is below is what it last said."];
  verdict("bad", `No answer${since}`, [{ text: `${why}.${below}`, place: null }]);
  at("main").dataset.stale = "";
}

async function update() {
  let response;
  try {
    response = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    return lost(error.name === "TimeoutError" ? "The edge does not answer in time" : "The edge cannot be reached");
  }
  if (!response.ok) return lost(`The edge answers ${response.status}`);
  const status = await response.json();
  // Another version has another page.
  version ??= status.version;
  if (version !== status.version) return location.reload();
  answered = Date.now();
  delete at("main").dataset.stale;
  banner(status);
  traffic(status);
  fleet(status);
  misdirected(status);
  sites(status);
  configuration(status);
  say(at("updated"), `updated ${clock.format(answered)}`);
}

// Resolves after the pause, or as soon as somebody looks.
let wake = () => {};
document.addEventListener("visibilitychange", () => wake());
const pause = () => new Promise((resolve) => {
  const timer = setTimeout(resolve, EVERY_MS);
  wake = () => { clearTimeout(timer); resolve(); };
});

async function keepUpdating() {
  for (;;) {
    try {
      await update();
    } catch (error) {
      console.error(error);
      lost("What the edge answers cannot be shown");
    }
    await pause();
  }
}

keepUpdating();
