//! What the files hold that the `tls` of a server names.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::{life::CertificateLife, pem};
use crate::config::{
    keys::server_tls::ServerTls,
    problem::{Place, Problem},
};

impl ServerTls {
    /// Reads the files of one server, whose `tls` stands at this path. Each problem is with the key that
    /// names the file.
    pub(in crate::config) fn read(&mut self, folder: &Path, path: &Place) -> Vec<Problem> {
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

    /// How long what its files hold is valid, each with its key.
    pub fn lives(&self) -> Vec<(&'static str, CertificateLife)> {
        fn slices(all: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
            all.iter().map(Vec::as_slice)
        }
        let ca = self.ca.as_ref().and_then(|file| CertificateLife::of_authorities(file, slices(&self.files.ca)));
        let own = self.certificate.as_ref().and_then(|file| CertificateLife::of_chain(file, slices(&self.files.chain)));
        ca.map(|life| ("ca", life)).into_iter().chain(own.map(|life| ("certificate", life))).collect()
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
