//! A response as the client gets it.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode};
use once_cell::unsync::OnceCell;
use pingora::{Result, http::ResponseHeader, protocols::http::date::get_cached_date};
use pingora_proxy::Session;
use smallvec::SmallVec;

use crate::{
    config::PublicUrl,
    discovery::{
        Origins,
        repair::{Repair, exposes_challenges},
    },
    edge::{
        client::Client,
        exchange::{Exchange, IdField, X_BRIDGEHEAD_REQUEST_ID, X_REQUEST_ID},
    },
    framing::{Body, Kind, ResponseHead, write},
};

/// What the edge changes in a response.
pub(in crate::edge) struct ResponseRules<'a> {
    session: &'a Session,
    exchange: &'a Exchange,
    request_id: HeaderValue,
    status: StatusCode,
    nominated: SmallVec<[&'a [u8]; 4]>,
}

const EXPOSED: &str = "Access-Control-Expose-Headers";

impl<'a> ResponseRules<'a> {
    /// Begins with a response of this status, whose `Connection` names these fields.
    pub fn new(
        session: &'a Session,
        exchange: &'a mut Exchange,
        status: StatusCode,
        nominated: SmallVec<[&'a [u8]; 4]>,
    ) -> Self {
        let request_id = exchange.request_id().clone();
        ResponseRules { session, exchange, request_id, status, nominated }
    }

    /// Hands on the fields of a response as the client gets them, and those that the edge adds; not those that say where
    /// the body ends, and what becomes of the connection. Whether the server says when it was made.
    fn each<'f>(&self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>, mut put: impl FnMut(&[u8], &[u8])) -> bool {
        let repair = OnceCell::new();
        let mut has_date = false;
        let mut is_exposed = self.status != StatusCode::UNAUTHORIZED;
        let (mut has_usual_id, mut has_id) = (false, false);
        for (name, value) in fields {
            if !passes(name, self.status, &self.nominated) {
                continue;
            }
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            let repaired = match name.len() {
                4 => {
                    has_date |= is("date");
                    None
                }
                8 if is("location") => self.repair(&repair, |repair| repair.location(value)),
                12 | 20 => {
                    let id = IdField::of(name).filter(|_| !value.is_empty());
                    has_usual_id |= id == Some(IdField::Usual);
                    has_id |= id.is_some();
                    None
                }
                16 if is("www-authenticate") => self.repair(&repair, |repair| repair.challenge(value)),
                29 if is(EXPOSED) => {
                    is_exposed |= exposes_challenges(value);
                    None
                }
                _ => None,
            };
            put(name, repaired.as_deref().unwrap_or(value));
        }
        if !is_exposed {
            // Lets a web page of another origin read the challenge (Fetch standard).
            put(EXPOSED.as_bytes(), b"WWW-Authenticate");
        }
        if has_id {
            put(X_BRIDGEHEAD_REQUEST_ID.as_bytes(), self.request_id.as_bytes());
        }
        if !has_usual_id {
            put(X_REQUEST_ID.as_bytes(), self.request_id.as_bytes());
        }
        has_date
    }

    /// Repairs a value, if the edge knows better than the server. Found out once for a response.
    fn repair(
        &self,
        found: &OnceCell<Option<Repair<'a>>>,
        repaired: impl FnOnce(&Repair<'a>) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let repair = found.get_or_init(|| {
            let snapshot = &self.exchange.snapshot;
            let origins = snapshot.discovery.discovery().origins();
            Repair::new(own_url(&Client::of(self.session, &snapshot.trusted), origins)?, origins)
        });
        repaired(repair.as_ref()?)
    }

    /// Writes the head for a client of HTTP/1.1, or 1.0.
    pub fn write(&self, head: &mut Vec<u8>, response: &ResponseHead<'_>, body: Option<Body>, keeps: bool) {
        head.reserve(1024);
        write::status_line(head, response.status, response.reason);
        let has_date = self.each(response.fields(), |name, value| write::field(head, name, value));
        if let Some(body) = body {
            write::framing(head, body);
        }
        if !has_date {
            // One that has none gets one on its way (RFC 9110 section 6.6.1).
            write::field(head, b"Date", get_cached_date().as_bytes());
        }
        write::field(head, b"Connection", if keeps { b"keep-alive" } else { b"close" });
        write::end(head);
    }

    /// Writes the head of a 101 that opens a WebSocket.
    pub fn write_switch(&self, head: &mut Vec<u8>, response: &ResponseHead<'_>) {
        write::status_line(head, response.status, response.reason);
        self.each(response.fields(), |name, value| write::field(head, name, value));
        each_of_switch(|name, value| write::field(head, name, value));
        write::end(head);
    }

    /// Makes the head of a 101 that a session of Pingora's writes.
    pub fn switch_header(&self, response: &ResponseHead<'_>) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build(response.status, Some(8))?;
        let mut appended = Ok(true);
        let mut put = |name: &[u8], value: &[u8]| append(&mut header, &mut appended, name, value);
        self.each(response.fields(), &mut put);
        each_of_switch(put);
        appended?;
        Ok(header)
    }

    /// Makes the head that a session of Pingora's writes.
    pub fn header(&self, response: &ResponseHead<'_>, body: Option<Body>) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build(response.status, Some(16))?;
        header.set_reason_phrase(std::str::from_utf8(response.reason).ok())?;
        let mut appended = Ok(true);
        let mut put = |name: &[u8], value: &[u8]| append(&mut header, &mut appended, name, value);
        self.each(response.fields(), &mut put);
        match body {
            Some(Body::Length(length)) => put(b"Content-Length", length.to_string().as_bytes()),
            Some(Body::Chunked) => put(b"Transfer-Encoding", b"chunked"),
            None => {}
        }
        appended?;
        Ok(header)
    }

    /// Applies the rules to a head that Pingora has read.
    pub fn apply(&self, response: &ResponseHeader) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build(response.status, Some(response.headers.len() + 2))?;
        header.set_version(response.version);
        let fields = || response.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let mut appended = Ok(true);
        let mut put = |name: &[u8], value: &[u8]| append(&mut header, &mut appended, name, value);
        self.each(fields(), &mut put);
        fields().filter(|(name, _)| Kind::of(name) == Kind::Framing).for_each(|(name, value)| put(name, value));
        appended?;
        Ok(header)
    }
}

/// Writes the head of an interim response (RFC 9110 section 15.2).
pub(in crate::edge) fn write_interim(head: &mut Vec<u8>, response: &ResponseHead<'_>) {
    write::status_line(head, response.status, response.reason);
    each_of_interim(response, |name, value| write::field(head, name, value));
    write::end(head);
}

/// Makes the head of an interim response that a session of Pingora's writes.
pub(in crate::edge) fn interim_header(response: &ResponseHead<'_>) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(response.status, Some(4))?;
    let mut appended = Ok(true);
    each_of_interim(response, |name, value| append(&mut header, &mut appended, name, value));
    appended?;
    Ok(header)
}

fn each_of_interim(response: &ResponseHead<'_>, mut put: impl FnMut(&[u8], &[u8])) {
    let nominated = response.nominated();
    for (name, value) in response.fields().filter(|(name, _)| passes(name, response.status, &nominated)) {
        put(name, value);
    }
}

fn each_of_switch(mut put: impl FnMut(&[u8], &[u8])) {
    put(b"Connection", b"Upgrade");
    put(b"Upgrade", b"websocket");
}

/// Adds a field to a head of Pingora's. What has been found well formed is a field there, too.
fn append(header: &mut ResponseHeader, appended: &mut Result<bool>, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (String::from_utf8(name.to_vec()), HeaderValue::from_bytes(value))
        && appended.is_ok()
    {
        *appended = header.append_header(name, value);
    }
}

/// Whether a field of the server's is for the client (RFC 9110 section 7.6.1).
fn passes(name: &[u8], status: StatusCode, nominated: &[&[u8]]) -> bool {
    let may_upgrade = status == StatusCode::UPGRADE_REQUIRED;
    match Kind::of(name) {
        Kind::HopByHop | Kind::Framing => false,
        Kind::Upgrade => may_upgrade,
        // Of an edge behind this one: there is one name by which this edge knows the request.
        Kind::Other if IdField::of(name) == Some(IdField::Edge) => false,
        _ => !nominated.iter().any(|nominated| name.eq_ignore_ascii_case(nominated)),
    }
}

/// The public URL that the request is for, or the origin that is derived from it.
pub(in crate::edge) fn own_url<'a>(client: &Client<'_>, origins: &'a Origins) -> Option<Cow<'a, PublicUrl>> {
    origins.of_request(client.host()?, client.path(), client.scheme())
}
