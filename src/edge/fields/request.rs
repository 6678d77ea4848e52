//! A request as a server gets it.

use std::borrow::Cow;

use http::{HeaderValue, Method, Version, header};
use pingora::{
    Result,
    http::{HeaderNameVariant, RequestHeader},
};
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::response::own_url;
use crate::{
    config::{PublicUrl, Scheme},
    edge::{
        client::{Client, X_FORWARDED_FOR, address_value},
        exchange::{Exchange, X_REQUEST_ID},
    },
    framing::{Body, Kind, items, write},
    plugin::request,
    telemetry::tracing::{TRACEPARENT, TRACESTATE},
};

/// What the edge tells a server of the client.
pub(in crate::edge) struct RequestRules<'a> {
    is_trusted: bool,
    forwarded_for: HeaderValue,
    real_ip: HeaderValue,
    scheme: Scheme,
    host: Option<&'a [u8]>,
    request_id: HeaderValue,
    /// The value of `traceparent`, and whether the client's `tracestate` goes on: where the edge traces.
    trace: Option<([u8; 55], bool)>,
}

const X_FORWARDED_HOST: &str = "X-Forwarded-Host";

impl<'a> RequestRules<'a> {
    /// Finds out who the client is, as far as it is believed.
    pub fn of(session: &'a Session, exchange: &mut Exchange) -> Self {
        let address = exchange.client(session);
        let request_id = exchange.request_id().clone();
        let snapshot = &exchange.snapshot;
        let client = Client::of(session, &snapshot.trusted);
        let (peer, is_trusted) = (client.peer_value(), client.is_trusted());
        let real_ip = if address == client.peer() { peer.clone() } else { address_value(address) };
        let forwarded_for = if is_trusted { forwarded_for(&peer, session.req_header()) } else { peer };
        let own = own_url(&client, snapshot.discovery.discovery().origins());
        let scheme = own.as_deref().map_or_else(|| client.scheme(), PublicUrl::scheme);
        let trace = exchange.trace.as_ref().map(|trace| (trace.traceparent(), trace.keeps_state));
        RequestRules { is_trusted, forwarded_for, real_ip, scheme, host: request::host(session), request_id, trace }
    }

    /// Whether a field of the client's goes on as it is.
    fn passes(&self, name: &[u8], kind: Kind) -> bool {
        match kind {
            Kind::Trace => match self.trace {
                Some((_, keeps_state)) => keeps_state && name.eq_ignore_ascii_case(TRACESTATE.as_bytes()),
                None => true,
            },
            Kind::HopByHop | Kind::Upgrade | Kind::Own | Kind::RequestId | Kind::Framing => false,
            Kind::Trust => self.is_trusted,
            Kind::Host | Kind::Cookie | Kind::Credentials | Kind::Date | Kind::Other => true,
        }
    }

    /// The fields that the edge sets. The host is a trusted proxy's to tell.
    fn set(&self, has_forwarded_host: bool) -> impl Iterator<Item = (&'static str, &[u8])> {
        let host = self.host.filter(|_| !has_forwarded_host).map(|host| (X_FORWARDED_HOST, host));
        [
            ("X-Forwarded-For", self.forwarded_for.as_bytes()),
            ("X-Forwarded-Proto", self.scheme.as_str().as_bytes()),
            ("X-Real-IP", self.real_ip.as_bytes()),
            (X_REQUEST_ID, self.request_id.as_bytes()),
        ]
        .into_iter()
        .chain(host)
        .chain(self.trace.iter().map(|(traceparent, _)| (TRACEPARENT, &traceparent[..])))
    }

    /// Applies the rules to a head that Pingora writes. It has seen to the fields for the next hop, and to the framing.
    /// `server` is whom it is for where a client of HTTP/1.0 does not say so: HTTP/2 cannot do without.
    pub fn apply(&self, upstream: &mut RequestHeader, server: &str) -> Result<()> {
        if self.host.is_none_or(<[u8]>::is_empty) {
            upstream.insert_header(header::HOST, server)?;
        }
        let is_dropped = |name: &&http::HeaderName| match Kind::of(name.as_ref()) {
            kind @ (Kind::Trust | Kind::Trace) => !self.passes(name.as_ref(), kind),
            _ => false,
        };
        let names: SmallVec<[_; 8]> = upstream.headers.keys().filter(is_dropped).cloned().collect();
        for name in names {
            upstream.remove_header(&name);
        }
        if let Some(cookie) = single_cookie(&upstream.headers) {
            upstream.insert_header(header::COOKIE, HeaderValue::from_bytes(&cookie).unwrap_or(EMPTY))?;
        }
        for (name, value) in self.set(upstream.headers.contains_key(X_FORWARDED_HOST)) {
            upstream.insert_header(name, HeaderValue::from_bytes(value).unwrap_or(EMPTY))?;
        }
        if let Cow::Owned(target) = origin_form(upstream) {
            upstream.set_raw_path(&target)?;
        }
        Ok(())
    }
}

const EMPTY: HeaderValue = HeaderValue::from_static("");

/// Writes the head of the request for a server of HTTP/1.1.
pub(in crate::edge) fn write_request(
    head: &mut Vec<u8>,
    session: &Session,
    exchange: &mut Exchange,
    body: Option<Body>,
) {
    let is_websocket = exchange.is_websocket;
    let rules = RequestRules::of(session, exchange);
    let request = session.req_header();
    write::request_line(head, request.method.as_str().as_bytes(), &origin_form(request));
    // Ahead of all others (RFC 9110 section 7.2). One there must be: an empty one where a client of HTTP/1.0 has none.
    write::field(head, b"Host", rules.host.unwrap_or_default());
    let nominated: SmallVec<[&[u8]; 4]> = items(&request.headers, header::CONNECTION).collect();
    let is_old = request.version == Version::HTTP_10;
    let mut has_cookie = false;
    let mut has_forwarded_host = false;
    let passed = request.map(|name, value| {
        let name = match &name {
            HeaderNameVariant::Case(name) => name.as_slice(),
            HeaderNameVariant::Titled(name) => name.as_bytes(),
        };
        let kind = Kind::of(name);
        let is_nominated = || nominated.iter().any(|nominated| name.eq_ignore_ascii_case(nominated));
        if kind == Kind::Host || !rules.passes(name, kind) || is_nominated() {
            return Ok(());
        }
        // HTTP/1.0 knows no 100 (RFC 9110 section 10.1.1).
        if is_old && name.eq_ignore_ascii_case(b"expect") {
            return Ok(());
        }
        has_forwarded_host |= kind == Kind::Trust && name.eq_ignore_ascii_case(X_FORWARDED_HOST.as_bytes());
        match kind {
            Kind::Cookie if std::mem::replace(&mut has_cookie, true) => {}
            Kind::Cookie => {
                let joined = single_cookie(&request.headers);
                write::field(head, name, joined.as_deref().unwrap_or(value.as_bytes()));
            }
            _ => write::field(head, name, value.as_bytes()),
        }
        Ok(())
    });
    debug_assert!(passed.is_ok(), "nothing in there fails");
    for (name, value) in rules.set(has_forwarded_host) {
        write::field(head, name.as_bytes(), value);
    }
    if is_websocket {
        write::field(head, b"Connection", b"Upgrade");
        write::field(head, b"Upgrade", b"websocket");
    }
    match body {
        Some(body) => write::framing(head, body),
        // Without it some servers refuse, or wait (RFC 9110 section 8.6).
        None if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) => {
            write::framing(head, Body::Length(0));
        }
        None => {}
    }
    write::end(head);
}

/// The chain that a trusted proxy sent, and that proxy.
fn forwarded_for(peer: &HeaderValue, request: &RequestHeader) -> HeaderValue {
    let mut chain = Vec::new();
    for value in request.headers.get_all(X_FORWARDED_FOR) {
        if value.to_str().is_ok() {
            chain.extend_from_slice(value.as_bytes());
            chain.extend_from_slice(b", ");
        }
    }
    chain.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or(EMPTY)
}

/// Joins the fields in which HTTP/2 clients split their cookies (RFC 9113 section 8.2.3), if there are several.
fn single_cookie(headers: &http::HeaderMap) -> Option<Vec<u8>> {
    let cookies: SmallVec<[&[u8]; 2]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    (cookies.len() > 1).then(|| cookies.join(&b"; "[..]))
}

/// The target as a server expects it: of an absolute one (RFC 9112 section 3.2.2) the path. Its authority is the
/// `Host`, or it would have been refused.
fn origin_form(request: &RequestHeader) -> Cow<'_, [u8]> {
    match request.raw_path() {
        target @ [b'/' | b'*', ..] => Cow::Borrowed(target),
        _ => Cow::Owned(request.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes().to_vec()),
    }
}
