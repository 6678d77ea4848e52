//! Under Pingora's stock service the edge serves clients of HTTP/2 over TLS, too.

use http::Request;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, servers_yaml},
    h2c::Client,
    nobody,
    stock::Stock,
    tls_client::TlsClient,
    tls_server::{BOTH, Server, Speaks, Trust, over_h2c},
    until,
};

const MEGABYTE: usize = 1_000_000;

/// A stock service with TLS, and a connection of HTTP/2 to it.
struct TlsStock {
    stock: Stock,
    client: Client,
    trust: Trust,
}

impl TlsStock {
    fn start(yaml: &str) -> Self {
        let trust = Trust::new();
        let stock = Stock::start_with_tls(&trust, &format!("public_urls: [\"https://localhost:{{port}}\"]\n{yaml}"));
        let client = TlsClient::trusting(&trust.authority).offering(BOTH).http2(stock.address);
        TlsStock { stock, client, trust }
    }

    fn before(bifrost: &Bifrost, options: &str) -> Self {
        Self::start(&format!("{CLIENTS}{}{options}", servers_yaml(&[bifrost.address()])))
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("https://{}{path}", self.stock.host()))
    }

    fn ask(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut answer = self.client.ask(self.request(method, path));
        let body = answer.body();
        assert!(answer.ends_well(), "{method} {path}");
        (answer.status(), body)
    }
}

/// Sends a large body in pieces, and returns what the server says of it.
fn post(tls: &TlsStock, headers: &[(&str, &str)]) -> serde_json::Value {
    let request = tls.request("POST", "/echo");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut upload = tls.client.open(request);
    for _ in 0..MEGABYTE / 10_000 - 1 {
        upload.send(vec![b'x'; 10_000]);
    }
    upload.end(vec![b'x'; 10_000]).json()
}

#[test]
fn stock_http2_discovery_is_answered_and_no_server_is_asked() {
    let bifrost = Bifrost::start();
    let tls = TlsStock::before(&bifrost, "");
    let (status, document) = tls.ask("GET", "/.well-known/oauth-authorization-server");
    let issuer = format!("\"issuer\":\"https://{}\"", tls.stock.host());
    assert!(status == 200 && String::from_utf8_lossy(&document).contains(&issuer), "{document:?}");
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn stock_http2_requests_reach_servers_of_either_protocol_whole() {
    let (bifrost, server) = (Bifrost::start(), Server::start(Speaks::h2c()));
    let tls = TlsStock::before(&bifrost, "");
    assert_eq!(tls.ask("GET", "/echo").0, 200);
    assert_eq!(bifrost.only().header("x-forwarded-proto"), Some("https"));
    for headers in [&[][..], &[("content-length", "1000000")]] {
        assert_eq!(post(&tls, headers)["body_length"], MEGABYTE);
    }
    until("all is counted as over", || tls.stock.in_flight() == 0);
    let tls = TlsStock::start(&format!("servers: [{}]\n", over_h2c(&server)));
    assert_eq!(tls.ask("GET", "/").0, 200);
    for headers in [&[][..], &[("content-length", "1000000")]] {
        assert_eq!(post(&tls, headers)["body"], MEGABYTE);
    }
}

#[test]
fn stock_http2_each_event_passes_before_the_next_is_sent() {
    let (bifrost, server) = (Bifrost::start(), Server::start(Speaks::h2c()));
    let (gate, tls) = (bifrost.gate(), TlsStock::before(&bifrost, ""));
    let mut answer = tls.client.open(tls.request("POST", "/v1/chat/completions")).end(r#"{"model":"m","stream":true}"#);
    assert_eq!(answer.status(), 200);
    for number in 1..=5 {
        gate.release_one();
        let event = answer.data().unwrap();
        assert!(String::from_utf8_lossy(&event).contains(&format!("word{number} ")), "{event:?}");
    }
    assert_eq!(answer.body(), b"data: [DONE]\n\n");
    assert!(answer.ends_well());

    let tls = TlsStock::start(&format!("servers: [{}]\n", over_h2c(&server)));
    let mut answer = tls.client.ask(tls.request("GET", "/stream/4"));
    for number in 1..=4 {
        server.release();
        assert_eq!(answer.data().unwrap(), format!("piece{number}\n").into_bytes());
    }
    assert!(answer.body().is_empty() && answer.ends_well());
}

#[test]
fn stock_http2_an_answer_without_a_body_ends_its_stream() {
    let bifrost = Bifrost::start();
    let tls = TlsStock::before(&bifrost, "");
    for (method, target, status) in
        [("HEAD", "/bytes/1000", 200), ("GET", "/status/204", 204), ("GET", "/status/304", 304), ("HEAD", "/echo", 200)]
    {
        assert_eq!(tls.ask(method, target), (status, vec![]), "{method} {target}");
    }
}

#[test]
fn stock_http2_what_fails_or_is_refused_is_told() {
    let bifrost = Bifrost::start();
    let tls =
        TlsStock::before(&bifrost, "unknown_hosts: refuse\nlimits: {headers: 20}\ntimeouts: {first_byte: 300ms}\n");
    for method in ["GET", "HEAD"] {
        assert_eq!(tls.ask(method, "/hang").0, 504, "{method}");
        let many = (0..21).fold(tls.request(method, "/echo"), |request, _| request.header("x", "y"));
        let mut refused = tls.client.ask(many);
        assert_eq!((refused.status(), refused.body().is_empty()), (431, method == "HEAD"));
        assert!(refused.ends_well());
        let elsewhere = Request::builder().method(method).uri("https://elsewhere/echo");
        assert_eq!(tls.client.ask(elsewhere).status(), 421, "{method}");
    }
    let gone = nobody();
    let alone = TlsStock::start(&servers_yaml(&[gone]));
    assert_eq!((alone.ask("GET", "/echo").0, alone.ask("HEAD", "/echo").0), (502, 502));
    let both = TlsStock::start(&servers_yaml(&[gone, bifrost.address()]));
    for _ in 0..4 {
        assert_eq!(both.ask("GET", "/echo").0, 200);
    }
}

#[test]
fn stock_tls_clients_that_want_http_1_have_it() {
    let bifrost = Bifrost::start();
    let tls = TlsStock::before(&bifrost, "");
    let client = TlsClient::trusting(&tls.trust.authority);
    let mut connection = client.connect_to(tls.stock.address, "localhost").unwrap();
    for _ in 0..3 {
        let answer = connection.get("/echo");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"target\":\"/echo\""), "{answer}");
    }
    assert_eq!(bifrost.recorded().pop().unwrap().header("x-forwarded-proto"), Some("https"));
}
