//! The command `run`.

use std::{io, path::Path, process::ExitCode};

use log::{error, info, warn};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use super::{load, summary::summary};
use crate::{
    config::{Config, Loaded},
    server::{Ended, Inherited, Order, Predecessor, Program, Server},
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

/// A reload or a replacement that somebody asks for while the configuration is still being read must not end the
/// process, as these signals do when nobody listens.
fn survive_early_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for kind in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
            let _never_heard = signal(kind)?;
        }
        Ok(())
    })
}

/// Serves to the end. An error has been told to the operator.
fn start(file: &Path, inherited: Inherited, predecessor: Option<Predecessor>) -> Result<ExitCode, String> {
    let loaded = load(file)?;
    // It ends after everything that may log.
    let _log = telemetry::start().map_err(|error| {
        eprintln!("cannot start the log: {error}");
        error.to_string()
    })?;
    let served = serve(loaded, inherited, predecessor);
    served.inspect_err(|why| error!("{why}"))
}

fn serve(loaded: Loaded, inherited: Inherited, predecessor: Option<Predecessor>) -> Result<ExitCode, String> {
    let threads = Server::threads(&loaded.config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start {threads} worker threads: {error}"))?;
    let ended = runtime.block_on(async {
        let (mut server, orders, _reloader) = prepare(loaded, inherited)?;
        if let Some(predecessor) = predecessor {
            server.replace(predecessor);
        }
        server.serve(orders).await.map_err(|error| error.to_string())
    });
    // Whatever still runs, a name being looked up for example, is not waited for.
    runtime.shutdown_background();
    let Ended { cut, missed, is_orphaned } = ended?;
    info!("stopped, {cut} requests cut, {missed} came too late");
    Ok(if is_orphaned { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

type Prepared = (Server, mpsc::Receiver<Order>, AbortOnDropHandle<()>);

/// A server whose sockets are bound, what it is told by signals, and what keeps its configuration up to date.
fn prepare(loaded: Loaded, inherited: Inherited) -> Result<Prepared, String> {
    let (orders, asked) = on_signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    info!("bridgehead {}, configuration {}", env!("CARGO_PKG_VERSION"), loaded.file.display());
    raise_open_files(&loaded.config);
    let server = Server::bind(&loaded.config, inherited).map_err(|error| error.to_string())?;
    for (listener, address) in server.listeners() {
        info!("listening on {address} ({})", listener.protocol());
    }
    if let Some(address) = server.admin_address() {
        info!("status page and metrics on http://{address}/");
    }
    for line in summary(&loaded, server.control().snapshot().discovery.discovery()) {
        info!("{line}");
    }
    for warning in &loaded.warnings {
        warn!("{}", warning.in_file(&loaded.file));
    }
    let reloader = Reloader::new(&loaded, server.control().clone());
    // A large table needs its memory only until it is compiled.
    drop(loaded);
    Ok((server, orders, AbortOnDropHandle::new(tokio::spawn(reloader.run(asked)))))
}

/// A connection needs a file of its own and one to a server. The system gives a process fewer than it may have,
/// unless it asks.
fn raise_open_files(config: &Config) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!("the process may have {} open files, and not more: {error}", current.unwrap_or_default());
    }
    let wanted = config.limits.connections.0.map(|connections| 2 * connections as u64);
    if let (Some(wanted), Some(maximum)) = (wanted, maximum)
        && maximum < wanted
    {
        warn!(
            "limits.connections needs up to {wanted} open files, and the process may have {maximum}; raise ulimit -n, \
             or lower the limit"
        );
    }
}

/// Turns signals into orders to the server, and into words to look at the configuration.
fn on_signals() -> io::Result<(mpsc::Receiver<Order>, mpsc::Receiver<()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut replace = signal(SignalKind::user_defined2())?;
    let ((order, orders), (ask, asked)) = (mpsc::channel(4), mpsc::channel(1));
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                _ = terminate.recv() => Order::Stop,
                _ = interrupt.recv() => Order::StopNow,
                _ = replace.recv() => Order::Replace(Program::this()),
                _ = hangup.recv() => {
                    // One word that has not been heard yet stands for two.
                    let _already_asked = ask.try_send(());
                    continue;
                }
            };
            info!("told to {}", next.name());
            if order.send(next).await.is_err() {
                return;
            }
        }
    });
    Ok((orders, asked))
}
