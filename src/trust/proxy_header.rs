//! The header of the PROXY protocol, versions 1 and 2 (`proxy-protocol.txt` of `HAProxy`): who has connected to the
//! proxy that now connects to the edge. Pure: bytes in, an address out.

use std::{
    error, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::from_utf8,
};

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The connection is the proxy's own, a health check for example.
    Local,
    /// The client's address is not known, or is none of IP and TCP.
    Unknown,
    /// The client's address.
    Client(SocketAddr),
}

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// It has at least so many bytes. Whoever reads no further has not read a byte of what follows it.
    Incomplete(usize),
    /// It is whole.
    Complete {
        /// What it says.
        header: Header,
        /// How many bytes it has.
        length: usize,
    },
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(&'static str);

/// No header of either version is shorter.
pub const SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();
/// No longer header of version 2 is read.
pub const LONGEST: usize = 4096;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const BEGIN: &[u8] = b"PROXY ";
/// Of version 1, its end included.
const LONGEST_LINE: usize = 107;

/// Reads a header from its first byte on.
///
/// # Errors
/// When the bytes are no header, or one that is malformed or too long.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Fault> {
    if bytes.is_empty() {
        return Ok(Parsed::Incomplete(SHORTEST));
    }
    let begins = |what: &[u8]| bytes.iter().zip(what).all(|(byte, expected)| byte == expected);
    if begins(SIGNATURE) {
        binary(bytes)
    } else if begins(BEGIN) {
        line(bytes)
    } else {
        Err(Fault("no header"))
    }
}

// === version 1 ===

fn line(bytes: &[u8]) -> Result<Parsed, Fault> {
    let Some(feed) = bytes.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() {
            LONGEST_LINE.. => Err(Fault("a line that is too long")),
            length => Ok(Parsed::Incomplete(SHORTEST.max(length + 1))),
        };
    };
    let line = bytes[..feed].strip_suffix(b"\r").ok_or(Fault("a line without a carriage return"))?;
    let line = line.strip_prefix(BEGIN).ok_or(Fault("no header"))?;
    if feed >= LONGEST_LINE {
        return Err(Fault("a line that is too long"));
    }
    // Whatever follows it is to be ignored, text or not.
    let is_unknown = line.strip_prefix(b"UNKNOWN").is_some_and(|rest| matches!(rest.first(), None | Some(b' ')));
    let header = if is_unknown { Header::Unknown } else { client(line)? };
    Ok(Parsed::Complete { header, length: feed + 1 })
}

fn client(line: &[u8]) -> Result<Header, Fault> {
    let mut fields = from_utf8(line).map_err(|_| Fault("a line that is no text"))?.split(' ');
    let family = fields.next();
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Fault("a line that is not family, addresses and ports"));
    };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse().ok().map(IpAddr::V4),
        Some("TCP6") => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let port = |text: &str| text.parse().ok().filter(|port: &u16| port.to_string() == text);
    match (address(source), address(destination), port(source_port), port(destination_port)) {
        (Some(source), Some(_), Some(port), Some(_)) => {
            Ok(Header::Client(SocketAddr::new(source.to_canonical(), port)))
        }
        _ => Err(Fault("a family, address or port that is none")),
    }
}

// === version 2 ===

fn binary(bytes: &[u8]) -> Result<Parsed, Fault> {
    const HEAD: usize = 16;
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Ok(Parsed::Incomplete(HEAD)) };
    let (command, family) = (head[12], head[13]);
    let following = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let length = HEAD + following;
    if length > LONGEST {
        return Err(Fault("a header that is too long"));
    }
    // Version in the upper half.
    let is_proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(Fault("a version or command that is none")),
    };
    let Some(addresses) = rest.get(..following) else { return Ok(Parsed::Incomplete(length)) };
    let header = if is_proxied { addressed(family, addresses)? } else { Header::Local };
    Ok(Parsed::Complete { header, length })
}

/// Families and transports: addresses in their order, then the ports; extensions after them are ignored.
fn addressed(family: u8, addresses: &[u8]) -> Result<Header, Fault> {
    const SHORT: Fault = Fault("addresses that are too short");
    match family {
        0x11 => {
            let (source, rest) = addresses.split_first_chunk::<4>().ok_or(SHORT)?;
            let port = rest.get(4..).and_then(|ports| ports.first_chunk::<4>()).ok_or(SHORT)?;
            Ok(of(Ipv4Addr::from(*source).into(), *port))
        }
        0x21 => {
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(SHORT)?;
            let port = rest.get(16..).and_then(|ports| ports.first_chunk::<4>()).ok_or(SHORT)?;
            Ok(of(Ipv6Addr::from(*source).into(), *port))
        }
        // Unix sockets: two paths of 108 bytes.
        0x31 | 0x32 if addresses.len() < 216 => Err(SHORT),
        // Those, what is unspecified, and what is no TCP (section 2.2).
        _ if family >> 4 <= 3 && family & 0xf <= 2 => Ok(Header::Unknown),
        _ => Err(Fault("a family or transport that is none")),
    }
}

fn of(source: IpAddr, ports: [u8; 4]) -> Header {
    Header::Client(SocketAddr::new(source.to_canonical(), u16::from_be_bytes([ports[0], ports[1]])))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl error::Error for Fault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version_2(command: u8, family: u8, following: &[u8]) -> Vec<u8> {
        let length = u16::try_from(following.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, following].concat()
    }

    fn complete(header: Header, length: usize) -> Parsed {
        Parsed::Complete { header, length }
    }

    #[test]
    fn a_line_says_who_has_connected() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some("192.0.2.1:56324")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", Some("[2001:db8::1]:0")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some("192.0.2.1:1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
            ("PROXY UNKNOWN  \r é\r\n", None),
        ] {
            let header = client.map_or(Header::Unknown, |client| Header::Client(client.parse().unwrap()));
            assert_eq!(parse(line.as_bytes()), Ok(complete(header, line.len())), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_is_malformed_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
            "PROXY TCP4 192.0.2.1  198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY  UNKNOWN\r\n",
            "proxy UNKNOWN\r\n",
            "GET / HTTP/1.1\r\n",
            "\r\n\r\nGET",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(parse(format!("PROXY UNKNOWN {}", "x".repeat(100)).as_bytes()).is_err());
    }

    #[test]
    fn version_2_says_who_has_connected() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187];
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0, 80, 1, 187]].concat();
        let with_extension = [&v4[..], &[4, 0, 1, 0]].concat();
        for (bytes, client) in [
            (version_2(0x21, 0x11, &v4), Some("192.0.2.1:56324")),
            (version_2(0x21, 0x11, &with_extension), Some("192.0.2.1:56324")),
            (version_2(0x21, 0x21, &v6), Some("[::1]:80")),
            (version_2(0x20, 0x11, &v4), None),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x21, 0x00, &[]), None),
            (version_2(0x21, 0x12, &v4), None),
            (version_2(0x21, 0x31, &[0; 216]), None),
            (version_2(0x21, 0x32, &[0; 220]), None),
        ] {
            let nobody = if bytes[12] == 0x20 { Header::Local } else { Header::Unknown };
            let header = client.map_or(nobody, |client| Header::Client(client.parse().unwrap()));
            assert_eq!(parse(&bytes), Ok(complete(header, bytes.len())), "{bytes:?}");
        }
        for bytes in [
            version_2(0x11, 0x11, &v4),
            version_2(0x22, 0x11, &v4),
            version_2(0x21, 0x13, &v4),
            version_2(0x21, 0x41, &v4),
            version_2(0x21, 0x11, &v4[..11]),
            version_2(0x21, 0x21, &v4),
            version_2(0x21, 0x31, &[0; 215]),
            version_2(0x21, 0x11, &[0; 5000]),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn not_a_byte_beyond_the_shortest_header_is_asked_for() {
        let shortest = b"PROXY UNKNOWN\r\n";
        for end in 0..shortest.len() {
            assert_eq!(parse(&shortest[..end]), Ok(Parsed::Incomplete(SHORTEST)), "{end}");
        }
    }

    /// Headers of both versions that are well formed.
    fn headers() -> impl Strategy<Value = (Vec<u8>, Header)> {
        let address = prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        ];
        let extensions = proptest::collection::vec(any::<u8>(), 0..40);
        (address, any::<u16>(), any::<bool>(), extensions).prop_map(|(address, port, is_binary, extensions)| {
            let bytes = match (address, is_binary) {
                (IpAddr::V4(ip), true) => {
                    let following = [&ip.octets()[..], &[1, 2, 3, 4], &port.to_be_bytes(), &[0, 1], &extensions];
                    version_2(0x21, 0x11, &following.concat())
                }
                (IpAddr::V6(ip), true) => {
                    let following = [&ip.octets()[..], &[7; 16], &port.to_be_bytes(), &[0, 1], &extensions];
                    version_2(0x21, 0x21, &following.concat())
                }
                (IpAddr::V4(ip), false) => format!("PROXY TCP4 {ip} 192.0.2.1 {port} 1\r\n").into_bytes(),
                (IpAddr::V6(ip), false) => format!("PROXY TCP6 {ip} ::1 {port} 1\r\n").into_bytes(),
            };
            (bytes, Header::Client(SocketAddr::new(address.to_canonical(), port)))
        })
    }

    proptest! {
        #[test]
        fn not_a_byte_beyond_the_header_is_asked_for((bytes, header) in headers(), after in proptest::collection::vec(any::<u8>(), 0..20)) {
            for end in 0..bytes.len() {
                let Ok(Parsed::Incomplete(wanted)) = parse(&bytes[..end]) else { panic!("{end} of {bytes:?}") };
                prop_assert!(wanted > end && wanted <= bytes.len(), "{} of {}", wanted, bytes.len());
            }
            prop_assert_eq!(parse(&[&bytes[..], &after].concat()), Ok(complete(header, bytes.len())));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..3_usize) {
            let begin = [SIGNATURE, BEGIN, b""][kind];
            let _verdict = parse(&[begin, &bytes].concat());
        }
    }
}
