//! These servers in the configuration of an edge, and whom it trusts.

use super::{Authority, Folder, Identity, Server, Speaks};
use crate::support::edge::{Edge, PUBLIC_URLS};

/// The protocols that a server offers.
pub const HTTP_1: &[&str] = &["http/1.1"];
pub const BOTH: &[&str] = &["h2", "http/1.1"];

/// An authority whose certificate is a file.
pub struct Trust {
    pub authority: Authority,
    pub folder: Folder,
    /// `ca: …` of a configuration.
    pub ca: String,
}

impl Trust {
    pub fn new() -> Self {
        let (authority, folder) = (Authority::new(), Folder::new());
        let ca = folder.write("ca.pem", authority.pem());
        Trust { ca: format!("ca: \"{}\"", ca.display()), authority, folder }
    }

    /// A server with a certificate for its address.
    pub fn server(&self, protocols: &[&str]) -> Server {
        Server::start(Speaks::tls(&self.identity(), protocols))
    }

    pub fn identity(&self) -> Identity {
        self.authority.sign("a server", &["127.0.0.1", "localhost"])
    }

    /// An edge that speaks TLS with a certificate of this authority for localhost, where its public URL is.
    pub fn edge_with_tls(&self, yaml: &str) -> Edge {
        self.edge_with_tls_at("", yaml)
    }

    /// The same with a public URL that has this path.
    pub fn edge_with_tls_at(&self, path: &str, yaml: &str) -> Edge {
        let identity = self.identity();
        let certificate = self.folder.write("edge.pem", identity.certificate_pem());
        let key = self.folder.write("edge.key", identity.key_pem());
        let pair = format!("certificate: \"{}\", key: \"{}\"", certificate.display(), key.display());
        let urls = format!("public_urls: [\"https://localhost:{{port}}{path}\"]\n");
        Edge::listening(&format!("tls: {{certificates: [{{{pair}}}]}}"), &format!("{urls}{yaml}"))
    }

    /// Writes a client's certificate and key; returns the keys of a configuration that name them.
    pub fn client(&self, common_name: &str) -> String {
        let identity = self.authority.sign(common_name, &[]);
        let certificate = self.folder.write(&format!("{common_name}.pem"), identity.certificate_pem());
        let key = self.folder.write(&format!("{common_name}.key"), identity.key_pem());
        format!("certificate: \"{}\", key: \"{}\"", certificate.display(), key.display())
    }

    /// This server in a configuration, over TLS and with this authority.
    pub fn over_tls(&self, server: &Server) -> String {
        over(server, &self.ca, false)
    }

    /// The same with HTTP/2.
    pub fn over_http2(&self, server: &Server) -> String {
        over(server, &self.ca, true)
    }
}

/// This server in a configuration, with these settings for TLS.
pub fn over(server: &Server, tls: &str, http2: bool) -> String {
    format!("{{address: \"{}\", http2: {http2}, tls: {{{tls}}}}}", server.address())
}

/// This server in a configuration, with prior knowledge of HTTP/2.
pub fn over_h2c(server: &Server) -> String {
    format!("{{address: \"{}\", http2: true}}", server.address())
}

/// A configuration with these servers and options.
pub fn yaml(servers: &[String], more: &str) -> String {
    format!("{PUBLIC_URLS}servers: [{}]\n{more}", servers.join(", "))
}

/// An edge in front of this server.
pub fn edge(server: String) -> Edge {
    Edge::start(&yaml(&[server], ""))
}

/// Runs a promise of HTTP/2 over TLS and with prior knowledge.
pub fn both_ways(promise: impl Fn(&Server, String)) {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    promise(&server, trust.over_http2(&server));
    let server = Server::start(Speaks::h2c());
    promise(&server, over_h2c(&server));
}
