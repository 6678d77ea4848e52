//! The command `verify`.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;

use super::outcome::{Format, written};
use crate::{
    api::Credentials,
    config::Loaded,
    edge::{Snapshot, Verifier, resolve_new, system_authorities},
    telemetry::SitesCounters,
    verify::{Expected, Report, table},
};

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const HELP: &str = "\
Asks every address of every server directly, with the host and scheme of each public URL. Given credentials by
environment, it also compares the MCP clients that each server has, in its memory and in its database.

Exit codes:
  0  every server agrees with the edge
  1  one does not, or did not answer, or the configuration has problems
  2  the command line is wrong, or the environment

Environment:
  BRIDGEHEAD_API_TOKEN    a session token of Bifrost's API, sent as Bearer, or
  BRIDGEHEAD_API_USER     a user of it, and
  BRIDGEHEAD_API_PASSWORD its password, sent as Basic; and
  BRIDGEHEAD_API_SETUP_TOKEN  the setup token of a Bifrost whose dashboard has no login yet";

/// The names of servers may take so long.
const NAMES: Duration = Duration::from_secs(5);

pub(super) fn run(loaded: &Loaded, arguments: &Arguments) -> ExitCode {
    let credentials = match Credentials::from_environment() {
        Ok(credentials) => credentials,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    let reports = match reports(loaded, credentials) {
        Ok(reports) => reports,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
    };
    let code = if reports.iter().all(Report::agrees) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    written(print(&reports, arguments.format), code)
}

/// Asks the servers of every site.
fn reports(loaded: &Loaded, credentials: Option<Credentials>) -> Result<Vec<Report>, String> {
    system_authorities()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let reports = runtime.block_on(async {
        let counters = SitesCounters::default();
        let snapshot = Arc::new(Snapshot::compile(&loaded.config, Arc::default(), &counters, 1));
        resolve_new(&snapshot, NAMES).await;
        let verifier = Arc::new(Verifier::new(credentials));
        let mut reports = Vec::new();
        for (site, written) in snapshot.sites.iter().zip(&loaded.config.sites) {
            reports.push(verifier.verify(site, &Arc::new(Expected::new(written))).await);
        }
        reports
    });
    runtime.shutdown_background();
    Ok(reports)
}

fn print(reports: &[Report], format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match (format, reports) {
        (Format::Table, reports) => {
            for report in reports {
                if let Some(site) = &report.site {
                    writeln!(out, "site {site}")?;
                }
                out.write_all(table(report).as_bytes())?;
            }
        }
        (Format::Json, [report]) => serde_json::to_writer_pretty(&mut out, report)?,
        (Format::Json, reports) => serde_json::to_writer_pretty(&mut out, reports)?,
    }
    if matches!(format, Format::Json) {
        writeln!(out)?;
    }
    out.flush()
}
