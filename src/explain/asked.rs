//! The request that is asked about.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, ListenAddress, Listener, Scheme};

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// The URL that the client has.
    pub url: String,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// The address at the other end of the connection.
    pub from: IpAddr,
    /// The address of the listener that takes it; without one, the one that the URL means.
    pub listener: Option<String>,
}

/// A URL, in parts.
pub(super) struct Parts<'a> {
    pub scheme: Scheme,
    pub authority: &'a str,
    pub target: String,
}

impl Asked {
    /// The URL, in parts: its target is sent as it is written.
    pub(super) fn parts(&self) -> Result<Parts<'_>, String> {
        let wrong = || {
            format!(
                "{:?} is no URL; write it as the client has it, for example https://gateway.example.com/mcp",
                self.url
            )
        };
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let schemes = [Scheme::Http, Scheme::Https];
        let scheme = schemes.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str())).ok_or_else(wrong)?;
        // Clients keep the fragment for themselves.
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return Err(wrong());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Parts { scheme, authority, target: format!("{slash}{target}") })
    }

    /// The head, as a client of HTTP/1.1 sends it.
    pub(super) fn head(&self) -> Result<Vec<u8>, String> {
        let Parts { authority, target, .. } = self.parts()?;
        let mut lines = vec![format!("{} {target} HTTP/1.1", self.method)];
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            lines.push(format!("Host: {authority}"));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if lines.iter().any(|line| line.contains(['\r', '\n', '\0'])) {
            return Err("a line break in the method, the URL or a header; leave it out".to_owned());
        }
        Ok((lines.join("\r\n") + "\r\n\r\n").into_bytes())
    }

    /// The other end of the connection; that of a Unix socket has no address, unless a proxy tells one.
    pub(super) fn peer(&self, listener: &Listener) -> Option<SocketAddr> {
        let has_address = listener.address.ip().is_some() || listener.proxy_protocol;
        has_address.then(|| SocketAddr::new(self.from, 0))
    }

    /// The place of the listener that takes it: the one that was named, or else of those with TLS or without, as the URL
    /// has it, the one with its port, the first, or any.
    pub(super) fn listener(&self, config: &Config) -> Result<usize, String> {
        let listeners = &config.edge.listeners;
        if let Some(named) = &self.listener {
            let found = listeners.iter().position(|listener| listener.address.to_string() == *named);
            let all: Vec<_> = listeners.iter().map(|listener| listener.address.to_string()).collect();
            return found.ok_or_else(|| format!("there is no listener {named:?}; known here: {}", all.join(", ")));
        }
        let Parts { scheme, authority, .. } = self.parts()?;
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.unwrap_or_else(|| scheme.default_port());
        let has_port = |address: &ListenAddress| address.ip().is_some_and(|address| address.port() == port);
        let fits = |number: &usize| listeners[*number].tls.is_some() == (scheme == Scheme::Https);
        let mut fitting = (0..listeners.len()).filter(fits);
        let by_port = fitting.clone().find(|number| has_port(&listeners[*number].address));
        Ok(by_port.or_else(|| fitting.next()).unwrap_or_default())
    }
}
