//! An operator who looks at the status page, in a real browser, sees what is wrong.

use std::{fs, net::SocketAddr};

use bridgehead::fleet::State;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::support::{
    bifrost::{Bifrost, Discovery},
    browser::Page,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml, site_yaml},
    program::{self, Running},
    tools::lacks,
    until,
};

/// Checked so often that a test need not wait.
const HEALTH: &str = "health: {interval: 1s, timeout: 1s, fall: 1, rise: 1}\n";

fn yaml(fleet: &[&Bifrost]) -> String {
    let servers: Vec<_> = fleet.iter().map(|bifrost| bifrost.address()).collect();
    format!("{PUBLIC_URLS}{}{CLIENTS}{HEALTH}", servers_yaml(&servers))
}

fn edge(fleet: &[&Bifrost]) -> Edge {
    let edge = Edge::start(&yaml(fleet));
    until("all are up", || edge.report().servers.iter().all(|server| server.state == State::Up));
    edge
}

/// The page of an edge, once it shows something.
fn open(admin: SocketAddr) -> Page {
    let mut page = Page::new();
    page.resize(1280, 900, 1);
    page.go_to(&format!("http://{admin}/"));
    page.until("document.getElementById('updated')?.textContent.startsWith('updated ') ?? false");
    page
}

/// The program, its admin listener, and its file.
struct Program {
    _running: Running,
    admin: SocketAddr,
}

fn of_program(server: &Bifrost) -> String {
    let listeners = "listeners: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"127.0.0.1:0\"}\n";
    let urls = "public_urls: [\"http://localhost:8000\"]\n";
    format!("{listeners}{urls}{}{CLIENTS}{HEALTH}", servers_yaml(&[server.address()]))
}

fn start(server: &Bifrost) -> (Program, NamedTempFile) {
    let file = program::config(&of_program(server));
    let mut running = Running::start(file.path());
    let line = running.wait_for("metrics on http://");
    let (_, admin) = line.split_once("http://").unwrap();
    let admin = admin.trim_end_matches('/').parse().unwrap();
    (Program { _running: running, admin }, file)
}

fn row(bifrost: &Bifrost) -> String {
    format!("document.querySelector('[data-server=\"{}\"]')", bifrost.address())
}

/// The colour that the state of a server is written on.
fn color(page: &mut Page, bifrost: &Bifrost) -> String {
    let color = page.value(&format!("getComputedStyle({}.querySelector('.pill')).backgroundColor", row(bifrost)));
    color.as_str().unwrap().to_owned()
}

#[test]
fn the_page_shows_the_fleet_and_what_is_served() {
    if lacks(&["chromium"]) {
        return;
    }
    let (one, two) = (Bifrost::start(), Bifrost::start());
    let gate = one.gate();
    let edge = edge(&[&one]);
    let _streams = [edge.chat(), edge.chat(), edge.chat()];
    edge.reload(&yaml(&[&one, &two]));
    until("all are up", || edge.report().servers.iter().all(|server| server.state == State::Up));
    let mut page = open(edge.admin);
    assert_eq!((page.text("verdict"), page.text("why")), ("Serving".into(), "2 of 2 servers available".into()));
    assert_eq!(page.text("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(page.text("in-flight"), "3");
    assert_eq!(page.value(&format!("{}.querySelector('.load b').textContent", row(&one))), "3");
    page.until(&format!("{}.querySelector('.track span').getBoundingClientRect().width > 20", row(&one)));
    assert_eq!(page.value(&format!("{}.querySelector('.track span').style.width", row(&two))), "0%");
    assert_eq!(page.text("discovery"), "On");
    assert!(page.text("discovery-why").starts_with("1 of 1 MCP client has auth_type per_user_oauth"));
    assert_eq!(page.text("deciding"), "github");
    let links = page.value("[...document.querySelectorAll('#urls a')].map((link) => link.href)");
    let base = format!("http://localhost:{}/.well-known/oauth-", edge.address.port());
    let expected = ["authorization-server", "protected-resource", "protected-resource/mcp"];
    let expected: Vec<_> = expected.iter().map(|end| format!("{base}{end}")).collect();
    assert_eq!(links.as_array().unwrap()[..3], expected);
    assert_eq!(page.complaints(), Vec::<String>::new());
    gate.release_all();
}

#[test]
fn a_server_that_does_not_agree_about_discovery_is_named() {
    if lacks(&["chromium"]) {
        return;
    }
    let fleet = [Bifrost::start(), Bifrost::start()];
    fleet[1].set_discovery(Discovery::Off);
    let edge = Edge::start(&format!("{}verify: {{interval: 20ms}}\n", yaml(&[&fleet[0], &fleet[1]])));
    let mut page = open(edge.admin);
    page.until("document.getElementById('verification').textContent.includes('1 agree with the edge, 1 disagree')");
    let address = fleet[1].address();
    page.until(&format!("document.getElementById('disagreements').textContent.startsWith('{address}: 4 differences')"));
    fleet[1].set_discovery(Discovery::On);
    page.until("document.getElementById('disagreements').textContent === ''");
}

#[test]
fn each_site_has_a_section_and_the_headline_names_one_without_a_server() {
    if lacks(&["chromium"]) {
        return;
    }
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    let first = site_yaml("first", "https://gw.example", one.address());
    let second = site_yaml("second", "https://gw.example/two", two.address());
    let edge = Edge::start(&format!("{HEALTH}sites:\n{first}{second}"));
    until("all are up", || edge.report().servers.iter().all(|server| server.state == State::Up));
    let mut page = open(edge.admin);
    assert_eq!(page.text("site-name"), "Site first: discovery");
    assert_eq!(page.text("site-name-2"), "Site second: discovery");
    assert!(page.text("site-fleet-2").ends_with("1 of 1 server available"));
    let shown = page.value("[...document.querySelectorAll('#urls-2 a')].map((link) => link.textContent)");
    let shown = shown.as_array().unwrap();
    assert_eq!(shown[0], "/.well-known/oauth-authorization-server/two");
    assert_eq!(shown[2], "/two/.well-known/oauth-authorization-server");
    two.set_red(true);
    page.until("document.getElementById('why').textContent.includes('site second has none')");
    edge.reload(&format!("{HEALTH}sites:\n{first}"));
    page.until("document.getElementById('site-name').textContent === 'Discovery'");
    page.until("document.getElementById('sites').children.length === 1");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn under_oauth2_the_mode_is_named_and_a_server_of_another_generation() {
    if lacks(&["chromium"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let address = bifrost.address();
    let yaml = |mode: &str| {
        format!(
            "public_urls: [\"http://localhost:{{port}}\"]\nprofile: oauth2\nmcp_server_auth_mode: {mode}\n\
             verify: {{interval: 20ms}}\nservers: [{{address: \"{address}\"}}]\n"
        )
    };
    let edge = Edge::start(&yaml("both"));
    let mut page = open(edge.admin);
    assert_eq!(page.text("discovery"), "On");
    assert_eq!(page.text("discovery-why"), "mcp_server_auth_mode is both. No MCP client decides.");
    let warning = format!("{address}: speaks the contract of Bifrost 1.5.0 to 1.5.2");
    page.until(&format!("document.getElementById('disagreements').textContent.includes('{warning}')"));
    edge.reload(&yaml("headers"));
    let why = "404 is answered: mcp_server_auth_mode is headers. No MCP client decides.";
    page.until(&format!("document.getElementById('discovery-why').textContent === '{why}'"));
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn what_an_operator_should_know_of_the_file_is_shown_as_text() {
    if lacks(&["chromium"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let (program, file) = start(&bifrost);
    let mut page = open(program.admin);
    let assumed = page.text("remarks");
    assert!(assumed.starts_with("warning: ") && assumed.contains("so per_user_oauth is assumed"), "{assumed}");
    let newer = "- {name: \"<b>x\", connection_type: carrier, id: a}\n";
    fs::write(&file, of_program(&bifrost).replace(CLIENTS, &format!("{CLIENTS}{newer}"))).unwrap();
    page.until("document.getElementById('remarks').textContent.includes('carrier')");
    assert_eq!(page.text("reload"), "✓ Reloaded");
    for told in ["MCP client \"<b>x\": \"carrier\" is newer than this edge knows", "the old name of \"client_id\""] {
        assert!(page.text("remarks").contains(told), "{}", page.text("remarks"));
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn a_killed_server_turns_red_and_green_again_when_it_is_back() {
    if lacks(&["chromium"]) {
        return;
    }
    let (one, two) = (Bifrost::start(), Bifrost::start());
    let edge = edge(&[&one, &two]);
    let mut page = open(edge.admin);
    let good = color(&mut page, &two);
    assert_eq!(color(&mut page, &one), good);
    assert_eq!(page.value("document.getElementById('banner').dataset.tone"), "good");

    two.set_red(true);
    page.until(&format!("{}.dataset.state === 'down'", row(&two)));
    assert_eq!(page.value(&format!("{}.querySelector('.pill').innerText", row(&two))), "✕\nDown");
    assert_eq!(color(&mut page, &two), "rgb(185, 37, 31)");
    assert_eq!(color(&mut page, &one), good);
    assert_eq!(page.text("why"), "1 of 2 servers available");
    assert_eq!(page.value("document.getElementById('banner').dataset.tone"), "warn");

    two.set_red(false);
    page.until(&format!("{}.dataset.state === 'up'", row(&two)));
    let address = one.address();
    one.stop();
    page.until(&format!("document.querySelector('[data-server=\"{address}\"]').dataset.state === 'down'"));
    assert_eq!(color(&mut page, &two), good);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn a_reload_shows_up_and_so_do_the_problems_of_one_that_is_refused() {
    if lacks(&["chromium"]) {
        return;
    }
    let (one, two) = (Bifrost::start(), Bifrost::start());
    let (program, file) = start(&one);
    let mut page = open(program.admin);
    assert_eq!((page.text("generation"), page.text("reload")), ("1".into(), "As started".into()));

    fs::write(&file, of_program(&two)).unwrap();
    page.until("document.getElementById('generation').textContent === '2'");
    assert_eq!(page.text("reload"), "✓ Reloaded");
    page.until(&format!("{} !== null", row(&two)));
    assert_eq!(page.value(&format!("{} === null", row(&one))), true, "it is gone");

    fs::write(&file, of_program(&two) + "<img src=x>: <b>bold</b>\n").unwrap();
    page.until("document.getElementById('reload').textContent === '✕ Reload refused'");
    let problems = page.text("problems");
    assert!(problems.contains("<img src=x>: unknown key") && problems.contains(".yaml:"), "{problems}");
    assert!(page.text("reload-text").contains("Generation 2 is served on, unchanged"));
    assert_eq!(page.value("document.getElementById('banner').dataset.tone"), "warn");
    assert_eq!(page.value("document.images.length"), 0, "what the edge says is text, and never markup");
    assert_eq!(page.text("generation"), "2");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn an_edge_that_cannot_be_reached_is_said_to_be_so_and_what_it_last_said_stays() {
    if lacks(&["chromium"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let edge = edge(&[&bifrost]);
    let mut page = open(edge.admin);
    edge.stop();
    page.until("document.getElementById('verdict').textContent.startsWith('No answer since ')");
    assert_eq!(page.value("document.getElementById('banner').dataset.tone"), "bad");
    assert_eq!(page.value("'stale' in document.getElementById('main').dataset"), true);
    assert_eq!(page.value(&format!("{}.dataset.state", row(&bifrost))), "up");
}

#[test]
fn requests_become_a_plot() {
    if lacks(&["chromium"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let edge = edge(&[&bifrost]);
    for path in ["/echo", "/echo", "/echo", "/status/500"] {
        edge.get(path);
    }
    // A stream counts once it is over, to its first byte and beside the others.
    let mut chat = edge.chat();
    chat.read_chunks();
    let has_traffic = |status: serde_json::Value| {
        let points = status["history"]["points"].as_array().unwrap().clone();
        points.iter().any(|point| point["errors_per_second"].as_f64() > Some(0.0) && point["p99_ms"].is_number())
            && points.iter().any(|point| point["streams_p99_ms"].is_number())
    };
    until("it is in the history", || has_traffic(edge.ask_admin("/status").json()));
    let mut page = open(edge.admin);
    for path in [
        "#plot-rate path.one",
        "#plot-rate path.bad",
        "#plot-latency path.one",
        "#plot-latency path.two",
        "#plot-latency path.three",
    ] {
        page.until(&format!("document.querySelector('{path}').getAttribute('d')?.startsWith('M')"));
    }
    let label = page.value("document.querySelector('#plot-rate svg').getAttribute('aria-label')");
    assert!(label.as_str().unwrap().starts_with("The last 10 minutes."), "{label}");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// Contrast as WCAG 2.2 counts it, of every text against what is behind it; and nothing wider than the window.
#[test]
fn the_page_can_be_read_in_the_light_in_the_dark_and_on_a_phone() {
    const CONTRASTS: &str = "(() => {
        const parse = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
        const behind = (node) => {
            for (; node; node = node.parentElement) {
                const color = parse(getComputedStyle(node).backgroundColor);
                if (color[3] !== 0) return color;
            }
            return [255, 255, 255];
        };
        const bad = [];
        for (const node of document.querySelectorAll('body *')) {
            const hasText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
            if (!hasText || !node.checkVisibility() || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.tagName)) continue;
            const [one, other] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
            const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            if (contrast < 4.5) bad.push(`${contrast.toFixed(2)} ${node.tagName} ${node.textContent.slice(0, 40)}`);
        }
        return bad;
    })()";
    if lacks(&["chromium"]) {
        return;
    }
    let (one, two) = (Bifrost::start(), Bifrost::start());
    two.set_red(true);
    let (program, file) = start(&two);
    fs::write(&file, of_program(&one) + &format!("{}: 1\n", "long".repeat(100))).unwrap();
    let mut page = open(program.admin);
    page.until("document.getElementById('reload').textContent === '✕ Reload refused'");
    page.until(&format!("{}.dataset.state === 'down'", row(&two)));
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        grounds.push(page.value("getComputedStyle(document.body).backgroundColor"));
        assert_eq!(page.value(CONTRASTS), json!([]), "{scheme}");
        for (width, height) in [(1280, 900), (375, 667)] {
            page.resize(width, height, 1);
            assert_eq!(page.value("document.documentElement.scrollWidth"), width, "{scheme}");
            assert!(page.picture().starts_with(b"\x89PNG"));
        }
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_eq!(page.complaints(), Vec::<String>::new());
}
