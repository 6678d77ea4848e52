//! Under the profile `oauth2` discovery keeps the same contract, with the documents of Bifrost 1.6.3 and later: on by
//! the mode alone, for every `/mcp/<slug>`, and with the keys left to the servers.

use crate::support::{
    bifrost::{Bifrost, Mode},
    discovery::{
        AS, PR, PR_MCP, Setup, is_discovery_answer,
        oauth2::{authorization_server, protected_resource},
    },
    edge::{CLIENTS, Edge, PUBLIC_URLS},
    tools::lacks,
    until,
};

const PR_SLUG: &str = "/.well-known/oauth-protected-resource/mcp/github";
const JWKS: &str = "/.well-known/jwks.json";

fn oauth2(mode: &str, rest: &str) -> String {
    format!("{PUBLIC_URLS}profile: oauth2\nmcp_server_auth_mode: {mode}\n{rest}")
}

fn setup() -> Setup {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = Edge::with(&[bifrost.address()], &oauth2("both", ""));
    Setup { bifrost, edge }
}

#[test]
fn get_answers_the_documents_of_the_generation_built_on_the_public_url_of_the_host() {
    let setup = setup();
    let port = setup.edge.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}")] {
        let base = format!("http://{host}");
        let resource = protected_resource(&base);
        for (path, body) in
            [(AS, &authorization_server(&base)), (PR, &resource), (PR_MCP, &resource), (PR_SLUG, &resource)]
        {
            let response = setup.edge.connect().ask("GET", path, &host, "X-Forwarded-Host: evil.example.com\r\n");
            assert_eq!((response.status, response.text()), (200, body.as_str()), "{path}");
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_eq!(response.header("content-length"), Some(body.len().to_string().as_str()));
            is_discovery_answer(&response);
            let head = setup.edge.connect().ask("HEAD", path, &host, "");
            assert_eq!((head.status, head.body.len()), (200, 0));
            assert_eq!(head.header("content-length"), response.header("content-length"));
        }
    }
    setup.nothing_reached_bifrost();
}

/// What a client reads at the edge is what it would read at the server, as JSON.
#[test]
fn the_documents_say_what_the_server_says() {
    let setup = setup();
    for path in [AS, PR, PR_MCP, PR_SLUG] {
        let edge = setup.ask("GET", path);
        let mut server = crate::support::http::Connection::to(setup.bifrost.address());
        assert_eq!(edge.json(), server.ask("GET", path, &setup.edge.host(), "").json(), "{path}");
    }
}

#[test]
fn suffixes_siblings_and_other_spellings_are_404_and_never_forwarded() {
    let setup = setup();
    setup.are_not_found(&[
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/mcp/github",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource/mcp/github/",
        "/.well-known/oauth-protected-resource/mcp/github/x",
        "/.well-known/oauth-protected-resource/mcp/%67ithub",
        "/.well-known/oauth-protected-resource//mcp/github",
        "/.well-known/oauth-protected-resource/mcp/..",
        "/.well-known/jwks.json/",
        "/.well-known/jwks.json/x",
        "//.well-known/jwks.json",
        "/.well-known/./jwks.json",
        "/.well-known/x/../jwks.json",
        "/.well-known/jwks%2ejson",
        "/.well-known%2Fjwks.json",
        "/.well-known/JWKS.JSON",
        "/.well-known/jwks.json;x",
        "/mcp/.well-known/jwks.json",
    ]);
}

#[test]
fn preflights_other_methods_and_unknown_hosts_are_answered_as_under_any_profile() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    for path in [AS, PR, PR_MCP, PR_SLUG, JWKS] {
        let preflight = connection.ask("OPTIONS", path, "unknown.example.com", "Origin: https://a.example\r\n");
        assert_eq!(preflight.status, 204);
        is_discovery_answer(&preflight);
        let post = connection.ask("POST", path, &setup.edge.host(), "");
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
        assert_eq!(connection.ask("GET", path, "unknown.example.com", "").status, 421);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_maximum_age_gives_an_entity_tag_to_every_document() {
    let edge = Edge::with(&[], &oauth2("oauth", "discovery: {max_age: 60s}\n"));
    for path in [AS, PR_SLUG] {
        let full = edge.get(path);
        assert_eq!(full.header("cache-control"), Some("public, max-age=60"));
        let known = format!("If-None-Match: {}\r\n", full.header("etag").unwrap());
        assert_eq!(edge.connect().ask("GET", path, &edge.host(), &known).status, 304);
    }
}

// === What turns it on ===

#[test]
fn the_mode_alone_turns_it_on_whatever_the_table() {
    for (mode, clients, status) in
        [("headers", "", 404), ("headers", CLIENTS, 404), ("both", "", 200), ("oauth", "", 200), ("both", CLIENTS, 200)]
    {
        let edge = Edge::with(&[], &oauth2(mode, clients));
        for path in [AS, PR, PR_MCP, PR_SLUG] {
            let response = edge.get(path);
            assert_eq!(response.status, status, "{mode} {clients} {path}");
            is_discovery_answer(&response);
        }
        assert_eq!(edge.metric("bridgehead_discovery_enabled"), u64::from(status == 200));
        let shown = edge.ask_admin("/status").json();
        assert_eq!(shown["sites"][0]["profile"], "oauth2");
        assert_eq!(
            (&shown["sites"][0]["discovery"]["on"], &shown["sites"][0]["discovery"]["deciding"]),
            (&(status == 200).into(), &0.into())
        );
        assert_eq!(shown["sites"][0]["discovery"]["mcp_server_auth_mode"], mode);
    }
}

#[test]
fn a_reload_changes_the_profile_and_the_mode() {
    let bifrost = Bifrost::start();
    let servers = crate::support::edge::servers_yaml(&[bifrost.address()]);
    let edge = Edge::with(&[bifrost.address()], &format!("{PUBLIC_URLS}{CLIENTS}"));
    let token_endpoint = || edge.get(AS).json()["token_endpoint"].as_str().unwrap().to_owned();
    assert!(token_endpoint().ends_with("/api/oauth/per-user/token"));
    assert_eq!((edge.get(PR_SLUG).status, edge.get(JWKS).status), (404, 404));
    edge.reload(&format!("{servers}{}", oauth2("both", CLIENTS)));
    assert!(token_endpoint().ends_with("/oauth2/token"));
    assert_eq!(edge.get(PR_SLUG).status, 200);
    edge.reload(&format!("{servers}{}", oauth2("headers", CLIENTS)));
    assert_eq!(edge.get(AS).status, 404);
    edge.reload(&format!("{servers}{PUBLIC_URLS}{CLIENTS}"));
    assert!(token_endpoint().ends_with("/api/oauth/per-user/token"));
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
}

// === The keys ===

#[test]
fn the_keys_are_the_servers_to_answer_preflight_and_all() {
    if lacks(&["openssl"]) {
        return;
    }
    let setup = setup();
    let mut connection = setup.edge.connect();
    let origin = "Origin: https://page.example.com\r\n";
    let keys = connection.ask("GET", &format!("{JWKS}?x"), &setup.edge.host(), origin);
    assert_eq!((keys.status, &keys.json()["keys"][0]["alg"]), (200, &"RS256".into()));
    assert_eq!(keys.header("access-control-allow-origin"), Some("https://page.example.com"));
    assert_eq!(connection.ask("OPTIONS", JWKS, &setup.edge.host(), origin).status, 200);
    // Bifrost has no HEAD there.
    assert_eq!(connection.ask("HEAD", JWKS, &setup.edge.host(), "").status, 405);
    assert_eq!(setup.bifrost.recorded().len(), 3);
    let post = connection.ask("POST", JWKS, &setup.edge.host(), "");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    is_discovery_answer(&post);
    assert_eq!(setup.bifrost.recorded().len(), 3);
}

#[test]
fn where_discovery_is_off_or_has_no_keys_nobody_is_asked_for_them() {
    let bifrost = Bifrost::start();
    for yaml in [oauth2("headers", ""), format!("{PUBLIC_URLS}{CLIENTS}")] {
        let edge = Edge::with(&[bifrost.address()], &yaml);
        let response = edge.get(JWKS);
        assert_eq!((response.status, response.text()), (404, "Not Found"), "{yaml}");
        is_discovery_answer(&response);
        assert_eq!(edge.connect().ask("OPTIONS", JWKS, &edge.host(), "").status, 204);
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn the_log_and_the_metrics_count_the_metadata_of_a_slug_as_what_it_is() {
    let setup = setup();
    assert_eq!(setup.ask("GET", PR_SLUG).status, 200);
    let ok = "bridgehead_discovery_answers_total{document=\"protected_resource\",outcome=\"ok\"}";
    // It is counted once it has been sent.
    until("it is counted", || setup.edge.metric(ok) == 1);
    assert_eq!(setup.edge.metric("bridgehead_profile_info{profile=\"oauth2\"}"), 1);
}
