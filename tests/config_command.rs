//! `bridgehead config` prints the configuration as it is understood: loaded again it is the same one, what comes from the
//! environment is named and not shown, and two files are compared by what they mean.

use std::{fs, path::Path, process::Output};

use bridgehead::config::Loaded;
use serde_json::Value;

use crate::support::{in_time::Printed, program::bridgehead, tls_server::Folder};

fn run(file: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    bridgehead().args(arguments).arg("--config").arg(file).envs(variables.iter().copied()).printed().unwrap()
}

fn printed(file: &Path, variables: &[(&str, &str)]) -> String {
    let output = run(file, &["config"], variables);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a file says, but for how it is written and where.
fn meaning(file: &Path) -> String {
    let config = Loaded::from_file(file).unwrap_or_else(|problems| panic!("{problems}")).config;
    let sites = config.sites.iter().chain([&config.unsited]);
    let sites = sites.map(|site| {
        let clients: Vec<_> = site.mcp_clients.iter().map(|client| (&client.name, &client.auth_type)).collect();
        let rest = (
            &site.name,
            &site.public_urls,
            &site.unknown_hosts,
            site.profile(),
            site.auth_mode(),
            site.claude_code_gateway,
        );
        let fleet = (&site.balance, &site.health, &site.breaker, &site.retries, &site.verify, &site.timeouts);
        let servers: Vec<_> = site
            .servers
            .iter()
            .map(|server| {
                (&server.address, server.is_one(), server.weight, server.backup, server.http2, server.tls.is_some())
            })
            .collect();
        format!(
            "{clients:?} {rest:?} {fleet:?} {servers:?} {:?} {:?} {:?} {:?}\n",
            site.access, site.cors, site.limits, site.discovery
        )
    });
    let sites: String = sites.collect();
    let edge = &config.edge;
    let listeners: Vec<_> = edge
        .listeners
        .iter()
        .map(|listener| {
            (
                &listener.address,
                listener.has_http2(),
                listener.mode(),
                listener.proxy_protocol,
                listener.redirect_to_https,
            )
        })
        .collect();
    format!(
        "{sites}{listeners:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        edge.admin,
        edge.access_log,
        edge.stop,
        edge.threads,
        edge.readiness_path,
        edge.dns,
        edge.limits,
        edge.cors,
        edge.trusted_proxies
    )
}

const EVERYTHING: &str = "\
listeners: [{address: \"127.0.0.1:8000\", http2: true}, {address: \"unix:/run/x.sock\", mode: \"0666\"}]
admin: {address: \"127.0.0.1:8001\", hosts: [edge.svc]}
access_log: {format: json, to: logs/access.log}
threads: 3
readiness_path: /edge-readyz
dns: {interval: 11s}
stop: {delay: 2s, grace: 45d 1s}
limits: {connections: unlimited, request_body: 3MiB, requests: unlimited, logins: {per_second: 0.5, burst: 2}, requests_in_flight: 77}
cors: {allowed_origins: [\"https://*.example.com\"], allowed_headers: [x-one]}
trusted_proxies: [10.0.0.0/8, 192.0.2.1]
timeouts: {request: 90s, paths: [{prefix: /v1, first_byte: 3m, half_close: answer}]}
balance: {policy: hash, hash_key: \"cookie:team\", hash_load: 2}
verify: {interval: 5m, at_start: false}
health: {path: \"/health$${x}\", statuses: [200, 204]}
access: [{path: /, deny: [203.0.113.0/24]}]
include: [\"more/*.yaml\"]
sites:
  - name: one
    public_urls: [\"https://one.example.com\"]
    unknown_hosts: forward
    profile: oauth2
    mcp_server_auth_mode: oauth
    claude_code_gateway: true
    servers:
      - {address: \"localhost:8080\", weight: 7}
      - {address: \"Bifrost.internal:8080\", addresses: one, backup: true, http2: true}
    timeouts: {request: null, connect: 65s}
    balance: {policy: round_robin, hash_key: null}
    verify: {interval: null}
    access: []
";
const INCLUDED: &str = "\
name: two
public_urls: [\"https://two.example.com/below\"]
servers: [{address: \"10.0.0.1:8080\", tls: {ca: ca.pem, server_name: bifrost}}]
breaker: {failures: 9}
mcp_clients:
  - {name: a, auth_type: per_user_oauth, connection_type: http, connection_string: \"https://a/${NOT_OURS}\"}
  - {name: b, auth_type: newer, connection_type: http, connection_string: env.B}
";

fn everything() -> Folder {
    let folder = Folder::new();
    for below in ["more", "logs"] {
        fs::create_dir(folder.path().join(below)).unwrap();
    }
    folder.write("proxy.yaml", EVERYTHING);
    folder.write("more/two.yaml", INCLUDED);
    let authority = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
    folder.write("more/ca.pem", authority.cert.pem());
    folder
}

#[test]
fn what_is_printed_is_the_same_configuration() {
    let folder = everything();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/proxy.yaml");
    for file in [folder.path().join("proxy.yaml"), shipped] {
        let text = printed(&file, &[]);
        // In another folder: its files are found all the same.
        let elsewhere = Folder::new();
        let again = elsewhere.write("again.yaml", &text);
        assert_eq!(meaning(&again), meaning(&file), "{text}");
        let twice = printed(&again, &[]);
        let body = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(body(&twice), body(&text));
        let output = run(&file, &["config", "--diff", again.to_str().unwrap()], &[]);
        assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    }
}

#[test]
fn defaults_are_filled_in_and_values_have_one_form() {
    let folder = everything();
    let tree: Value = serde_yaml::from_str(&printed(&folder.path().join("proxy.yaml"), &[])).unwrap();
    assert_eq!(tree["limits"]["idle"], "1m 15s");
    assert_eq!(tree["limits"]["connections"], "unlimited");
    let [one, two] = &tree["sites"].as_array().unwrap()[..] else { panic!("{tree:#}") };
    assert_eq!((&one["name"], &two["name"]), (&"one".into(), &"two".into()));
    assert_eq!((&one["timeouts"]["connect"], &two["timeouts"]["connect"]), (&"1m 5s".into(), &"5s".into()));
    assert_eq!((&one["timeouts"]["request"], &two["timeouts"]["request"]), (&Value::Null, &"1m 30s".into()));
    assert_eq!(
        (&one["servers"][0]["addresses"], &one["servers"][1]["address"]),
        (&"one".into(), &"bifrost.internal:8080".into())
    );
    assert_eq!((&two["profile"], &two["breaker"]["failures"]), (&"per_user_oauth".into(), &9.into()));
    assert_eq!(two["mcp_clients"][1], serde_json::json!({"name": "b", "auth_type": "newer"}));
    let ca = folder.path().join("more/ca.pem");
    assert_eq!(two["servers"][0]["tls"]["ca"].as_str().unwrap(), ca.to_str().unwrap());
}

#[test]
fn what_comes_from_the_environment_is_named_and_not_shown() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let text = "listeners: [{address: \"127.0.0.1:${PORT}\"}]\naccess_log: {to: \"logs/${LOG}\"}\ntimeouts: {connect: \"${WAIT:-5s}\"}\n\
                sites:\n- {name: one, public_urls: [\"https://one.example.com\"], servers: [{address: \"${HOST}:8080\"}]}\n- \
                {name: two, public_urls: [\"https://two.example.com\"], servers: [], timeouts: {connect: 1s}}\n";
    let file = folder.write("proxy.yaml", text);
    let variables = [("PORT", "8123"), ("LOG", "planted.log"), ("HOST", "planted.internal"), ("WAIT", "7s")];
    let printed = printed(&file, &variables);
    assert!(!printed.contains("planted") && !printed.contains("8123") && !printed.contains("7s"), "{printed}");
    assert!(printed.contains("# From the environment: HOST, LOG, PORT, WAIT\n"), "{printed}");
    let tree: Value = serde_yaml::from_str(&printed).unwrap();
    assert_eq!(tree["listeners"][0]["address"], "127.0.0.1:${PORT}");
    assert_eq!(tree["access_log"]["to"], folder.path().join("logs/${LOG}").to_str().unwrap());
    assert_eq!(tree["timeouts"]["connect"], "${WAIT:-5s}");
    assert_eq!(tree["sites"][0]["timeouts"]["connect"], "${WAIT:-5s}");
    assert_eq!(tree["sites"][1]["timeouts"]["connect"], "1s");
    assert_eq!(tree["sites"][0]["servers"][0]["address"], "${HOST}:8080");
    let again = folder.write("again.yaml", &printed);
    let output = run(&file, &["config", "--diff", again.to_str().unwrap()], &variables);
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
}

#[test]
fn two_files_are_compared_by_what_they_mean() {
    let folder = Folder::new();
    let old = folder
        .write("old.yaml", "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\ntimeouts: {connect: 5000ms}\n");
    let same = folder.write(
        "same.yaml",
        "{\"servers\": null, \"listeners\": [{\"address\": \"127.0.0.1:8000\", \"http2\": false}]} # the same",
    );
    let output = run(&old, &["config", "--diff", same.to_str().unwrap()], &[]);
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    let new = folder.write(
        "new.yaml",
        "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"10.0.0.1:8080\"}]\ntimeouts: {connect: 2s}\nmcp_clients: \
         [{name: a, auth_type: oauth}]\nthreads: 2\n",
    );
    let output = run(&old, &["config", "--diff", new.to_str().unwrap()], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<_> = text.lines().skip(2).filter(|line| !line.contains("servers")).collect();
    assert_eq!(
        lines,
        [
            "- timeouts.connect: 5s",
            "+ timeouts.connect: 2s",
            "- mcp_clients: []",
            "+ mcp_clients: [{\"name\":\"a\",\"auth_type\":\"oauth\"}]",
            "+ threads: 2"
        ]
    );
    assert!(text.contains("- servers: []\n+ servers: [{\"address\":\"10.0.0.1:8080\""), "{text}");
    let clients = |types: &str| {
        format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: []\nmcp_clients: [{{name: a, auth_type: {types}}}, {{name: b}}]\n"
        )
    };
    let (one, two) = (folder.write("one.yaml", clients("none")), folder.write("two.yaml", clients("oauth")));
    let output = run(&one, &["config", "--format", "json", "--diff", two.to_str().unwrap()], &[]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found, serde_json::json!([{"key": "mcp_clients[a].auth_type", "old": "none", "new": "oauth"}]));
    let output = run(&one, &["config", "--diff", "no-such-file.yaml"], &[]);
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("no such file"));
}

#[test]
fn a_pipeline_gets_problems_and_warnings_as_json() {
    let folder = Folder::new();
    let bad = folder.write("bad.yaml", "listeners: [{address: \"127.0.0.1:8000\"}]\nserver: []\nservers: []\n");
    let check = |file: &Path, strict: bool| {
        let arguments: &[&str] =
            if strict { &["check", "--format", "json", "--strict"] } else { &["check", "--format", "json"] };
        let output = run(file, arguments, &[]);
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (code, report) = check(&bad, false);
    assert_eq!((code, &report["valid"]), (1, &false.into()));
    let problem = &report["problems"][0];
    assert_eq!((&problem["line"], &problem["key"]), (&2.into(), &"server".into()));
    assert!(problem["message"].as_str().unwrap().starts_with("unknown key; did you mean \"servers\"?"));
    let good = folder.write("good.yaml", "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\n");
    for (strict, expected) in [(false, 0), (true, 1)] {
        let (code, report) = check(&good, strict);
        assert_eq!((code, &report["valid"], report["warnings"].as_array().unwrap().len()), (expected, &true.into(), 3));
        assert_eq!(
            (&report["sites"][0]["profile"], &report["sites"][0]["discovery"]),
            (&"per_user_oauth".into(), &false.into())
        );
    }
    let (code, report) = check("no-such-file.yaml".as_ref(), false);
    assert!(code == 1 && report["problems"][0]["message"].as_str().unwrap().contains("no such file"), "{report}");
}
