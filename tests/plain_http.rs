//! A client of plain HTTP at a port for HTTPS is told so, and costs nobody else anything.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    program::{Running, config},
    tls_client::TlsClient,
    tls_server::{Authority, Folder},
};

struct Setup {
    bifrost: Bifrost,
    authority: Authority,
    folder: Folder,
    /// The listener's `tls`.
    tls: String,
}

impl Setup {
    fn new() -> Self {
        let (bifrost, authority, folder) = (Bifrost::start(), Authority::new(), Folder::new());
        let identity = authority.sign("localhost", &["localhost"]);
        let certificate = folder.write("one.pem", identity.certificate_pem());
        let key = folder.write("one.key", identity.key_pem());
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("tls: {{certificates: [{{certificate: \"{certificate}\", key: \"{key}\"}}]}}");
        Setup { bifrost, authority, folder, tls }
    }

    fn edge(&self, more: &str) -> Edge {
        let yaml = servers_yaml(&[self.bifrost.address()]) + "trusted_proxies: [\"127.0.0.1\"]\n";
        Edge::listening(&format!("{}{more}", self.tls), &yaml)
    }
}

fn refused(edge: &Edge) -> u64 {
    edge.metric("bridgehead_connections_closed_total{reason=\"plain_http\"}")
}

/// What comes to the end of the connection after this has been sent.
fn answer(edge: &Edge, sent: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(edge.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(sent).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn is_told(answer: &str, has_body: bool) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(head.contains("\r\nContent-Type: text/plain\r\n") && head.ends_with("\r\nConnection: close"), "{answer}");
    assert!(!has_body || head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
    assert_eq!(body.contains("https://"), has_body, "{answer}");
}

#[test]
fn it_is_answered_in_plain_text_whatever_it_sends() {
    let setup = Setup::new();
    let edge = setup.edge("");
    let post = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n".to_owned();
    // What nobody has read when a connection is closed resets it, answer and all.
    let post = post + &"x".repeat(300_000);
    let requests = ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", &post, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G"];
    for request in requests {
        is_told(&answer(&edge, request.as_bytes()), true);
    }
    is_told(&answer(&edge, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), false);
    assert_eq!(refused(&edge), 5);
    assert_eq!(edge.metric("bridgehead_tls_handshake_failures_total"), 0);
    assert!(setup.bifrost.recorded().is_empty());
    let mut client = TlsClient::trusting(&setup.authority).connect(&edge, "localhost").unwrap();
    assert!(client.get("/echo").contains("\"target\":\"/echo\""));
    assert_eq!(refused(&edge), 5);
}

#[test]
fn it_is_answered_after_a_header_of_the_proxy_protocol_too() {
    let setup = Setup::new();
    let edge = setup.edge(", proxy_protocol: true");
    let header = b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 443\r\n";
    is_told(&answer(&edge, &[header, &b"GET / HTTP/1.0\r\n\r\n"[..]].concat()), true);
    let mut client = TlsClient::trusting(&setup.authority).connect_after(header, &edge, "localhost").unwrap();
    assert!(client.get("/echo").contains("\"target\":\"/echo\""));
    assert_eq!(refused(&edge), 1);
}

#[test]
fn it_is_answered_on_a_unix_socket_too() {
    let setup = Setup::new();
    let socket = setup.folder.path().join("edge.sock");
    let file = config(&format!(
        "listeners: [{{address: \"unix:{}\", {}}}]\nunknown_hosts: forward\n{}",
        socket.display(),
        setup.tls,
        servers_yaml(&[setup.bifrost.address()])
    ));
    let mut running = Running::start(file.path());
    running.wait_for("listening on unix:");
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    is_told(&answer, true);
    running.wait_for("connection closed, plain HTTP where TLS is spoken: it is answered 400");
}

/// One that connects and goes away, as a probe does, is none of these.
#[test]
fn a_client_that_says_nothing_is_not_answered() {
    let setup = Setup::new();
    let edge = setup.edge("");
    let mut stream = std::net::TcpStream::connect(edge.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{answer:?}");
    assert_eq!(refused(&edge), 0);
}
