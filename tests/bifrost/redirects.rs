//! The redirects of the real Bifrost name the scheme http, whatever its clients speak. Behind TLS they lead nowhere,
//! unless the edge repairs them.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::{
    server::{RealBifrost, provider},
    support::{
        edge::{CLIENTS, Edge, servers_yaml},
        in_time::Printed,
        nobody_yet,
        tls_terminator::TlsTerminator,
    },
};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

/// A terminator in front of this address, or of what is started for its own.
fn terminated(connect: impl FnOnce(&str) -> SocketAddr) -> (TlsTerminator, String) {
    let port = nobody_yet().port();
    let origin = format!("https://localhost:{port}");
    let connect = connect(&origin);
    (TlsTerminator::start(port, connect), origin)
}

/// A client that follows redirects posts a message to `/mcp/`: how it ends, and where.
fn post(origin: &str, ca: &Path) -> Result<String, String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--location", "--data", INITIALIZE, "--cacert"]).arg(ca);
    curl.args(["--write-out", "\n%{http_code} %{num_redirects} %{url_effective}"]).arg(format!("{origin}/mcp/"));
    let output = curl.printed().expect("curl is not installed");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn without_the_edge_a_redirect_behind_tls_leads_nowhere() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let (terminator, origin) = terminated(|_| bifrost.address);
    let answer = post(&origin, &terminator.ca());
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn with_the_edge_it_leads_to_the_path_without_the_slash() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let mut edge = None;
    let (terminator, origin) = terminated(|origin| {
        let yaml = format!("public_urls: [\"{origin}\"]\n{}{CLIENTS}", servers_yaml(&[bifrost.address]));
        edge.insert(Edge::start(&yaml)).address
    });
    let answer = post(&origin, &terminator.ca()).unwrap();
    assert!(answer.contains("\"protocolVersion\""), "{answer}");
    assert!(answer.ends_with(&format!("\n200 1 {origin}/mcp")), "{answer}");
}
