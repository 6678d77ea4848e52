//! The edge tells the server who its client is, and changes no more of the headers than it must.

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, bifrost_and_edge},
    raw,
};

/// A server and an edge whose clients come over HTTPS.
fn behind_https() -> (Bifrost, Edge) {
    let bifrost = Bifrost::start();
    let urls = "public_urls: [\"https://gw.example.com\"]\n";
    let edge = Edge::with(&[bifrost.address()], &format!("{urls}{CLIENTS}"));
    (bifrost, edge)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn the_edge_says_who_the_client_is_and_nobody_else_may() {
    let (bifrost, edge) = bifrost_and_edge();
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
                   X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Bf-Forwarded-Proto: https\r\nX-Request-Id: evil\r\n\
                   X-Forwarded_For: 6.6.6.6\r\nX_Forwarded-Host: evil\r\nX_Real_IP: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\n\
                   X_Request_Id: evil\r\nX-BF_Forwarded-Proto: https\r\n";
    let response = edge.connect().ask("GET", "/echo", &edge.host(), spoofed);
    let request = bifrost.only();
    assert_eq!(request.headers_all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.headers_all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.headers_all("x-forwarded-host"), [edge.host()]);
    assert_eq!(request.headers_all("x-real-ip"), ["127.0.0.1"]);
    for name in ["x-forwarded-port", "forwarded", "x-bf-forwarded-proto"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    let misspelt: Vec<_> = request.headers.iter().filter(|(name, _)| name.contains('_')).collect();
    assert!(misspelt.is_empty(), "{misspelt:?}");
    let id = request.header("x-request-id").unwrap();
    assert_eq!((id.len(), response.header("x-request-id")), (32, Some(id)));
}

#[test]
fn what_a_trusted_proxy_says_is_passed_on() {
    let bifrost = Bifrost::start();
    let options = format!("trusted_proxies: [\"127.0.0.0/8\"]\n{CLIENTS}");
    let edge = Edge::with(&[bifrost.address()], &options);
    let told = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: gw.example.com\r\nX-Forwarded-Port: 443\r\n";
    edge.connect().ask("GET", "/echo", &edge.host(), told);
    let request = bifrost.only();
    assert_eq!(request.headers_all("x-forwarded-for"), ["6.6.6.6, 203.0.113.9, 127.0.0.9, 127.0.0.1"]);
    assert_eq!(request.headers_all("x-real-ip"), ["203.0.113.9"]);
    assert_eq!(request.headers_all("x-forwarded-proto"), ["https"]);
    assert_eq!(request.headers_all("x-forwarded-host"), ["gw.example.com"]);
    assert_eq!(request.headers_all("x-forwarded-port"), ["443"]);
}

#[test]
fn the_scheme_that_bifrost_is_told_is_the_public_urls() {
    let (bifrost, edge) = behind_https();
    edge.connect().ask("GET", "/echo", "gw.example.com", "X-Forwarded-Proto: http\r\n");
    assert_eq!(bifrost.only().headers_all("x-forwarded-proto"), ["https"]);
}

#[test]
fn what_a_server_means_for_the_edge_alone_does_not_reach_the_client() {
    let edge = Edge::in_front_of(&[raw::answers([
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\
         Upgrade: h2c\r\nTrailer: x\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    ])]);
    let response = edge.get("/");
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade", "trailer"] {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!((response.header("x-end"), response.text()), (Some("2"), "ok"));
}

/// RFC 9110 section 15.5.22; it is also nominated, by section 7.8.
#[test]
fn a_426_says_to_what() {
    let edge = Edge::in_front_of(&[raw::answers([
        b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\
         Content-Length: 2\r\n\r\nok",
    ])]);
    let response = edge.get("/");
    assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    assert_eq!(response.header("x-hop"), None);
}

#[test]
fn a_redirect_to_our_own_host_keeps_our_scheme() {
    let (_bifrost, edge) = behind_https();
    for (location, repaired) in [
        ("http://gw.example.com/oauth/consent?flow=1#t=2", "https://gw.example.com/oauth/consent?flow=1#t=2"),
        ("http://127.0.0.1:9/callback?code=c&state=s", "http://127.0.0.1:9/callback?code=c&state=s"),
        ("/relative", "/relative"),
    ] {
        let response = edge.connect().ask("GET", &format!("/redirect?to={}", encoded(location)), "gw.example.com", "");
        assert_eq!((response.status, response.header("location")), (302, Some(repaired)));
    }
}

#[test]
fn without_public_urls_a_redirect_to_https_is_left_alone() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "");
    let location = "https://gw.example.com/oauth/consent";
    let response = edge.connect().ask("GET", &format!("/redirect?to={}", encoded(location)), "gw.example.com", "");
    assert_eq!(response.header("location"), Some(location));
}

#[test]
fn a_challenge_is_passed_byte_for_byte_unless_it_names_a_foreign_origin() {
    let (_bifrost, edge) = bifrost_and_edge();
    let host = edge.host();
    let own = format!("Bearer  resource_metadata=\"http://{host}/.well-known/oauth-protected-resource\" ,x=\"y\"");
    let foreign = "Bearer  resource_metadata=\"http://10.0.0.5:8080/.well-known/oauth-protected-resource\" ,x=\"y\"";
    for (sent, received) in
        [(own.as_str(), own.as_str()), (foreign, own.as_str()), ("Basic realm=\"a\"", "Basic realm=\"a\"")]
    {
        let response = edge.connect().ask("GET", &format!("/challenge?value={}", encoded(sent)), &host, "");
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some(received)));
        assert_eq!(response.header("access-control-expose-headers"), Some("WWW-Authenticate"));
    }
    let forbidden = edge.connect().ask("GET", "/status/403", &host, "");
    assert_eq!(forbidden.header("access-control-expose-headers"), None);
}

#[test]
fn the_id_that_a_trusted_proxy_gives_a_request_is_kept_and_nobody_elses() {
    let bifrost = Bifrost::start();
    let trusting = Edge::with(&[bifrost.address()], "trusted_proxies: [\"127.0.0.1\"]\n");
    let edge = Edge::with(&[bifrost.address()], "");
    let id = "0af7651916cd43dd8448eb211c80319c/7:a_b.c-d+e=";
    for (edge, given, is_kept) in [
        (&trusting, id, true),
        (&edge, id, false),
        (&trusting, "", false),
        (&trusting, "a b", false),
        (&trusting, "a\"b", false),
        (&trusting, &"a".repeat(129), false),
        (&trusting, &"a".repeat(128), true),
    ] {
        let response = edge.connect().ask("GET", "/echo", "x", &format!("X-Request-Id: {given}\r\n"));
        let received = response.header("x-request-id").unwrap();
        assert_eq!(received == given, is_kept, "{given:?} came back as {received:?}");
        assert_eq!(bifrost.recorded().last().unwrap().headers_all("x-request-id"), [received]);
    }
}

/// When an answer was made, its server knows (RFC 9110 section 6.6.1): of a stored one that was long ago.
#[test]
fn the_date_of_an_answer_is_its_servers_where_it_has_one() {
    const DATE: &str = "Tue, 01 Jan 2019 00:00:00 GMT";
    let edge = Edge::in_front_of(&[raw::answers([
        b"HTTP/1.1 200 OK\r\nDate: Tue, 01 Jan 2019 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 500 No\r\ndate: Tue, 01 Jan 2019 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok",
        raw::OK,
        b"HTTP/1.1 200 OK\r\nConnection: Date\r\nDate: x\r\nContent-Length: 2\r\n\r\nok",
    ])]);
    let mut client = edge.connect();
    for is_servers in [true, true, false, false] {
        let answer = client.ask("GET", "/", &edge.host(), "");
        let dates: Vec<_> = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("date")).collect();
        assert_eq!((dates.len(), dates[0].1 == DATE), (1, is_servers), "{dates:?}");
        assert!(httpdate::parse_http_date(&dates[0].1).is_ok(), "{dates:?}");
    }
}
