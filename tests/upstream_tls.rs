//! A server behind TLS is reached as the configuration says, and only then.

use std::{net::TcpListener, process::Command};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, NO_ANSWER, UNREACHABLE, is_error},
    in_time::Printed,
    tls_server::{BOTH, HTTP_1, Server, Speaks, Trust, edge, over, yaml},
    tools::lacks,
    until,
};

// === Whom the edge trusts ===

#[test]
fn a_server_of_its_own_authority_is_forwarded_to() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(format!("{{address: \"localhost:{}\", tls: {{{}}}}}", server.port(), trust.ca));
    let told = edge.get("/v1/models?x=1").json();
    assert_eq!((told["version"].as_str(), told["sni"].as_str()), (Some("HTTP/1.1"), Some("localhost")));
    assert_eq!((told["method"].as_str(), told["path"].as_str()), (Some("GET"), Some("/v1/models?x=1")));
    assert_eq!(told["host"].as_str(), Some(edge.host().as_str()));
    assert_eq!(edge.post("/v1/chat/completions").json()["body"], 2);
    until("a connection is used again", || edge.get("/").status == 200 && server.is_reused());
}

#[test]
fn a_server_of_another_authority_is_502_and_gets_no_request() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        for tls in [other.ca.as_str(), ""] {
            let edge = edge(over(&server, tls, http2));
            is_error(&edge.get("/"), 502, UNREACHABLE);
            is_error(&edge.post("/"), 502, UNREACHABLE);
        }
    }
    assert!(server.saw().is_empty());
}

#[test]
fn a_server_with_a_certificate_for_another_name_is_502_and_gets_no_request() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls(&trust.authority.sign("a server", &["bifrost.test"]), BOTH));
    for http2 in [false, true] {
        is_error(&edge(over(&server, &trust.ca, http2)).get("/"), 502, UNREACHABLE);
        let tls = format!("{}, server_name: other.test", trust.ca);
        is_error(&edge(over(&server, &tls, http2)).get("/"), 502, UNREACHABLE);
    }
    assert!(server.saw().is_empty());
}

#[test]
fn server_name_is_the_name_that_is_asked_for_and_verified() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls(&trust.authority.sign("a server", &["bifrost.test"]), BOTH));
    for (http2, version) in [(false, "HTTP/1.1"), (true, "HTTP/2.0")] {
        let edge = edge(over(&server, &format!("{}, server_name: bifrost.test", trust.ca), http2));
        let told = edge.get("/").json();
        assert_eq!((told["sni"].as_str(), told["version"].as_str()), (Some("bifrost.test"), Some(version)));
    }
}

#[test]
fn a_server_given_by_its_ip_address_needs_that_address_in_its_certificate() {
    let trust = Trust::new();
    let right = Server::start(Speaks::tls(&trust.authority.sign("a server", &["127.0.0.1"]), HTTP_1));
    let wrong = Server::start(Speaks::tls(&trust.authority.sign("127.0.0.1", &["127.0.0.2"]), HTTP_1));
    let told = edge(trust.over_tls(&right)).get("/").json();
    // An IP address is no SNI (RFC 6066 section 3).
    assert!(told["sni"].is_null(), "{told}");
    is_error(&edge(trust.over_tls(&wrong)).get("/"), 502, UNREACHABLE);
    let named = format!("{}, server_name: \"127.0.0.2\"", trust.ca);
    assert_eq!(edge(over(&wrong, &named, false)).get("/").status, 200);
}

#[test]
fn relative_files_are_beside_the_configuration() {
    let trust = Trust::new();
    let _files = trust.client("edge");
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let tls = "ca: ca.pem, certificate: edge.pem, key: ./edge.key";
    let edge = Edge::start_in(trust.folder.path(), &yaml(&[over(&server, tls, false)], ""));
    assert_eq!(edge.get("/").json()["client"], "edge");
}

#[test]
fn a_server_that_speaks_no_tls_is_502_and_gets_no_request() {
    let bifrost = Bifrost::start();
    let edge = edge(format!("{{address: \"{}\", tls: {{}}}}", bifrost.address()));
    is_error(&edge.get("/"), 502, UNREACHABLE);
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_server_that_does_not_finish_its_handshake_is_504() {
    // The system accepts the connection, nobody answers on it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("{{address: \"{}\", tls: {{}}}}", silent.local_addr().unwrap());
    let edge = Edge::start(&yaml(&[server], "timeouts: {connect: 300ms}\n"));
    is_error(&edge.get("/"), 504, "the Bifrost server did not accept the connection in time");
}

#[test]
fn a_server_over_tls_that_does_not_answer_is_504() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = Edge::start(&yaml(&[trust.over_tls(&server)], "timeouts: {first_byte: 300ms}\n"));
    is_error(&edge.get("/hang"), 504, NO_ANSWER);
    is_error(&edge.post("/hang"), 504, NO_ANSWER);
    // One request each: what may have been understood is not sent again.
    assert_eq!(server.saw().len(), 2);
}

// === The edge's own certificate ===

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_edges_own() {
    let trust = Trust::new();
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let client = trust.client("edge");
    for http2 in [false, true] {
        let edge = edge(over(&server, &format!("{}, {client}", trust.ca), http2));
        assert_eq!(edge.get("/").json()["client"], "edge");
        assert_eq!(edge.post("/").json()["client"], "edge");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_502_without_one_and_with_anothers() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    for http2 in [false, true] {
        for tls in [trust.ca.clone(), format!("{}, {}", trust.ca, other.client("edge"))] {
            let edge = edge(over(&server, &tls, http2));
            assert_eq!(edge.get("/").status, 502);
            assert_eq!(edge.post("/").status, 502);
        }
    }
    assert!(server.saw().is_empty());
}

#[test]
fn keys_of_every_kind_are_shown() {
    if lacks(&["openssl"]) {
        return;
    }
    let trust = Trust::new();
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), HTTP_1));
    let ca_key = trust.folder.write("ca.key", trust.authority.key_pem());
    for (name, generate) in [
        ("pkcs1", vec!["genrsa", "-traditional", "2048"]),
        ("sec1", vec!["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
        ("ed25519", vec!["genpkey", "-algorithm", "ed25519"]),
    ] {
        let key = trust.folder.write(&format!("{name}.key"), openssl(&generate));
        let (key, ca_key) = (key.to_str().unwrap(), ca_key.to_str().unwrap());
        let request = trust.folder.write("request", openssl(&["req", "-new", "-key", key, "-subj", "/CN=edge"]));
        let ca = trust.folder.path().join("ca.pem");
        let extensions = trust.folder.write("extensions", "extendedKeyUsage=clientAuth\n");
        let (request, ca, extensions) = (request.to_str().unwrap(), ca.to_str().unwrap(), extensions.to_str().unwrap());
        let sign = ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-extfile", extensions];
        let certificate = openssl(&sign);
        let certificate = trust.folder.write(&format!("{name}.pem"), certificate);
        let tls = format!("{}, certificate: \"{}\", key: \"{key}\"", trust.ca, certificate.display());
        let response = edge(over(&server, &tls, false)).get("/");
        assert_eq!(response.status, 200, "{name}: {response:?}");
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).printed().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
