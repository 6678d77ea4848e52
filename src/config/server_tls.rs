//! TLS to a server: what the file names, and what those files hold.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    json_schema, pem,
    problem::{KeyPath, Problem},
    public_url::check_host,
};

/// How the edge connects to a server with TLS (1.2 or 1.3). The server's certificate is always
/// verified. Files are PEM; a relative path starts at the folder of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("dependencies" = {"certificate": ["key"], "key": ["certificate"]}))]
pub struct ServerTls {
    /// The authorities that may have signed the server's certificate. Default: those of the system.
    pub ca: Option<PathBuf>,
    /// The name in the server's certificate, sent as SNI. Default: the host of its address.
    pub server_name: Option<ServerName>,
    /// The edge's own certificate, with the chain after it, for a server that asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
    /// What the files hold.
    #[serde(skip)]
    pub files: TlsFiles,
}

/// The name that a certificate is issued for: a DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = json_schema::server_name(), "examples" = ["bifrost.internal"]))]
pub struct ServerName(pub String);

/// The contents of the files of a [`ServerTls`], in DER.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The authorities; empty for those of the system.
    pub ca: Vec<Vec<u8>>,
    /// The chain of the edge's own certificate; empty for none.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: Vec<u8>,
}

impl ServerTls {
    /// Reads the files of one server, whose `tls` stands at this path. Each problem is with the key that
    /// names the file.
    pub(super) fn read(&mut self, folder: &Path, path: &KeyPath) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.certificate.is_some() != self.key.is_some() {
            let (there, missing) = if self.key.is_some() { ("key", "certificate") } else { ("certificate", "key") };
            problems.push(Problem::new(path.key(there), format!("needs the other half; add {missing}")));
            return problems;
        }
        let mut checked = |key, read: Result<(), String>| {
            problems.extend(read.err().map(|why| Problem::new(path.key(key), why)));
        };
        checked("ca", self.read_ca(folder));
        checked("certificate", self.read_chain(folder));
        checked("key", self.read_key(folder));
        problems
    }

    fn read_ca(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.ca else { return Ok(()) };
        let certificates = pem::read_certificates(&folder.join(file), file)?;
        pem::authorities(&certificates, file)?;
        self.files.ca = to_der(&certificates);
        Ok(())
    }

    fn read_chain(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.certificate else { return Ok(()) };
        self.files.chain = to_der(&pem::read_certificates(&folder.join(file), file)?);
        Ok(())
    }

    fn read_key(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.key else { return Ok(()) };
        let key = pem::read_key(&folder.join(file), file)?;
        self.files.key = key.secret_der().to_vec();
        if self.files.chain.is_empty() {
            return Ok(());
        }
        let chain = self.files.chain.iter().map(|certificate| CertificateDer::from(certificate.clone())).collect();
        pem::pair(file, chain, key).map(|_| ())
    }
}

fn to_der(certificates: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    certificates.iter().map(|certificate| certificate.to_vec()).collect()
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<std::net::IpAddr>().is_err() {
            check_host(&text).map_err(|fault| format!("{fault}; write the name in the server's certificate"))?;
        }
        Ok(ServerName(bare.to_ascii_lowercase()))
    }
}

impl std::fmt::Debug for TlsFiles {
    /// Not the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsFiles {{ ca: {}, chain: {} }}", self.ca.len(), self.chain.len())
    }
}
