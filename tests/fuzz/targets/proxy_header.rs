//! Headers of the PROXY protocol, and what may follow them.

#![no_main]

use std::net::{IpAddr, SocketAddr};

use bridgehead::trust::proxy_header::{Fault, Header, LONGEST, Parsed, SHORTEST, parse};
use libfuzzer_sys::fuzz_target;

const FOLLOWING: [&[u8]; 3] = [b"\x16\x03\x01", b"\r\n", &[0xff; 200]];

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes);
    match parsed {
        Ok(Parsed::Complete { header, length }) => {
            assert!((SHORTEST..=LONGEST).contains(&length) && length <= bytes.len());
            is_whole(&bytes[..length], header);
        }
        Ok(Parsed::Incomplete(wanted)) => assert!(wanted > bytes.len() && wanted <= LONGEST, "{wanted} wanted"),
        Err(_) => {
            for following in FOLLOWING {
                assert!(parse(&[bytes, following].concat()).is_err(), "refused, and then not");
            }
        }
    }
    if let Some(read) = read_bit_by_bit(bytes) {
        assert_eq!(read.is_err(), parsed.is_err());
        assert!(read.is_err() || read == parsed, "{read:?} is not {parsed:?}");
    }
});

/// Exactly these bytes are the header: fewer are too few, and what follows does not matter.
fn is_whole(bytes: &[u8], header: Header) {
    let complete = Ok(Parsed::Complete { header, length: bytes.len() });
    assert_eq!(parse(bytes), complete);
    for following in FOLLOWING {
        assert_eq!(parse(&[bytes, following].concat()), complete, "what follows it counts");
    }
    for has in 0..bytes.len() {
        let Ok(Parsed::Incomplete(wanted)) = parse(&bytes[..has]) else { panic!("{has} bytes are no beginning") };
        assert!(has < wanted && wanted <= bytes.len(), "{wanted} wanted of {}, {has} there", bytes.len());
    }
    if let Header::Client(client) = header {
        assert_eq!(client.ip(), client.ip().to_canonical());
        says_the_same(bytes, client);
    }
}

/// What a line says, the long way; and the address in version 2.
fn says_the_same(bytes: &[u8], client: SocketAddr) {
    if let Some(line) = bytes.strip_prefix(b"PROXY ") {
        let fields: Vec<&str> = std::str::from_utf8(line).unwrap().split_ascii_whitespace().collect();
        assert_eq!(fields.len(), 5);
        let (source, destination): (IpAddr, IpAddr) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        assert_eq!((source.is_ipv4(), destination.is_ipv4()), (fields[0] == "TCP4", fields[0] == "TCP4"));
        assert_eq!((source.to_canonical(), fields[3]), (client.ip(), client.port().to_string().as_str()));
    }
    let port = client.port().to_be_bytes();
    let following = match client.ip() {
        IpAddr::V4(ip) => [&[0x11, 0, 12], &ip.octets()[..], &[0; 4], &port, &[0; 2]].concat(),
        IpAddr::V6(ip) => [&[0x21, 0, 36], &ip.octets()[..], &[0; 16], &port, &[0; 2]].concat(),
    };
    let again = [b"\r\n\r\n\0\r\nQUIT\n\x21", &following[..]].concat();
    assert_eq!(parse(&again), Ok(Parsed::Complete { header: Header::Client(client), length: again.len() }));
}

/// As it is read from a connection, never more than is asked for. `None` when there are not enough bytes.
fn read_bit_by_bit(bytes: &[u8]) -> Option<Result<Parsed, Fault>> {
    let mut wanted = SHORTEST;
    loop {
        match parse(bytes.get(..wanted)?) {
            Ok(Parsed::Incomplete(more)) => wanted = more,
            read => return Some(read),
        }
    }
}
