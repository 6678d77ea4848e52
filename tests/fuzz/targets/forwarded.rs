//! Forwarded headers: the first byte chooses the peer, each line is an `X-Forwarded-For`, and the first one an
//! `X-Forwarded-Proto`, too.

#![no_main]

use std::{net::IpAddr, sync::LazyLock};

use bridgehead::{
    config::{Network, Scheme},
    trust::{TrustedProxies, forwarded_proto},
};
use libfuzzer_sys::fuzz_target;

static TRUSTED: LazyLock<TrustedProxies> = LazyLock::new(|| {
    TrustedProxies::new(
        &["10.0.0.0/8", "fd00::/8", "192.0.2.1"].map(|text| Network::try_from(text.to_owned()).unwrap()),
    )
});
const PEERS: [&str; 6] = ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "198.51.100.1", "2001:db8::1", "192.0.2.1"];

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let peer: IpAddr = PEERS[usize::from(*choice) % PEERS.len()].parse().unwrap();
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    client(peer, &lines);
    proto(lines[0]);
});

fn client(peer: IpAddr, lines: &[&[u8]]) {
    let of = |lines: &[&[u8]]| TRUSTED.client(peer, lines.iter().copied());
    let client = of(lines);
    assert_eq!(TrustedProxies::default().client(peer, lines.iter().copied()), peer, "believed without trust");
    if !TRUSTED.contains(peer) {
        assert_eq!(client, peer, "an untrusted peer is believed");
    }
    assert_eq!(client, walked(peer, lines));
    // RFC 9110 section 5.3: several lines are one.
    assert_eq!(client, of(&[&lines.join(&b","[..])]), "lines are not one list");
    if !TRUSTED.contains(client) {
        // So nobody can put another address in front of the own one.
        let spoofed = [&[b"203.0.113.66, 10.0.0.9".as_slice()], lines].concat();
        assert_eq!(client, of(&spoofed), "what stands before the client's own address counts");
    }
}

/// The same, the long way.
fn walked(peer: IpAddr, lines: &[&[u8]]) -> IpAddr {
    let text = lines.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(",");
    let mut client = peer;
    for entry in text.split(',').rev() {
        let entry = entry.trim();
        let bare = entry.trim_start_matches('[').trim_end_matches(']');
        let is_bracketed = entry.len() == bare.len() + 2 && entry.starts_with('[') && entry.ends_with(']');
        let address = if is_bracketed || bare.len() == entry.len() { bare.parse().ok() } else { None };
        let with_port = || entry.parse().ok().map(|socket: std::net::SocketAddr| socket.ip());
        match address.or_else(with_port) {
            Some(address) if TRUSTED.contains(client) => client = address,
            _ => break,
        }
    }
    client
}

fn proto(value: &[u8]) {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let scheme = match text.split(',').next().unwrap().trim_matches(|sign: char| sign.is_ascii_whitespace()) {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
    };
    assert_eq!(forwarded_proto(value), scheme);
    assert_eq!(forwarded_proto(&[value, b", https"].concat()), scheme, "what follows the first entry counts");
}
