//! The active check of a server: one GET on a connection of its own.

use http::{StatusCode, Uri, header};
use pingora::{
    Error, ErrorType, OrErr,
    connectors::{ConnectorOptions, http::Connector},
    http::RequestHeader,
    protocols::http::client::HttpSession,
    upstreams::peer::HttpPeer,
};
use tokio::time::timeout;

use super::connect::WatchedConnector;
use crate::config::HealthChecks;

/// Checks servers with connections of its own, so that a server that has stopped to listen is found out.
pub(super) struct Checker(Connector<WatchedConnector>);

impl Checker {
    pub fn new() -> Self {
        let options = ConnectorOptions::new(0);
        Checker(Connector::new_custom(Some(options.clone()), WatchedConnector::new(options)))
    }

    /// One check of the server behind the peer, whose name is `host`.
    ///
    /// # Errors
    /// What was bad about it.
    pub async fn check(&self, peer: &HttpPeer, host: &str, options: &HealthChecks) -> Result<(), String> {
        match timeout(options.timeout, self.ask(peer, host, options)).await {
            Ok(Ok(status)) if options.statuses.iter().any(|good| good.0 == status) => Ok(()),
            Ok(Ok(status)) => Err(format!("status {}", status.as_u16())),
            Ok(Err(error)) => Err(error.root_cause().to_string()),
            Err(_) => Err(format!("no answer within {:?}", options.timeout)),
        }
    }

    async fn ask(&self, peer: &HttpPeer, host: &str, options: &HealthChecks) -> Result<StatusCode, Box<Error>> {
        let mut request = RequestHeader::build("GET", options.path.as_bytes(), Some(3))?;
        request.insert_header(header::HOST, host)?;
        request.insert_header(header::USER_AGENT, USER_AGENT)?;
        if peer.options.alpn.get_max_http_version() == 1 {
            request.insert_header(header::CONNECTION, "close")?;
        }
        let (mut connection, _) = self.0.get_http_session(peer).await?;
        if matches!(connection, HttpSession::H2(_)) {
            // Pingora would say https to any server, and the host twice.
            let scheme = if peer.is_tls() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(options.path.as_str());
            request.set_uri(uri.build().or_err(ErrorType::InternalError, "the URI of a health check")?);
            request.remove_header(&header::HOST);
        }
        connection.write_request_header(Box::new(request)).await?;
        connection.finish_request_body().await?;
        let status = loop {
            connection.read_response_header().await?;
            match connection.response_header().map(|head| head.status) {
                Some(status) if status.is_informational() => {}
                Some(status) => break status,
                None => return Error::e_explain(ErrorType::ConnectionClosed, "no answer"),
            }
        };
        // Read to its end, or the server would see its answer refused.
        for _ in 0..MOST_PIECES {
            if connection.read_response_body().await?.is_none() {
                break;
            }
        }
        connection.shutdown().await;
        Ok(status)
    }
}

const USER_AGENT: &str = concat!("bifrost-edge/", env!("CARGO_PKG_VERSION"));

/// Of the body of an answer.
const MOST_PIECES: usize = 64;
