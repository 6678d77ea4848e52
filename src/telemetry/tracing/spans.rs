//! Spans, by the semantic conventions of OpenTelemetry for HTTP.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use http::{Method, Version};
use once_cell::sync::Lazy;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{self, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::recording::{AttemptSpan, Event, Happened, Recording, RequestEnd};
use crate::fleet::Change;

static SCOPE: Lazy<InstrumentationScope> =
    Lazy::new(|| InstrumentationScope::builder("bridgehead").with_version(env!("CARGO_PKG_VERSION")).build());

/// What one span of a recording has of its own.
struct Own {
    span: u64,
    parent: Option<u64>,
    is_parent_remote: bool,
    kind: SpanKind,
    times: (SystemTime, SystemTime),
    attributes: Vec<KeyValue>,
    events: Vec<trace::Event>,
    status: Status,
}

/// Makes the spans of a recording: that of the request, and one for each attempt.
pub(super) fn spans(recording: Recording) -> Vec<SpanData> {
    let Recording { context, parent, state, began, request, attempts, events } = recording;
    let Some(request) = request else { return Vec::new() };
    let state: TraceState = state.parse().unwrap_or_default();
    let name = name(&request.method);
    let span = |own: Own| {
        let trace = TraceId::from_bytes(context.trace.to_be_bytes());
        let id = |span: u64| SpanId::from_bytes(span.to_be_bytes());
        SpanData {
            span_context: SpanContext::new(trace, id(own.span), TraceFlags::SAMPLED, false, state.clone()),
            parent_span_id: own.parent.map_or(SpanId::INVALID, id),
            parent_span_is_remote: own.is_parent_remote,
            span_kind: own.kind,
            name: name.clone(),
            start_time: own.times.0,
            end_time: own.times.1,
            attributes: own.attributes,
            dropped_attributes_count: 0,
            events: of_events(own.events),
            links: SpanLinks::default(),
            status: own.status,
            instrumentation_scope: SCOPE.clone(),
        }
    };
    let of_request = Own {
        span: context.span,
        parent,
        is_parent_remote: parent.is_some(),
        kind: SpanKind::Server,
        times: (began, request.ended),
        status: of_server(&request),
        events: events.iter().map(event).collect(),
        attributes: of_request(&request),
    };
    let of_attempts = attempts.iter().enumerate().map(|(place, attempt)| Own {
        span: attempt.span,
        parent: Some(context.span),
        is_parent_remote: false,
        kind: SpanKind::Client,
        times: (attempt.began, attempt.ended.unwrap_or(request.ended)),
        status: of_client(attempt),
        events: attempt.events.iter().map(event).collect(),
        attributes: of_attempt(attempt, place, &request.method),
    });
    [of_request].into_iter().chain(of_attempts).map(span).collect()
}

/// The name of a span, and the value of `http.request.method`: of methods that are not known, there may be any number.
fn name(method: &Method) -> Cow<'static, str> {
    if is_known(method) { method.as_str().to_owned().into() } else { "HTTP".into() }
}

fn is_known(method: &Method) -> bool {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::CONNECT,
        Method::TRACE,
    ];
    KNOWN.contains(method)
}

fn of_method(method: &Method) -> KeyValue {
    KeyValue::new("http.request.method", if is_known(method) { method.as_str().to_owned() } else { "_OTHER".into() })
}

fn of_request(request: &RequestEnd) -> Vec<KeyValue> {
    let mut attributes = vec![
        of_method(&request.method),
        KeyValue::new("url.scheme", if request.is_tls { "https" } else { "http" }),
        KeyValue::new("url.path", request.path.clone()),
        KeyValue::new("network.protocol.version", version(request.version)),
        KeyValue::new("bridgehead.class", request.class.name()),
        KeyValue::new("bridgehead.generation", i64::try_from(request.generation).unwrap_or(i64::MAX)),
    ];
    let mut put = |name: &'static str, value: Option<opentelemetry::Value>| {
        attributes.extend(value.map(|value| KeyValue::new(name, value)));
    };
    let (host, port) = request.host.clone().unzip();
    put("server.address", host.map(Into::into));
    put("server.port", port.flatten().map(|port| i64::from(port).into()));
    put("client.address", request.client.map(|client| client.to_string().into()));
    put("http.response.status_code", request.status.map(|status| i64::from(status).into()));
    put("bridgehead.site", request.site.as_ref().map(|site| site.as_str().to_owned().into()));
    put("bridgehead.document", request.document.map(|document| document.name().into()));
    put("bridgehead.reason", request.reason.map(|reason| reason.name().into()));
    let of_status = request.status.filter(|status| *status >= 500).map(|status| status.to_string().into());
    put("error.type", request.reason.map(|reason| reason.name().into()).or(of_status));
    attributes
}

fn of_attempt(attempt: &AttemptSpan, place: usize, method: &Method) -> Vec<KeyValue> {
    let (address, port) = peer(attempt.address);
    let server = attempt.server.as_ref().map(|server| server.name());
    // As the operator named it, and the address that this name had.
    let named = server.map(|name| crate::config::split_port(name.as_str()).0.to_owned());
    let mut attributes = vec![
        of_method(method),
        KeyValue::new("server.address", named.unwrap_or_else(|| address.to_string())),
        KeyValue::new("server.port", port),
        KeyValue::new("network.peer.address", address.to_string()),
        KeyValue::new("network.peer.port", port),
        KeyValue::new("network.protocol.version", if attempt.is_http2 { "2" } else { "1.1" }),
        KeyValue::new("bridgehead.connection_reused", attempt.is_reused),
    ];
    if let Some(status) = attempt.status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
    }
    if place > 0 {
        attributes.push(KeyValue::new("http.request.resend_count", i64::try_from(place).unwrap_or(i64::MAX)));
    }
    if let Some(reason) = attempt.reason {
        attributes.push(KeyValue::new("bridgehead.reason", reason.name()));
    }
    let of_status = attempt.status.filter(|status| *status >= 400).map(|status| status.to_string());
    if let Some(error) = attempt.reason.map(|reason| reason.name().to_owned()).or(of_status) {
        attributes.push(KeyValue::new("error.type", error));
    }
    attributes
}

fn peer(address: SocketAddr) -> (IpAddr, i64) {
    (address.ip().to_canonical(), i64::from(address.port()))
}

/// Of what a server says, 5xx is an error; a client that leaves makes none.
fn of_server(request: &RequestEnd) -> Status {
    status(request.status.is_some_and(|status| status >= 500))
}

/// Of what a client is told, 4xx is one, too.
fn of_client(attempt: &AttemptSpan) -> Status {
    let is_gone = attempt.reason == Some(crate::reason::Reason::ClientGone);
    status((attempt.reason.is_some() && !is_gone) || attempt.status.is_some_and(|status| status >= 400))
}

fn status(is_error: bool) -> Status {
    // The attributes say what went wrong.
    if is_error { Status::error("") } else { Status::Unset }
}

fn event(event: &Event) -> trace::Event {
    let (name, attribute) = match event.what {
        Happened::FirstByte => ("bridgehead.first_byte", None),
        Happened::ClientGone => ("bridgehead.client_gone", None),
        Happened::Retry(reason) => ("bridgehead.retry", Some(KeyValue::new("bridgehead.reason", reason.name()))),
        Happened::Breaker(change) => ("bridgehead.breaker", Some(KeyValue::new("bridgehead.state", state(change)))),
    };
    trace::Event::new(name, event.at, attribute.into_iter().collect(), 0)
}

fn state(change: Change) -> &'static str {
    match change {
        Change::Opened => "open",
        Change::Closed => "closed",
        Change::Up => "up",
        Change::Down => "down",
    }
}

fn of_events(events: Vec<trace::Event>) -> SpanEvents {
    let mut of_span = SpanEvents::default();
    of_span.events = events;
    of_span
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
