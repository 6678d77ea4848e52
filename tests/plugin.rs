//! Somebody else's Pingora proxy answers discovery for its Bifrost, and what is for its other hosts and paths stays its own.

use std::{io::Cursor, time::Duration};

use bridgehead::plugin::{DiscoveryFilter, Options, Profile};
use http::Request;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use tokio::{net::TcpStream, runtime};

use crate::support::{
    embedder::{AUTHORIZATION_SERVER, HOST, Proxy, at, serving, urls},
    h2c::Client,
    http::Connection,
};

#[test]
fn a_proxy_of_somebody_else_answers_discovery_and_forwards_the_rest() {
    let proxy = serving(&["https://gateway.example.com"]);
    let document = proxy.ask(HOST, AUTHORIZATION_SERVER);
    assert_eq!(document.json()["issuer"], "https://gateway.example.com");
    assert_eq!(proxy.ask(HOST, "/.well-known/oauth-protected-resource/mcp").status, 200);
    assert_eq!(proxy.ask(HOST, "/.well-known/openid-configuration").status, 404);
    assert!(proxy.bifrost.recorded().is_empty());
    assert_eq!(proxy.ask(HOST, "/health").status, 200);
    assert_eq!(proxy.bifrost.recorded().len(), 1);
    let answered = [("authorization_server", "ok", 1), ("protected_resource", "ok", 1), ("other", "not_found", 1)];
    assert_eq!(proxy.answered(), answered);
}

#[test]
fn discovery_of_other_hosts_and_paths_is_left_alone() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    let theirs = [
        ("login.example.com", "/.well-known/openid-configuration"),
        ("login.example.com", "/realms/x/.well-known/openid-configuration"),
        ("login.example.com", AUTHORIZATION_SERVER),
        ("LOGIN.example.com:8443", AUTHORIZATION_SERVER),
        (HOST, "/realms/x/.well-known/openid-configuration"),
        (HOST, "/realms/x/%2ewell-known/openid-configuration"),
        (HOST, "/realms/x/.well-known//openid-configuration;x"),
        (HOST, "/.well-known/oauth-authorization-server/realms/x"),
        ("shared.example.com", "/realms/x/.well-known/openid-configuration"),
        ("shared.example.com", "/realms/x/%2ewell-known/openid-configuration"),
        ("shared.example.com", "/bifrost/realms/x/%2ewell-known/openid-configuration"),
    ];
    for (number, (host, path)) in theirs.iter().enumerate() {
        proxy.ask(host, path);
        assert_eq!(proxy.identity_provider.recorded().len(), number + 1, "{host}{path} is not forwarded to its server");
    }
    // What is nobody's discovery, and is at no public URL.
    let others = [
        ("shared.example.com", AUTHORIZATION_SERVER),
        (HOST, "/proxy/https%3A%2F%2Flogin.example.com%2F.well-known%2Fopenid-configuration"),
        (HOST, "/search/%2Fhome%2F.well-known%2Fopenid-configuration"),
    ];
    for (number, (host, path)) in others.iter().enumerate() {
        proxy.ask(host, path);
        assert_eq!(proxy.bifrost.recorded().len(), number + 1, "{host}{path} is not forwarded to its server");
    }
    assert_eq!(proxy.answered(), []);
}

#[test]
fn what_clients_look_for_at_their_own_paths_is_answered() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    for (host, path, status) in [
        (HOST, "/.well-known/oauth-authorization-server/mcp", 404),
        (HOST, "/mcp/.well-known/openid-configuration", 404),
        (HOST, "/.well-known/openid-configuration/mcp/github", 404),
        (HOST, "/.well-known/jwks.json", 404),
        ("shared.example.com", "/.well-known/oauth-authorization-server/bifrost", 200),
        ("shared.example.com", "/bifrost/.well-known/oauth-authorization-server", 200),
        ("shared.example.com", "/bifrost/.well-known/openid-configuration", 404),
        ("shared.example.com", "/.well-known/openid-configuration/bifrost/mcp", 404),
    ] {
        assert_eq!(proxy.ask(host, path).status, status, "{host}{path}");
    }
    assert!(proxy.bifrost.recorded().is_empty() && proxy.identity_provider.recorded().is_empty());
}

#[test]
fn whatever_a_bifrost_might_read_as_discovery_does_not_reach_it() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    for (host, path) in [
        (HOST, "/%2ewell-known/oauth-authorization-server"),
        (HOST, "/.well-known/oauth-authorization-server/"),
        (HOST, "/.well-known/oauth-protected-resource/mcp/"),
        (HOST, "/.well-known/jwks.json/"),
        (HOST, "//.well-known/oauth-authorization-server"),
        (HOST, "/./.well-known/oauth-authorization-server"),
        (HOST, "/x/../.well-known/oauth-authorization-server"),
        (HOST, "/%2e/.well-known/oauth-authorization-server"),
        (HOST, "/.Well-Known/OAuth-Authorization-Server"),
        ("shared.example.com", "/bifrost//.well-known/oauth-authorization-server"),
        ("shared.example.com", "/bifrost/./.well-known/oauth-authorization-server"),
        ("shared.example.com", "/%62ifrost/.well-known/oauth-authorization-server"),
        ("shared.example.com", "/bifrost/.well-known/oauth-authorization-server/"),
        ("shared.example.com", "/.well-known/oauth-authorization-server/bifrost/"),
        ("shared.example.com", "/bifrost/%2ewell-known/openid-configuration"),
    ] {
        assert_eq!(proxy.ask(host, path).status, 404, "{host}{path}");
    }
    assert!(proxy.bifrost.recorded().is_empty() && proxy.identity_provider.recorded().is_empty());
}

#[test]
fn without_public_urls_the_issuer_is_the_requests_own_as_far_as_proxies_are_trusted() {
    let any = || at(&[]).any_host(true);
    let trusted = any().trusted_proxies(["127.0.0.1".parse().unwrap()]);
    for (options, scheme) in [(any(), "http"), (trusted, "https")] {
        let proxy = Proxy::start(DiscoveryFilter::new(&options).unwrap());
        let forwarded = "X-Forwarded-Proto: https\r\n";
        let document = Connection::to(proxy.address).ask("GET", AUTHORIZATION_SERVER, "any.example.com", forwarded);
        assert_eq!(document.json()["issuer"], format!("{scheme}://any.example.com"));
        assert_eq!(proxy.ask("a b", AUTHORIZATION_SERVER).status, 400);
        proxy.ask("any.example.com", "/realms/x/.well-known/openid-configuration");
        assert_eq!(proxy.identity_provider.recorded().len(), 1, "somebody else's path is left alone here, too");
    }
}

#[test]
fn preflights_and_conditional_requests_are_answered_and_bodies_are_drained() {
    let options = at(&["https://gateway.example.com"]).max_age(Duration::from_mins(1));
    let proxy = Proxy::start(DiscoveryFilter::new(&options).unwrap());
    let mut client = Connection::to(proxy.address);
    let document = client.ask("GET", AUTHORIZATION_SERVER, HOST, "");
    let known = format!("If-None-Match: {}\r\n", document.header("etag").unwrap());
    assert_eq!(client.ask("GET", AUTHORIZATION_SERVER, HOST, &known).status, 304);
    assert_eq!(client.ask("OPTIONS", AUTHORIZATION_SERVER, HOST, "Origin: https://a.example\r\n").status, 204);
    let head = format!("POST {AUTHORIZATION_SERVER} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n");
    client.send(head).send("hello");
    assert_eq!(client.read_response("POST").status, 405);
    assert_eq!(client.ask("HEAD", AUTHORIZATION_SERVER, HOST, "").status, 200);
    let head = format!("POST {AUTHORIZATION_SERVER} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n");
    client.send(format!("{head}Expect: 100-continue\r\n\r\n"));
    assert_eq!(client.read_response("POST").status, 405);
    assert!(client.is_closed(), "a body that waits to be asked for is not waited for");
    let mut old = Connection::to(proxy.address);
    old.send(format!("GET {AUTHORIZATION_SERVER} HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(old.read_response("GET").status, 200);
}

#[test]
fn answers_are_the_same_over_http_2() {
    let proxy = serving(&["https://gateway.example.com"]);
    let client = Client::over(TcpStream::connect(proxy.address));
    let ask = |path: &str| client.ask(Request::get(format!("http://{HOST}{path}")));
    let mut document = ask(AUTHORIZATION_SERVER);
    let issuer = serde_json::from_slice::<serde_json::Value>(&document.body()).unwrap()["issuer"].clone();
    assert_eq!((document.status(), issuer), (200, "https://gateway.example.com".into()));
    assert_eq!(ask("/.well-known/openid-configuration").status(), 404);
    assert_eq!(ask("/health").status(), 200);
}

#[test]
fn a_challenge_names_the_public_url_and_can_be_read_by_web_pages() {
    let proxy = serving(&["https://gateway.example.com"]);
    let challenged = proxy.ask(HOST, "/mcp");
    assert_eq!(challenged.status, 401);
    let challenge = challenged.header("www-authenticate").unwrap();
    assert!(challenge.contains("=\"https://gateway.example.com/.well-known/oauth-protected-resource"), "{challenge}");
    assert_eq!(challenged.header("access-control-expose-headers"), Some("WWW-Authenticate"));
    // What is for somebody else is none of the filter's business.
    let other = proxy.ask("other.example.com", "/mcp");
    assert!(other.header("www-authenticate").unwrap().contains("http://other.example.com/"), "{other:?}");
    assert_eq!(other.header("access-control-expose-headers"), None);
}

#[test]
fn a_response_is_repaired_as_far_as_it_is_a_bifrosts() {
    let filter =
        DiscoveryFilter::new(&at(&["https://gateway.example.com", "https://shared.example.com/bifrost"])).unwrap();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let repaired = |target: &str, host: &str, status: u16, fields: &[(&'static str, &str)]| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut session = Session::new_h1(Box::new(Cursor::new(request.into_bytes())));
        assert!(runtime.block_on(session.read_request()).unwrap());
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        let is_changed = filter.repair(&session, &mut response).unwrap();
        let fields = response.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (is_changed, fields.collect::<Vec<_>>())
    };
    let location = [("Location", "http://gateway.example.com/workspace?a=1#b")];
    let (is_changed, fields) = repaired("/", HOST, 302, &location);
    assert_eq!(
        (is_changed, &*fields),
        (true, &["location: https://gateway.example.com/workspace?a=1#b".to_owned()][..])
    );
    assert!(!repaired("/", "other.example.com", 302, &location).0, "of another host");
    assert!(!repaired("/elsewhere", "shared.example.com", 302, &[("Location", "http://shared.example.com/x")]).0);
    let challenges = [
        ("WWW-Authenticate", "Basic realm=\"x\""),
        ("WWW-Authenticate", "Bearer resource_metadata=\"http://10.0.0.5/.well-known/oauth-protected-resource/mcp\""),
        ("Access-Control-Expose-Headers", "X-Request-Id"),
    ];
    let (is_changed, fields) = repaired("/bifrost/mcp", "shared.example.com", 401, &challenges);
    let expected = [
        "access-control-expose-headers: X-Request-Id",
        "access-control-expose-headers: WWW-Authenticate",
        "www-authenticate: Basic realm=\"x\"",
        "www-authenticate: Bearer resource_metadata=\"https://shared.example.com/bifrost/.well-known/oauth-protected-resource/mcp\"",
    ];
    let mut sorted = fields.clone();
    sorted.sort_by_key(|field| !field.starts_with("access"));
    assert_eq!((is_changed, &sorted[..]), (true, &expected.map(str::to_owned)[..]));
    let of_keycloak = [("WWW-Authenticate", "Bearer realm=\"x\"")];
    assert!(!repaired("/realms/x/userinfo", HOST, 401, &of_keycloak).0, "a challenge that is no Bifrost's");
}

#[test]
fn a_check_of_their_own_lets_logins_through_and_says_where_they_begin() {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let asked = |method: &str, target: &str, host: &str| {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut session = Session::new_h1(Box::new(Cursor::new(request.into_bytes())));
        assert!(runtime.block_on(session.read_request()).unwrap());
        session
    };
    let filter =
        DiscoveryFilter::new(&at(&["https://gateway.example.com", "https://shared.example.com/bifrost"])).unwrap();
    for (method, target, host, is_open) in [
        ("POST", "/api/oauth/per-user/register", HOST, true),
        ("GET", "/api/oauth/per-user/authorize?client_id=x", HOST, true),
        ("POST", "/bifrost/api/oauth/per-user/token", "shared.example.com", true),
        ("OPTIONS", "/mcp", HOST, true),
        ("POST", "/mcp", HOST, false),
        ("GET", "/api/oauth/per-user-x", HOST, false),
        ("POST", "/api/oauth/per-user/token", "shared.example.com", false),
        ("OPTIONS", "/mcp", "login.example.com", false),
    ] {
        assert_eq!(filter.is_open(&asked(method, target, host)), is_open, "{method} {host}{target}");
    }
    let challenge = |target: &str, host: &str| filter.challenge(&asked("POST", target, host));
    let at_base =
        "Bearer resource_metadata=\"https://shared.example.com/bifrost/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(challenge("/bifrost/mcp", "shared.example.com").as_deref(), Some(at_base));
    assert_eq!(challenge("/mcp", "login.example.com"), None);
    filter.replace(&Options::new(Profile::Oauth2).public_urls(urls(&["https://gateway.example.com"]))).unwrap();
    assert_eq!(challenge("/mcp", HOST), None, "it is off");
}
