//! A load balancer that only sees whether somebody listens costs no line in the log, and is no failed handshake.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use socket2::SockRef;

use crate::support::{
    PATIENCE,
    edge::Edge,
    program::{Running, config},
    tls_server::{Authority, Folder},
    until,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: &[u8] = &[0x20, 0, 0, 0];

/// A listener's `tls`.
fn tls(folder: &Folder) -> String {
    let identity = Authority::new().sign("localhost", &["localhost"]);
    let certificate = folder.write("one.pem", identity.certificate_pem());
    let key = folder.write("one.key", identity.key_pem());
    format!("tls: {{certificates: [{{certificate: \"{}\", key: \"{}\"}}]}}", certificate.display(), key.display())
}

/// Connects, sends this and leaves, with a reset or without.
fn probe(address: std::net::SocketAddr, sent: &[u8], resets: bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(sent).unwrap();
    if resets {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        return;
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn probe_each_way(address: std::net::SocketAddr, sends_proxy: bool) {
    let local = [SIGNATURE, LOCAL].concat();
    for resets in [false, true] {
        probe(address, b"", resets);
        if sends_proxy {
            probe(address, &local, resets);
            probe(address, b"PROXY UNKNOWN\r\n", resets);
        }
    }
}

#[test]
fn a_bare_probe_is_no_failure() {
    let folder = Folder::new();
    for options in [tls(&folder), "proxy_protocol: true".to_owned(), format!("{}, proxy_protocol: true", tls(&folder))]
    {
        let edge = Edge::listening(&options, "servers: []\ntrusted_proxies: [\"127.0.0.1\"]\n");
        probe_each_way(edge.address, options.contains("proxy"));
        let accepted = if options.contains("proxy") { 6 } else { 2 };
        until("all have come", || edge.metric("bridgehead_connections_accepted_total") == accepted);
        until("all have gone", || edge.metric("bridgehead_connections") == 0);
        assert_eq!(edge.metric("bridgehead_tls_handshake_failures_total"), 0, "{options}");
        for reason in ["proxy_protocol", "tls_handshake"] {
            let sample = format!("bridgehead_connections_closed_total{{reason=\"{reason}\"}}");
            assert_eq!(edge.metric(&sample), 0, "{options} {reason}");
        }
    }
}

#[test]
fn a_bare_probe_is_no_line_of_the_log_but_half_a_header_is() {
    let folder = Folder::new();
    let listener = format!("listeners: [{{address: \"127.0.0.1:0\", proxy_protocol: true, {}}}]\n", tls(&folder));
    let file = config(&format!("{listener}trusted_proxies: [\"127.0.0.1\"]\nservers: []\n"));
    let mut running = Running::start(file.path());
    let address = running.address();
    probe_each_way(address, true);
    probe(address, b"PROXY TCP4 1", false);
    running.wait_for("no header of the PROXY protocol that can be believed");
    running.signal("TERM");
    let log = running.whole_log();
    assert_eq!(log.matches("connection closed").count(), 1, "{log}");
}
