//! How a configured server is connected to: as a peer of Pingora's, and with TLS by the edge itself.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use log::error;
use once_cell::sync::Lazy;
use pingora::{
    protocols::ALPN,
    tls::load_platform_certs_incl_env_into_store,
    upstreams::peer::{H1UpgradePolicy, HttpPeer},
    utils::tls::{CertKey, WrappedX509, parse_x509},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};

use crate::{config, edge::tcp::TCP_KEEPALIVE};

/// TLS to a server, for HTTP/1.1.
pub(in crate::edge) struct ServerTls {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
}

/// The authorities that the system trusts, read once. An edge that could not read them does not start.
static SYSTEM_AUTHORITIES: Lazy<Result<Arc<RootCertStore>, String>> = Lazy::new(|| {
    let mut store = RootCertStore::empty();
    load_platform_certs_incl_env_into_store(&mut store).map_err(|error| {
        format!("the certificates that the system trusts cannot be read: {error}; mend them, or SSL_CERT_FILE")
    })?;
    Ok(Arc::new(store))
});

/// Tells whether the certificates that the system trusts can be read: Pingora does not start without.
///
/// # Errors
/// Why not.
pub fn system_authorities() -> Result<(), String> {
    SYSTEM_AUTHORITIES.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Makes the peer that every address of a configured server is made from.
pub(super) fn prototype(server: &config::Server) -> HttpPeer {
    let any: std::net::SocketAddr = ([0, 0, 0, 0], 0).into();
    // An address that is no name cannot fail to resolve.
    let mut peer = HttpPeer::new(any, server.tls.is_some(), tls_name(server).unwrap_or_default());
    if let Some(tls) = &server.tls {
        let certificates = |list: &[Vec<u8>]| -> Vec<WrappedX509> {
            list.iter().map(|certificate| WrappedX509::new(certificate.clone(), parse_x509)).collect()
        };
        peer.options.ca = (!tls.files.ca.is_empty()).then(|| certificates(&tls.files.ca).into());
        if !tls.files.chain.is_empty() {
            peer.client_cert_key = Some(Arc::new(CertKey::new(tls.files.chain.clone(), tls.files.key.clone())));
        }
    }
    peer.options.alpn = match (server.http2, &server.tls) {
        (true, Some(_)) => ALPN::H2H1,
        (true, None) => ALPN::H2,
        (false, _) => ALPN::H1,
    };
    peer.options.max_h2_streams = H2_STREAMS;
    // WebSockets are forwarded by the edge itself.
    peer.options.http_upstream_request_policy.h1_upgrade = H1UpgradePolicy::Deny;
    peer.options.tcp_keepalive = Some(TCP_KEEPALIVE);
    peer.group_key = group(server);
    peer
}

/// Requests that share one HTTP/2 connection to a server.
const H2_STREAMS: usize = 100;

fn tls_name(server: &config::Server) -> Option<String> {
    server.tls.as_ref().map(|tls| match &tls.server_name {
        Some(name) => name.as_str().to_owned(),
        None => server.address.host().to_owned(),
    })
}

/// Keeps the idle connections of servers with one address and different settings apart.
pub(super) fn group(server: &config::Server) -> u64 {
    let mut hasher = DefaultHasher::new();
    server.http2.hash(&mut hasher);
    tls_name(server).hash(&mut hasher);
    server.tls.as_ref().map(|tls| &tls.files).hash(&mut hasher);
    hasher.finish()
}

impl ServerTls {
    /// Compiles the `tls` of a server, if it has one. Its files have been checked when the configuration was; should
    /// it be of no use all the same, no connection is made, least of all one without TLS.
    pub(super) fn of(server: &config::Server) -> Option<Result<Self, String>> {
        let tls = server.tls.as_ref()?;
        let compiled = Self::compile(&tls_name(server)?, &tls.files);
        Some(compiled.inspect_err(|why| error!("server {}: its tls cannot be used: {why}", server.address)))
    }

    fn compile(name: &str, files: &config::TlsFiles) -> Result<Self, String> {
        let authorities = if files.ca.is_empty() {
            Arc::clone(SYSTEM_AUTHORITIES.as_ref()?)
        } else {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(files.ca.iter().map(|certificate| CertificateDer::from_slice(certificate)));
            Arc::new(store)
        };
        let config = ClientConfig::builder().with_root_certificates(authorities);
        let mut config = if files.chain.is_empty() {
            config.with_no_client_auth()
        } else {
            let chain = files.chain.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::try_from(files.key.clone())?;
            config.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        Ok(ServerTls { config: Arc::new(config), name })
    }
}
