//! A certificate that does not hold, or not for long, is told of wherever an operator looks.

use std::{
    fs, io,
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::support::{
    PATIENCE,
    edge::Edge,
    in_time::Printed,
    program::{Running, bridgehead},
    until,
};

/// So many days from now, in seconds since 1970.
fn days_from_now(days: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.checked_add_signed(days * 86_400).unwrap()
}

/// Writes a certificate for this name that holds from and to these days from now.
fn write(folder: &Path, file: &str, name: &str, from: i64, to: i64) {
    write_with(folder, file, name, (from, to), &KeyPair::generate().unwrap());
}

fn write_with(folder: &Path, file: &str, name: &str, (from, to): (i64, i64), key: &KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let moment = |days| date_time_ymd(1970, 1, 1) + Duration::from_secs(days_from_now(days));
    (params.not_before, params.not_after) = (moment(from), moment(to));
    fs::write(folder.join(format!("{file}.pem")), params.self_signed(key).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
}

/// A configuration with these pairs, in the same folder.
fn configuration(folder: &Path, pairs: &[&str], more: &str) -> std::path::PathBuf {
    let pairs: Vec<_> = pairs.iter().map(|pair| format!("{{certificate: {pair}.pem, key: {pair}.key}}")).collect();
    let file = folder.join("proxy.yaml");
    let text = format!(
        "listeners: [{{address: \"127.0.0.1:0\", tls: {{certificates: [{}]}}}}]\n\
         public_urls: [\"https://h\"]\nprofile: per_user_oauth\n\
         servers: [{{address: \"127.0.0.1:1\"}}]\n{more}\n",
        pairs.join(", ")
    );
    fs::write(&file, text).unwrap();
    file
}

/// What a command says, and whether it succeeds.
fn said(command: &[&str], file: &Path) -> (bool, String) {
    let output = bridgehead().args(command).arg("--config").arg(file).printed().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn check_and_verify_warn_of_each_that_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "good", "good.example", -1, 15);
    write(folder, "soon", "soon.example", -1, 13);
    write(folder, "late", "late.example", -9, -2);
    write(folder, "early", "early.example", 2, 99);
    let more = "servers: [{address: \"127.0.0.1:1\", tls: {certificate: soon.pem, key: soon.key, ca: late.pem}}]";
    let file = configuration(folder, &["good", "soon", "late", "early"], "");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("servers: [{address: \"127.0.0.1:1\"}]", more))
        .unwrap();
    for command in [&["check"][..], &["verify"]] {
        let (_, said) = said(command, &file);
        for (key, words) in [
            ("listeners[0].tls.certificates[1].certificate", "the certificate of soon.example in soon.pem expires on "),
            ("listeners[0].tls.certificates[2].certificate", "the certificate of late.example in late.pem expired on "),
            ("listeners[0].tls.certificates[3].certificate", "of early.example in early.pem is not valid before "),
            ("servers[0].tls.ca", "the certificate of late.example in late.pem expired on "),
            ("servers[0].tls.certificate", "the certificate of soon.example in soon.pem expires on "),
        ] {
            let line = said.lines().find(|line| line.contains(&format!("{key}: ")));
            assert!(line.is_some_and(|line| line.contains(words) && line.contains("warning")), "{key} {said}");
        }
        assert!(!said.contains("good.example"), "{said}");
    }
    assert!(said(&["check"], &file).0 && !said(&["check", "--strict"], &file).0);
    // When it is too soon, the configuration says.
    let file = configuration(folder, &["good", "soon"], "tls: {expires_soon: 12d}");
    assert!(said(&["check", "--strict"], &file).0);
    let file = configuration(folder, &["good"], "tls: {expires_soon: 16d}");
    assert!(!said(&["check", "--strict"], &file).0);
}

#[test]
fn the_log_says_whose_pair_is_taken_and_until_when() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "edge", "gw.example", -9, -1);
    let mut running = Running::start(&configuration(folder, &["edge"], ""));
    running.wait_for("edge.pem for gw.example, valid until ");
    let until_when = UNIX_EPOCH + Duration::from_secs(days_from_now(60));
    write(folder, "edge", "new.example", -1, 60);
    let line = running.wait_for("new certificates are used from now on: ");
    let date = humantime::format_rfc3339_seconds(until_when).to_string();
    // To the day, which may end right now.
    let expected = format!("edge.pem for new.example, valid until {}", &date[..8]);
    assert!(line.contains(&expected), "{line}");
    write(folder, "edge", "late.example", -9, -1);
    running.wait_for("the certificate of late.example in edge.pem expired on ");
}

#[test]
fn the_metric_and_the_status_say_what_is_used_now() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "edge", "gw.example", -1, 3);
    let tls = "tls: {certificates: [{certificate: edge.pem, key: edge.key}]}"
        .replace("edge.", &format!("{}/edge.", folder.display()));
    let edge = Edge::listening(&tls, "servers: []\n");
    let file = folder.join("edge.pem");
    let sample = |name: &str| {
        format!("bridgehead_certificate_not_after_seconds{{file=\"{}\",name=\"{name}\"}} ", file.display())
    };
    let ends = |name: &str| {
        let metrics = edge.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&sample(name)).map(str::to_owned));
        line.map(|value| value.parse::<f64>().unwrap())
    };
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 9999")]
    let days = |days| days_from_now(days) as f64;
    let warnings = || edge.ask_admin("/status").json()["configuration"]["warnings"].to_string();
    until("it is told of", || ends("gw.example").is_some());
    assert!((ends("gw.example").unwrap() - days(3)).abs() < 600.0);
    assert!(warnings().contains("the certificate of gw.example"), "{}", warnings());
    write(folder, "edge", "new.example", -1, 60);
    until("the new one is used", || ends("new.example").is_some());
    assert_eq!(ends("gw.example"), None);
    assert!((ends("new.example").unwrap() - days(60)).abs() < 600.0);
    assert!(!warnings().contains("certificate of"), "{}", warnings());
    let status = edge.ask_admin("/status").json();
    assert_eq!(status["certificates"][0]["name"], "new.example");
    assert_eq!(status["certificates"][0]["trouble"], serde_json::Value::Null);
}

/// A client that takes only these signatures, and believes all of them.
#[derive(Debug)]
struct Taking(Vec<SignatureScheme>);

impl ServerCertVerifier for Taking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// The certificate that such a client gets (RFC 8446 section 4.4.2.2).
fn served_to(edge: &Edge, name: &str, schemes: Vec<SignatureScheme>) -> io::Result<Vec<u8>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().dangerous();
    let config = builder.with_custom_certificate_verifier(Arc::new(Taking(schemes))).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect(edge.address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(session.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn of_two_pairs_for_a_name_a_client_gets_the_one_it_can_verify() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [ed25519, ecdsa] = [&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256].map(|kind| KeyPair::generate_for(kind).unwrap());
    write_with(folder, "one", "gw.example", (-1, 60), &ed25519);
    write_with(folder, "two", "gw.example", (-1, 60), &ecdsa);
    let pair = |file: &str| {
        format!("{{certificate: {folder}/{file}.pem, key: {folder}/{file}.key}}", folder = folder.display())
    };
    let edge = Edge::listening(&format!("tls: {{certificates: [{}, {}]}}", pair("one"), pair("two")), "servers: []\n");
    let der = |file: &str| CertificateDer::from_pem_file(folder.join(format!("{file}.pem"))).unwrap().to_vec();
    for name in ["gw.example", "other.example"] {
        let both = vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256];
        assert_eq!(served_to(&edge, name, both).unwrap(), der("one"), "{name}");
        assert_eq!(served_to(&edge, name, vec![SignatureScheme::ED25519]).unwrap(), der("one"), "{name}");
        let ecdsa = vec![SignatureScheme::ECDSA_NISTP256_SHA256];
        assert_eq!(served_to(&edge, name, ecdsa).unwrap(), der("two"), "{name}");
    }
}
