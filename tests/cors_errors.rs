//! What the edge says in a server's stead can be read by the web pages that Bifrost lets read its own responses.

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, UNREACHABLE, is_error, servers_yaml},
    http::Response,
    nobody,
};

const PAGE: &str = "Origin: https://app.example\r\n";
const PREFLIGHT: &str = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n\
    Access-Control-Request-Headers: authorization, x-mine\r\n";

fn ask(edge: &Edge, method: &str, headers: &str) -> Response {
    edge.connect().ask(method, "/v1/chat/completions", &edge.host(), headers)
}

fn without_a_server(cors: &str) -> Edge {
    Edge::with(&[nobody()], cors)
}

fn is_answered(preflight: &Response) {
    assert_eq!((preflight.status, preflight.body.len()), (204, 0));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert_eq!(preflight.header("content-length"), None);
}

#[test]
fn a_page_reads_an_error_and_when_to_come_again() {
    let edge = without_a_server("");
    let error = ask(&edge, "GET", PAGE);
    is_error(&error, 502, UNREACHABLE);
    assert_eq!(error.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(error.header("vary"), Some("Origin"));
    let exposed = error.header("access-control-expose-headers").unwrap();
    assert!(["Retry-After", "X-Request-Id"].iter().all(|name| exposed.contains(name)), "{exposed}");
    // Allowed as any page is, and not by its name.
    assert_eq!(error.header("access-control-allow-credentials"), None);
}

#[test]
fn a_request_that_no_page_has_sent_is_answered_as_ever() {
    let error = ask(&without_a_server(""), "GET", "");
    is_error(&error, 502, UNREACHABLE);
    assert_eq!((error.header("access-control-allow-origin"), error.header("vary")), (None, None));
}

#[test]
fn only_pages_that_are_allowed_read_it() {
    let edge = without_a_server("cors: {allowed_origins: [\"https://*.example\"]}\n");
    let named = ask(&edge, "GET", PAGE);
    assert_eq!(named.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(named.header("access-control-allow-credentials"), Some("true"));
    let other = ask(&edge, "GET", "Origin: https://app.example.evil\r\n");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (502, None));
    // As in Bifrost: whoever develops on their own machine.
    let local = ask(&edge, "GET", "Origin: http://localhost:3000\r\n");
    assert_eq!(local.header("access-control-allow-origin"), Some("http://localhost:3000"));
}

#[test]
fn a_preflight_without_a_server_is_answered_from_the_configuration() {
    let edge = without_a_server("");
    let preflight = ask(&edge, "OPTIONS", PREFLIGHT);
    is_answered(&preflight);
    assert!(!preflight.header("access-control-allow-headers").unwrap().contains("x-mine"));
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"connect_failed\"}"), 1);
    let named = ask(&without_a_server("cors: {allowed_headers: [x-mine]}\n"), "OPTIONS", PREFLIGHT);
    assert!(named.header("access-control-allow-headers").unwrap().contains("x-mine"));
    let any = ask(&without_a_server("cors: {allowed_headers: [\"*\"]}\n"), "OPTIONS", PREFLIGHT);
    assert_eq!(any.header("access-control-allow-headers"), Some("authorization, x-mine"));
}

#[test]
fn a_preflight_of_a_page_that_is_not_allowed_allows_nothing() {
    let edge = without_a_server("cors: {allowed_origins: []}\n");
    assert_eq!(ask(&edge, "OPTIONS", PREFLIGHT).header("access-control-allow-origin"), None);
}

#[test]
fn an_options_request_that_is_no_preflight_gets_the_error() {
    is_error(&ask(&without_a_server(""), "OPTIONS", PAGE), 502, UNREACHABLE);
}

/// Its page would be told nothing of why, nor when to come again.
#[test]
fn a_preflight_is_not_refused_by_limits() {
    let bifrost = Bifrost::start();
    let limits = "limits: {requests: {per_second: 0.1, burst: 1}}\n";
    let edge = Edge::start(&format!("{}{limits}", servers_yaml(&[bifrost.address()])));
    assert_eq!(ask(&edge, "GET", PAGE).status, 200);
    is_answered(&ask(&edge, "OPTIONS", PREFLIGHT));
    let refused = ask(&edge, "GET", PAGE);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(bifrost.recorded().len(), 1);
}
