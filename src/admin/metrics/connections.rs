//! Connections of clients, and the limits that they ran into.

use super::families::{Families, precise};
use crate::{
    reason::Reason,
    state::Control,
    telemetry::{Closed, Counters},
};

pub(super) fn collect(families: &mut Families, control: &Control) {
    let counters = control.counters();
    let open = counters.connections().open() as u64;
    families.gauge("bridgehead_connections", "Connections of clients that are open.", precise(open));
    families.counter(
        "bridgehead_connections_accepted_total",
        "Connections of clients that were accepted.",
        counters.connections_accepted(),
    );
    families.counters(
        "bridgehead_connections_closed_total",
        "Connections closed at once or before their time: connections and connections_per_client (the limits of that \
         name), open_files (the last ones are kept for the admin listener), proxy_protocol, tls_handshake, plain_http (on a listener with TLS), http2_handshake, http2_resets, http2_malformed.",
        ["reason"],
        counters.closures().map(|(reason, count)| ([reason.name().to_owned()], count)),
    );
    families.counter(
        "bridgehead_http2_streams_refused_total",
        "Streams of HTTP/2 reset for what their clients did wrong, or because there were too many at a time.",
        counters.streams_refused(),
    );
    families.counter(
        "bridgehead_requests_missed_total",
        "Requests that came while their idle connection was being closed, and got no answer.",
        counters.requests_missed(),
    );
    families.counters(
        "bridgehead_limit_hits_total",
        "Connections and requests that were refused because of one of limits: of their number, their size, or the time \
         they took.",
        ["limit"],
        limits(counters).into_iter().map(|(limit, count)| ([limit.to_owned()], count)),
    );
    tls(families, counters);
    families.gauges(
        "bridgehead_certificate_not_after_seconds",
        "When what is in a certificate's file expires, in seconds since 1970.",
        ["file", "name"],
        control.certificates().into_iter().map(|life| {
            #[expect(clippy::cast_precision_loss, reason = "exact until the year 9999")]
            let ends = life.ends as f64;
            ([life.file.display().to_string(), life.name], ends)
        }),
    );
    families.gauges(
        "bridgehead_certificate_expires_soon_seconds",
        "The time before its end in which a certificate is warned of, tls.expires_soon.",
        [],
        [([], control.snapshot().expires_soon.as_secs_f64())],
    );
}

fn tls(families: &mut Families, counters: &Counters) {
    families.counter(
        "bridgehead_tls_handshakes_total",
        "TLS handshakes with clients that were completed.",
        counters.handshakes(),
    );
    families.counter(
        "bridgehead_tls_handshake_failures_total",
        "TLS handshakes with clients that failed or took too long.",
        closed(counters, Closed::TlsHandshake),
    );
    let (used, refused) = counters.reloads();
    families.counters(
        "bridgehead_certificate_reloads_total",
        "Certificates of listeners read again because their files had changed: used, or refused because something was \
         wrong with them.",
        ["result"],
        [(["used".to_owned()], used), (["refused".to_owned()], refused)],
    );
}

/// By the key in the configuration; what one response tells of several limits has the name of the first one.
fn limits(counters: &Counters) -> [(&'static str, u64); 8] {
    let failures = counters.sites().failures();
    let failed = |reason| {
        failures.iter().copied().find_map(|(known, count)| (known == reason).then_some(count)).unwrap_or_default()
    };
    [
        ("connections", closed(counters, Closed::Limit)),
        ("connections_per_client", closed(counters, Closed::ClientLimit)),
        ("requests_in_flight", failed(Reason::TooManyInFlight)),
        ("http2_resets", closed(counters, Closed::Http2Resets)),
        ("head", failed(Reason::HeadTooLarge)),
        ("request_body", failed(Reason::BodyTooLarge)),
        ("requests", failed(Reason::TooManyRequests)),
        ("head_time", failed(Reason::RequestTimedOut)),
    ]
}

fn closed(counters: &Counters, closed: Closed) -> u64 {
    counters.closures().find_map(|(known, count)| (known == closed).then_some(count)).unwrap_or_default()
}
