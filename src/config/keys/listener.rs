//! Where clients connect, and how with TLS.

use std::{fmt, net::SocketAddr, os::unix::ffi::OsStrExt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use crate::config::values::{
    environment::other_reference, invalid::InvalidValue, null::not_null, patterns, text::written_as_text,
};

/// One address that clients connect to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port, for example `0.0.0.0:8000`, where port 0 lets the system choose; or the path of a
    /// Unix socket, for example `unix:/run/bridgehead.sock`, which is made anew at start.
    pub address: ListenAddress,
    /// Who may connect to a Unix socket, in the octal digits of `chmod`. Default `0660`.
    #[serde(default)]
    #[schemars(extend("default" = "0660"))]
    pub mode: Option<Mode>,
    /// TLS. Default: plain text.
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "ListenerTls")]
    pub tls: Option<ListenerTls>,
    /// HTTP/2, besides HTTP/1: with TLS by ALPN, without it for clients that know beforehand. Default: with
    /// TLS.
    #[serde(default)]
    pub http2: Option<bool>,
    /// Every connection begins with a header of the PROXY protocol, version 1 or 2, of a trusted proxy.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// A GET for a host with an `https` public URL is redirected there, but for discovery, `/mcp` and
    /// WebSockets.
    #[serde(default)]
    pub redirect_to_https: bool,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend(
    "pattern" = patterns::listen_address(),
    "examples" = ["0.0.0.0:8000", "[::]:8000", "unix:/run/bridgehead.sock"]
))]
#[non_exhaustive]
pub enum ListenAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// The permissions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = patterns::MODE, "examples" = ["0660", "0666"]))]
pub struct Mode(u32);

/// How clients connect with TLS. Files are PEM; a relative path starts at the folder of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["client_ca"]}, {"properties": {"client_certificates": {"const": "required"}}}
]))]
pub struct ListenerTls {
    /// The certificates, at least one. A client gets the one for the name it asks for (SNI), or else the first.
    #[schemars(length(min = 1))]
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken. Default 1.2.
    #[serde(default)]
    pub oldest: TlsVersion,
    /// The authorities of clients that have a certificate. Default: clients are not asked for one.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// With `client_ca`: whether a client must have a certificate. Default: it must.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// The folder of the configuration, from where relative paths start.
    #[serde(skip)]
    pub(in crate::config) folder: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, with the chain after it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients must have a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientCertificates {
    /// A client without one is refused in the handshake.
    #[default]
    Required,
    /// A client without one is served; one with a wrong one is not.
    Optional,
}

impl Listener {
    /// Whether clients may speak HTTP/2.
    pub fn has_http2(&self) -> bool {
        self.http2.unwrap_or(self.tls.is_some())
    }

    /// The permissions of its Unix socket.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode(0o660))
    }

    /// What clients speak, in a few words.
    pub fn protocol(&self) -> String {
        let mut words = vec![if self.tls.is_some() { "https" } else { "http" }];
        words.extend(self.has_http2().then_some("HTTP/2"));
        words.extend(self.proxy_protocol.then_some("PROXY protocol"));
        words.extend(self.redirect_to_https.then_some("redirects to https"));
        words.join(", ")
    }
}

impl Mode {
    /// Its bits, at most `0o777`.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl ListenAddress {
    /// The IP address and port, if that is what it is.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            ListenAddress::Ip(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Ip(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        // What fits into a socket address of the kernel, with the zero at its end.
        const LONGEST: usize = 107;
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return match path.as_os_str().as_bytes().len() {
                _ if !path.is_absolute() => Err(InvalidValue::new(format!(
                    "{text:?} is not absolute; write for example \"unix:/run/bridgehead.sock\""
                ))),
                0..=LONGEST => Ok(ListenAddress::Unix(path)),
                _ => Err(InvalidValue::new(format!(
                    "the path of a Unix socket has at most {LONGEST} bytes; choose a shorter one"
                ))),
            };
        }
        text.parse().map(ListenAddress::Ip).map_err(|_| {
            InvalidValue::new(other_reference(&text).unwrap_or_else(|| {
                format!(
                    "{text:?} is not an IP address with a port; write for example \"0.0.0.0:8000\", \"[::]:8000\" or \
                 \"unix:/run/bridgehead.sock\""
                )
            }))
        })
    }
}

impl FromStr for Mode {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        mode.map(Mode).ok_or_else(|| {
            let how = "write octal digits in quotes, for example \"0660\"";
            InvalidValue::new(format!("{text:?} is no mode; {how}"))
        })
    }
}

impl<'de> Deserialize<'de> for Mode {
    /// Only from text: some programs that write YAML turn a number without quotes into a decimal one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ModeVisitor;

        impl Visitor<'_> for ModeVisitor {
            type Value = Mode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octal digits in quotes, for example \"0660\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(ModeVisitor)
    }
}

written_as_text!(ListenAddress:);

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}
