//! What runs, from which configuration, and whether it is ready.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    families::{Families, precise},
    sites::{SITE, label},
};
use crate::{
    readiness::Stage,
    state::{Control, Outcome},
    telemetry,
};

pub(super) fn collect(families: &mut Families, control: &Control) {
    families.gauges(
        "bridgehead_build_info",
        "1, with the version of the program.",
        ["version"],
        [([env!("CARGO_PKG_VERSION").to_owned()], 1.0)],
    );
    let readiness = control.readiness();
    families.gauge(
        "bridgehead_ready",
        "1 while new traffic may be sent here.",
        f64::from(u8::from(readiness.is_ready())),
    );
    families.gauges(
        "bridgehead_phase",
        "1 for the phase of its life that the edge is in.",
        ["phase"],
        Stage::ALL.map(|stage| ([stage.name().to_owned()], f64::from(u8::from(readiness.stage == stage)))),
    );
    let snapshot = control.snapshot();
    let sites = || snapshot.sites.iter().zip(snapshot.discovery.discovery().sites());
    families.gauges(
        "bridgehead_discovery_enabled",
        "1 while the documents are served: an MCP client has auth_type per_user_oauth or, under the profile oauth2, \
         mcp_server_auth_mode is both or oauth.",
        [SITE],
        sites().map(|(site, discovery)| ([label(site.name.as_ref())], f64::from(u8::from(discovery.is_on())))),
    );
    families.gauges(
        "bridgehead_profile_info",
        "1, with the profile: the generation of Bifrost's discovery contract that is served.",
        [SITE, "profile"],
        sites().map(|(site, _)| ([label(site.name.as_ref()), site.profile.name().to_owned()], 1.0)),
    );
    families.counters(
        "bridgehead_background_failures_total",
        "Faults of this program in what goes on beside the requests: reload (of the configuration), certificates, \
         supervision (names and checks of servers), verification, admin. Each is logged, and what failed begins anew.",
        ["task"],
        control.counters().background().failures().map(|(what, count)| ([what.name().to_owned()], count)),
    );
    configuration(families, control);
    access_log(families, control);
    spans(families, control);
}

fn configuration(families: &mut Families, control: &Control) {
    let reloads = control.reloads();
    families.counters(
        "bridgehead_config_reloads_total",
        "Reloads of the configuration: used, or refused because something was wrong with it.",
        ["result"],
        [(["used".to_owned()], reloads.used()), (["refused".to_owned()], reloads.refused())],
    );
    let is_refused = reloads.last().is_some_and(|last| matches!(last.outcome, Outcome::Refused(_)));
    families.gauge(
        "bridgehead_config_last_reload_successful",
        "0 when the last reload was refused: the file is not what is served.",
        f64::from(u8::from(!is_refused)),
    );
    families.gauge(
        "bridgehead_config_last_reload_success_timestamp_seconds",
        "When the configuration that is served was loaded.",
        seconds(reloads.last_used()),
    );
    families.gauge(
        "bridgehead_config_generation",
        "Counts the configurations that this process has served, from 1.",
        precise(control.snapshot().generation),
    );
}

fn access_log(families: &mut Families, control: &Control) {
    let lines = control.counters().log_lines().read();
    families.counter("bridgehead_access_log_lines_total", "Lines of the access log that were written.", lines.written);
    families.counters(
        "bridgehead_access_log_lines_dropped_total",
        "Lines of the access log that were not written: queue_full (too many waited), write_failed (a full disk, a \
         closed pipe).",
        ["reason"],
        [(["queue_full".to_owned()], lines.overflowed), (["write_failed".to_owned()], lines.failed)],
    );
    families.counter(
        "bridgehead_log_lines_dropped_total",
        "Lines of the program's log that were not written: nobody read standard error, or it failed.",
        telemetry::lines_dropped(),
    );
}

fn spans(families: &mut Families, control: &Control) {
    let spans = control.counters().spans().read();
    families.counter("bridgehead_trace_spans_total", "Spans that the collector has taken.", spans.exported);
    families.counters(
        "bridgehead_trace_spans_dropped_total",
        "Spans that no collector has: queue_full (too many waited), export_failed (it cannot be reached, or does not \
         take them).",
        ["reason"],
        [(["queue_full".to_owned()], spans.overflowed), (["export_failed".to_owned()], spans.failed)],
    );
}

/// Since 1970.
pub(super) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
