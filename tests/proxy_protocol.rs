//! On a listener that asks for it, the PROXY protocol says who the client is, if a trusted proxy speaks it.

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    http::Connection,
    tls_client::TlsClient,
    tls_server::{Authority, Folder},
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 192.0.2.7:4711 to 198.51.100.1:443, in version 2.
const CLIENT_V2: &[u8] = &[0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
const CLIENT_V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
const TRUSTED: &str = "trusted_proxies: [\"127.0.0.1\"]\n";

fn edge(bifrost: &Bifrost, more: &str) -> Edge {
    Edge::listening("proxy_protocol: true", &format!("{}{more}", servers_yaml(&[bifrost.address()])))
}

fn version_2(rest: &[u8]) -> Vec<u8> {
    [SIGNATURE, rest].concat()
}

/// Sends a header and two requests, and returns the addresses that the server was told.
fn told(bifrost: &Bifrost, edge: &Edge, header: &[u8], headers: &str) -> Vec<String> {
    let mut client = Connection::to(edge.address);
    client.send(header);
    for _ in 0..2 {
        assert_eq!(client.ask("GET", "/echo", &edge.host(), headers).status, 200);
    }
    let seen = bifrost.recorded();
    seen[seen.len() - 2..].iter().map(|request| request.header("x-real-ip").unwrap().to_owned()).collect()
}

#[test]
fn the_client_is_who_the_header_says() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, TRUSTED);
    let with_extension = version_2(&[&[0x21, 0x11, 0, 15], &CLIENT_V2[4..], &[4, 0, 0]].concat());
    for header in [CLIENT_V1.to_vec(), version_2(CLIENT_V2), with_extension] {
        assert_eq!(told(&bifrost, &edge, &header, ""), ["192.0.2.7"; 2]);
        // It is no trusted proxy, so what it says of others is not believed.
        assert_eq!(told(&bifrost, &edge, &header, "X-Forwarded-For: 203.0.113.9\r\n"), ["192.0.2.7"; 2]);
    }
    let proxied = b"PROXY TCP4 127.0.0.1 198.51.100.1 4711 443\r\n";
    assert_eq!(told(&bifrost, &edge, proxied, "X-Forwarded-For: 203.0.113.9\r\n"), ["203.0.113.9"; 2]);
    let own = version_2(&[0x20, 0, 0, 0]);
    assert_eq!(told(&bifrost, &edge, &own, ""), ["127.0.0.1"; 2], "the proxy's own health check");
    assert_eq!(told(&bifrost, &edge, &own, "X-Forwarded-For: 203.0.113.9\r\n"), ["203.0.113.9"; 2]);
}

/// As if there were no header (proxy-protocol.txt sections 2.1 and 2.2), but that what such a client says of others is
/// not the proxy's word.
#[test]
fn of_somebody_whom_the_proxy_does_not_know_the_connections_own_address_counts() {
    let bifrost = Bifrost::start();
    let edge = edge(
        &bifrost,
        &format!("{TRUSTED}limits: {{connections_per_client: 1, requests: {{per_second: 0.1, burst: 1}}}}\n"),
    );
    let udp = [&[0x21, 0x12, 0, 12], &CLIENT_V2[4..]].concat();
    let unix = [&[0x21, 0x31, 0, 216][..], &[0; 216]].concat();
    let headers = [b"PROXY UNKNOWN\r\n".to_vec(), version_2(&[0x21, 0, 0, 0]), version_2(&udp), version_2(&unix)];
    // As many as come: the proxy stands for all of them.
    let _open: Vec<_> = headers
        .iter()
        .map(|header| {
            let mut client = Connection::to(edge.address);
            client.send(header);
            let claims = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n";
            for _ in 0..2 {
                assert_eq!(client.ask("GET", "/echo", &edge.host(), claims).status, 200);
            }
            client
        })
        .collect();
    let seen = bifrost.recorded();
    assert_eq!(seen.len(), 8);
    for request in seen {
        let said =
            ["x-real-ip", "x-forwarded-for", "x-forwarded-proto"].map(|name| request.header(name).unwrap_or_default());
        assert_eq!(said, ["127.0.0.1", "127.0.0.1", "http"]);
    }
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, TRUSTED);
    for header in [CLIENT_V1.to_vec(), version_2(CLIENT_V2)] {
        let mut client = Connection::to(edge.address);
        client.sender().set_nodelay(true).unwrap();
        for byte in &header {
            client.send([*byte]);
        }
        assert_eq!(client.ask("GET", "/echo", &edge.host(), "").status, 200);
        assert_eq!(bifrost.recorded().last().unwrap().header("x-real-ip"), Some("192.0.2.7"));
    }
}

#[test]
fn a_connection_without_a_header_that_can_be_believed_is_closed() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, &format!("{TRUSTED}limits: {{head_time: 300ms}}\n"));
    let request = edge.head("GET", "/echo", "");
    let bad: [&[u8]; 5] = [
        b"",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n",
        b"PROXY TCP4 nonsense\r\n",
        b"\r\n\r\n\0\r\nQUIX\n",
        &[0; 16],
    ];
    for header in bad {
        let mut client = edge.connect();
        client.send([header, request.as_bytes()].concat());
        assert!(client.is_closed(), "{header:?}");
    }
    let mut silent = edge.connect();
    silent.send("PROXY TCP4 ");
    assert!(silent.is_closed(), "one that does not come to its end");
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"proxy_protocol\"}"), 6);
}

#[test]
fn a_header_of_an_untrusted_peer_is_not_believed() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "trusted_proxies: [\"10.0.0.0/8\"]\n");
    let mut client = edge.connect();
    client.send([CLIENT_V1, edge.head("GET", "/echo", "").as_bytes()].concat());
    assert!(client.is_closed());
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_listener_that_does_not_ask_for_it_takes_it_for_a_malformed_request() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], TRUSTED);
    let mut client = edge.connect();
    client.send([CLIENT_V1, edge.head("GET", "/echo", "").as_bytes()].concat());
    assert_eq!(client.read_response("GET").status, 400);
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn the_clients_behind_a_proxy_are_counted_each_for_itself() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, &format!("{TRUSTED}limits: {{connections_per_client: 1}}\n"));
    let connect = |client: &str| {
        let mut connection = edge.connect();
        connection.send(format!("PROXY TCP4 {client} 198.51.100.1 4711 443\r\n") + &edge.head("GET", "/echo", ""));
        connection
    };
    let (mut one, mut another) = (connect("192.0.2.1"), connect("192.0.2.2"));
    assert_eq!((one.read_response("GET").status, another.read_response("GET").status), (200, 200));
    assert!(connect("192.0.2.1").is_closed());
}

#[test]
fn tls_follows_the_header() {
    let (bifrost, authority, folder) = (Bifrost::start(), Authority::new(), Folder::new());
    let identity = authority.sign("localhost", &["localhost"]);
    let (certificate, key) =
        (folder.write("a.pem", identity.certificate_pem()), folder.write("a.key", identity.key_pem()));
    let tls = format!("{{certificates: [{{certificate: \"{}\", key: \"{}\"}}]}}", certificate.display(), key.display());
    let yaml = format!("{}{TRUSTED}", servers_yaml(&[bifrost.address()]));
    let edge = Edge::listening(&format!("proxy_protocol: true, tls: {tls}"), &yaml);
    for header in [CLIENT_V1.to_vec(), version_2(CLIENT_V2)] {
        let mut client = TlsClient::trusting(&authority).connect_after(&header, &edge, "localhost").unwrap();
        assert!(client.get("/echo").contains("200 OK"));
        let seen = bifrost.recorded();
        let seen = seen.last().unwrap();
        assert_eq!((seen.header("x-real-ip"), seen.header("x-forwarded-proto")), (Some("192.0.2.7"), Some("https")));
    }
}
