//! One edge in front of several gateways: each site has its own documents, servers and limits, and every request is
//! accounted for by its site.

use std::{collections::HashMap, fs};

use bridgehead::{
    fleet::State,
    telemetry::{AnsweredBy, Class},
};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    discovery::{AS, PR, authorization_server, protected_resource},
    edge::Edge,
    http::Response,
    tools::lacks,
    until,
};

const CLIENT: &str = "mcp_clients: [{name: github, auth_type: per_user_oauth, connection_type: inprocess}]";
const OAUTH2: &str = "profile: oauth2, mcp_server_auth_mode: both";

/// Three sites on two hosts, one below a path, of both generations.
struct Gateways {
    production: Bifrost,
    old: Bifrost,
    team: Bifrost,
    edge: Edge,
}

fn entry(name: &str, url: &str, bifrost: &Bifrost, more: &str) -> String {
    format!("- {{name: {name}, public_urls: [\"{url}\"], servers: [{{address: \"{}\"}}], {more}}}\n", bifrost.address())
}

fn gateways_with(top: &str, of_team: &str) -> Gateways {
    let [production, old, team] = [Bifrost::start(), Bifrost::start(), Bifrost::start()];
    production.set_discovery(Discovery::Oauth2(Mode::Both));
    old.set_base_path("/old");
    let sites = [
        entry("production", "https://gw.example", &production, OAUTH2),
        entry("old", "https://gw.example/old", &old, CLIENT),
        entry("team", "https://team.example", &team, of_team),
    ];
    let edge = Edge::start(&format!("{top}sites:\n{}", sites.concat()));
    Gateways { production, old, team, edge }
}

fn gateways() -> Gateways {
    gateways_with("", CLIENT)
}

impl Gateways {
    fn ask(&self, host: &str, target: &str) -> Response {
        self.edge.connect().ask("GET", target, host, "")
    }

    /// How many requests each of the three servers has had.
    fn recorded(&self) -> [usize; 3] {
        [&self.production, &self.old, &self.team].map(|bifrost| bifrost.recorded().len())
    }
}

#[test]
fn each_site_has_its_own_documents() {
    if lacks(&["openssl"]) {
        return;
    }
    let gateways = gateways();
    let text = |host, target: &str| gateways.ask(host, target).text().to_owned();
    assert_eq!(text("team.example", AS), authorization_server("https://team.example"));
    assert_eq!(text("team.example", PR), protected_resource("https://team.example"));
    for target in [format!("{AS}/old"), format!("/old{AS}")] {
        assert_eq!(text("gw.example", &target), authorization_server("https://gw.example/old"), "{target}");
    }
    assert_eq!(text("gw.example", &format!("{PR}/old/mcp")), protected_resource("https://gw.example/old"));
    let of_root = gateways.ask("gw.example", AS).json();
    assert_eq!(of_root["issuer"], "https://gw.example");
    assert_eq!(of_root["token_endpoint"], "https://gw.example/oauth2/token");
    // The keys are the servers' of that generation, and nothing of the other one.
    assert_eq!(gateways.ask("gw.example", "/old/.well-known/jwks.json").status, 404);
    assert_eq!(gateways.recorded(), [0, 0, 0]);
    assert_eq!(gateways.ask("gw.example", "/.well-known/jwks.json").status, 200);
    assert_eq!(gateways.recorded(), [1, 0, 0]);
}

#[test]
fn a_request_goes_to_the_servers_of_the_site_with_its_host_and_the_longest_path() {
    let gateways = gateways();
    for (host, target, recorded) in [
        ("gw.example", "/echo", [1, 0, 0]),
        ("gw.example", "/old/echo", [1, 1, 0]),
        ("GW.example:443", "/old/echo?x", [1, 2, 0]),
        ("gw.example", "/older/echo", [2, 2, 0]),
        ("team.example", "/old/echo", [2, 2, 1]),
        ("team.example.", "/echo", [2, 2, 2]),
    ] {
        let response = gateways.ask(host, target);
        assert!(response.status != 421 && response.status < 500, "{host} {target}: {response:?}");
        assert_eq!(gateways.recorded(), recorded, "{host} {target}");
    }
}

#[test]
fn what_is_for_no_site_is_421_or_goes_to_the_one_that_takes_it() {
    let gateways = gateways();
    for (host, target) in [("else.example", "/echo"), ("else.example", "/old/echo")] {
        assert_eq!(gateways.ask(host, target).status, 421);
    }
    assert_eq!(gateways.ask("else.example", AS).status, 421);
    assert_eq!(gateways.recorded(), [0, 0, 0]);

    let gateways = gateways_with("", &format!("{CLIENT}, unknown_hosts: forward"));
    assert_eq!(gateways.ask("else.example", "/echo").status, 200);
    assert_eq!(gateways.ask("else.example", AS).status, 421, "an issuer is nobody's but its own host's");
    assert_eq!(gateways.recorded(), [0, 0, 1]);
}

#[test]
fn on_a_host_whose_sites_have_paths_the_rest_is_nobodys() {
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    let sites =
        [entry("one", "https://gw.example/one", &one, CLIENT), entry("two", "https://gw.example/two", &two, CLIENT)];
    let edge = Edge::start(&format!("sites:\n{}", sites.concat()));
    let ask = |target: &str| edge.connect().ask("GET", target, "gw.example", "").status;
    assert_eq!([ask("/one/echo"), ask("/two/echo")].map(|status| status < 500 && status != 421), [true; 2]);
    assert_eq!([ask("/echo"), ask("/oneecho"), ask("/")], [421; 3]);
    // A document that is not there is not, whoever might have had it.
    assert_eq!([ask(AS), ask(PR), ask(&format!("{AS}/three"))], [404; 3]);
    assert_eq!((one.recorded().len(), two.recorded().len()), (1, 1));
}

#[test]
fn limits_and_rules_are_those_of_the_site() {
    let of_team = format!("{CLIENT}, limits: {{request_body: 10B}}, access: [{{path: /api, deny: [\"127.0.0.1\"]}}]");
    let gateways = gateways_with("limits: {request_body: 20B}\n", &of_team);
    let post = |host: &str, length: usize| {
        let mut connection = gateways.edge.connect();
        connection.send(format!(
            "POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}",
            "x".repeat(length)
        ));
        connection.read_response("POST").status
    };
    assert_eq!((post("team.example", 10), post("team.example", 11)), (200, 413));
    assert_eq!((post("gw.example", 20), post("gw.example", 21)), (200, 413));
    assert_eq!(gateways.ask("team.example", "/api/x").status, 403);
    assert_ne!(gateways.ask("gw.example", "/api/x").status, 403);
}

/// The samples of a metric whose value is not 0, by its labels.
fn samples(edge: &Edge, name: &str) -> HashMap<String, String> {
    let metrics = edge.metrics();
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    samples.filter(|(_, value)| *value != "0").map(|(labels, value)| (labels.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_request_is_counted_and_logged_with_its_site() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let gateways = gateways_with(&format!("access_log: {{to: \"{}\"}}\n", log.display()), CLIENT);
    for (host, target) in [
        ("gw.example", "/v1/models"),
        ("gw.example", "/old/mcp"),
        ("gw.example", &format!("{AS}/old")),
        ("team.example", AS),
        ("team.example", "/echo"),
        ("else.example", "/echo"),
        ("else.example", AS),
    ] {
        gateways.ask(host, target);
    }
    let edge = &gateways.edge;
    until("all are counted", || edge.counters().sites().traffic().requests == 7);
    let requests = samples(edge, "bridgehead_requests_total");
    let sites = |site: &str| {
        let of_site = requests.iter().filter(|(labels, _)| labels.contains(&format!("site=\"{site}\"")));
        of_site.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>()
    };
    assert_eq!(["production", "old", "team"].map(sites), [1, 2, 2], "{requests:?}");
    let of_none = requests.iter().filter(|(labels, _)| !labels.contains("site="));
    assert_eq!(of_none.count(), 2, "{requests:?}");
    let answers = samples(edge, "bridgehead_discovery_answers_total");
    assert_eq!(answers["document=\"authorization_server\",outcome=\"ok\",site=\"old\""], "1");
    assert_eq!(answers["document=\"authorization_server\",outcome=\"misdirected\""], "1");
    let profiles = samples(edge, "bridgehead_profile_info");
    assert!(profiles.contains_key("profile=\"oauth2\",site=\"production\""), "{profiles:?}");
    assert_eq!(samples(edge, "bridgehead_servers_available").len(), 3);
    let address = gateways.old.address();
    let picks = samples(edge, "bridgehead_server_picks_total");
    assert_eq!(picks[&format!("address=\"{address}\",server=\"{address}\",site=\"old\"")], "1", "{picks:?}");

    let Gateways { edge, .. } = gateways;
    edge.stop();
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().count(), 7, "{log}");
    for line in log.lines() {
        let word = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
        let site = match (word("host="), line.contains("/old")) {
            (Some("gw.example"), true) => Some("old"),
            (Some("gw.example"), false) => Some("production"),
            (Some("team.example"), _) => Some("team"),
            _ => None,
        };
        assert_eq!(word("site="), site, "{line}");
        assert_eq!(word("profile=").is_some(), site.is_some() && line.contains("class=discovery"), "{line}");
    }
}

#[test]
fn one_site_has_no_label_and_no_word_in_the_log() {
    let bifrost = Bifrost::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let entry = entry("only", "https://gw.example", &bifrost, CLIENT);
    let edge = Edge::start(&format!("access_log: {{to: \"{}\"}}\nsites:\n{entry}", log.display()));
    assert_eq!(edge.connect().ask("GET", "/echo", "gw.example", "").status, 200);
    until("it is counted", || edge.counters().sites().traffic().requests == 1);
    assert!(!edge.metrics().contains("site="));
    edge.stop();
    assert!(!fs::read_to_string(log).unwrap().contains("site="));
}

#[test]
fn a_server_of_two_sites_is_checked_once_and_its_counts_are_one() {
    let shared = Bifrost::start();
    let sites = |more: &str| {
        let [a, b] = [("a", "https://a.example"), ("b", "https://b.example")]
            .map(|(name, url)| entry(name, url, &shared, CLIENT));
        format!("{more}sites:\n{a}{b}")
    };
    let edge = Edge::start(&sites("health: {interval: 1h}\n"));
    until("it is up", || edge.report_of(&shared.address()).state == State::Up);
    for host in ["a.example", "b.example"] {
        assert_eq!(edge.connect().ask("GET", "/echo", host, "").status, 200);
    }
    assert_eq!(shared.health_checks(), 1);
    assert_eq!((edge.report().servers.len(), edge.report_of(&shared.address()).picks), (1, 2));
    let address = shared.address();
    assert_eq!(
        edge.metric(&format!(
            "bridgehead_server_picks_total{{address=\"{address}\",server=\"{address}\",site=\"a,b\"}}"
        )),
        2
    );
}

#[test]
fn a_server_that_moves_to_another_site_keeps_its_state_and_so_does_one_whose_site_is_renamed() {
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    two.set_red(true);
    let health = "health: {interval: 1h}\n";
    let before = [entry("a", "https://a.example", &one, CLIENT), entry("b", "https://b.example", &two, CLIENT)];
    let edge = Edge::start(&format!("{health}sites:\n{}", before.concat()));
    let state = |bifrost: &Bifrost| edge.report_of(&bifrost.address()).state;
    until("both are known", || state(&one) == State::Up && state(&two) == State::Down);
    let gate = one.gate();
    let mut stream = edge.connect();
    let body = r#"{"model":"m","stream":true}"#;
    let head = format!("Host: a.example\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.send(format!("POST /v1/chat/completions HTTP/1.1\r\n{head}"));
    assert_eq!(stream.read_head().status, 200);

    let after = [entry("c", "https://a.example", &two, CLIENT), entry("b", "https://b.example", &one, CLIENT)];
    edge.reload(&format!("{health}sites:\n{}", after.concat()));
    assert_eq!((state(&one), state(&two)), (State::Up, State::Down));
    assert_eq!((one.health_checks(), two.health_checks()), (1, 1), "they are not checked anew");
    assert_eq!(edge.report_of(&one.address()).in_flight, 1, "the stream of before");
    assert_eq!(edge.connect().ask("GET", "/echo", "b.example", "").status, 200);
    assert_eq!(one.recorded().len(), 2);
    gate.release_all();
    assert!(stream.read_chunks().ends_with(b"data: [DONE]\n\n"));
    until("both are over", || edge.counters().sites().traffic().requests == 2);
    let counted = |name: &str| {
        let all = edge.counters().sites().all();
        let of = all.into_iter().find(|(site, _)| site.as_ref().is_some_and(|site| site.as_str() == name)).unwrap().1;
        Class::ALL
            .iter()
            .flat_map(|class| of.traffic().statuses(*class, AnsweredBy::Server).collect::<Vec<_>>())
            .count()
    };
    assert_eq!(["a", "b", "c"].map(counted), [1, 1, 0], "a request is of the site that it began with");
}

#[test]
fn the_status_has_each_site_and_all_servers() {
    let gateways = gateways();
    gateways.ask("gw.example", "/old/echo");
    let status = gateways.edge.ask_admin("/status").json();
    let sites = status["sites"].as_array().unwrap();
    let of = |key: &str| sites.iter().map(|site| site[key].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(of("name"), ["production", "old", "team"]);
    assert_eq!(of("profile"), ["oauth2", "per_user_oauth", "per_user_oauth"]);
    assert_eq!(sites[1]["public_urls"]["urls"][0]["url"], "https://gw.example/old");
    assert_eq!(sites[1]["public_urls"]["count"], 1);
    assert_eq!((&sites[0]["available"], &sites[0]["configured"]), (&1.into(), &1.into()));
    let list = status["fleet"]["list"].as_array().unwrap();
    let old = list.iter().find(|server| server["address"] == gateways.old.address().to_string()).unwrap();
    assert_eq!((&old["sites"][0], &old["picks"]), (&"old".into(), &1.into()));
}
