//! Asks a server with a GET on a connection of its own, beside the requests of clients: for its health, its
//! discovery documents, its MCP clients.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use pingora::{
    Error, ErrorType, OrErr, Result,
    connectors::{ConnectorOptions, http::Connector},
    http::RequestHeader,
    protocols::http::client::HttpSession,
    upstreams::peer::HttpPeer,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::api::{CLIENTS, ClientList, Credentials, Named, Page, Pages, page_path, refusal};

/// Asks with connections of its own, so that a server that has stopped to listen is found out.
pub struct Asker(Connector);

/// One question.
pub(super) struct Get<'a> {
    pub host: &'a str,
    pub path: &'a str,
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// Of the body, in bytes; more is not read.
    pub most: usize,
}

/// The response to it. A redirect is a response like any other.
pub(super) struct Got {
    pub status: StatusCode,
    pub content_type: Option<String>,
    /// `None` when it was longer than wanted.
    pub body: Option<Bytes>,
}

/// Whose MCP clients are asked for.
pub(super) struct Api<'a> {
    pub peer: HttpPeer,
    pub host: &'a str,
    /// What stands before the paths of the API.
    pub prefix: &'a str,
    pub credentials: Option<&'a Credentials>,
}

/// A list of MCP clients, or one page of it, must be there within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// And be no longer than this.
const MOST_BYTES: usize = 32 * 1024 * 1024;

impl Api<'_> {
    /// What says who asks.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.credentials.into_iter().flat_map(Credentials::headers).collect()
    }
}

impl Asker {
    /// Needs the [system's certificates](crate::edge::system_authorities), as any connector of Pingora's.
    #[expect(clippy::new_without_default, reason = "it would panic without the certificates of the system")]
    pub fn new() -> Self {
        Asker(Connector::new(Some(ConnectorOptions::new(0))))
    }

    /// One GET to the server behind the peer.
    pub(super) async fn get(&self, peer: &HttpPeer, get: &Get<'_>) -> Result<Got> {
        let mut request = RequestHeader::build("GET", get.path.as_bytes(), Some(4 + get.headers.len()))?;
        request.insert_header(header::HOST, get.host)?;
        request.insert_header(header::USER_AGENT, USER_AGENT)?;
        for (name, value) in get.headers {
            request.insert_header(name, value)?;
        }
        if peer.options.alpn.get_max_http_version() == 1 {
            request.insert_header(header::CONNECTION, "close")?;
        }
        let (mut connection, _) = self.0.get_http_session(peer).await?;
        if matches!(connection, HttpSession::H2(_)) {
            // Pingora would say https to any server, and the host twice.
            let scheme = if peer.is_tls() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(get.host).path_and_query(get.path);
            request.set_uri(uri.build().or_err(ErrorType::InternalError, "the URI of a question")?);
            request.remove_header(&header::HOST);
        }
        connection.write_request_header(Box::new(request)).await?;
        connection.finish_request_body().await?;
        let (status, content_type) = loop {
            connection.read_response_header().await?;
            match connection.response_header() {
                Some(head) if head.status.is_informational() => {}
                Some(head) => {
                    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
                    break (head.status, content_type.map(str::to_owned));
                }
                None => return Error::e_explain(ErrorType::ConnectionClosed, "no answer"),
            }
        };
        // Read to its end, or the server would see its response refused.
        let mut body = Some(BytesMut::new());
        while let Some(piece) = connection.read_response_body().await? {
            body = body.filter(|body| body.len() + piece.len() <= get.most);
            let Some(body) = &mut body else { break };
            body.extend_from_slice(&piece);
        }
        connection.shutdown().await;
        Ok(Got { status, content_type, body: body.map(BytesMut::freeze) })
    }

    /// One of the lists of MCP clients.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn clients<T>(&self, api: &Api<'_>, list: ClientList) -> Result<Vec<T>, String>
    where
        T: DeserializeOwned + Named,
    {
        let first = match list {
            ClientList::Memory => CLIENTS.to_owned(),
            ClientList::Database => page_path(0),
        };
        let mut pages = Pages::default();
        let mut next = pages.add(self.page(api, &first).await?);
        while let Some(offset) = next {
            next = pages.add(self.page(api, &page_path(offset)).await?);
        }
        Ok(pages.into_clients())
    }

    async fn page<T: DeserializeOwned>(&self, api: &Api<'_>, path: &str) -> Result<Page<T>, String> {
        let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
        headers.extend(api.headers());
        let path = format!("{}{path}", api.prefix);
        let get = Get { host: api.host, path: &path, headers: &headers, most: MOST_BYTES };
        let got = match timeout(PATIENCE, self.get(&api.peer, &get)).await {
            Ok(Ok(got)) => got,
            Ok(Err(error)) => return Err(format!("{CLIENTS}: {}", why(&error))),
            Err(_) => return Err(format!("{CLIENTS}: no answer within {PATIENCE:?}")),
        };
        let fault = match got.status {
            StatusCode::OK => match got.body {
                Some(body) => return Page::read(&body),
                None => format!("an answer longer than {} MiB", MOST_BYTES / (1024 * 1024)),
            },
            status if status.is_redirection() => {
                format!("{}, a redirect, which is not followed", status.as_u16())
            }
            status => refusal(status, api.credentials).unwrap_or_else(|| format!("status {}", status.as_u16())),
        };
        Err(format!("{CLIENTS}: {fault}"))
    }
}

/// Why there was no response, for a person.
pub(super) fn why(error: &Error) -> String {
    error.root_cause().to_string()
}

const USER_AGENT: &str = concat!("bridgehead/", env!("CARGO_PKG_VERSION"));
