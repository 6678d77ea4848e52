//! What is settled about a request before it goes anywhere.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Version, header};
use pingora::{Result, http::RequestHeader};
use pingora_proxy::Session;

use crate::{
    config::Limits,
    discovery::Base,
    edge::{
        client::{Client, Connection, HasFragment},
        exchange::{Exchange, refuse},
        upstream::{announced, is_opened_by},
    },
    framing,
    host::Host,
    limits::{Concurrency, Rates},
    reason::Reason,
};

/// Says what Pingora is to do with the client's connection, and refuses headers that could do harm on the way.
pub(in crate::edge) fn headers(session: &mut Session, exchange: &Exchange) -> Result<()> {
    let silence = Some(exchange.snapshot.limits.client_silence);
    session.set_read_timeout(silence);
    session.as_downstream_mut().set_write_timeout(silence);
    match Connection::of(session).map(Connection::begin_exchange) {
        Some(is_last) if is_last => session.set_keepalive(None),
        Some(_) => {}
        None => of_another_listener(session, &exchange.snapshot.limits)?,
    }
    // A client of HTTP/1.0 knows no interim responses (RFC 9110 section 15.2).
    let is_old = session.req_header().version == Version::HTTP_10;
    session.set_ignore_info_resp(is_old);
    let (request, limits) = (session.req_header(), &exchange.snapshot.limits);
    if request.version == Version::HTTP_2 {
        head_of_http2(request, limits)?;
        one_host(session.req_header_mut())?;
    }
    let request = session.req_header();
    let headers = &request.headers;
    if headers.len() > limits.headers && headers.len() - further_cookies(headers) > limits.headers {
        return refuse(Reason::HeadTooLarge, "more headers than limits.headers");
    }
    framing::check(headers).or_else(|refusal| refuse(refusal.reason, refusal.why))?;
    if headers.contains_key(header::UPGRADE) && !is_opened_by(session) {
        ignore_upgrade(session.req_header_mut());
    }
    Ok(())
}

/// Takes away an `Upgrade` to anything but a WebSocket, which is ignored (RFC 9110 section 7.8): many clients offer one
/// with every request. Pingora would take it for one that has failed, and the rest of the connection for its own.
fn ignore_upgrade(request: &mut RequestHeader) {
    request.remove_header(&header::UPGRADE);
    request.remove_header("HTTP2-Settings");
}

/// Does for a session that came in by another listener than the edge's own what that does by itself.
fn of_another_listener(session: &mut Session, limits: &Limits) -> Result<()> {
    if session.as_downstream().get_keepalive().is_some() {
        session.set_keepalive(Some(limits.idle.as_secs().max(1)));
    }
    session.as_downstream_mut().set_pipelining_enabled(true);
    let Some(http1) = session.as_downstream().as_http1() else { return Ok(()) };
    let raw = http1.get_headers_raw_bytes();
    let mut head = &raw[..];
    // Pingora has skipped them, too (RFC 9112 section 2.2).
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    if head.len() > limits.head.most() {
        return refuse(Reason::HeadTooLarge, "a head larger than limits.head");
    }
    framing::read(head, limits.headers).map(|_| ()).or_else(|refusal| refuse(refusal.reason, refusal.why))
}

/// Refuses what `framing` has refused in HTTP/1.
fn head_of_http2(request: &RequestHeader, limits: &Limits) -> Result<()> {
    let (target, headers) = (request.raw_path(), &request.headers);
    let is_target = target.starts_with(b"/") || (target == b"*" && request.method == Method::OPTIONS);
    if !is_target && request.method != Method::CONNECT {
        return refuse(Reason::Malformed, "a path that does not begin with a slash");
    }
    if request.extensions.get::<HasFragment>().is_some() {
        return refuse(Reason::Malformed, "a fragment in the target");
    }
    framing::check_host_of_http2(&request.uri, headers).or_else(|refusal| refuse(refusal.reason, refusal.why))?;
    // As RFC 9113 section 6.5.2 counts it, but for the cookies, which are one field in HTTP/1 (section 8.2.3).
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    let of_cookies = further_cookies(headers) * (header::COOKIE.as_str().len() + 32 - "; ".len());
    if target.len() + size - of_cookies > limits.head.most() {
        return refuse(Reason::HeadTooLarge, "a head larger than limits.head");
    }
    Ok(())
}

/// Has a request of HTTP/2 say its host in one way.
fn one_host(request: &mut RequestHeader) -> Result<()> {
    let Some(authority) = request.uri.authority().map(http::uri::Authority::as_str) else { return Ok(()) };
    let host = request.headers.get(header::HOST);
    if host.is_some_and(|host| host != authority) {
        let authority = authority.to_owned();
        request.insert_header(header::HOST, authority)?;
    }
    Ok(())
}

/// How many fields of cookies there are beside the first one.
fn further_cookies(headers: &HeaderMap) -> usize {
    headers.get_all(header::COOKIE).iter().count().saturating_sub(1)
}

/// Refuses a request that no server should see: of a method that shows or tunnels, for an unknown host, to a
/// path that is closed to the client, or one too many, lately or at the moment.
pub(in crate::edge) fn request(
    session: &Session,
    exchange: &mut Exchange,
    rates: &Rates,
    in_flight: &Arc<Concurrency>,
) -> Result<()> {
    let header = session.req_header();
    if matches!(header.method, Method::TRACE | Method::CONNECT) {
        return refuse(Reason::MethodNotAllowed, "CONNECT or TRACE");
    }
    let snapshot = Arc::clone(&exchange.snapshot);
    let client = Client::of(session, &snapshot.trusted);
    let origins = snapshot.discovery.discovery().origins();
    let host = client.host().unwrap_or_default();
    if host.is_empty() && header.version != Version::HTTP_10 {
        return refuse(Reason::Malformed, "no Host");
    }
    if !host.is_empty() && Host::parse(host).is_none() {
        return refuse(Reason::Malformed, "a Host that is none");
    }
    let base = origins.base(host, client.path());
    let Some(Base { site, length }) = base.or(snapshot.unknown_hosts.map(|site| Base { site, length: 0 })) else {
        return refuse(Reason::UnknownHost, "a host that is no public URL's, or a path that is none of its sites'");
    };
    exchange.site = Some(site);
    exchange.base_length = length;
    let address = exchange.client(session);
    if !exchange.site().access.permit(header.uri.path().as_bytes(), address) {
        return refuse(Reason::Forbidden, "a rule of access");
    }
    // Trusted proxies that do not say who asks would stand for all their clients.
    let counted = Some(address).filter(|address| !snapshot.trusted.contains(*address));
    if let Some(client) = counted {
        is_in_time(session, exchange, rates, client)?;
    }
    take_place(exchange, in_flight, counted)?;
    announced(session, exchange)
}

/// Refuses a request of a client that asks too often.
fn is_in_time(session: &Session, exchange: &mut Exchange, rates: &Rates, client: IpAddr) -> Result<()> {
    let (header, snapshot) = (session.req_header(), &exchange.snapshot);
    let is_login = exchange.site().profile.generation().is_login(&header.method, exchange.bifrost_path(session));
    let checked = rates.check(client, is_login, &snapshot.limits);
    checked.or_else(|(wait, why)| {
        exchange.retry_after = Some(wait);
        refuse(Reason::TooManyRequests, why)
    })
}

/// Takes one of the places for requests in flight, also one of the client's if that is counted. The exchange keeps it to
/// its end.
fn take_place(exchange: &mut Exchange, in_flight: &Arc<Concurrency>, counted: Option<IpAddr>) -> Result<()> {
    let snapshot = &exchange.snapshot;
    let mut full = |why| {
        exchange.retry_after = Some(Duration::ZERO);
        refuse(Reason::TooManyInFlight, why)
    };
    let Ok(mut slot) = in_flight.enter(snapshot.in_flight.most) else { return full("limits.requests_in_flight") };
    if counted.is_some_and(|client| slot.of_client(client, snapshot.in_flight.most_of_client).is_err()) {
        return full("limits.requests_in_flight_per_client");
    }
    exchange.slot = Some(slot);
    Ok(())
}
