//! Servers behind TLS and HTTP/2: reached as the configuration says, and only then.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use bifrost_edge::fleet::{ServerReport, State};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    http::Response,
    tls_server::{Authority, Folder, Identity, Server, Speaks},
};

const HTTP_1: &[&str] = &["http/1.1"];
const BOTH: &[&str] = &["h2", "http/1.1"];

const UNREACHABLE: &str = "the Bifrost server cannot be reached";
const BROKEN_OFF: &str = "the Bifrost server broke off without a complete answer";
const NO_ANSWER: &str = "the Bifrost server did not answer in time";

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// An authority whose certificate is a file.
struct Trust {
    authority: Authority,
    folder: Folder,
    /// `ca: …` of a configuration.
    ca: String,
}

impl Trust {
    fn new() -> Self {
        let (authority, folder) = (Authority::new(), Folder::new());
        let ca = folder.write("ca.pem", authority.pem());
        Trust { ca: format!("ca: \"{}\"", ca.display()), authority, folder }
    }

    /// A server with a certificate for its address.
    fn server(&self, protocols: &[&str]) -> Server {
        Server::start(Speaks::tls(&self.identity(), protocols))
    }

    fn identity(&self) -> Identity {
        self.authority.sign("a server", &["127.0.0.1", "localhost"])
    }

    /// Writes a client's certificate and key; returns the keys of a configuration that name them.
    fn client(&self, common_name: &str) -> String {
        let identity = self.authority.sign(common_name, &[]);
        let certificate = self.folder.write(&format!("{common_name}.pem"), identity.certificate_pem());
        let key = self.folder.write(&format!("{common_name}.key"), identity.key_pem());
        format!("certificate: \"{}\", key: \"{}\"", certificate.display(), key.display())
    }

    /// This server in a configuration, over TLS and with this authority.
    fn over_tls(&self, server: &Server) -> String {
        over(server, &self.ca, false)
    }

    /// The same with HTTP/2.
    fn over_http2(&self, server: &Server) -> String {
        over(server, &self.ca, true)
    }
}

fn over(server: &Server, tls: &str, http2: bool) -> String {
    format!("{{address: \"{}\", http2: {http2}, tls: {{{tls}}}}}", server.address())
}

fn over_h2c(server: &Server) -> String {
    format!("{{address: \"{}\", http2: true}}", server.address())
}

fn yaml(servers: &[String], more: &str) -> String {
    format!("{PUBLIC_URLS}servers: [{}]\n{more}", servers.join(", "))
}

fn edge(server: String) -> Edge {
    Edge::start(&yaml(&[server], ""))
}

fn get(edge: &Edge, path: &str) -> Response {
    edge.connect().ask("GET", path, &edge.host(), "")
}

fn post(edge: &Edge, path: &str) -> Response {
    let mut connection = edge.connect();
    connection.send(format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\nhi", edge.host()));
    connection.read_response("POST")
}

/// One of the edge's own errors.
fn is_error(response: &Response, status: u16, message: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let body = response.json();
    assert!(body["error"]["message"].as_str().unwrap().starts_with(message), "{body}");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn report_of(edge: &Edge, name: &str) -> ServerReport {
    edge.report().servers.into_iter().find(|server| server.server == name).unwrap()
}

// === Whom the edge trusts ===

#[test]
fn a_server_of_its_own_authority_is_forwarded_to() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(format!("{{address: \"localhost:{}\", tls: {{{}}}}}", server.port(), trust.ca));
    let told = get(&edge, "/v1/models?x=1").json();
    assert_eq!((told["version"].as_str(), told["sni"].as_str()), (Some("HTTP/1.1"), Some("localhost")));
    assert_eq!((told["method"].as_str(), told["path"].as_str()), (Some("GET"), Some("/v1/models?x=1")));
    assert_eq!(told["host"].as_str(), Some(edge.host().as_str()));
    assert_eq!(post(&edge, "/v1/chat/completions").json()["body"], 2);
    assert_eq!(server.connections_used(), 1);
}

#[test]
fn a_server_of_another_authority_is_502_and_gets_no_request() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        for tls in [other.ca.as_str(), ""] {
            let edge = edge(over(&server, tls, http2));
            is_error(&get(&edge, "/"), 502, UNREACHABLE);
            is_error(&post(&edge, "/"), 502, UNREACHABLE);
        }
    }
    assert!(server.saw().is_empty());
}

#[test]
fn a_server_with_a_certificate_for_another_name_is_502_and_gets_no_request() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls(&trust.authority.sign("a server", &["bifrost.test"]), BOTH));
    for http2 in [false, true] {
        is_error(&get(&edge(over(&server, &trust.ca, http2)), "/"), 502, UNREACHABLE);
        let tls = format!("{}, server_name: other.test", trust.ca);
        is_error(&get(&edge(over(&server, &tls, http2)), "/"), 502, UNREACHABLE);
    }
    assert!(server.saw().is_empty());
}

#[test]
fn server_name_is_the_name_that_is_asked_for_and_verified() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls(&trust.authority.sign("a server", &["bifrost.test"]), BOTH));
    for (http2, version) in [(false, "HTTP/1.1"), (true, "HTTP/2.0")] {
        let edge = edge(over(&server, &format!("{}, server_name: bifrost.test", trust.ca), http2));
        let told = get(&edge, "/").json();
        assert_eq!((told["sni"].as_str(), told["version"].as_str()), (Some("bifrost.test"), Some(version)));
    }
}

#[test]
fn a_server_given_by_its_ip_address_needs_that_address_in_its_certificate() {
    let trust = Trust::new();
    let right = Server::start(Speaks::tls(&trust.authority.sign("a server", &["127.0.0.1"]), HTTP_1));
    let wrong = Server::start(Speaks::tls(&trust.authority.sign("127.0.0.1", &["127.0.0.2"]), HTTP_1));
    let told = get(&edge(trust.over_tls(&right)), "/").json();
    // An IP address is no SNI (RFC 6066 section 3).
    assert!(told["sni"].is_null(), "{told}");
    is_error(&get(&edge(trust.over_tls(&wrong)), "/"), 502, UNREACHABLE);
    let named = format!("{}, server_name: \"127.0.0.2\"", trust.ca);
    assert_eq!(get(&edge(over(&wrong, &named, false)), "/").status, 200);
}

#[test]
fn relative_files_are_beside_the_configuration() {
    let trust = Trust::new();
    let _files = trust.client("edge");
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let tls = "ca: ca.pem, certificate: edge.pem, key: ./edge.key";
    let edge = Edge::start_in(trust.folder.path(), &yaml(&[over(&server, tls, false)], ""));
    assert_eq!(get(&edge, "/").json()["client"], "edge");
}

#[test]
fn a_server_that_speaks_no_tls_is_502_and_gets_no_request() {
    let bifrost = Bifrost::start();
    let edge = edge(format!("{{address: \"{}\", tls: {{}}}}", bifrost.address()));
    is_error(&get(&edge, "/"), 502, UNREACHABLE);
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_server_that_does_not_finish_its_handshake_is_504() {
    // The system accepts the connection, nobody answers on it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("{{address: \"{}\", tls: {{}}}}", silent.local_addr().unwrap());
    let edge = Edge::start(&yaml(&[server], "timeouts: {connect: 300ms}\n"));
    is_error(&get(&edge, "/"), 504, "the Bifrost server did not accept the connection in time");
}

// === The edge's own certificate ===

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_edges_own() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let client = trust.client("edge");
    for http2 in [false, true] {
        let edge = edge(over(&server, &format!("{}, {client}", trust.ca), http2));
        assert_eq!(get(&edge, "/").json()["client"], "edge");
        assert_eq!(post(&edge, "/").json()["client"], "edge");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_502_without_one_and_with_anothers() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    for http2 in [false, true] {
        for tls in [trust.ca.clone(), format!("{}, {}", trust.ca, other.client("edge"))] {
            let edge = edge(over(&server, &tls, http2));
            assert_eq!(get(&edge, "/").status, 502);
            assert_eq!(post(&edge, "/").status, 502);
        }
    }
    assert!(server.saw().is_empty());
}

#[test]
fn keys_of_every_kind_are_shown() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), HTTP_1));
    let ca_key = trust.folder.write("ca.key", trust.authority.key_pem());
    for (name, generate) in [
        ("pkcs1", vec!["genrsa", "-traditional", "2048"]),
        ("sec1", vec!["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
        ("ed25519", vec!["genpkey", "-algorithm", "ed25519"]),
    ] {
        let key = trust.folder.write(&format!("{name}.key"), openssl(&generate));
        let (key, ca_key) = (key.to_str().unwrap(), ca_key.to_str().unwrap());
        let request = trust.folder.write("request", openssl(&["req", "-new", "-key", key, "-subj", "/CN=edge"]));
        let ca = trust.folder.path().join("ca.pem");
        let extensions = trust.folder.write("extensions", "extendedKeyUsage=clientAuth\n");
        let (request, ca, extensions) = (request.to_str().unwrap(), ca.to_str().unwrap(), extensions.to_str().unwrap());
        let sign = ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-extfile", extensions];
        let certificate = openssl(&sign);
        let certificate = trust.folder.write(&format!("{name}.pem"), certificate);
        let tls = format!("{}, certificate: \"{}\", key: \"{key}\"", trust.ca, certificate.display());
        let response = get(&edge(over(&server, &tls, false)), "/");
        assert_eq!(response.status, 200, "{name}: {response:?}");
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

// === HTTP/2 ===

/// Runs a promise of HTTP/2 over TLS and with prior knowledge.
fn both_ways(promise: impl Fn(&Server, String)) {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    promise(&server, trust.over_http2(&server));
    let server = Server::start(Speaks::h2c());
    promise(&server, over_h2c(&server));
}

#[test]
fn with_http2_a_request_arrives_as_it_was_sent() {
    both_ways(|_, configured| {
        let scheme = if configured.contains("tls") { "https" } else { "http" };
        let edge = edge(configured);
        let sent = "X-Two: a\r\nX-Two: b\r\nCookie: c=d\r\nCookie: e=f\r\nTE: trailers\r\nX-Bf-Vk: sk\r\n";
        let response = edge.connect().ask("GET", "/a//b/%2e?q=1&q=%2F", &edge.host(), sent);
        let told = response.json();
        assert_eq!((response.status, told["version"].as_str()), (200, Some("HTTP/2.0")));
        assert_eq!((told["method"].as_str(), told["path"].as_str()), (Some("GET"), Some("/a//b/%2e?q=1&q=%2F")));
        assert_eq!((told["authority"].as_str(), told["scheme"].as_str()), (Some(edge.host().as_str()), Some(scheme)));
        assert!(told["host"].is_null(), "{told}");
        let headers: Vec<(String, String)> = serde_json::from_value(told["headers"].clone()).unwrap();
        let all = |name: &str| -> Vec<&str> {
            let values = headers.iter().filter(|(found, _)| found == name);
            values.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(all("x-two"), ["a", "b"]);
        assert_eq!(all("cookie"), ["c=d; e=f"]);
        assert_eq!(all("x-bf-vk"), ["sk"]);
        assert_eq!(all("x-forwarded-host"), [edge.host()]);
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1"]);
        let cookies = response.headers.iter().filter(|(name, _)| name == "set-cookie");
        assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
    });
}

#[test]
fn with_http2_bodies_of_either_framing_arrive_whole() {
    both_ways(|_, configured| {
        let edge = edge(configured);
        let host = edge.host();
        let body = vec![b'x'; 3 * 1024 * 1024];
        let mut connection = edge.connect();
        connection.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len()));
        assert_eq!(connection.send(&body).read_response("POST").json()["body"], body.len());
        connection.send(format!("PUT / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for chunk in body.chunks(100_000) {
            connection.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
        }
        assert_eq!(connection.send("0\r\n\r\n").read_response("PUT").json()["body"], body.len());
        connection.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(connection.read_response("POST").json()["body"], 0);
    });
}

#[test]
fn with_http2_requests_share_a_connection() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        for _ in 0..3 {
            assert_eq!(get(&edge, "/").status, 200);
            assert_eq!(post(&edge, "/").status, 200);
        }
        // At the same time, too: the stream is still open when the next request is sent.
        let mut stream = edge.connect();
        stream.send(format!("GET /stream/1 HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
        assert_eq!(stream.read_head().status, 200);
        assert_eq!(get(&edge, "/").status, 200);
        server.release();
        while stream.read_chunk().is_some() {}
        assert_eq!((server.saw().len(), server.connections_used()), (8, 1));
    });
}

#[test]
fn with_http2_more_requests_than_a_server_takes_on_a_connection_have_another() {
    let server = Server::start(Speaks::h2c().at_a_time(2));
    let edge = edge(over_h2c(&server));
    let mut streams = [edge.connect(), edge.connect()];
    for stream in &mut streams {
        stream.send(format!("GET /stream/1 HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
        assert_eq!(stream.read_head().status, 200);
    }
    assert_eq!(get(&edge, "/").status, 200);
    let connections: Vec<_> = server.saw().iter().map(|saw| saw.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
}

#[test]
fn with_http2_each_piece_of_a_stream_passes_before_the_next_is_sent() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        let mut client = edge.connect();
        client.send(format!("GET /stream/4 HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
        assert_eq!(client.read_head().status, 200);
        for number in 1..=4 {
            server.release();
            assert_eq!(client.read_chunk().unwrap(), format!("piece{number}\n").into_bytes());
        }
        assert_eq!(client.read_chunk(), None);
    });
}

#[test]
fn with_http2_an_answer_cut_short_is_never_passed_off_as_whole() {
    both_ways(|_, configured| {
        let edge = edge(configured);
        let mut client = edge.connect();
        client.send(format!("GET /broken HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
        let head = client.read_head();
        assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
        let received = client.read_to_end();
        assert!(!received.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&received));
    });
}

#[test]
fn a_server_that_offers_http_1_alone_is_spoken_to_in_it() {
    let trust = Trust::new();
    for protocols in [HTTP_1, &[]] {
        let server = trust.server(protocols);
        let edge = edge(trust.over_http2(&server));
        assert_eq!(get(&edge, "/").json()["version"], "HTTP/1.1");
        let told = post(&edge, "/").json();
        assert_eq!((told["version"].as_str(), told["body"].as_u64()), (Some("HTTP/1.1"), Some(2)));
        assert_eq!(told["host"].as_str(), Some(edge.host().as_str()));
        assert_eq!(server.connections_used(), 1);
    }
}

#[test]
fn without_http2_a_server_that_offers_http2_alone_is_502() {
    let trust = Trust::new();
    let server = trust.server(&["h2"]);
    is_error(&get(&edge(trust.over_tls(&server)), "/"), 502, UNREACHABLE);
    assert!(server.saw().is_empty());
}

#[test]
fn a_server_that_knows_no_http2_is_502_with_prior_knowledge() {
    let bifrost = Bifrost::start();
    let edge = edge(format!("{{address: \"{}\", http2: true}}", bifrost.address()));
    assert_eq!(get(&edge, "/").status, 502);
    assert_eq!(post(&edge, "/").status, 502);
}

// === Streams that are reset ===

// Codes of RST_STREAM (RFC 9113 section 7).
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const HTTP_1_1_REQUIRED: u32 = 13;

/// The paths on which a server breaks off a request.
fn break_offs(server: &Server) -> [String; 4] {
    let reset = |code| format!("/reset/{code}/{}", server.port());
    [reset(INTERNAL_ERROR), reset(REFUSED_STREAM), reset(HTTP_1_1_REQUIRED), format!("/cut/{}", server.port())]
}

#[test]
fn with_http2_a_post_is_not_sent_twice() {
    for is_reused in [false, true] {
        both_ways(|server, configured| {
            let other = Server::start(Speaks::h2c());
            for path in break_offs(server) {
                let servers =
                    [configured.clone(), format!("{{address: \"{}\", http2: true, backup: true}}", other.address())];
                let edge = Edge::start(&yaml(&servers, ""));
                if is_reused {
                    assert_eq!(get(&edge, "/").status, 200);
                }
                is_error(&post(&edge, &path), 502, BROKEN_OFF);
                assert_eq!((server.saw_at(&path).len(), other.saw().len()), (1, 0), "{path}, reused: {is_reused}");
            }
        });
    }
}

#[test]
fn with_http2_a_get_without_a_byte_of_an_answer_goes_to_another_server() {
    for is_reused in [false, true] {
        both_ways(|server, configured| {
            let other = Server::start(Speaks::h2c());
            for path in break_offs(server) {
                let servers =
                    [configured.clone(), format!("{{address: \"{}\", http2: true, backup: true}}", other.address())];
                let edge = Edge::start(&yaml(&servers, ""));
                if is_reused {
                    assert_eq!(get(&edge, "/").status, 200);
                }
                let response = get(&edge, &path);
                assert_eq!(response.status, 200, "{path}, reused: {is_reused}: {response:?}");
                assert_eq!(other.saw_at(&path).len(), 1, "{path}, reused: {is_reused}");
                // A connection that closes may have died idle, so that the same server gets it on a new one first.
                let expected = if is_reused && path.starts_with("/cut") { 2 } else { 1 };
                assert_eq!(server.saw_at(&path).len(), expected, "{path}, reused: {is_reused}");
            }
        });
    }
}

#[test]
fn with_http2_a_put_goes_to_another_server_with_its_body() {
    both_ways(|server, configured| {
        let other = Server::start(Speaks::h2c());
        let servers = [configured, format!("{{address: \"{}\", http2: true, backup: true}}", other.address())];
        let edge = Edge::start(&yaml(&servers, ""));
        let path = format!("/reset/{INTERNAL_ERROR}/{}", server.port());
        let mut connection = edge.connect();
        connection.send(format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\nhi", edge.host()));
        assert_eq!(connection.read_response("PUT").json()["body"], 2);
        assert_eq!((server.saw_at(&path).len(), other.saw_at(&path).len()), (1, 1));
    });
}

#[test]
fn a_server_that_resets_a_stream_on_a_living_connection_is_not_asked_again() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        assert_eq!(get(&edge, "/").status, 200);
        for (code, so_far) in [(INTERNAL_ERROR, 1), (REFUSED_STREAM, 2)] {
            let path = format!("/reset/{code}/{}", server.port());
            is_error(&get(&edge, &path), 502, BROKEN_OFF);
            assert_eq!(server.saw_at(&path).len(), 1, "{path}");
            let report = report_of(&edge, &server.address().to_string());
            assert_eq!((report.broken, report.stale), (so_far, 0), "{path}");
        }
    });
}

#[test]
fn a_stream_that_is_reset_leaves_the_others_on_its_connection_alone() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        let mut stream = edge.connect();
        stream.send(format!("GET /stream/1 HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
        assert_eq!(stream.read_head().status, 200);
        is_error(&post(&edge, &format!("/reset/{INTERNAL_ERROR}/{}", server.port())), 502, BROKEN_OFF);
        assert_eq!(get(&edge, "/").status, 200);
        server.release();
        assert_eq!(stream.read_chunk().unwrap(), b"piece1\n");
        assert_eq!(stream.read_chunk(), None);
        assert_eq!(server.connections_used(), 1);
    });
}

// === WebSockets ===

/// Opens a WebSocket and says something over it.
fn websocket_works(edge: &Edge) {
    let mut client = edge.connect();
    client.send(format!("GET /websocket HTTP/1.1\r\nHost: {}\r\n{UPGRADE}\r\n", edge.host()));
    let head = client.read_head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    for _ in 0..3 {
        client.send(b"\x81\x05hello");
        assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    }
}

#[test]
fn a_websocket_passes_over_tls() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(trust.over_tls(&server));
    for _ in 0..10 {
        websocket_works(&edge);
    }
}

#[test]
fn a_websocket_passes_to_a_server_with_http2_that_offers_http_1_alone() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    let edge = edge(trust.over_http2(&server));
    for _ in 0..10 {
        websocket_works(&edge);
        assert_eq!(get(&edge, "/").status, 200);
    }
}

#[test]
fn a_websocket_passes_to_a_server_with_http2_over_http_1() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(trust.over_http2(&server));
    for _ in 0..10 {
        websocket_works(&edge);
        assert_eq!(get(&edge, "/").json()["version"], "HTTP/2.0");
    }
}

#[test]
fn a_websocket_over_tls_that_is_not_answered_is_504() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    for http2 in [false, true] {
        let limits = "timeouts: {first_byte: 300ms, silence: 300ms}\n";
        let edge = Edge::start(&yaml(&[over(&server, &trust.ca, http2)], limits));
        // Leaves an idle connection behind.
        assert_eq!(get(&edge, "/").status, 200);
        is_error(&edge.connect().ask("GET", "/hang", &edge.host(), UPGRADE), 504, NO_ANSWER);
    }
}

#[test]
fn a_silent_websocket_over_tls_outlives_the_limit_for_answers() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    for http2 in [false, true] {
        let limits = "timeouts: {first_byte: 300ms, silence: 300ms}\n";
        let edge = Edge::start(&yaml(&[over(&server, &trust.ca, http2)], limits));
        let mut client = edge.connect();
        client.send(format!("GET /websocket HTTP/1.1\r\nHost: {}\r\n{UPGRADE}\r\n", edge.host()));
        assert_eq!(client.read_head().status, 101);
        client.send(b"\x81\x05hello");
        assert_eq!(client.read_exactly(7), b"\x81\x05hello");
        // Began later and has run into the limit: so has the silent WebSocket.
        is_error(&get(&edge, "/hang"), 504, NO_ANSWER);
        client.send(b"\x81\x05again");
        assert_eq!(client.read_exactly(7), b"\x81\x05again", "http2: {http2}");
    }
}

// === Limits ===

#[test]
fn a_server_over_tls_that_does_not_answer_is_504() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = Edge::start(&yaml(&[trust.over_tls(&server)], "timeouts: {first_byte: 300ms}\n"));
    is_error(&get(&edge, "/hang"), 504, NO_ANSWER);
    is_error(&post(&edge, "/hang"), 504, NO_ANSWER);
    // One request each: what may have been understood is not sent again.
    assert_eq!(server.saw().len(), 2);
}

#[test]
fn with_http2_a_server_that_does_not_answer_within_the_larger_limit_is_504() {
    both_ways(|server, configured| {
        for limits in ["first_byte: 50ms, silence: 500ms", "first_byte: 500ms, silence: 50ms"] {
            let edge = Edge::start(&yaml(std::slice::from_ref(&configured), &format!("timeouts: {{{limits}}}\n")));
            let begun = Instant::now();
            is_error(&get(&edge, "/hang"), 504, NO_ANSWER);
            assert!(begun.elapsed() >= Duration::from_millis(500), "{limits}");
        }
        assert_eq!(server.saw().len(), 2);
    });
}

// === Health checks ===

const OFTEN: &str = "health: {interval: 20ms, timeout: 5s, rise: 1, fall: 1}\n";

#[test]
fn health_checks_connect_as_requests_do() {
    let (trust, other) = (Trust::new(), Trust::new());
    let tls = |trust: &Trust, protocols| Server::start(Speaks::tls(&trust.identity(), protocols));
    let demanding = || Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let right =
        [tls(&trust, HTTP_1), tls(&trust, BOTH), tls(&trust, HTTP_1), Server::start(Speaks::h2c()), demanding()];
    let wrong = [tls(&other, HTTP_1), tls(&other, BOTH), demanding()];
    let bifrost = Bifrost::start();
    let servers = [
        trust.over_tls(&right[0]),
        trust.over_http2(&right[1]),
        trust.over_http2(&right[2]),
        over_h2c(&right[3]),
        over(&right[4], &format!("{}, {}", trust.ca, trust.client("edge")), true),
        trust.over_tls(&wrong[0]),
        trust.over_http2(&wrong[1]),
        trust.over_tls(&wrong[2]),
        format!("{{address: \"{}\"}}", bifrost.address()),
    ];
    let edge = Edge::start(&yaml(&servers, OFTEN));
    let state = |name: &str| report_of(&edge, name).state;
    for server in &right {
        let name = server.address().to_string();
        wait_until(&format!("up: {:?}", edge.report()), || state(&name) == State::Up);
        assert_eq!(server.saw()[0].path, "/health");
    }
    wait_until("the plain one up", || state(&bifrost.address().to_string()) == State::Up);
    for server in &wrong {
        let name = server.address().to_string();
        wait_until("down", || state(&name) == State::Down);
        assert!(server.saw().is_empty());
    }
}

#[test]
fn each_health_check_has_a_connection_of_its_own() {
    let trust = Trust::new();
    let check = |server: &Server, configured: String| {
        let edge = Edge::start(&yaml(&[configured], OFTEN));
        wait_until("three checks", || server.saw_at("/health").len() >= 3);
        drop(edge);
        assert_eq!(server.connections_used(), server.saw().len());
    };
    let server = trust.server(BOTH);
    check(&server, trust.over_tls(&server));
    both_ways(|server, configured| check(server, configured));
}

#[test]
fn with_http2_health_checks_say_where_they_go_as_requests_do() {
    both_ways(|server, configured| {
        let edge = Edge::start(&yaml(&[configured], OFTEN));
        wait_until("a check", || !server.saw_at("/health").is_empty());
        assert_eq!(get(&edge, "/").status, 200);
        let (check, request) = (&server.saw_at("/health")[0], &server.saw_at("/")[0]);
        assert_eq!((&check.scheme, &check.host), (&request.scheme, &request.host));
        assert_eq!(check.authority, Some(server.address().to_string()));
    });
}

#[test]
fn a_reload_changes_how_health_checks_connect() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        let [right, wrong] = [&trust.ca, &other.ca].map(|tls| yaml(&[over(&server, tls, http2)], OFTEN));
        let edge = Edge::start(&right);
        for (yaml, expected) in [(&right, State::Up), (&wrong, State::Down), (&right, State::Up)] {
            edge.reload(yaml);
            wait_until("the other state", || edge.report().servers[0].state == expected);
        }
    }
}

// === Idle connections ===

#[test]
fn after_a_reload_no_connection_of_other_settings_is_used() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let client = trust.client("edge");
    let right = format!("{}, {client}", trust.ca);
    for http2 in [false, true] {
        let with = |tls: &str| yaml(&[over(&server, tls, http2)], "breaker: {enabled: false}\n");
        let edge = Edge::start(&with(&right));
        for tls in [
            format!("{}, {client}", other.ca),
            format!("{right}, server_name: other.test"),
            client.clone(),
            trust.ca.clone(),
            format!("{}, {}", trust.ca, other.client("edge")),
        ] {
            edge.reload(&with(&right));
            assert_eq!(get(&edge, "/").status, 200);
            edge.reload(&with(&tls));
            assert_eq!(get(&edge, "/").status, 502, "{tls}");
        }
        edge.reload(&with(&format!("{}, {}", trust.ca, trust.client("another"))));
        assert_eq!(get(&edge, "/").json()["client"], "another");
        edge.reload(&with(&right));
        assert_eq!(get(&edge, "/").json()["client"], "edge");
    }
}

#[test]
fn after_a_reload_a_server_is_spoken_to_in_its_new_protocol() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let [one, two] = [false, true].map(|http2| yaml(&[over(&server, &trust.ca, http2)], ""));
    let edge = Edge::start(&one);
    for (yaml, version) in [(&one, "HTTP/1.1"), (&two, "HTTP/2.0"), (&one, "HTTP/1.1"), (&two, "HTTP/2.0")] {
        edge.reload(yaml);
        assert_eq!(get(&edge, "/").json()["version"], version);
    }
    // From TLS to none: the server does not understand.
    edge.reload(&servers_yaml(&[server.address()]));
    assert_eq!(get(&edge, "/").status, 502);
}

#[test]
fn servers_with_one_address_and_other_settings_share_no_connection() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        let tls = |trust: &Trust| format!("http2: {http2}, tls: {{{}, server_name: localhost}}", trust.ca);
        let right = format!("{{address: \"{}\", {}}}", server.address(), tls(&trust));
        let wrong = format!("{{address: \"localhost:{}\", {}}}", server.port(), tls(&other));
        let servers = [right, wrong];
        let more = "balance: {policy: round_robin}\nretries: {attempts: 1}\nbreaker: {enabled: false}\n";
        let edge = Edge::start(&yaml(&servers, more));
        let good = (0..8).filter(|_| get(&edge, "/").status == 200).count() as u64;
        let right = report_of(&edge, &server.address().to_string());
        assert_eq!((right.picks, right.connect_failures), (good, 0));
        let wrong = report_of(&edge, &format!("localhost:{}", server.port()));
        assert!(wrong.picks > 0 && wrong.picks == wrong.connect_failures, "{wrong:?}");
    }
}
