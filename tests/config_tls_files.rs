//! A file for TLS that holds something else is refused when the configuration is read.

use crate::support::{
    problems::problems,
    tls_server::{Authority, Folder},
};

/// An encrypted key as OpenSSL once wrote it.
const LEGACY_KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                          AAAA\n-----END RSA PRIVATE KEY-----\n";

#[test]
fn files_for_tls_that_hold_something_else_are_refused_with_their_key() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (one, another) = (authority.sign("one", &[]), authority.sign("another", &[]));
    let bad_der = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let certificate = folder.write("good.pem", one.certificate_pem());
    let key = folder.write("good.key", one.key_pem());
    let no_certificates: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "holds no certificate; it must be PEM, BEGIN CERTIFICATE"),
        ("text", b"not a certificate".to_vec(), "holds no certificate; it must be PEM"),
        ("bytes", vec![0xff, 0xfe, 0x00, 0x80], "holds no certificate; it must be PEM"),
        ("key", one.key_pem().into(), "holds no certificate; it must be PEM"),
        (
            "base64",
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_vec(),
            "is damaged; it must be PEM, from BEGIN to END CERTIFICATE",
        ),
        (
            "open",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec(),
            "is damaged; it must be PEM, from BEGIN to END CERTIFICATE",
        ),
        ("der", bad_der("CERTIFICATE").into(), "holds a certificate that cannot be read"),
        (
            "both",
            [one.certificate_pem(), bad_der("CERTIFICATE")].concat().into(),
            "holds a certificate that cannot be read",
        ),
    ];
    let no_keys: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "holds no private key; it must be PEM, BEGIN PRIVATE KEY"),
        ("text", b"not a key".to_vec(), "holds no private key; it must be PEM"),
        ("bytes", vec![0xff, 0xfe, 0x00, 0x80], "holds no private key; it must be PEM"),
        ("certificate", one.certificate_pem().into(), "holds no private key; it must be PEM"),
        ("encrypted", bad_der("ENCRYPTED PRIVATE KEY").into(), "is encrypted; decrypt it with openssl pkey"),
        ("legacy", LEGACY_KEY.into(), "is encrypted; decrypt it with openssl pkey"),
        ("der", bad_der("PRIVATE KEY").into(), "cannot be used with the certificate"),
        ("other", another.key_pem().into(), "does not fit the certificate; name the key that it was issued for"),
    ];
    let check = |key: &str, name: &str, contents: &[u8], part: &str, others: &str| {
        let file = folder.write(&format!("{key}-{name}"), contents);
        let file = file.display();
        let found = problems(&format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: \"a:1\", tls: {{{key}: \"{file}\"{others}}}}}]\n"
        ));
        let start = format!("f.yaml:2: servers[0].tls.{key}: {file} {part}");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{found:#?}\n{start}");
        assert!(found[0].contains("; "), "no remedy: {}", found[0]);
    };
    for (name, contents, part) in no_certificates {
        check("ca", name, &contents, part, "");
        check("certificate", name, &contents, part, &format!(", key: \"{}\"", key.display()));
    }
    for (name, contents, part) in no_keys {
        check("key", name, &contents, part, &format!(", certificate: \"{}\"", certificate.display()));
    }
}
