//! The Claude Code gateway's metadata is answered at the edge where the configuration says that there is a gateway, and
//! left to the servers where it says nothing; its logins are limited, and its users are not kept from polling.

use bridgehead::{
    discovery::{DiscoveryOutcome, DocumentAsked},
    telemetry::{AnsweredBy, Class},
};
use serde_json::json;

use crate::support::{
    bifrost::Bifrost,
    discovery::{AS, Setup, is_discovery_answer},
    edge::{Edge, PUBLIC_URLS},
    until,
};

const METADATA: &str = "/claude-code/.well-known/oauth-authorization-server";

fn setup(more: &str) -> Setup {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], &format!("{PUBLIC_URLS}profile: oauth2\n{more}"));
    Setup { bifrost, edge }
}

/// With discovery for MCP off: the one has nothing to do with the other.
fn gateway() -> Setup {
    setup("claude_code_gateway: true\n")
}

fn document(base: &str) -> String {
    format!(
        concat!(
            r#"{{"issuer":"{0}/claude-code","#,
            r#""device_authorization_endpoint":"{0}/claude-code/oauth/device_authorization","#,
            r#""token_endpoint":"{0}/claude-code/oauth/token","revocation_endpoint":"{0}/claude-code/oauth/revoke","#,
            r#""grant_types_supported":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"#,
            r#""response_types_supported":[],"#,
            r#""token_endpoint_auth_methods_supported":["none"],"scopes_supported":["claude-code"]}}"#,
            "\n"
        ),
        base
    )
}

/// Other spellings of the path, and other places where somebody may look.
const OTHERS: [&str; 14] = [
    "/claude-code/.well-known/oauth-authorization-server/",
    "/claude-code/.well-known/oauth-authorization-server/x",
    "/claude-code//.well-known/oauth-authorization-server",
    "//claude-code/.well-known/oauth-authorization-server",
    "/./claude-code/.well-known/oauth-authorization-server",
    "/claude-code/x/../.well-known/oauth-authorization-server",
    "/claude-code/%2ewell-known/oauth-authorization-server",
    "/claude-code%2F.well-known/oauth-authorization-server",
    "/Claude-Code/.well-known/oauth-authorization-server",
    "/claude-code/.well-known/oauth-authorization-server;x",
    "/x/claude-code/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/claude-code",
    "/claude-code/.well-known/oauth-protected-resource",
    "/claude-code/.well-known/openid-configuration",
];

#[test]
fn the_metadata_is_the_gateways_own_built_on_the_public_url_of_the_host() {
    let setup = gateway();
    let port = setup.edge.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}")] {
        let body = document(&format!("http://{host}"));
        for target in [METADATA.to_owned(), format!("{METADATA}?x")] {
            let response = setup.edge.connect().ask("GET", &target, &host, "X-Forwarded-Host: evil.example\r\n");
            assert_eq!((response.status, response.text()), (200, body.as_str()));
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_eq!(response.header("content-length"), Some(body.len().to_string().as_str()));
            is_discovery_answer(&response);
        }
        let head = setup.edge.connect().ask("HEAD", METADATA, &host, "");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
    }
    assert_eq!(setup.ask("GET", AS).status, 404, "the mode is headers");
    setup.nothing_reached_bifrost();
}

#[test]
fn preflights_other_methods_unknown_hosts_and_other_spellings_are_as_for_all_documents() {
    let setup = gateway();
    let mut connection = setup.edge.connect();
    let preflight = connection.ask("OPTIONS", METADATA, "unknown.example.com", "Origin: https://a.example\r\n");
    assert_eq!(preflight.status, 204);
    is_discovery_answer(&preflight);
    let post = connection.ask("POST", METADATA, &setup.edge.host(), "");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(connection.ask("GET", METADATA, "unknown.example.com", "").status, 421);
    for target in OTHERS {
        let response = connection.ask("GET", target, &setup.edge.host(), "");
        assert_eq!(response.status, 404, "{target}");
        is_discovery_answer(&response);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_maximum_age_gives_it_an_entity_tag() {
    let setup = setup("claude_code_gateway: true\ndiscovery: {max_age: 60s}\n");
    let full = setup.ask("GET", METADATA);
    assert_eq!(full.header("cache-control"), Some("public, max-age=60"));
    let known = format!("If-None-Match: {}\r\n", full.header("etag").unwrap());
    assert_eq!(setup.edge.connect().ask("GET", METADATA, &setup.edge.host(), &known).status, 304);
}

/// A login that works without the edge's knowing goes on to work, and nothing else gets through.
#[test]
fn where_nobody_says_that_there_is_a_gateway_that_path_alone_is_forwarded() {
    for more in ["", "claude_code_gateway: false\n", "mcp_server_auth_mode: both\n"] {
        let setup = setup(more);
        for (place, method) in ["GET", "HEAD", "OPTIONS", "POST"].into_iter().enumerate() {
            setup.edge.connect().ask(method, &format!("{METADATA}?{place}"), &setup.edge.host(), "");
            let recorded = setup.bifrost.recorded();
            assert_eq!(recorded.last().unwrap().target, format!("{METADATA}?{place}"), "{method}");
        }
        assert_eq!(setup.bifrost.recorded().len(), 4);
        for target in OTHERS {
            assert_eq!(setup.ask("GET", target).status, 404, "{target}");
        }
        assert_eq!(setup.bifrost.recorded().len(), 4);
        let class =
            |class| setup.edge.counters().sites().unsited().traffic().statuses(class, AnsweredBy::Server).count();
        until("they are counted", || class(Class::Oauth) > 0);
        assert_eq!(class(Class::Other), 0);
    }
}

#[test]
fn a_reload_turns_it_on_and_off() {
    let setup = gateway();
    let yaml = |more: &str| {
        format!("{PUBLIC_URLS}profile: oauth2\nservers: [{{address: \"{}\"}}]\n{more}", setup.bifrost.address())
    };
    setup.edge.reload(&yaml(""));
    setup.ask("GET", METADATA);
    assert_eq!(setup.bifrost.recorded().len(), 1);
    setup.edge.reload(&yaml("claude_code_gateway: true\n"));
    assert_eq!(setup.ask("GET", METADATA).status, 200);
    assert_eq!(setup.bifrost.recorded().len(), 1);
}

#[test]
fn what_is_asked_for_is_counted_by_its_own_name() {
    let setup = gateway();
    setup.ask("GET", METADATA);
    setup.ask("GET", "/.well-known/oauth-authorization-server/claude-code");
    let sample = "bridgehead_discovery_answers_total{document=\"claude_code\",outcome=\"ok\"}";
    until("it is counted", || setup.edge.metric(sample) == 1);
    let counted: Vec<_> =
        setup.edge.counters().sites().unsited().discovery().answers().filter(|(_, count)| *count > 0).collect();
    let counted: Vec<_> = counted.iter().map(|(answer, _)| (answer.document, answer.outcome)).collect();
    assert_eq!(
        counted,
        [(DocumentAsked::ClaudeCode, DiscoveryOutcome::Ok), (DocumentAsked::Other, DiscoveryOutcome::NotFound)]
    );
    let status = setup.edge.ask_admin("/status").json();
    let documents = status["sites"][0]["public_urls"]["urls"][0]["documents"].as_array().unwrap();
    assert!(documents.contains(&json!(format!("http://localhost:{}{METADATA}", setup.edge.address.port()))));
}

/// Claude Code asks every 5 s, for 10 minutes, whether its user is done. 200 of them behind one address may all begin
/// at once: what they send in one round is allowed at a time, and a round every 5 s is below the rate.
#[test]
fn two_hundred_users_behind_one_address_may_poll() {
    let setup = gateway();
    let mut client = setup.edge.connect();
    let mut post = |target: &str| {
        client.send(setup.edge.head("POST", target, "Content-Length: 2\r\n") + "hi");
        client.read_response("POST").status
    };
    for _ in 0..200 {
        assert_ne!(post("/claude-code/oauth/device_authorization"), 429);
    }
    for _ in 0..200 {
        assert_ne!(post("/claude-code/oauth/token"), 429);
    }
    let limits = bridgehead::config::Limits::default();
    assert!(limits.logins.0.unwrap().per_second >= 200.0 / 5.0 * 2.0, "half of it stays for everything else");
}

#[test]
fn its_logins_are_held_to_the_limit_for_logins() {
    let limit = "limits: {logins: {per_second: 0.001, burst: 2}}\n";
    for (method, path) in [
        ("POST", "/claude-code/oauth/device_authorization"),
        ("POST", "/claude-code/oauth/token"),
        ("POST", "/claude-code/oauth/revoke"),
        ("POST", "/claude-code/device/verify"),
        ("GET", "/oauth/device"),
    ] {
        let setup = setup(limit);
        let ask = |_| setup.edge.connect().ask(method, path, &setup.edge.host(), "Content-Length: 0\r\n").status == 429;
        assert_eq!([0; 4].map(ask), [false, false, true, true], "{path}");
    }
    let setup = setup(limit);
    for (method, path) in [("POST", "/claude-code/v1/messages"), ("OPTIONS", "/claude-code/oauth/token")] {
        let ask = |_| setup.edge.connect().ask(method, path, &setup.edge.host(), "Content-Length: 0\r\n").status;
        assert!([0; 4].map(ask).iter().all(|status| *status != 429), "{path}");
    }
}

#[test]
fn its_requests_have_the_classes_of_what_they_are_for() {
    let setup = setup("");
    for (path, class) in [
        ("/claude-code/oauth/token", Class::Oauth),
        ("/claude-code/device/verify", Class::Oauth),
        ("/oauth/device", Class::Oauth),
        ("/claude-code/v1/messages", Class::Inference),
        ("/claude-code/v1/messages/count_tokens", Class::Inference),
        ("/v1/mcp", Class::Mcp),
    ] {
        setup.edge.post_counts_as(path, class);
    }
}
