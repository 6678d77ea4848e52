//! The dashboard of a real Bifrost that wants a user: its page, its login and its WebSocket, at an https origin of
//! which only the edge knows.

use serde_json::json;

use crate::{
    server::{PASSWORD, RealBifrost, USER, provider},
    support::{
        edge::{CLIENTS, Edge, servers_yaml},
        http::{Connection, Response},
    },
    websocket::UPGRADE,
};

const HOST: &str = "gw.example";

fn edge(server: &RealBifrost) -> Edge {
    Edge::start(&format!("public_urls: [\"https://{HOST}\"]\n{}{CLIENTS}", servers_yaml(&[server.address])))
}

fn ask(edge: &Edge, method: &str, target: &str, headers: &str) -> Response {
    edge.connect().ask(method, target, HOST, headers)
}

/// Logs in; what the server sets as a cookie.
fn log_in(mut connection: Connection) -> String {
    let body = json!({"username": USER, "password": PASSWORD}).to_string();
    connection.send(format!(
        "POST /api/session/login HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = connection.read_response("POST");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("set-cookie").unwrap().to_owned()
}

#[test]
fn its_page_is_at_every_path_that_is_no_other_s() {
    let provider = provider();
    let server = RealBifrost::start_closed(&provider);
    let edge = edge(&server);
    for path in ["/", "/login", "/workspace/logs"] {
        let page = ask(&edge, "GET", path, "");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.text().contains("in place of the dashboard"), "{path}: {page:?}");
        assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000; includeSubDomains"));
    }
}

/// Without the edge the server takes itself to be spoken to in clear text.
#[test]
fn the_cookie_of_a_login_is_secure_because_the_edge_says_that_it_is_https() {
    let provider = provider();
    let server = RealBifrost::start_closed(&provider);
    let edge = edge(&server);
    let is_secure = |cookie: &str| cookie.split("; ").any(|part| part.eq_ignore_ascii_case("secure"));
    let direct = log_in(Connection::to(server.address));
    assert!(!is_secure(&direct), "{direct}");
    let cookie = log_in(edge.connect());
    assert!(is_secure(&cookie) && cookie.contains("HttpOnly"), "{cookie}");

    let token = cookie.split(';').next().unwrap();
    assert_eq!(ask(&edge, "GET", "/api/mcp/clients", "").status, 401);
    assert_eq!(ask(&edge, "GET", "/api/mcp/clients", &format!("Cookie: {token}\r\n")).status, 200);
}

#[test]
fn its_websocket_opens_to_who_has_logged_in() {
    let provider = provider();
    let server = RealBifrost::start_closed(&provider);
    let edge = edge(&server);
    let open = |headers: &str| {
        let mut client = edge.connect();
        client.send(format!("GET /ws HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\n{UPGRADE}{headers}\r\n"));
        client.read_head().status
    };
    assert_eq!(open(""), 401);
    let cookie = log_in(edge.connect());
    assert_eq!(open(&format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())), 101);
}
