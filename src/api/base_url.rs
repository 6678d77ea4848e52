//! The URL of a Bifrost, as an operator types it.

use http::Uri;

/// Scheme, host, port, and the path that stands before those of the API. No user name, no query: they may be
/// secret, and are then in the list of the machine's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    is_tls: bool,
    authority: String,
    host: String,
    port: u16,
    /// Without a slash at its end.
    path: String,
}

impl BaseUrl {
    /// Whether a text is meant as one, and not as the name of a file.
    pub fn is_meant(text: &str) -> bool {
        let starts_with =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        starts_with("http://") || starts_with("https://")
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without what may be secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('@') {
            return Err("the URL has a user name, or an @; give credentials by environment");
        }
        if text.contains(['?', '#']) {
            return Err("the URL has a query or a fragment; write scheme, host, port and at most a path");
        }
        let uri: Uri = text.parse().map_err(|_| NOT_A_URL)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(NOT_A_URL) };
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(NOT_A_URL),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let default = if is_tls { 443 } else { 80 };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default,
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(NOT_A_URL)?,
            None => return Err(NOT_A_URL),
        };
        if host.is_empty() || port == 0 {
            return Err(NOT_A_URL);
        }
        Ok(BaseUrl {
            is_tls,
            authority: authority.as_str().to_ascii_lowercase(),
            host,
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What is sent as `Host`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, that of the scheme when none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands before the paths of the API: empty, or with a slash at its beginning and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it names this machine, so that nobody listens in between.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

const NOT_A_URL: &str = "not a URL; write for example https://bifrost.example.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |text: &str| {
            let url = BaseUrl::parse(text).unwrap();
            (url.is_tls, url.authority.clone(), url.host.clone(), url.port, url.path)
        };
        let https = (true, "gw.example".to_owned(), "gw.example".to_owned(), 443, String::new());
        assert_eq!(parts("https://GW.example/"), https);
        assert_eq!(parts("HTTPS://gw.example"), https);
        assert_eq!(parts("http://[::1]:8080/base/"), (false, "[::1]:8080".into(), "::1".into(), 8080, "/base".into()));
        assert!(BaseUrl::parse("http://[::1]:8080").unwrap().is_loopback());
        assert!(!BaseUrl::parse("http://10.0.0.1").unwrap().is_loopback());
    }

    #[test]
    fn what_may_be_secret_is_refused_and_not_shown() {
        for text in ["https://a:planted@b", "https://a/?planted", "https://a#planted", "https://", "https://a:planted"]
        {
            assert!(!BaseUrl::parse(text).unwrap_err().contains("planted"), "{text}");
        }
        assert!(BaseUrl::is_meant("HTTP://x") && !BaseUrl::is_meant("https") && !BaseUrl::is_meant("./http://"));
    }
}
