//! Clients connect with TLS: the certificate for the name they ask for, the versions and protocols that are
//! spoken, and their own certificates.

use std::io::{ErrorKind, Write};

use bridgehead::{
    config::Loaded,
    process::{Inherited, Process},
};
use rustls::{
    ProtocolVersion, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, servers_yaml},
    raw,
    tls_client::{self, TlsClient},
    tls_server::{Authority, Folder, Identity},
    until,
};

/// An authority, its certificates as files, and a Bifrost.
struct Setup {
    bifrost: Bifrost,
    authority: Authority,
    folder: Folder,
}

impl Setup {
    fn new() -> Self {
        Setup { bifrost: Bifrost::start(), authority: Authority::new(), folder: Folder::new() }
    }

    /// Writes a certificate for these names, and returns the entry of a configuration that names it.
    fn certificate(&self, names: &[&str]) -> String {
        write(&self.folder, names[0].trim_start_matches("*."), &self.authority.sign(names[0], names))
    }

    fn edge(&self, tls: &str) -> Edge {
        let yaml = format!(
            "public_urls: [\"https://localhost:{{port}}\"]\n{}{CLIENTS}",
            servers_yaml(&[self.bifrost.address()])
        );
        Edge::listening(&format!("tls: {{{tls}}}"), &yaml)
    }

    fn client(&self) -> TlsClient {
        TlsClient::trusting(&self.authority)
    }
}

/// Writes a certificate and its key, and returns the entry of a configuration that names both.
fn write(folder: &Folder, name: &str, identity: &Identity) -> String {
    let certificate = folder.write(&format!("{name}.pem"), identity.certificate_pem());
    let key = folder.write(&format!("{name}.key"), identity.key_pem());
    format!("{{certificate: \"{}\", key: \"{}\"}}", certificate.display(), key.display())
}

#[test]
fn a_request_over_tls_is_served_and_its_scheme_is_https() {
    let setup = Setup::new();
    let edge = setup.edge(&format!("certificates: [{}]", setup.certificate(&["localhost"])));
    let mut client = setup.client().connect(&edge, "localhost").unwrap();
    let document = client.get("/.well-known/oauth-authorization-server");
    assert!(document.contains(&format!("\"issuer\":\"https://localhost:{}\"", edge.address.port())), "{document}");
    assert!(client.get("/echo").contains("\"target\":\"/echo\""));
    let seen = setup.bifrost.recorded();
    assert_eq!(seen[0].header("x-forwarded-proto"), Some("https"));
    assert_eq!(edge.metric("bridgehead_tls_handshakes_total"), 1);
}

#[test]
fn a_client_gets_the_certificate_for_the_name_it_asks_for_or_else_the_first() {
    let setup = Setup::new();
    let certificates = [&["first.example"][..], &["localhost", "other.example"], &["*.wild.example"]]
        .map(|names| setup.certificate(names));
    let edge = setup.edge(&format!("certificates: [{}]", certificates.join(", ")));
    for (asked, served) in [
        ("first.example", "first.example"),
        ("localhost", "localhost"),
        ("OTHER.example", "localhost"),
        ("a.wild.example", "*.wild.example"),
        ("a.b.wild.example", "first.example"),
        ("wild.example", "first.example"),
        ("unknown.example", "first.example"),
    ] {
        assert_eq!(setup.client().without_names().served_to(&edge, Some(asked)), served, "{asked}");
    }
    assert_eq!(setup.client().without_names().served_to(&edge, None), "first.example");
}

#[test]
fn versions_and_protocols_are_those_of_the_configuration() {
    let setup = Setup::new();
    let certificate = setup.certificate(&["localhost"]);
    let versions = |tls: &str, version: &'static SupportedProtocolVersion| {
        let edge = setup.edge(&format!("certificates: [{certificate}]{tls}"));
        setup.client().speaking(version).connect(&edge, "localhost").ok().and_then(|client| client.version())
    };
    assert_eq!(versions("", &TLS12), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(versions("", &TLS13), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(versions(", oldest: \"1.3\"", &TLS12), None);
    assert_eq!(versions(", oldest: \"1.3\"", &TLS13), Some(ProtocolVersion::TLSv1_3));

    let protocol = |http2: &str, offered: &[&str]| {
        let yaml = servers_yaml(&[setup.bifrost.address()]);
        let edge = Edge::listening(&format!("tls: {{certificates: [{certificate}]}}{http2}"), &yaml);
        let client = setup.client().offering(offered).connect(&edge, "localhost").map_err(|_| "refused")?;
        Ok(client.protocol().map(|protocol| String::from_utf8(protocol).unwrap()))
    };
    let is = |text: &str| Ok::<_, &str>(Some(text.to_owned()));
    assert_eq!(protocol("", &["h2", "http/1.1"]), is("h2"));
    assert_eq!(protocol("", &["http/1.1"]), is("http/1.1"));
    assert_eq!(protocol("", &[]), Ok(None));
    assert_eq!(protocol(", http2: false", &["h2", "http/1.1"]), is("http/1.1"));
    assert_eq!(protocol("", &["spdy/3"]), Err("refused"));
}

#[test]
fn requests_of_http_2_over_tls_are_served() {
    let setup = Setup::new();
    let edge = setup.edge(&format!("certificates: [{}]", setup.certificate(&["localhost"])));
    let answers = tls_client::over_http2(
        &setup.client().offering(&["h2"]),
        &edge,
        &["/echo", "/.well-known/oauth-protected-resource"],
    );
    assert_eq!(answers.map(|(status, _)| status), [200, 200]);
    assert_eq!(setup.bifrost.recorded()[0].header("x-forwarded-proto"), Some("https"));
}

#[test]
fn clients_show_a_certificate_when_they_must() {
    let setup = Setup::new();
    let authority = Authority::new();
    let ca = setup.folder.write("clients.pem", authority.pem());
    let tls = format!("certificates: [{}], client_ca: \"{}\"", setup.certificate(&["localhost"]), ca.display());
    let good = || setup.client().showing(authority.sign("a client", &[]));
    let wrong = || setup.client().showing(Authority::new().sign("a stranger", &[]));
    let is_served = |edge: &Edge, client: TlsClient| {
        client
            .connect(edge, "localhost")
            .is_ok_and(|mut client| client.try_get("/echo").is_ok_and(|answer| answer.contains("200 OK")))
    };
    let edge = setup.edge(&tls);
    assert!(is_served(&edge, good()));
    assert!(!is_served(&edge, wrong()));
    assert!(!is_served(&edge, setup.client()));
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"tls_handshake\"}"), 2);
    let edge = setup.edge(&format!("{tls}, client_certificates: optional"));
    assert!(is_served(&edge, good()));
    assert!(!is_served(&edge, wrong()));
    assert!(is_served(&edge, setup.client()));
}

#[test]
fn new_certificates_are_used_and_no_connection_is_dropped() {
    let setup = Setup::new();
    let edge = setup.edge(&format!("certificates: [{}]", setup.certificate(&["localhost"])));
    let serial = || setup.client().serial_served_by(&edge);
    let first = serial();
    let mut old = setup.client().connect(&edge, "localhost").unwrap();
    assert!(old.get("/echo").contains("200 OK"));
    setup.certificate(&["localhost"]);
    until("the new certificate is served", || serial() != first);
    assert!(old.get("/echo").contains("200 OK"), "the connection from before goes on");

    // A key of another certificate: nothing changes until it fits.
    let second = serial();
    let third = setup.authority.sign("localhost", &["localhost"]);
    setup.folder.write("localhost.key", third.key_pem());
    let refused = "bridgehead_certificate_reloads_total{result=\"refused\"}";
    until("the pair is looked at", || edge.metric(refused) == 1);
    assert_eq!(serial(), second, "a pair that does not fit is not used");
    setup.folder.write("localhost.pem", third.certificate_pem());
    until("the third certificate is served", || serial() != second);
    assert!(old.get("/echo").contains("200 OK"));
}

/// The end of its connection is the end of an answer in HTTP/1.0, and many a client does not ask TLS whether it is one.
#[test]
fn an_answer_cut_short_is_never_passed_off_as_whole() {
    let setup = Setup::new();
    let certificate = setup.certificate(&["localhost"]);
    let ask = |end: &'static [u8]| {
        let server = raw::serve_one(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(&[raw::CHUNKED, b"5\r\nhello\r\n", end].concat()).unwrap();
        });
        let edge = Edge::listening(&format!("tls: {{certificates: [{certificate}]}}"), &servers_yaml(&[server]));
        let request = format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", edge.host());
        setup.client().connect(&edge, "localhost").unwrap().ask_to_the_end(&request)
    };
    assert!(ask(b"0\r\n\r\n").unwrap().ends_with("\r\n\r\nhello"));
    assert_eq!(ask(b"").unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_is_no_tls_is_closed_and_counted() {
    let setup = Setup::new();
    let yaml = format!("{}limits: {{head_time: 300ms}}\n", servers_yaml(&[setup.bifrost.address()]));
    let edge = Edge::listening(&format!("tls: {{certificates: [{}]}}", setup.certificate(&["localhost"])), &yaml);
    let mut plain = edge.connect();
    plain.send("SSH-2.0-OpenSSH_9.2\r\n");
    plain.read_to_end();
    assert!(edge.connect().is_closed(), "a client that says nothing is not waited for");
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"tls_handshake\"}"), 2);
    assert!(setup.bifrost.recorded().is_empty());
}

#[test]
fn a_certificate_that_cannot_be_read_is_named_as_that() {
    let setup = Setup::new();
    let yaml = format!(
        "listeners:\n- {{address: \"127.0.0.1:0\"}}\n- {{address: \"127.0.0.1:0\", tls: {{certificates: [{}, {}]}}}}\nservers: []\n",
        setup.certificate(&["one.example"]),
        setup.certificate(&["two.example"]),
    );
    let config = Loaded::from_text("f.yaml".as_ref(), &yaml).unwrap().config;
    // It was there when the configuration was checked.
    let key = setup.folder.path().join("two.example.key");
    std::fs::remove_file(&key).unwrap();
    let error = Process::bind(&config, Inherited::default()).err().unwrap().to_string();
    let expected = format!("listeners[1].tls.certificates[1].key: {}", key.display());
    assert!(error.starts_with(&expected) && error.contains("; "), "{error}");
    assert!(!error.contains("listen on") && !error.contains("0.0.0.0"), "{error}");
}
