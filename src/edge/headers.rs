//! The headers that the edge sets, repairs or deletes on forwarded traffic.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
};
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::{
    exchange::{Exchange, X_REQUEST_ID},
    peer::{Client, X_FORWARDED_FOR, address_value},
};
use crate::{
    config::{PublicUrl, Scheme},
    discovery::{Origins, repair},
    framing::{items, lists},
};

const X_FORWARDED: &str = "x-forwarded-";

/// Headers besides `X-Forwarded-*` that only a trusted proxy may send. Bifrost reads the last one.
const TRUST_HEADERS: [&str; 3] = ["forwarded", "x-real-ip", "x-bf-forwarded-proto"];

/// The request as a server gets it.
pub(super) fn request(session: &Session, exchange: &mut Exchange, upstream: &mut RequestHeader) -> Result<()> {
    upstream.insert_header(X_REQUEST_ID, exchange.request_id())?;
    let address = exchange.client(session);
    let snapshot = &exchange.snapshot;
    let client = Client::of(session, &snapshot.trusted);
    let peer = client.peer_value();
    let real_ip = if address == client.peer() { peer.clone() } else { address_value(address) };
    let forwarded_for = if client.is_trusted() {
        forwarded_for(&peer, upstream)
    } else {
        delete_untrusted(upstream);
        peer
    };
    let own = own(&client, snapshot.discovery.discovery().origins());
    let scheme = own.as_deref().map_or_else(|| client.scheme(), PublicUrl::scheme);
    single_cookie(upstream)?;
    upstream.insert_header("X-Forwarded-For", forwarded_for)?;
    upstream.insert_header("X-Forwarded-Proto", scheme_value(scheme))?;
    upstream.insert_header("X-Real-IP", real_ip)?;
    if let Some(host) = client.host().filter(|_| !upstream.headers.contains_key("x-forwarded-host")) {
        upstream.insert_header("X-Forwarded-Host", HeaderValue::from_bytes(host).unwrap_or(EMPTY))?;
    }
    origin_form(upstream)
}

const EMPTY: HeaderValue = HeaderValue::from_static("");

fn scheme_value(scheme: Scheme) -> HeaderValue {
    HeaderValue::from_static(scheme.as_str())
}

/// The chain that a trusted proxy sent, and that proxy.
fn forwarded_for(peer: &HeaderValue, upstream: &RequestHeader) -> HeaderValue {
    let mut chain = Vec::new();
    for value in upstream.headers.get_all(X_FORWARDED_FOR) {
        if value.to_str().is_ok() {
            chain.extend_from_slice(value.as_bytes());
            chain.extend_from_slice(b", ");
        }
    }
    chain.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or(EMPTY)
}

fn delete_untrusted(upstream: &mut RequestHeader) {
    let untrusted = |name: &&HeaderName| {
        let name = name.as_str();
        // Some servers do not tell the two signs apart.
        name.starts_with(X_FORWARDED) || name.starts_with("x_forwarded") || TRUST_HEADERS.contains(&name)
    };
    let names: SmallVec<[HeaderName; 8]> = upstream.headers.keys().filter(untrusted).cloned().collect();
    for name in names {
        upstream.remove_header(&name);
    }
}

/// The fields in which HTTP/2 clients split their cookies go on as one (RFC 9113 section 8.2.3).
fn single_cookie(upstream: &mut RequestHeader) -> Result<()> {
    let joined = {
        let values = upstream.headers.get_all(header::COOKIE).iter();
        let cookies: SmallVec<[&[u8]; 2]> = values.map(HeaderValue::as_bytes).collect();
        (cookies.len() > 1).then(|| HeaderValue::from_bytes(&cookies.join(&b"; "[..])).unwrap_or(EMPTY))
    };
    if let Some(joined) = joined {
        upstream.insert_header(header::COOKIE, joined)?;
    }
    Ok(())
}

/// An absolute target (RFC 9112 section 3.2.2) goes on as the path a server expects; its authority
/// is the `Host`, or Pingora would have refused it.
fn origin_form(upstream: &mut RequestHeader) -> Result<()> {
    if upstream.raw_path().first().is_none_or(|first| matches!(first, b'/' | b'*')) {
        return Ok(());
    }
    let path = upstream.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    upstream.set_raw_path(path.as_bytes())
}

/// The origin that the request is for.
fn own<'a>(client: &Client<'_>, origins: &'a Origins) -> Option<Cow<'a, PublicUrl>> {
    origins.of_request(client.host()?, client.scheme())
}

/// The answer as the client gets it.
pub(super) fn response(session: &mut Session, exchange: &mut Exchange, answer: &mut ResponseHeader) -> Result<()> {
    // Pingora ends a connection whose request is answered before it has come whole, as it should, but also
    // when the answer is only a 100, which asks for the rest.
    session.set_close_on_response_before_downstream_finish(!answer.status.is_informational());
    if answer.status.is_informational() {
        return Ok(());
    }
    delete_hop_by_hop(answer);
    unchunk(session, answer);
    answer.insert_header(X_REQUEST_ID, exchange.request_id())?;
    let speaks_of_us = answer.status == StatusCode::UNAUTHORIZED
        || answer.headers.contains_key(header::LOCATION)
        || answer.headers.contains_key(header::WWW_AUTHENTICATE);
    if !speaks_of_us {
        return Ok(());
    }
    if answer.status == StatusCode::UNAUTHORIZED {
        expose_challenge(answer)?;
    }
    let snapshot = &exchange.snapshot;
    let origins = snapshot.discovery.discovery().origins();
    let Some(own) = own(&Client::of(session, &snapshot.trusted), origins) else {
        return Ok(());
    };
    if origins.are_derived() && own.scheme() == Scheme::Http {
        // There may be a TLS terminator that nobody has told the edge of: Bifrost may know better.
        return Ok(());
    }
    rewrite(answer, "Location", |value| repair::location(value, &own, origins))?;
    rewrite(answer, "WWW-Authenticate", |value| repair::challenge(value, &own))
}

/// Deletes what the server meant for the edge alone (RFC 9110 section 7.6.1). Pingora has read the framing
/// and writes its own `Connection`.
fn delete_hop_by_hop(answer: &mut ResponseHeader) {
    const ALWAYS: [&str; 5] = ["keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer"];
    // Section 15.5.22: a 426 must say to what.
    let may_upgrade = answer.status == StatusCode::UPGRADE_REQUIRED;
    let mut deleted: SmallVec<[HeaderName; 8]> = answer
        .headers
        .keys()
        .filter(|name| ALWAYS.contains(&name.as_str()) || *name == header::UPGRADE && !may_upgrade)
        .cloned()
        .collect();
    let nominated = items(&answer.headers, header::CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| ![header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name))
        .filter(|name| *name != header::UPGRADE || !may_upgrade);
    deleted.extend(nominated);
    for name in deleted {
        answer.remove_header(&name);
    }
}

/// A client of HTTP/1.0 knows no chunks (RFC 9112 section 6.1): the end of its connection ends the body.
fn unchunk(session: &mut Session, answer: &mut ResponseHeader) {
    if session.req_header().version == Version::HTTP_10 && answer.remove_header(&header::TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}

/// Lets a web page of another origin read the challenge (Fetch standard).
fn expose_challenge(answer: &mut ResponseHeader) -> Result<()> {
    let is_exposed = lists(&answer.headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, b"www-authenticate");
    if !is_exposed {
        answer.append_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate")?;
    }
    Ok(())
}

/// Replaces each value of a header that `repaired` has a better one for, in its place.
fn rewrite(answer: &mut ResponseHeader, name: &'static str, repaired: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
    let better = |value: &HeaderValue| HeaderValue::from_bytes(&repaired(value.as_bytes())?).ok();
    let values: Vec<_> = answer.headers.get_all(name).iter().cloned().collect();
    if !values.iter().any(|value| better(value).is_some()) {
        return Ok(());
    }
    answer.remove_header(name);
    for value in values {
        answer.append_header(name, better(&value).unwrap_or(value))?;
    }
    Ok(())
}
