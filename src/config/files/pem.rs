//! PEM files (RFC 7468): certificates, authorities, keys.

use std::{fs, path::Path};

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

/// The certificates in a file; at least one. `shown` is the file as the operator named it.
pub(super) fn read_certificates(file: &Path, shown: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (pem, shown) = (read(file, shown)?, shown.display());
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates =
        certificates.map_err(|_| format!("{shown} is damaged; it must be PEM, from BEGIN to END CERTIFICATE"))?;
    if certificates.is_empty() {
        return Err(format!("{shown} holds no certificate; it must be PEM, BEGIN CERTIFICATE"));
    }
    for certificate in &certificates {
        // Pingora reads them with this parser, and cannot do without.
        x509_parser::parse_x509_certificate(certificate)
            .map_err(|error| format!("{shown} holds a certificate that cannot be read: {error}; make it anew"))?;
    }
    Ok(certificates)
}

/// The authorities that the certificates in a file are.
pub(super) fn authorities(certificates: &[CertificateDer<'static>], shown: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.clone()).map_err(|error| {
            format!("{} holds a certificate of no authority: {error}; name another file", shown.display())
        })?;
    }
    Ok(store)
}

/// The private key in a file.
pub(super) fn read_key(file: &Path, shown: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read(file, shown)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key(shown, &pem))
}

/// A certificate with its chain, and its key, which is the one in the file that is shown.
pub(super) fn pair(
    shown: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, String> {
    let shown = shown.display();
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{shown} does not fit the certificate; name the key that it was issued for")
        }
        error => format!("{shown} cannot be used with the certificate: {error}; make both anew"),
    })
}

fn no_key(shown: &Path, pem: &[u8]) -> String {
    // Of PKCS #8 and of the older formats (RFC 1421 section 4.6.1.1).
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    let shown = shown.display();
    if is_encrypted.iter().any(|mark| pem.windows(mark.len()).any(|found| found == *mark)) {
        return format!("{shown} is encrypted; decrypt it with openssl pkey -in KEY -out NEW_KEY");
    }
    format!("{shown} holds no private key; it must be PEM, BEGIN PRIVATE KEY")
}

fn read(file: &Path, shown: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{} cannot be read: {error}; name a file that is there", shown.display()))
}
