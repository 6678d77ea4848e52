//! The configuration that is shipped loads, says what it promises, and shows every key.

use std::path::Path;

use bridgehead::config::{AccessLog, AuthType, Loaded};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/proxy.yaml");

#[test]
fn the_shipped_file_runs_as_it_stands() {
    let loaded = Loaded::from_file(Path::new(SHIPPED)).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let config = loaded.config;
    let listeners: Vec<_> = config.edge.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(listeners, ["127.0.0.1:8000"]);
    assert_eq!(config.edge.admin.unwrap().address.0.to_string(), "127.0.0.1:8001");
    let urls: Vec<_> = config.sites[0].public_urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["http://localhost:8000", "http://127.0.0.1:8000"]);
    let servers: Vec<_> = config.sites[0].servers.iter().map(|server| server.address.to_string()).collect();
    assert_eq!(servers, ["127.0.0.1:8080"]);
    let types: Vec<_> = config.sites[0].mcp_clients.iter().map(|client| client.auth_type.clone()).collect();
    let one_of_each =
        [AuthType::None, AuthType::Headers, AuthType::Oauth, AuthType::PerUserOauth, AuthType::PerUserHeaders];
    assert_eq!(types, one_of_each);
}

#[test]
fn what_the_shipped_file_writes_out_are_the_defaults() {
    let written = Loaded::from_file(Path::new(SHIPPED)).unwrap().config;
    let minimal = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"127.0.0.1:8080\"}]\n";
    let default = Loaded::from_text("minimal.yaml".as_ref(), minimal).unwrap().config;
    assert_eq!(written.sites[0].servers, default.sites[0].servers);
    assert_eq!(written.sites[0].balance, default.sites[0].balance);
    assert_eq!(written.sites[0].health, default.sites[0].health);
    assert_eq!(written.sites[0].breaker, default.sites[0].breaker);
    assert_eq!(written.sites[0].retries, default.sites[0].retries);
    assert_eq!(written.edge.dns, default.edge.dns);
    assert_eq!(written.sites[0].verify, default.sites[0].verify);
    assert_eq!(written.sites[0].timeouts, default.sites[0].timeouts);
    assert_eq!(written.edge.limits, default.edge.limits);
    assert_eq!(written.sites[0].access, default.sites[0].access);
    assert_eq!(written.edge.listeners, default.edge.listeners);
    assert_eq!(written.sites[0].discovery, default.sites[0].discovery);
    assert_eq!(written.sites[0].unknown_hosts, default.sites[0].unknown_hosts);
    assert_eq!(written.sites[0].profile(), default.sites[0].profile());
    assert_eq!(written.edge.trusted_proxies, default.edge.trusted_proxies);
    assert_eq!(written.edge.access_log, Some(AccessLog::default()));
    assert_eq!(written.edge.threads, default.edge.threads);
    assert_eq!(written.edge.readiness_path, default.edge.readiness_path);
    assert!(written.edge.admin.unwrap().hosts.is_empty());
}

/// Without their comment signs, too, the examples in it are right.
#[test]
fn the_examples_in_the_shipped_file_are_valid() {
    let text = std::fs::read_to_string(SHIPPED).unwrap();
    let example = text
        .replace("    # weight: 1 ", "    weight: 1 ")
        .replace("    # backup: false", "    backup: false")
        .replace("  # hash_key:", "  hash_key:")
        .replace("  # hash_load:", "  hash_load:")
        .replace("policy: least_requests", "policy: hash")
        .replace("  # request: 1h", "  request: 1h")
        .replace("  # interval: 5m ", "  interval: 5m ")
        .replace("  # paths:", "  paths:")
        .replace("  #   - prefix: /api", "    - prefix: /api")
        .replace("  #     first_byte: 30s", "      first_byte: 30s")
        .replace("  #     request: 60s", "      request: 60s")
        .replace("    # proxy_protocol: false     # true", "    proxy_protocol: false     # true")
        .replace("    # redirect_to_https: false", "    redirect_to_https: false")
        .replace("  # - address: \"unix:", "  - address: \"unix:")
        .replace("  #   mode: ", "    mode: ")
        .replace("  # hosts:", "  hosts:")
        .replace("# readiness_path:", "readiness_path:")
        .replace("access: []", "access:")
        .replace("# - path: ", "- path: ")
        .replace("#   allow: ", "  allow: ")
        .replace("#   deny: ", "  deny: ");
    let config = Loaded::from_text(Path::new(SHIPPED), &example).unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(config.sites[0].timeouts.paths.len(), 1);
    assert_eq!((config.edge.listeners.len(), config.sites[0].access.len()), (2, 2));
    assert!(config.sites[0].access.iter().all(|rule| !rule.allow.is_empty() || !rule.deny.is_empty()));
    assert!(config.edge.readiness_path.is_some() && !config.edge.admin.unwrap().hosts.is_empty());
    assert!(config.sites[0].verify.interval.is_some());
    assert!(config.sites[0].balance.hash_key.is_some() && config.sites[0].timeouts.request.is_some());
}

#[test]
fn every_top_level_key_is_described() {
    let text = std::fs::read_to_string(SHIPPED).unwrap();
    // The schema itself names the keys, in the message about one that it does not know.
    let problems = Loaded::from_text("x.yaml".as_ref(), "zzzzzzzzzzzzzzzz: 1\n").unwrap_err().to_string();
    let (_, known) = problems.lines().find_map(|line| line.split_once("known here: ")).unwrap();
    for key in known.split(", ") {
        let is_described =
            text.lines().any(|line| line.strip_prefix("# ").unwrap_or(line).starts_with(&format!("{key}:")));
        assert!(is_described, "{key} is not in the shipped file");
    }
}
