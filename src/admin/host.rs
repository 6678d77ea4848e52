//! Whom a request to the admin listener may be for.
//!
//! A page that somebody shows in an operator's browser can point a name of its own at the operator's machine and then
//! read what is there (DNS rebinding). It cannot do so with an address in place of a name, nor with `localhost`.

use std::net::{IpAddr, SocketAddr};

use crate::{
    config::AdminHost,
    host::{Host, HostName},
};

/// What is said to a request for anybody else. Nothing of the request is in it.
pub(super) const FOREIGN: &str = "Misdirected Request: this host is not the admin listener's. Operator: ask for it by \
                                  the address that it listens on, or add the host, without its port, to admin.hosts in \
                                  the edge's configuration.";

/// Whether the host is the listener's: its address, any address when it listens on all of them, `localhost` when that
/// leads to it, or one of the names. The port may be another one: it may have been forwarded.
pub(super) fn is_ours(host: &[u8], bound: SocketAddr, names: &[AdminHost]) -> bool {
    let Some(Host { name, .. }) = Host::parse(host) else { return false };
    if names.iter().any(|own| Host::parse(own.as_str().as_bytes()).is_some_and(|own| own.name == name)) {
        return true;
    }
    let bound = bound.ip().to_canonical();
    let address = match name {
        HostName::Name(name) => {
            return name.eq_ignore_ascii_case("localhost") && (bound.is_loopback() || bound.is_unspecified());
        }
        HostName::V4(address) => IpAddr::V4(address),
        HostName::V6(address) => IpAddr::V6(address).to_canonical(),
    };
    bound.is_unspecified() || address == bound || address.is_loopback() && bound.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listeners_own_names_are_taken() {
        for (bound, ours, foreign) in [
            (
                "127.0.0.1:8001",
                &[
                    "127.0.0.1:8001",
                    "127.0.0.1",
                    "localhost",
                    "LocalHost:9",
                    "[::1]:8001",
                    "edge.svc:8001",
                    "EDGE.svc.",
                ][..],
                &["10.0.0.7", "evil.example.com", "", "localhost.evil.example.com", "127.0.0.1.evil.example.com"][..],
            ),
            (
                "10.0.0.7:8001",
                &["10.0.0.7:8001", "10.0.0.7", "edge.svc"],
                &["10.0.0.8", "localhost", "127.0.0.1", "[::ffff:10.0.0.8]"],
            ),
            (
                "0.0.0.0:8001",
                &["10.0.0.7:8001", "localhost", "127.0.0.1:1", "[fd00::7]:8001", "edge.svc"],
                &["evil.example.com", "edge", "10.0.0.7:x", "10.0.0", "fd00::7", "a@10.0.0.7"],
            ),
            ("[::]:8001", &["10.0.0.7", "[fd00::7]", "localhost"], &["evil", "[fd00::7", "[fd00::7]x"]),
            ("[fd00::7]:8001", &["[fd00::7]:8001"], &["[fd00::8]", "10.0.0.7"]),
        ] {
            let names = [AdminHost::try_from("edge.svc".to_owned()).unwrap()];
            let is_ours = |host: &&str| is_ours(host.as_bytes(), bound.parse().unwrap(), &names);
            assert_eq!(ours.iter().find(|host| !is_ours(host)), None, "{bound}");
            assert_eq!(foreign.iter().find(|host| is_ours(host)), None, "{bound}");
        }
    }
}
