//! What the files hold that the `tls` of a listener names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{certificates::Certificates, life::CertificateLife, pem};
use crate::config::{
    keys::listener::{CertificateFiles, ClientCertificates, ListenerTls, TlsVersion},
    problem::{KeyPath, Problem},
};

/// What is wrong with a file, and the key that names it.
pub struct FileFault {
    /// Below `tls`.
    pub path: KeyPath,
    /// What, and how to mend it.
    pub message: String,
}

impl ListenerTls {
    /// Every file that it names.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(&self.client_ca).map(|file| self.folder.join(file))
    }

    /// Reads the files and makes of them what rustls needs, for clients that may speak HTTP/2 or not.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn load(&self, has_http2: bool) -> Result<ServerConfig, Vec<FileFault>> {
        let mut faults = Vec::new();
        let mut pairs = Vec::new();
        for (place, pair) in self.certificates.iter().enumerate() {
            let path = KeyPath::root("certificates").index(place);
            match self.read_pair(pair, &path) {
                Ok(pair) => pairs.push(pair),
                Err(fault) => faults.push(fault),
            }
        }
        let authorities = self.client_ca.as_ref().map(|file| {
            pem::read_certificates(&self.folder.join(file), file)
                .and_then(|certificates| pem::authorities(&certificates, file))
                .map_err(|message| faults.push(FileFault { path: KeyPath::root("client_ca"), message }))
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        self.config(pairs, authorities.and_then(Result::ok), has_http2).map_err(|error| {
            vec![FileFault { path: KeyPath::default(), message: format!("rustls refuses it: {error}") }]
        })
    }

    /// How long the certificates hold, pair by pair, by what their files hold now; `None` for one that cannot be read.
    pub fn pairs(&self) -> impl Iterator<Item = Option<CertificateLife>> + '_ {
        self.certificates.iter().map(|pair| {
            let chain = pem::read_certificates(&self.folder.join(&pair.certificate), &pair.certificate).ok()?;
            CertificateLife::of_chain(&pair.certificate, chain.iter().map(AsRef::as_ref))
        })
    }

    /// The same of the authorities of clients.
    pub fn authorities(&self) -> Option<CertificateLife> {
        let file = self.client_ca.as_ref()?;
        let all = pem::read_certificates(&self.folder.join(file), file).ok()?;
        CertificateLife::of_authorities(file, all.iter().map(AsRef::as_ref))
    }

    fn read_pair(&self, files: &CertificateFiles, path: &KeyPath) -> Result<CertifiedKey, FileFault> {
        let of = |key: &str| {
            let path = path.key(key);
            move |message| FileFault { path, message }
        };
        let chain = pem::read_certificates(&self.folder.join(&files.certificate), &files.certificate)
            .map_err(of("certificate"))?;
        let key = pem::read_key(&self.folder.join(&files.key), &files.key).map_err(of("key"))?;
        pem::pair(&files.key, chain, key).map_err(of("key"))
    }

    fn config(
        &self,
        pairs: Vec<CertifiedKey>,
        authorities: Option<RootCertStore>,
        has_http2: bool,
    ) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let versions: &[_] = match self.oldest {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
                let verifier = match self.client_certificates {
                    ClientCertificates::Required => verifier,
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(
                    verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?,
                )
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(pairs)));
        let protocols: &[&[u8]] = if has_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Sessions are resumed by tickets, so that nothing is kept for clients.
        config.ticketer = ring::Ticketer::new()?;
        Ok(config)
    }

    /// Reads the files that the configuration names. Each problem is with the key that names the file.
    pub(in crate::config) fn check(&mut self, folder: &Path, has_http2: bool, path: &KeyPath) -> Vec<Problem> {
        folder.clone_into(&mut self.folder);
        if self.certificates.is_empty() {
            let message = "empty; add at least one, for example {certificate: edge.pem, key: edge.key}";
            return vec![Problem::new(path.key("certificates"), message)];
        }
        if self.client_ca.is_none() && self.client_certificates == ClientCertificates::Optional {
            let message = "without client_ca no client is asked for a certificate; add client_ca, or remove this";
            return vec![Problem::new(path.key("client_certificates"), message)];
        }
        let faults = self.load(has_http2).err().unwrap_or_default();
        faults.into_iter().map(|fault| Problem::new(path.join(&fault.path), fault.message)).collect()
    }
}
