//! The JSON Schema with which editors complete and check `conf/proxy.yaml` says what the edge says. That all the
//! other tests' configurations are taken, and their mistakes refused, is asserted where they are made:
//! `support::schema`.

use std::fs;

use bridgehead::config::{Loaded, json_schema};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use crate::support::{
    in_time::Printed,
    problems::{GOOD, judged},
    program::bridgehead,
    schema::{self, SCHEMA},
};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/proxy.yaml");

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = include_str!("../conf/proxy.schema.json");
    assert!(committed == json_schema(), "conf/proxy.schema.json is not current; update it with: make schema");
    let printed = bridgehead().arg("schema").printed().unwrap();
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), committed);
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&SCHEMA));
    let text = json_schema();
    // Links of Rust's documentation, and formats that only Rust knows, are nothing for an editor.
    assert!(!text.contains("[`") && !text.contains("\"format\": \""), "{text}");
}

#[test]
fn the_shipped_file_names_the_schema_and_is_taken_by_it() {
    let text = fs::read_to_string(SHIPPED).unwrap();
    assert!(text.lines().any(|line| line == "# yaml-language-server: $schema=proxy.schema.json"));
    schema::takes(&text);
}

/// A key whose items are all commented out reads as null.
#[test]
fn a_key_without_a_value_is_judged_alike() {
    for key in SCHEMA["properties"].as_object().unwrap().keys() {
        let line = format!("{key}:");
        let mut lines: Vec<_> = GOOD.lines().filter(|other| !other.starts_with(&line)).collect();
        lines.push(&line);
        let text = lines.join("\n");
        let is_taken = Loaded::from_text("f.yaml".as_ref(), &text).is_ok();
        let faults = schema::faults(&text);
        assert_eq!(faults.is_empty(), is_taken, "{key}: {faults:?}");
    }
}

#[test]
fn what_is_fuzzed_with_is_judged_alike() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds/yaml");
    for seed in fs::read_dir(folder).unwrap() {
        let Ok(text) = fs::read_to_string(seed.unwrap().path()) else { continue };
        judged(&text);
    }
}

#[test]
fn every_spelling_that_the_edge_takes_is_taken() {
    for more in [
        "limits: {connections: unlimited, head: 65536, request_body: 1.5 GiB, body_rate: \"500\", idle: 1m30s}\n",
        "limits: {http2_resets: \"7\", requests: unlimited, logins: {per_second: 0.5, burst: 1}, head_time: 2 min 5sec}\n",
        "discovery: {max_age: 0s}\n",
        "discovery: {max_age: \"0\"}\n",
        "balance: {policy: hash, hash_key: \"header: X-Team\", hash_load: 2}\n",
        "balance: {policy: hash, hash_key: client_address}\n",
        "access: [{path: /api/, allow: [10.0.0.0/8, \"::1\", \"fd00::/8\"]}, {path: /, deny: [192.0.2.1]}]\n",
        "trusted_proxies: [\"::/0\", 127.0.0.1]\n",
        "timeouts: {request: 2h, paths: [{prefix: /v1, request: 5m}]}\n",
        "public_urls: [\"https://gw.example.com\", \"http://[::1]:8443\", \"https://10.0.0.7:80\", \"http://h:443\"]\n",
        "public_urls: [\"https://gw.example.com/bifrost\", \"https://gw.example.com/a/B-1.x_y~z\", \"http://h/80\"]\n",
        "public_urls: [\"https://gw.example.com\"]\nclaude_code_gateway: true\n",
        "claude_code_gateway: false\n",
        "mcp_clients: [{name: a, connection_type: stdio, stdio_config: {command: x, args: [env.X], envs: null}}]\n",
        "mcp_clients: [{name: a, connection_type: sse, connection_string: {value: \"\", env_var: env.X, from_env: true},\n\
           tls: {insecure_skip_verify: true}, tool_sync_interval: 10m, tool_execution_timeout: 30}]\n",
        "admin: {address: \"[::1]:0\"}\n",
        "threads: 2\n",
        "health: {interval: 1.5s, timeout: 0.5 min}\n",
        "stop: {delay: 0, idle: 1.5s, grace: 0}\n",
        "discovery: {max_age: 0}\n",
        "breaker: {open: 250ms, longest_open: 1 hour 2min3s}\n",
        "timeouts: {connect: 7000000 µs, first_byte: 1d, silence: 2weeks, request: 1m 30 s, idle: 5 secs}\n",
        "limits: {head: 1KiB}\n",
        "limits: {head: 512 KiB}\n",
        "limits: {head: \"524288\"}\n",
        "limits: {head: 0.5MiB}\n",
        "limits: {head: 64KB, connections: 18446744073709551615}\n",
        "trusted_proxies: [10.0.0.0/08]\n",
        "admin: {address: \"127.0.0.1:08001\"}\n",
        "mcp_clients: [{name: 5, client_id: 7, endpoint_slug: true, connection_type: inprocess, tools_to_execute: [1]}]\n",
        "mcp_clients: [{name: 1.5, connection_type: stdio, stdio_config: {command: 7}, oauth_config: {scopes: [1]}}]\n",
    ] {
        let text = format!("{GOOD}{more}");
        if let Err(problems) = Loaded::from_text("f.yaml".as_ref(), &text) {
            panic!("{problems}");
        }
        schema::takes(&text);
    }
}

/// What the edge refuses, and an editor should see at once.
#[test]
fn nonsense_is_refused_by_the_edge_and_by_the_schema() {
    for more in [
        "health: {interval: 5 bananas}\n",
        "health: {interval: 5S}\n",
        "health: {interval: 5M}\n",
        "health: {interval: 1m30}\n",
        "health: {interval: 1 30s}\n",
        "health: {interval: 1month}\n",
        "limits: {request_body: 5M}\n",
        "limits: {head: 524k}\n",
        "health: {interval: 5}\n",
        "health: {interval: 0.0s}\n",
        "stop: {grace: 1.s}\n",
        "stop: {grace: 1}\n",
        "stop: {grace: null}\n",
        "access: [{path: /a}]\n",
        "access: [{path: /a, allow: []}]\n",
        "access: [{path: /a, allow: null, deny: []}]\n",
        "mcp_clients: [{name: a, connection_type: inprocess, auth_type: [oauth]}]\n",
        "mcp_clients: [{name: a, connection_type: inprocess, auth_type: {value: oauth}}]\n",
        "mcp_clients: [{name: a, connection_type: inprocess, auth_type: 7}]\n",
        "mcp_clients: [{name: a, connection_type: inprocess, auth_type: true}]\n",
        "mcp_clients: [{name: \" \", connection_type: inprocess}]\n",
        "mcp_clients: [{connection_type: inprocess}]\n",
        "mcp_clients: [{name: a, <<: {auth_type: per_user_oauth}}]\n",
        "mcp_clients: [a]\n",
        "mcp_clients: [[]]\n",
        "mcp_clients: {a: {connection_type: inprocess}}\n",
        "mcp_clients: [{name: null, connection_type: inprocess}]\n",
        "health: {rise: 4294967296}\n",
        "health: {fall: 4294967296}\n",
        "breaker: {failures: 4294967296}\n",
        "breaker: {server_errors: 4294967296}\n",
        "limits: {requests: {per_second: 1, burst: 4294967296}}\n",
        "limits: {head: 1TiB}\n",
        "limits: {head: 513KiB}\n",
        "limits: {head: 524289}\n",
        "limits: {head: 1023}\n",
        "limits: {head: 1MiB}\n",
        "limits: {connections: \"99999999999999999999999\"}\n",
        "readiness_path: /.Well-Known/x\n",
        "readiness_path: /.WELL-KNOWN\n",
        "access_log: {to: null}\n",
        "public_urls: [\"https://1.2.3\"]\n",
        "public_urls: [\"https://h/a/\"]\n",
        "public_urls: [\"https://h//a\"]\n",
        "public_urls: [\"https://h/a/../b\"]\n",
        "public_urls: [\"https://h/a%20b\"]\n",
        "public_urls: [\"https://h/a/.Well-Known\"]\n",
        "public_urls: [\"https://h:443/a\"]\n",
        "claude_code_gateway: true\n",
        "claude_code_gateway: null\n",
        "admin: {address: \"127.0.0.1:8001\", hosts: [\"7\"]}\n",
        "admin: {address: \"127.0.0.1:8001\", hosts: [null]}\n",
    ] {
        let text = format!("{GOOD}{more}");
        assert!(Loaded::from_text("f.yaml".as_ref(), &text).is_err(), "the edge takes {more}");
        assert!(!schema::faults(&text).is_empty(), "the schema takes {more}");
    }
    let server = "listeners: [{address: \"127.0.0.1:1\"}]\nservers: [{address: \"1.2.3:80\"}]\n";
    assert!(Loaded::from_text("f.yaml".as_ref(), server).is_err() && !schema::faults(server).is_empty());
    let unix = "listeners: [{address: \"unix:/x\", mode: 660}]\nservers: [{address: \"a:1\"}]\n";
    assert!(Loaded::from_text("f.yaml".as_ref(), unix).is_err() && !schema::faults(unix).is_empty());
}

/// A configuration with a value where `$` stands, and values to begin with.
const VALUES: &[(&str, &[&str])] = &[
    ("servers: [{address: $}]", &["10.0.0.7:8080", "bifrost.internal:80", "[::1]:1", "a_b.0x1f:65535", "1.2.3.4:443"]),
    (
        "servers: [{address: \"h:1\", tls: {server_name: $}}]",
        &["bifrost.internal", "10.0.0.7", "[::1]", "::1", "a.0x1"],
    ),
    ("access: [{path: /a, allow: [$]}]", &["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1", "0.0.0.0/0", "1.2.3.0/24"]),
    ("trusted_proxies: [$]", &["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:0:0/120", "100.64.0.0/10"]),
    ("access: [{path: $, deny: [10.0.0.0/8]}]", &["/", "/api/", "/v1/a.b~c", "/a/../b"]),
    ("admin: {address: $}", &["127.0.0.1:8001", "[::1]:0", "0.0.0.0:65535", "[::]:80"]),
    ("admin: {address: \"127.0.0.1:1\", hosts: [$]}", &["edge.svc", "10.0.0.7", "[::1]", "a-b.1c", "_a.b"]),
    (
        "public_urls: [$]",
        &["https://gw.example.com/a/B-1.x~y", "http://[::1]:8443", "https://10.0.0.7:80", "http://h:443"],
    ),
    ("balance: {policy: hash, hash_key: $}", &["client_address", "header:X-Team", "cookie: t"]),
    ("stop: {delay: $}", &["0", "5s", "1h 30m", "1.5s", "100 ms", "0.25min", "2weeks", "7µs"]),
    ("health: {interval: $}", &["5s", "1h 30m", "1.5s", "100 ms", "0.25min", "1d"]),
    ("limits: {request_body: $}", &["100MiB", "unlimited", "64KB", "0.5 GiB", "1024", "10 M"]),
    ("limits: {head: $}", &["64KiB", "1KiB", "512 KiB", "65536"]),
    ("limits: {connections: $}", &["1000", "unlimited"]),
    ("discovery: {max_age: $}", &["0", "60s", "1h", "5 m"]),
    ("readiness_path: $", &["/edge-readyz", "/a/b", "/a+b:c"]),
    ("headers: {request: {set: {$: x}}}", &["x-team", "X_A", "!#"]),
    ("cors: {allowed_origins: [$]}", &["https://app.example.com", "https://*.example.com", "*", "app://x"]),
];

/// Values as an operator mistypes them: up to three characters of a good one are left out, doubled or others.
fn mistyped() -> impl Strategy<Value = (&'static str, String)> {
    let changes = prop::collection::vec((any::<Index>(), 0..3_u8, select(&b"0123456789aA.:/-_ *+xsmKB[]~%"[..])), 0..4);
    (select(VALUES), any::<Index>(), changes).prop_map(|((text, values), one, changes)| {
        let mut value: Vec<_> = one.get(values).chars().collect();
        for (place, change, other) in changes {
            let place = place.index(value.len());
            match change {
                0 if value.len() > 1 => drop(value.remove(place)),
                1 => value.insert(place, other.into()),
                _ => value[place] = other.into(),
            }
        }
        (text, value.into_iter().collect())
    })
}

#[test]
fn mistyped_values_are_judged_alike() {
    let mut runner = TestRunner::new(Config { cases: 4096, failure_persistence: None, ..Config::default() });
    let judged = runner.run(&mistyped(), |(text, value)| {
        let good = if text.starts_with("servers") { GOOD.lines().next().unwrap() } else { GOOD };
        judged(&format!("{good}\n{}\n", text.replace('$', &serde_json::to_string(&value).unwrap())));
        Ok(())
    });
    judged.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A list whose items are all commented out is empty, in each of the ways in which YAML can say nothing.
#[test]
fn a_list_of_servers_with_nothing_in_it_is_judged_alike_however_it_is_written() {
    for nothing in ["", "null", "~", "[]"] {
        let text = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: {nothing}\n");
        if let Err(problems) = Loaded::from_text("f.yaml".as_ref(), &text) {
            panic!("{problems}");
        }
        schema::takes(&text);
    }
}

#[test]
fn the_units_of_time_are_those_that_the_edge_reads() {
    const UNITS: &str = "nanos nsec ns usec us µs millis msec ms seconds second secs sec s minutes minute min mins m \
                         hours hour hr hrs h days day d weeks week wk wks w";
    const OTHERS: &str =
        "months month M years year yr yrs y bananas S MIN H D W Y hs ds ws ys Ms mo micros µsec msecs nsecs";
    let with = |unit: &str| format!("{GOOD}stop: {{delay: 0{unit} 0 {unit}}}\n");
    for unit in UNITS.split(' ') {
        assert!(Loaded::from_text("f.yaml".as_ref(), &with(unit)).is_ok(), "{unit}");
        schema::takes(&with(unit));
    }
    for unit in OTHERS.split(' ') {
        assert!(Loaded::from_text("f.yaml".as_ref(), &with(unit)).is_err(), "{unit}");
        assert!(!schema::faults(&with(unit)).is_empty(), "{unit}");
    }
}
