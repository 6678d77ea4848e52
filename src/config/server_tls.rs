//! TLS to a server: what the file names, and what those files hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;

use super::{
    problem::{KeyPath, Problem},
    public_url::check_host,
};

/// How the edge connects to a server with TLS (1.2 or 1.3). The server's certificate is always
/// verified. Files are PEM; a relative path starts at the folder of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
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
        self.files.ca = read_certificates(&folder.join(file))?;
        let mut store = RootCertStore::empty();
        for certificate in &self.files.ca {
            store.add(CertificateDer::from(certificate.as_slice())).map_err(|error| {
                format!("{} holds a certificate of no authority: {error}; name another file", file.display())
            })?;
        }
        Ok(())
    }

    fn read_chain(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.certificate else { return Ok(()) };
        self.files.chain = read_certificates(&folder.join(file))?;
        Ok(())
    }

    fn read_key(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.key else { return Ok(()) };
        let pem = read(&folder.join(file))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key(file, &pem))?;
        self.files.key = key.secret_der().to_vec();
        if self.files.chain.is_empty() {
            return Ok(());
        }
        let chain = self.files.chain.iter().map(|certificate| CertificateDer::from(certificate.clone())).collect();
        let client = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .and_then(|client| client.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain, key));
        match client {
            Ok(_) => Ok(()),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(format!("{} does not fit the certificate; name the key that it was issued for", file.display()))
            }
            Err(error) => {
                Err(format!("{} cannot be used with the certificate: {error}; make both anew", file.display()))
            }
        }
    }
}

fn no_key(file: &Path, pem: &[u8]) -> String {
    // Of PKCS #8 and of the older formats (RFC 1421 section 4.6.1.1).
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    if is_encrypted.iter().any(|mark| pem.windows(mark.len()).any(|found| found == *mark)) {
        return format!("{} is encrypted; decrypt it with openssl pkey -in KEY -out NEW_KEY", file.display());
    }
    format!("{} holds no private key; it must be PEM, BEGIN PRIVATE KEY", file.display())
}

fn read_certificates(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let pem = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates
        .map_err(|_| format!("{} is damaged; it must be PEM, from BEGIN to END CERTIFICATE", file.display()))?;
    if certificates.is_empty() {
        return Err(format!("{} holds no certificate; it must be PEM, BEGIN CERTIFICATE", file.display()));
    }
    for certificate in &certificates {
        // Pingora reads them with this parser, and cannot do without.
        x509_parser::parse_x509_certificate(certificate).map_err(|error| {
            format!("{} holds a certificate that cannot be read: {error}; make it anew", file.display())
        })?;
    }
    Ok(certificates.iter().map(|certificate| certificate.to_vec()).collect())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{} cannot be read: {error}; name a file that is there", file.display()))
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
