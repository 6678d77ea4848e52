//! The admin listener: what the edge says of itself to those who run it. For now, its metrics.

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use pingora::{apps::http_app::ServeHttp, protocols::http::ServerSession, services::listening::Service};

use crate::{state::Control, telemetry::metrics};

/// Answers on the admin listener.
pub struct Admin(Control);

/// The admin listener as a Pingora service without a listener.
pub(crate) fn service(control: Control) -> Service<Admin> {
    Service::new("admin".into(), Admin(control))
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        match (&request.method, request.uri.path()) {
            (&Method::GET, "/metrics") => {
                match metrics::render(&self.0.report(), self.0.counters(), self.0.verification().as_deref()) {
                    Ok(text) => answer(StatusCode::OK, metrics::CONTENT_TYPE, text),
                    Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, error.to_string()),
                }
            }
            (_, "/metrics") => answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "Method Not Allowed\n".into()),
            _ => answer(StatusCode::NOT_FOUND, PLAIN, "Not Found; there is /metrics\n".into()),
        }
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<Vec<u8>> {
    let mut response = Response::new(text.into_bytes());
    *response.status_mut() = status;
    let length = response.body().len().into();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}
