//! The command `run`.

use std::{path::Path, process::ExitCode};

use log::{error, info, warn};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::summary::summary;
use crate::{
    config::{Config, Count, Loaded},
    limits::OpenFiles,
    process::{Ended, Inherited, Order, Predecessor, Process, on_signals, survive_early_signals},
    state::Reloader,
    telemetry,
};

pub(super) fn run(file: &Path) -> ExitCode {
    // Each idle connection would hold a multiple of its memory. A kernel that has none of them refuses.
    let _smaller = disable_transparent_huge_pages(true);
    if let Err(error) = survive_early_signals() {
        eprintln!("cannot wait for signals: {error}");
        return ExitCode::FAILURE;
    }
    let (predecessor, inherited) = match Predecessor::find() {
        Ok(found) => found.unzip(),
        Err(error) => {
            eprintln!("cannot take over from the edge that runs: {error}; unset BRIDGEHEAD_HANDOVER if there is none");
            return ExitCode::FAILURE;
        }
    };
    match start(file, inherited.unwrap_or_default(), predecessor.clone()) {
        Ok(code) => code,
        Err(why) => {
            if let Some(predecessor) = predecessor {
                predecessor.failed(&why);
            }
            ExitCode::FAILURE
        }
    }
}

/// Serves to the end. An error has been told to the operator.
fn start(file: &Path, inherited: Inherited, predecessor: Option<Predecessor>) -> Result<ExitCode, String> {
    let loaded = Loaded::from_file(file).map_err(|problems| {
        let problems = problems.to_string();
        telemetry::say_without_log(&problems);
        problems
    })?;
    // It ends after everything that may log.
    let _log = telemetry::start(loaded.config.edge.log.format).map_err(|error| {
        eprintln!("cannot start the log: {error}");
        error.to_string()
    })?;
    let served = serve(loaded, inherited, predecessor);
    served.inspect_err(|why| error!("{why}"))
}

fn serve(loaded: Loaded, inherited: Inherited, predecessor: Option<Predecessor>) -> Result<ExitCode, String> {
    // Workers have runtimes of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let ended = runtime.block_on(async {
        let (mut process, orders, _reloader) = prepare(loaded, inherited)?;
        if let Some(predecessor) = predecessor {
            process.replace(predecessor);
        }
        process.serve(orders).await.map_err(|error| error.to_string())
    });
    // Whatever still runs, a name being looked up for example, is not waited for.
    runtime.shutdown_background();
    let Ended { cut, missed, is_orphaned } = ended?;
    info!("stopped, {cut} requests cut, {missed} came too late");
    Ok(if is_orphaned { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

type Prepared = (Process, mpsc::Receiver<Order>, AbortOnDropHandle<()>);

/// A process whose sockets are bound, what it is told by signals, and what keeps its configuration up to date.
fn prepare(loaded: Loaded, inherited: Inherited) -> Result<Prepared, String> {
    let (orders, asked) = on_signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    info!("bridgehead {}, configuration {}", env!("CARGO_PKG_VERSION"), loaded.file.display());
    raise_open_files(&loaded.config);
    let process = Process::bind(&loaded.config, inherited).map_err(|error| error.to_string())?;
    for (listener, address) in process.listeners() {
        info!("listening on {address} ({})", listener.protocol());
    }
    if let Some(address) = process.admin_address() {
        info!("status page and metrics on http://{address}/");
    }
    for line in summary(&loaded, process.control().snapshot().discovery.discovery()) {
        info!("{line}");
    }
    for warning in &loaded.warnings {
        warn!("{}", warning.in_file(&loaded.file));
    }
    for note in &loaded.notes {
        info!("{}", note.in_file(&loaded.file));
    }
    let reloader = Reloader::new(&loaded, process.control().clone());
    // A large table needs its memory only until it is compiled.
    drop(loaded);
    Ok((process, orders, AbortOnDropHandle::new(tokio::spawn(reloader.run(asked)))))
}

/// Connections and requests in flight need open files. The system gives a process fewer than it may have, unless it
/// asks.
fn raise_open_files(config: &Config) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!("the process may have {} open files, and not more: {error}", current.unwrap_or_default());
    }
    let (limits, files) = (&config.edge.limits, OpenFiles::of_process());
    let wanted = |limit: Option<Count>| limit.and_then(Count::limit).unwrap_or_default();
    for (key, wanted, share) in [
        ("connections", wanted(Some(limits.connections)), files.connections()),
        ("requests_in_flight", wanted(limits.requests_in_flight), files.requests()),
    ] {
        if wanted > share {
            warn!(
                "limits.{key}: of the {} files that the process may have open, {share} are for them, not {wanted}: a \
                 request in flight takes one more than its connection, and clients of HTTP/2 have many on each; raise \
                 ulimit -n (LimitNOFILE in systemd), or lower the limit",
                files.most()
            );
        }
    }
}
