//! A report as text, for a terminal.

use std::fmt::Write;

use super::report::{Report, ServerReport, Verdict};
use crate::{
    api::{PASSWORD, SETUP_TOKEN, TOKEN, USER},
    config::Profile,
};

const COLUMNS: [&str; 6] = ["SERVER", "ADDRESS", "RESULT", "DISCOVERY", "CONTRACT", "MCP CLIENTS"];

/// A table of agreement, a line a server, and then in what they do not agree.
pub fn table(report: &Report) -> String {
    let edge = ["(edge)", "", "", report.discovery.name(), report.profile, &report.clients.to_string()];
    let mut rows = vec![COLUMNS.map(str::to_owned), edge.map(str::to_owned)];
    rows.extend(report.servers.iter().map(row));
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for server in &report.servers {
        details(server, &mut text);
    }
    text.push('\n');
    if !report.clients_compared && report.profile == Profile::Oauth2.name() && report.clients == 0 {
        text.push_str("The MCP clients were not compared: mcp_clients is empty, and decides nothing here.\n");
    } else if !report.clients_compared {
        let _ = writeln!(
            text,
            "The MCP clients were not compared: that needs credentials for Bifrost's API. Set {TOKEN}, or {USER} and \
             {PASSWORD}, or {SETUP_TOKEN} while their dashboards have no login."
        );
    }
    let count = |verdict| report.count(verdict);
    let (agree, disagree) = (count(Verdict::Agrees), count(Verdict::Disagrees));
    let servers = report.servers.len();
    let _ = writeln!(
        text,
        "{servers} {}: {agree} agree, {disagree} disagree, {} not reached",
        if servers == 1 { "server" } else { "servers" },
        count(Verdict::Unreachable)
    );
    text
}

fn row(server: &ServerReport) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        server.server.clone(),
        or_dash(server.address.map(|address| address.to_string())),
        server.verdict.name().to_owned(),
        or_dash(server.discovery.map(|discovery| discovery.name().to_owned())),
        or_dash(server.contract.map(|contract| contract.name().to_owned())),
        or_dash(server.clients.map(|clients| clients.to_string())),
    ]
}

fn details(server: &ServerReport, text: &mut String) {
    let reached = if server.discovery.is_some() { "not everything answered" } else { "not reached" };
    let unreachable = server.unreachable.iter().map(|why| format!("{reached}: {why}"));
    let differences = server.differences.iter().map(ToString::to_string);
    let more = (server.more_differences > 0).then(|| format!("and {} more differences", server.more_differences));
    let warnings = server.warnings.iter().map(|warning| format!("warning: {warning}"));
    let lines: Vec<_> = unreachable.chain(differences).chain(more).chain(warnings).collect();
    if lines.is_empty() {
        return;
    }
    let _ = match server.address {
        Some(address) if address.to_string() != server.server => writeln!(text, "\n{} ({address})", server.server),
        _ => writeln!(text, "\n{}", server.server),
    };
    for line in lines {
        let _ = writeln!(text, "  {}", line.replace(char::is_control, " "));
    }
}
