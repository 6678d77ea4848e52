//! The plugin: answers discovery on a session of any Pingora proxy.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::{Error, ErrorType, OrErr, Result, http::ResponseHeader, protocols::http::date::get_cached_date};
use pingora_proxy::Session;

use super::client::{After, Client, ClientStream, Written, connection_lines, drain};
use crate::{
    config::Config,
    discovery::{Answer, Asked, Discovery, Request, Verdict},
    framing::write,
    trust::TrustedProxies,
};

/// MCP OAuth discovery for the `request_filter` of any Pingora proxy.
///
/// ```
/// use async_trait::async_trait;
/// use bridgehead::{config::Loaded, edge::DiscoveryFilter};
/// use pingora::{Result, upstreams::peer::HttpPeer};
/// use pingora_proxy::{ProxyHttp, Session};
///
/// struct MyProxy {
///     discovery: DiscoveryFilter,
/// }
///
/// #[async_trait]
/// impl ProxyHttp for MyProxy {
///     type CTX = ();
///     fn new_ctx(&self) {}
///
///     async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
///         // True when the response has been written; everything else goes on to the upstream.
///         self.discovery.answer(session).await
///     }
///
///     async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
///         Ok(Box::new(HttpPeer::new(("127.0.0.1", 8080), false, String::new())))
///     }
/// }
///
/// let loaded = Loaded::from_file("conf/proxy.yaml".as_ref())?;
/// let proxy = MyProxy { discovery: DiscoveryFilter::new(&loaded.config) };
/// assert!(proxy.discovery.discovery().is_on());
/// # Ok::<(), bridgehead::config::Problems>(())
/// ```
pub struct DiscoveryFilter {
    discovery: Discovery,
    /// The discovery's answers, in the form that Pingora writes.
    prepared: Vec<Prepared>,
    trusted: Arc<TrustedProxies>,
}

pub(super) struct Prepared {
    header: ResponseHeader,
    /// The same as HTTP/1.1 has it, but for `Date` and `Connection`.
    head: Bytes,
    body: Bytes,
}

/// A field that is said of one request alone.
pub(super) type Field<'a> = (&'static str, &'a HeaderValue);

/// The answer to a request for discovery.
pub(super) struct Decided<'a> {
    /// What was asked for, and of which site.
    pub asked: Asked,
    answer: DecidedAnswer<'a>,
}

enum DecidedAnswer<'a> {
    Prepared(&'a Prepared),
    /// For its own host: there are no public URLs.
    Derived(Box<Prepared>),
}

impl DiscoveryFilter {
    /// Compiles the discovery part of a configuration: `public_urls`, `profile`, `mcp_server_auth_mode`,
    /// `claude_code_gateway`, `discovery`, `mcp_clients`, and `trusted_proxies` where there are no public URLs.
    pub fn new(config: &Config) -> Self {
        Self::with_trusted(config, Arc::new(TrustedProxies::new(&config.edge.trusted_proxies)))
    }

    pub(crate) fn with_trusted(config: &Config, trusted: Arc<TrustedProxies>) -> Self {
        let discovery = Discovery::compile(&config.sites);
        DiscoveryFilter { prepared: discovery.answers().iter().map(Prepared::new).collect(), discovery, trusted }
    }

    /// The discovery that is answered.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// Answers the request if it is for discovery. True: the response has been written. False: it is
    /// not for discovery, and nothing was done.
    ///
    /// # Errors
    /// When the client cannot be read from or written to.
    pub async fn answer(&self, session: &mut Session) -> Result<bool> {
        let Some(decided) = self.decide(session) else { return Ok(false) };
        decided.write(session, None).await?;
        Ok(true)
    }

    /// The answer to the request, if it is for discovery.
    pub(super) fn decide(&self, session: &Session) -> Option<Decided<'_>> {
        let header = session.req_header();
        let target = header.uri.path_and_query().map_or("/", |target| target.as_str());
        let client = Client::of(session, &self.trusted);
        let verdict = self.discovery.decide(&Request {
            method: &header.method,
            target: target.as_bytes(),
            host: client.host(),
            scheme: client.scheme(),
            if_none_match: header.headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes),
        });
        match verdict {
            Verdict::NotOurs => None,
            Verdict::Prepared(id, asked) => {
                Some(Decided { asked, answer: DecidedAnswer::Prepared(&self.prepared[id.0]) })
            }
            Verdict::Derived(answer, asked) => {
                Some(Decided { asked, answer: DecidedAnswer::Derived(Box::new(Prepared::new(&answer))) })
            }
        }
    }
}

impl Decided<'_> {
    pub(super) fn status(&self) -> StatusCode {
        self.prepared().header.status
    }

    /// Writes the answer, with this field besides, and tells what of it the session has not heard of.
    pub(super) async fn write(&self, session: &mut Session, field: Option<Field<'_>>) -> Result<Option<Written>> {
        self.prepared().write(session, field).await
    }

    fn prepared(&self) -> &Prepared {
        match &self.answer {
            DecidedAnswer::Prepared(prepared) => prepared,
            DecidedAnswer::Derived(prepared) => prepared,
        }
    }
}

impl Prepared {
    fn new(answer: &Answer) -> Self {
        let mut head = Vec::with_capacity(512);
        write::status_line(&mut head, answer.status, answer.status.canonical_reason().unwrap_or_default().as_bytes());
        // Two more: Pingora adds Date and Connection.
        let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 2))
            .expect("a status of the http crate is a status");
        for (name, value) in &answer.headers {
            let name = title_case(name);
            write::field(&mut head, name.as_bytes(), value.as_bytes());
            header.append_header(name, value).expect("a header of the http crate is a header");
        }
        Prepared { header, head: head.into(), body: answer.body.clone() }
    }

    async fn write(&self, session: &mut Session, field: Option<Field<'_>>) -> Result<Option<Written>> {
        drain(session).await;
        let sends_body = session.req_header().method != Method::HEAD && !self.body.is_empty();
        if let Some(client) = ClientStream::of(session) {
            let body = if sends_body { &self.body[..] } else { &[] };
            let after = After::small_response(session, client);
            let (date, connection) = (get_cached_date(), connection_lines(after == After::Request));
            let sent = match field {
                None => client.send(&[&self.head, b"Date: ", date.as_bytes(), connection, body], after).await,
                Some((name, value)) => {
                    let mut head = self.head.to_vec();
                    write::field(&mut head, name.as_bytes(), value.as_bytes());
                    client.send(&[&head, b"Date: ", date.as_bytes(), connection, body], after).await
                }
            };
            sent.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)?;
            return Ok(Some(Written { status: self.header.status, body: body.len() as u64 }));
        }
        // Past the modules: nothing here is to be compressed or rewritten.
        let downstream = session.as_downstream_mut();
        let mut header = Box::new(self.header.clone());
        if let Some((name, value)) = field {
            header.insert_header(name, value)?;
        }
        downstream.write_response_header(header).await?;
        if sends_body {
            downstream.write_response_body(self.body.clone(), true).await?;
        }
        Ok(None)
    }
}

/// A header name as people and old scripts write it; case means nothing (RFC 9110 section 5.1).
fn title_case(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join("-")
}
