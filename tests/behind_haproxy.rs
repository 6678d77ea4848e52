//! `HAProxy` sends the requests of all its clients on one connection of HTTP/2: what one of them does is nobody else's
//! business. Without `HAProxy` there is nothing to try.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    http::{Connection, Origin},
    in_time::Printed,
    nobody_yet,
    tls_server::Trust,
    until,
};

/// `HAProxy` in front of an edge; dropping it ends it.
struct HaProxy {
    child: Child,
    origin: Origin,
    _folder: tempfile::TempDir,
}

impl HaProxy {
    /// In front of the edge at this address, to which it connects with these options; none where it is not installed.
    fn start(edge: SocketAddr, options: &str) -> Option<Self> {
        Command::new("haproxy").arg("-v").printed().ok()?;
        let (folder, address) = (tempfile::tempdir().unwrap(), nobody_yet());
        let file = folder.path().join("haproxy.cfg");
        // One connection for all: one thread, and no connection of a client's own. Heads are passed on at once.
        let settings = format!(
            "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n  \
             option abortonclose\n  option http-no-delay\n  retries 3\n  retry-on all-retryable-errors\n  http-reuse always\nfrontend clients\n  bind {address}\n  \
             option forwardfor\n  default_backend edge\nbackend edge\n  server edge {edge} {options}\n"
        );
        fs::write(&file, settings).unwrap();
        let child = Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).spawn().unwrap();
        until("HAProxy listens", || TcpStream::connect(address).is_ok());
        Some(HaProxy { child, origin: Origin { address }, _folder: folder })
    }

    /// Begins a chat, whose events the gate of a [`Bifrost`] holds back.
    fn chat(&self) -> Connection {
        let body = r#"{"model":"m","stream":true}"#;
        let mut connection = self.origin.connect();
        let length = format!("Content-Length: {}\r\n", body.len());
        connection.send(self.origin.head("POST", "/v1/chat/completions", &length) + body);
        assert_eq!(connection.read_head().status, 200);
        connection
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The ways to an edge: in clear text and with TLS, as a proxy that it trusts and as one that it does not.
fn ways() -> Vec<(Bifrost, Edge, HaProxy, bool)> {
    let trusted = "trusted_proxies: [\"127.0.0.1\"]\n";
    [(false, trusted), (true, trusted), (false, ""), (true, "")]
        .into_iter()
        .filter_map(|(has_tls, trusted)| {
            let bifrost = Bifrost::start();
            let yaml = servers_yaml(&[bifrost.address()]) + trusted;
            let (edge, options) = if has_tls {
                (Trust::new().edge_with_tls(&yaml), "ssl verify none alpn h2")
            } else {
                (Edge::listening("http2: true", &yaml), "proto h2")
            };
            let haproxy = HaProxy::start(edge.address, options)?;
            Some((bifrost, edge, haproxy, !trusted.is_empty()))
        })
        .collect()
}

/// Has one client do something so often while another one's answer is under way, which must come whole. How many connections
/// there were for all of it.
fn beside_a_chat(bifrost: &Bifrost, edge: &Edge, haproxy: &HaProxy, often: usize, does: impl Fn(usize)) -> u64 {
    let gate = bifrost.gate();
    let mut other = haproxy.chat();
    gate.release_one();
    assert!(other.read_chunk().unwrap().starts_with(b"data: "));
    for number in 0..often {
        does(number);
    }
    gate.release_all();
    let mut rest = Vec::new();
    while let Some(chunk) = other.read_chunk() {
        rest.extend(chunk);
    }
    assert!(String::from_utf8(rest).unwrap().contains("data: [DONE]"), "the other one's answer is whole");
    assert_eq!(haproxy.origin.get("/echo").status, 200);
    edge.metric("bridgehead_connections_accepted_total")
}

#[test]
fn requests_of_one_client_that_are_refused_harm_no_other() {
    for (bifrost, edge, haproxy, is_trusted) in ways() {
        // Each of them is no path to one or the other reader, and none of them is forwarded.
        let paths = ["/a`b", "/a<b", "/a>b", "/a^b", "/a\\b", "/a|b", "/a#b"];
        let ask = |number: usize| {
            let head = haproxy.origin.head("GET", paths[number % paths.len()], "");
            haproxy.origin.connect().send(head).read_head();
        };
        let connections = beside_a_chat(&bifrost, &edge, &haproxy, 200, ask);
        // HAProxy sends each of them several times, which is above the limit of a client.
        assert!(connections == 1 || !is_trusted, "{connections}");
        let refused = edge.metric("bridgehead_http2_streams_refused_total");
        assert!(refused > 40, "{refused}");
    }
}

#[test]
fn answers_that_one_client_gives_up_harm_no_other() {
    for (bifrost, edge, haproxy, _) in ways() {
        let connections = beside_a_chat(&bifrost, &edge, &haproxy, 250, |_| drop(haproxy.chat()));
        assert_eq!(connections, 1);
        until("they are heard of", || edge.report().servers[0].in_flight == 0);
        assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"http2_resets\"}"), 0);
    }
}

/// Above the limit of a client the edge takes no more of a connection, and finishes what it has there; a proxy that it
/// trusts has no such limit.
#[test]
fn requests_that_one_client_gives_up_harm_no_other() {
    for (bifrost, edge, haproxy, is_trusted) in ways() {
        let seen = || bifrost.recorded().iter().filter(|request| request.target == "/hang").count();
        let give_up = |number: usize| {
            let mut client = haproxy.origin.connect();
            client.send(haproxy.origin.head("GET", "/hang", ""));
            until("it has arrived", || seen() > number);
        };
        let connections = beside_a_chat(&bifrost, &edge, &haproxy, 250, give_up);
        assert_eq!(connections, if is_trusted { 1 } else { 2 });
        until("they are heard of", || edge.report().servers[0].in_flight == 0);
    }
}
