//! The answers of discovery, as the edge writes them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use pingora::{Error, ErrorType, OrErr, Result, protocols::http::date::get_cached_date};
use pingora_proxy::Session;

use crate::{
    config::Config,
    discovery::{Answer, Asked, Discovery, Verdict},
    edge::client::{After, Client, ClientStream, Written, connection_lines},
    framing::write,
    plugin::{
        prepared::{self, drain, title_case},
        request,
    },
    trust::TrustedProxies,
};

/// Discovery, compiled from one configuration.
pub struct DiscoveryAnswers {
    discovery: Discovery,
    /// The discovery's answers, in the forms in which they are written.
    prepared: Vec<Prepared>,
    trusted: Arc<TrustedProxies>,
}

struct Prepared {
    /// For a session of Pingora's.
    of_pingora: prepared::Prepared,
    /// The head as HTTP/1.1 has it, but for `Date` and `Connection`.
    head: Bytes,
}

/// The answer to a request for discovery.
pub(in crate::edge) struct Decided<'a> {
    /// What was asked for, and of which site.
    pub asked: Asked,
    answer: DecidedAnswer<'a>,
}

enum DecidedAnswer<'a> {
    Prepared(&'a Prepared),
    /// For its own host: there are no public URLs.
    Derived(Box<Prepared>),
}

impl DiscoveryAnswers {
    /// Compiles the discovery of all sites.
    pub fn new(config: &Config, trusted: Arc<TrustedProxies>) -> Self {
        let discovery = Discovery::compile(&config.sites);
        DiscoveryAnswers { prepared: discovery.answers().iter().map(Prepared::new).collect(), discovery, trusted }
    }

    /// The discovery that is answered.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The answer to the request, if it is for discovery.
    pub(in crate::edge) fn decide(&self, session: &Session) -> Option<Decided<'_>> {
        let client = Client::of(session, &self.trusted);
        let (answer, asked) = match self.discovery.decide(&request::of_session(session, client.scheme())) {
            Verdict::NotOurs => return None,
            Verdict::Prepared(id, asked) => (DecidedAnswer::Prepared(&self.prepared[id.0]), asked),
            Verdict::Derived(answer, asked) => (DecidedAnswer::Derived(Box::new(Prepared::new(&answer))), asked),
        };
        Some(Decided { asked, answer })
    }
}

impl Decided<'_> {
    pub fn status(&self) -> StatusCode {
        self.prepared().status()
    }

    /// Writes the answer, with this field besides, and tells what of it the session has not heard of.
    pub async fn write(
        &self,
        session: &mut Session,
        field: Option<(&'static str, &HeaderValue)>,
    ) -> Result<Option<Written>> {
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
        for (name, value) in &answer.headers {
            write::field(&mut head, title_case(name).as_bytes(), value.as_bytes());
        }
        Prepared { of_pingora: prepared::Prepared::new(answer), head: head.into() }
    }

    async fn write(
        &self,
        session: &mut Session,
        field: Option<(&'static str, &HeaderValue)>,
    ) -> Result<Option<Written>> {
        drain(session).await;
        let body = if self.of_pingora.sends_body(session) { &self.of_pingora.body[..] } else { &[] };
        let Some(client) = ClientStream::of(session) else {
            self.of_pingora.write(session, field).await?;
            return Ok(None);
        };
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
        Ok(Some(Written { status: self.status(), body: body.len() as u64 }))
    }

    fn status(&self) -> StatusCode {
        self.of_pingora.header.status
    }
}
