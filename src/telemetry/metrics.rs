//! The metrics, in the text format of Prometheus. Nothing is kept for them: they are what the fleet has
//! counted, read when somebody asks.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, Result, TextEncoder, core::Collector};

use super::Counters;
use crate::{
    fleet::{ServerReport, State},
    state::Control,
};

/// The media type of the text format.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

const SERVER: &[&str] = &["server", "address"];

/// The metrics of a running edge. A server is named by `server`, as the configuration has it,
/// and `address`.
///
/// # Errors
/// When two metrics have the same name, which would be a fault of this program.
pub fn render(control: &Control) -> Result<String> {
    let (report, counters) = (control.report(), control.counters());
    let registry = Registry::new_custom(Some("bifrost_edge".into()), None)?;
    servers(&registry, &report.servers)?;
    counter(&registry, "retries_total", "Attempts beyond the first one of a request.", report.retries)?;
    counter(&registry, "retries_refused_total", "Retries that the budget did not pay for.", report.retries_refused)?;
    let help = "Attempts sent to a server that was not available, because none was.";
    counter(&registry, "last_resort_picks_total", help, report.last_resorts)?;
    door(&registry, counters)?;
    TextEncoder::new().encode_to_string(&registry.gather())
}

fn servers(registry: &Registry, servers: &[ServerReport]) -> Result<()> {
    let help = "1 for the state that the server is in.";
    let state =
        registered(registry, IntGaugeVec::new(Opts::new("server_state", help), &["server", "address", "state"]))?;
    let help = "Requests that the server has now, streams and WebSockets included.";
    let in_flight = registered(registry, IntGaugeVec::new(Opts::new("server_requests_in_flight", help), SERVER))?;
    let help = "Attempts given to the server.";
    let picks = registered(registry, IntCounterVec::new(Opts::new("server_picks_total", help), SERVER))?;
    let help = "Attempts that the server failed: connect, broken (broke off or timed out), stale (an idle connection \
                had died), status_5xx.";
    let failures = registered(
        registry,
        IntCounterVec::new(Opts::new("server_failures_total", help), &["server", "address", "reason"]),
    )?;
    for server in servers {
        let address = server.address.to_string();
        let labels = [server.server.as_str(), &address];
        for known in State::ALL {
            let labels = [labels[0], labels[1], known.name()];
            state.with_label_values(&labels).set((server.state == known).into());
        }
        in_flight.with_label_values(&labels).set(i64::try_from(server.in_flight).unwrap_or(i64::MAX));
        picks.with_label_values(&labels).inc_by(server.picks);
        for (reason, count) in [
            ("connect", server.connect_failures),
            ("broken", server.broken),
            ("stale", server.stale),
            ("status_5xx", server.server_errors),
        ] {
            failures.with_label_values(&[labels[0], labels[1], reason]).inc_by(count);
        }
    }
    Ok(())
}

fn door(registry: &Registry, counters: &Counters) -> Result<()> {
    let help = "Connections of clients that are open.";
    let open = registered(registry, IntGaugeVec::new(Opts::new("connections", help), &[]))?;
    let now = i64::try_from(counters.connections().open()).unwrap_or(i64::MAX);
    open.with_label_values::<&str>(&[]).set(now);
    let help = "Connections of clients that were accepted.";
    counter(registry, "connections_accepted_total", help, counters.connections_accepted())?;
    let help = "TLS handshakes with clients that were completed.";
    counter(registry, "tls_handshakes_total", help, counters.handshakes())?;
    let help = "Streams of HTTP/2 reset for what their clients did wrong, or because there were too many at a time.";
    counter(registry, "http2_streams_refused_total", help, counters.streams_refused())?;
    let help = "Requests that came while their idle connection was being closed, and got no answer.";
    counter(registry, "requests_missed_total", help, counters.requests_missed())?;
    let help = "Certificates of listeners read again because their files had changed: used, or refused because something \
                was wrong with them.";
    let reloads = IntCounterVec::new(Opts::new("certificate_reloads_total", help), &["result"]);
    let reloads = registered(registry, reloads)?;
    let (used, refused) = counters.reloads();
    reloads.with_label_values(&["used"]).inc_by(used);
    reloads.with_label_values(&["refused"]).inc_by(refused);
    let help = "Connections closed at once or before their time: connections and connections_per_client (the limits of \
                that name), proxy_protocol, tls_handshake, http2_handshake, http2_resets, http2_malformed.";
    let closed = registered(registry, IntCounterVec::new(Opts::new("connections_closed_total", help), &["reason"]))?;
    for (reason, count) in counters.closures() {
        closed.with_label_values(&[reason.name()]).inc_by(count);
    }
    let help = "Requests that the edge refused, or that got no whole answer from a server.";
    let failed = registered(registry, IntCounterVec::new(Opts::new("requests_failed_total", help), &["reason"]))?;
    for (reason, count) in counters.failures() {
        failed.with_label_values(&[reason.name()]).inc_by(count);
    }
    Ok(())
}

fn counter(registry: &Registry, name: &str, help: &str, count: u64) -> Result<()> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), &[]))?.with_label_values::<&str>(&[]).inc_by(count);
    Ok(())
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: Result<M>) -> Result<M> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
