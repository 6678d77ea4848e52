//! From http to https, on listeners that ask for it.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;

use crate::{
    discovery::Origins,
    edge::{
        client::Connection,
        exchange::{Exchange, X_REQUEST_ID},
        upstream::is_opened_by,
    },
    plugin::request,
    telemetry::Class,
};

/// Redirects a request that can be redirected: a GET or HEAD for the host of an https public URL. Not for
/// an MCP server's path, whose clients do not follow, and not what opens a WebSocket. Discovery has been answered before.
/// `redirects` whether other listeners than the edge's own ask for it. True: the response has been written.
pub(in crate::edge) async fn answer(session: &mut Session, exchange: &mut Exchange, redirects: bool) -> Result<bool> {
    let redirects = Connection::of(session).map_or(redirects, |connection| connection.redirects_to_https);
    if !redirects || is_opened_by(session) {
        return Ok(false);
    }
    let snapshot = Arc::clone(&exchange.snapshot);
    let Some(location) = location(session, snapshot.discovery.discovery().origins()) else { return Ok(false) };
    let mut response = ResponseHeader::build(StatusCode::PERMANENT_REDIRECT, Some(6))?;
    response.insert_header(header::LOCATION, location)?;
    response.insert_header(header::CONTENT_LENGTH, "0")?;
    // A browser keeps it for ever otherwise, also when it was a mistake.
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"))?;
    response.insert_header(X_REQUEST_ID, exchange.request_id())?;
    session.as_downstream_mut().write_response_header(Box::new(response)).await?;
    Ok(true)
}

fn location(session: &Session, origins: &Origins) -> Option<String> {
    let request = session.req_header();
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return None;
    }
    let host = request::host(session)?;
    let path = request.uri.path().as_bytes();
    let base = origins.base(host, path).map_or(0, |base| base.length);
    let bifrost_path = path.get(base..).unwrap_or(path);
    if Class::of_path(bifrost_path) == Class::Mcp {
        return None;
    }
    let origin = origins.https_of(host)?.origin();
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    // `//elsewhere` would be another host's.
    target.starts_with('/').then(|| format!("{origin}{target}"))
}
