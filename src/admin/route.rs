//! What is on the admin listener.

use http::StatusCode;
use serde::Serialize;

use super::{Admin, answer::Answer, host, metrics, page, request::Request, status};

/// The answer to `/readyz`.
#[derive(Debug, Serialize)]
struct Readyz {
    ready: bool,
    phase: &'static str,
    /// Why it is not.
    reasons: Vec<String>,
    /// For information: an edge without a single server still answers discovery, which is what it is for, and says of
    /// everything else in a clear answer what is wrong. Taken out of its load balancer, it would do neither.
    servers: status::Available,
}

const THERE_IS: &str = "Not Found. There is: / (status page), /status (the same as JSON), /metrics (Prometheus), /livez, \
                        /readyz";

impl Admin {
    /// The answer to a request. Refusals are worded for the operator who reads them: [`reason`](crate::reason) speaks
    /// to the clients of the edge.
    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let Some(host) = request.host else {
            return Answer::text(StatusCode::BAD_REQUEST, "Bad Request: no Host.");
        };
        if !host::is_ours(host, self.bound, &self.control.snapshot().admin_hosts) {
            return Answer::text(StatusCode::MISDIRECTED_REQUEST, host::FOREIGN);
        }
        let page: fn(&Admin) -> Answer = match request.path {
            b"/" => |_| page::page(),
            b"/livez" => |_| Answer::text(StatusCode::OK, "alive"),
            b"/readyz" => Admin::readyz,
            b"/metrics" => Admin::metrics,
            b"/status" => |admin| Answer::json(StatusCode::OK, &admin.status()),
            _ => return Answer::text(StatusCode::NOT_FOUND, THERE_IS),
        };
        if !matches!(request.method, b"GET" | b"HEAD") {
            let answer = Answer::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed: only GET and HEAD are.");
            return answer.with("Allow", "GET, HEAD".to_owned());
        }
        page(self)
    }

    fn readyz(&self) -> Answer {
        let readiness = self.control.readiness();
        let servers = status::Available::of(&self.control.report(), None);
        let is_ready = readiness.is_ready();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let ready = Readyz { ready: is_ready, phase: readiness.stage.name(), reasons: readiness.reasons(), servers };
        Answer::json(status, &ready)
    }

    fn metrics(&self) -> Answer {
        match metrics::render(&self.control) {
            Ok(text) => Answer::new(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}
