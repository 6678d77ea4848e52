//! A configuration with which the edge could not serve, or would serve itself, is refused with its remedy.

use bridgehead::config::Loaded;

use crate::support::problems::{problem, problems};

#[test]
fn addresses_and_times_are_checked() {
    let with = |listeners: &str, servers: &str| problems(&format!("listeners: [{listeners}]\nservers: [{servers}]\n"));
    let a = "{address: \"127.0.0.1:8000\"}";
    let b = "{address: \"127.0.0.1:8080\"}";
    assert_eq!(with("", b), ["f.yaml:1: listeners: empty; add at least one, for example {address: \"0.0.0.0:8000\"}"]);
    assert_eq!(
        with(&format!("{a}, {a}"), b),
        ["f.yaml:1: listeners[1].address: the same address again; remove one (first: listeners[0].address)"]
    );
    assert_eq!(
        with(a, &format!("{b}, {b}")),
        ["f.yaml:2: servers[1].address: the same address again; remove one (first: servers[0].address)"]
    );
    for (address, part) in [
        ("127.0.0.1", "the port is missing"),
        ("127.0.0.1:99999", "1 to 65535"),
        ("http://x:1", "a scheme"),
        ("", "the host is missing"),
    ] {
        let found = with(a, &format!("{{address: \"{address}\"}}"));
        assert!(found[0].starts_with("f.yaml:2: servers[0].address: ") && found[0].contains(part), "{found:?}");
    }
    assert!(
        problem("admin: {address: \"127.0.0.1:8000\"}\n")
            .contains("a listener has this address; choose another port (first: listeners[0].address)")
    );
    assert!(
        problem("discovery: {max_age: 1500ms}\n").contains("discovery.max_age: Cache-Control counts whole seconds")
    );
}

#[test]
fn nonsense_about_the_fleet_is_refused_with_its_remedy() {
    for (text, part) in [
        ("timeouts: {connect: 0s}", "timeouts.connect: 0 leaves no time for anything; write for example 5s"),
        ("timeouts: {first_byte: 0s}", "timeouts.first_byte: 0 leaves"),
        ("timeouts: {silence: 0s}", "timeouts.silence: 0 leaves no time for anything; write for example 15m"),
        ("timeouts: {request: 0s}", "timeouts.request: 0 leaves"),
        ("timeouts: {idle: 0s}", "timeouts.idle: 0 leaves"),
        ("timeouts: {paths: [{prefix: /v1, silence: 0s}]}", "timeouts.paths[0].silence: 0 leaves"),
        ("timeouts: {paths: [{prefix: v1}]}", "timeouts.paths[0].prefix: \"v1\" is no path prefix"),
        ("timeouts: {paths: [{prefix: /v1}, {prefix: /v1/}]}", "timeouts.paths[1].prefix: the same prefix again"),
        ("timeouts: {first_byte: 200000000000d}", "timeouts.first_byte: longer than a year"),
        ("timeouts: {request: 800d}", "timeouts.request: longer than a year; write for example 1h"),
        ("stop: {delay: 800d}", "stop.delay: longer than a year; write for example 15s"),
        ("stop: {grace: -1s}", "stop.grace: "),
        ("breaker: {longest_open: 800d}", "breaker.longest_open: longer than a year"),
        ("dns: {interval: 0s}", "dns.interval: 0 leaves"),
        ("health: {interval: 0s}", "health.interval: 0 leaves"),
        ("health: {timeout: 0s}", "health.timeout: 0 leaves"),
        ("health: {rise: 0}", "health.rise: must be at least 1; write for example 2"),
        ("health: {fall: 0}", "health.fall: must be at least 1; write for example 3"),
        ("health: {path: health}", "health.path: no path"),
        ("health: {statuses: []}", "health.statuses: empty"),
        ("health: {statuses: [99]}", "health.statuses[0]: 99 is no status; write one from 100 to 599"),
        ("breaker: {failures: 0}", "breaker.failures: must be at least 1"),
        ("breaker: {server_errors: 0}", "breaker.server_errors: must be at least 1"),
        ("breaker: {server_error_share: 0}", "breaker.server_error_share: percent of the last answers"),
        ("breaker: {server_error_share: 101}", "breaker.server_error_share: percent of the last answers"),
        ("breaker: {open: 0s}", "breaker.open: 0 leaves"),
        ("timeouts: {ping: 0s}", "timeouts.ping: 0 leaves"),
        ("breaker: {longest_open: 1ms}", "breaker.longest_open: shorter than open"),
        ("retries: {attempts: 0}", "retries.attempts: must be from 1, no retry, to 16"),
        ("retries: {attempts: 17}", "retries.attempts: must be from 1"),
        ("retries: {budget: 101}", "retries.budget: percent"),
        ("balance: {policy: random}", "balance.policy: \"random\" is not a known value"),
        ("balance: {policy: hash}", "f.yaml:3: balance.hash_key: missing, and policy: hash needs it"),
        ("balance: {hash_key: client_address}", "balance.hash_key: used with policy: hash alone"),
        (
            "balance: {policy: hash, hash_key: session}",
            "balance.hash_key: \"session\" is no key; write \"header:NAME\"",
        ),
        ("balance: {policy: hash, hash_key: \"header:a b\"}", "is no key"),
        ("balance: {hash_load: 0.5}", "balance.hash_load: must be from 1 to 100"),
        ("balance: {hash_load: .nan}", "balance.hash_load: must be from 1 to 100"),
        ("limits: {request_body: 0}", "limits.request_body: \"0\" is less than a byte"),
        ("limits: {request_body: much}", "limits.request_body: \"much\" is no size; write for example \"100MiB\""),
    ] {
        let found = problem(&format!("{text}\n"));
        assert!(found.contains(part), "{text} gave {found}");
    }
    for (servers, part) in [
        ("{address: \"a:1\", weight: 101}", "servers[0].weight: the greatest weight is 100"),
        ("{address: \"a:1\", weight: -1}", "servers[0].weight"),
        ("{address: \"a:1\", backup: true}", "servers[0].backup: every server is a backup, of nothing"),
        (
            "{address: \"a:1\", weight: 0}, {address: \"b:1\", weight: 0}",
            "servers[0].weight: no server but a backup has",
        ),
        (
            "{address: \"a:1\", backup: true}, {address: \"b:1\", weight: 0}",
            "servers[1].weight: no server but a backup has",
        ),
        ("{address: \"a:1\", tls: {ca: /nowhere.pem}}", "servers[0].tls.ca: /nowhere.pem cannot be read"),
        ("{address: \"a:1\", tls: {ca: Cargo.toml}}", "servers[0].tls.ca: Cargo.toml holds no certificate"),
        ("{address: \"a:1\", tls: {certificate: x.pem}}", "servers[0].tls.certificate: needs the other half; add key"),
        ("{address: \"a:1\", tls: {key: x.pem}}", "servers[0].tls.key: needs the other half; add certificate"),
        ("{address: \"a:1\", tls: {server_name: \"a b\"}}", "servers[0].tls.server_name"),
    ] {
        let text = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{servers}]\n");
        let found = Loaded::from_text("f.yaml".as_ref(), &text).unwrap_err().to_string();
        assert!(found.contains(part) && found.starts_with("f.yaml:2: "), "{servers} gave {found}");
    }
    // Commented out key by key, it is TLS all the same.
    let empty = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers:\n- address: \"a:1\"\n  tls:\n    # ca: ca.pem\n";
    assert!(Loaded::from_text("f.yaml".as_ref(), empty).unwrap().config.sites[0].servers[0].tls.is_some());
    let both = "listeners: [{address: \"127.0.0.1:8000\"}]\ntimeouts: {request: 1h}\n\
                servers: [{address: \"a:1\", http2: true}]\n";
    let found = Loaded::from_text("f.yaml".as_ref(), both).unwrap_err().to_string();
    assert!(found.contains("servers[0].http2: timeouts.request is not kept on HTTP/2"), "{found}");
}

#[test]
fn a_server_that_is_the_edge_itself_is_refused() {
    for (listener, server) in
        [("127.0.0.1:8000", "127.0.0.1:8000"), ("0.0.0.0:8000", "127.0.0.1:8000"), ("[::]:8000", "[::1]:8000")]
    {
        let found =
            problems(&format!("listeners: [{{address: \"{listener}\"}}]\nservers: [{{address: \"{server}\"}}]\n"));
        assert!(
            found.len() == 1 && found[0].contains("servers[0].address: the edge itself listens there"),
            "{found:?}"
        );
    }
}
