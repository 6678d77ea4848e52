//! Real MCP clients, which nobody here wrote, log in and call a tool through a running edge, over
//! plain HTTP and behind a TLS terminator. Not one request for discovery reaches the server.

use std::{path::Path, process::Command};

use crate::support::{
    bifrost::{Bifrost, Mode},
    edge::{CLIENTS, Edge, bifrost_and_edge, servers_yaml},
    interop::{installed, printed},
    nobody_yet,
    tls_server::Trust,
    tls_terminator::TlsTerminator,
    tools::lacks,
};

/// One of the official SDKs.
struct Client {
    name: &'static str,
    /// The program and its first argument, both relative: `.env` is where they are installed.
    command: &'static [&'static str],
}

const PYTHON_V1: Client = Client { name: "python-v1", command: &[".env/python-v1/bin/python", "python-v1/login.py"] };
const PYTHON_V2: Client = Client { name: "python-v2", command: &[".env/python-v2/bin/python", "python-v2/login.py"] };
const NODE_V1: Client = Client { name: "node-v1", command: &["node", "node-v1/login.mjs"] };
const NODE_V2: Client = Client { name: "node-v2", command: &["node", "node-v2/login.mjs"] };
const RUST_RMCP: Client = Client { name: "rust-rmcp", command: &[".env/rmcp-target/debug/interop-rust-rmcp"] };

impl Client {
    /// Logs in at the MCP server of this URL and returns what the client saw.
    fn log_in(&self, url: &str, ca: Option<&Path>) -> serde_json::Value {
        let installed = installed(self.name);
        let program = match self.command[0].strip_prefix(".env/") {
            Some(program) => installed.join(program),
            None => self.command[0].into(),
        };
        let mut command = Command::new(program);
        command.args(&self.command[1..]).arg(url).env("BIFROST_VIRTUAL_KEY", Bifrost::VIRTUAL_KEY);
        serde_json::from_str(&printed(self.name, &mut command, ca)).unwrap()
    }
}

/// What every login must have come to.
fn logged_in(seen: &serde_json::Value, origin: &str, bifrost: &Bifrost) {
    logged_in_by(seen, origin, "/api/oauth/per-user/token", bifrost);
}

/// The same, with the token from this endpoint.
fn logged_in_by(seen: &serde_json::Value, origin: &str, token: &str, bifrost: &Bifrost) {
    logged_in_at(seen, origin, origin, token, bifrost);
}

/// The same at a public URL on this origin.
fn logged_in_at(seen: &serde_json::Value, origin: &str, url: &str, token: &str, bifrost: &Bifrost) {
    assert_eq!(seen["issuer"], url);
    assert_eq!(seen["authorize_url_origin"], origin);
    assert_eq!(seen["tools"], serde_json::json!(["count"]));
    assert_eq!(seen["result"], "counted to 3");
    assert_eq!(seen["progress"], 3);
    let pages: Vec<_> = seen["browser_urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    assert!(pages.contains(&format!("{url}/oauth/consent").as_str()), "{pages:?}");
    assert!(pages.iter().all(|page| page.starts_with(&format!("{url}/"))), "{pages:?}");
    assert!(bifrost.recorded().iter().any(|request| request.target == token));
    assert!(bifrost.discovery_requests().is_empty(), "{:?}", bifrost.discovery_requests());
}

fn over_http(client: &Client) {
    if lacks(&[client.name, "openssl"]) {
        return;
    }
    let (bifrost, edge) = bifrost_and_edge();
    let origin = format!("http://{}", edge.host());
    logged_in(&client.log_in(&format!("{origin}/mcp"), None), &origin, &bifrost);
}

fn behind_tls(client: &Client) {
    if lacks(&[client.name, "openssl", "stunnel"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let port = nobody_yet().port();
    let origin = format!("https://localhost:{port}");
    let urls = format!("public_urls: [\"{origin}\"]\n");
    let edge = Edge::with(&[bifrost.address()], &format!("{urls}{CLIENTS}"));
    let terminator = TlsTerminator::start(port, edge.address);
    logged_in(&client.log_in(&format!("{origin}/mcp"), Some(&terminator.ca())), &origin, &bifrost);
}

/// Over the edge's own TLS.
fn over_tls(client: &Client) {
    if lacks(&[client.name, "openssl"]) {
        return;
    }
    let (bifrost, trust) = (Bifrost::start(), Trust::new());
    let edge = trust.edge_with_tls(&format!("{}{CLIENTS}", servers_yaml(&[bifrost.address()])));
    let origin = format!("https://{}", edge.host());
    logged_in(&client.log_in(&format!("{origin}/mcp"), Some(&trust.folder.path().join("ca.pem"))), &origin, &bifrost);
    assert!(edge.metric("bridgehead_tls_handshakes_total") > 0);
}

// === A Bifrost of generation B ===

/// The profile, and a table that decides nothing.
const OAUTH2: &str = "profile: oauth2\nmcp_server_auth_mode: oauth\n";
const OAUTH2_TOKEN: &str = "/oauth2/token";

/// At `/mcp` and below it, where the resource is the same.
fn oauth2_over_http(client: &Client) {
    if lacks(&[client.name, "openssl"]) {
        return;
    }
    for path in ["/mcp", "/mcp/github"] {
        let bifrost = Bifrost::of_oauth2(Mode::Oauth);
        let edge = Edge::with(&[bifrost.address()], &format!("public_urls: [\"http://localhost:{{port}}\"]\n{OAUTH2}"));
        let origin = format!("http://{}", edge.host());
        let seen = client.log_in(&format!("{origin}{path}"), None);
        logged_in_by(&seen, &origin, OAUTH2_TOKEN, &bifrost);
    }
}

fn oauth2_behind_tls(client: &Client) {
    if lacks(&[client.name, "openssl", "stunnel"]) {
        return;
    }
    let bifrost = Bifrost::of_oauth2(Mode::Oauth);
    let port = nobody_yet().port();
    let origin = format!("https://localhost:{port}");
    // As newer versions of Bifrost demand it.
    bifrost.set_issuer_url(&origin);
    let edge = Edge::with(&[bifrost.address()], &format!("public_urls: [\"{origin}\"]\n{OAUTH2}"));
    let terminator = TlsTerminator::start(port, edge.address);
    let seen = client.log_in(&format!("{origin}/mcp"), Some(&terminator.ca()));
    logged_in_by(&seen, &origin, OAUTH2_TOKEN, &bifrost);
}

/// At a gateway below a path, over the edge's own TLS: a client finds everything from `…/bifrost/mcp` alone.
fn oauth2_below_a_path(client: &Client) {
    if lacks(&[client.name, "openssl"]) {
        return;
    }
    let base = "/bifrost";
    let (bifrost, trust) = (Bifrost::of_oauth2(Mode::Oauth), Trust::new());
    bifrost.set_base_path(base);
    let edge = trust.edge_with_tls_at(base, &format!("{}{OAUTH2}", servers_yaml(&[bifrost.address()])));
    let origin = format!("https://{}", edge.host());
    let url = format!("{origin}{base}");
    bifrost.set_issuer_url(&url);
    let seen = client.log_in(&format!("{url}/mcp"), Some(&trust.folder.path().join("ca.pem")));
    logged_in_at(&seen, &origin, &url, &format!("{base}{OAUTH2_TOKEN}"), &bifrost);
    assert!(bifrost.recorded().iter().all(|request| request.target.starts_with("/bifrost/")));
}

/// A client whose access token has ended gets another one through the edge, without its user.
fn oauth2_refreshes(client: &Client) {
    if lacks(&[client.name, "openssl"]) {
        return;
    }
    let bifrost = Bifrost::of_oauth2(Mode::Oauth);
    // initialize, that it is initialized, tools/list.
    bifrost.end_access_tokens_after(3);
    let edge = Edge::with(&[bifrost.address()], &format!("public_urls: [\"http://localhost:{{port}}\"]\n{OAUTH2}"));
    let origin = format!("http://{}", edge.host());
    let seen = client.log_in(&format!("{origin}/mcp"), None);
    logged_in_by(&seen, &origin, OAUTH2_TOKEN, &bifrost);
    let pages = seen["browser_urls"].as_array().unwrap();
    let is_consent = |page: &&serde_json::Value| page.as_str() == Some(&format!("{origin}/oauth/consent"));
    assert_eq!((bifrost.refreshed(), pages.iter().filter(is_consent).count()), (1, 1), "{seen}");
}

#[test]
fn the_typescript_sdks_refresh_their_tokens() {
    for client in [&NODE_V1, &NODE_V2] {
        oauth2_refreshes(client);
    }
}

macro_rules! logins {
    ($($name:ident: $client:expr;)*) => {$(
        mod $name {
            #[test]
            fn logs_in_over_http() {
                super::over_http(&$client);
            }

            #[test]
            fn logs_in_over_tls() {
                super::over_tls(&$client);
            }

            #[test]
            fn logs_in_behind_a_tls_terminator() {
                super::behind_tls(&$client);
            }

            #[test]
            fn logs_in_with_oauth2_over_http() {
                super::oauth2_over_http(&$client);
            }

            #[test]
            fn logs_in_with_oauth2_below_a_path_over_tls() {
                super::oauth2_below_a_path(&$client);
            }

            #[test]
            fn logs_in_with_oauth2_behind_a_tls_terminator() {
                super::oauth2_behind_tls(&$client);
            }
        }
    )*};
}

logins! {
    python_sdk_1: super::PYTHON_V1;
    python_sdk_2: super::PYTHON_V2;
    typescript_sdk_1: super::NODE_V1;
    typescript_sdk_2: super::NODE_V2;
    rmcp: super::RUST_RMCP;
}
