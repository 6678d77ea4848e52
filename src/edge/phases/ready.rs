//! Whether the edge is ready, said on the listeners of the traffic, for load balancers that can check no other port.

use http::{HeaderValue, Method, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::sync::watch;

use crate::{
    edge::exchange::Exchange,
    plugin::prepared::drain,
    readiness::{Readiness, Stage},
};

/// Answers a GET or HEAD for the path that the configuration gives, whatever the host and whoever asks. True: the
/// answer has been written.
pub(in crate::edge) async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    phase: &watch::Receiver<Stage>,
) -> Result<bool> {
    let request = session.req_header();
    let Some(path) = &exchange.snapshot.readiness_path else { return Ok(false) };
    let is_head = request.method == Method::HEAD;
    if request.uri.path() != path.as_str() || !(is_head || request.method == Method::GET) {
        return Ok(false);
    }
    exchange.account.is_probe = true;
    drain(session).await;
    let readiness = Readiness { stage: *phase.borrow() };
    let (status, mut body) = if readiness.is_ready() {
        (StatusCode::OK, "ready".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, readiness.reasons().join("; "))
    };
    body.push('\n');
    let mut response = ResponseHeader::build(status, Some(6))?;
    response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
    response.insert_header("X-Content-Type-Options", HeaderValue::from_static("nosniff"))?;
    let downstream = session.as_downstream_mut();
    downstream.write_response_header(Box::new(response)).await?;
    if !is_head {
        downstream.write_response_body(body.into(), true).await?;
    }
    Ok(true)
}
