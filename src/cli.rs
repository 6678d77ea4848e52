//! The commands: from arguments to an exit code.

mod import;
mod verify;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use log::{error, info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    pin,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    config::{self, Config, Loaded, Scheme},
    discovery::{
        AUTHORIZATION_SERVER, Answer, Discovery, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, Request, Verdict,
    },
    server::{Inherited, Order, Predecessor, Program, Server},
    state::{Phase, Reloader},
    telemetry,
    upgrade::upgrade,
};

/// A reverse proxy in front of a fleet of Bifrost AI gateways. It answers MCP OAuth discovery
/// (RFC 8414, RFC 9728) itself, from the MCP clients in its configuration, and forwards everything
/// else to the Bifrost servers.
#[derive(Debug, Parser)]
#[command(name = "bifrost-edge", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration file
    #[arg(long, short, global = true, value_name = "FILE", default_value = "conf/proxy.yaml")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  bifrost-edge                              run with conf/proxy.yaml
  bifrost-edge check -c /etc/bifrost-edge/proxy.yaml
  bifrost-edge discover | grep issuer
  bifrost-edge verify --format json
  bifrost-edge import config.json --into conf/proxy.yaml

Exit codes:
  0  done, or stopped by a signal
  1  the configuration has problems, an address cannot be listened on, the edge was not
     replaced, a server does not agree with the edge or was not reached (verify), or
     nothing can be imported (import)
  2  the command line is wrong, or the environment

Environment:
  RUST_LOG  how much is logged to standard error: warn, info (default), debug
  BIFROST_EDGE_API_TOKEN, or BIFROST_EDGE_API_USER and BIFROST_EDGE_API_PASSWORD
            credentials for Bifrost's API, for verify (command and key) and import; sent to no one else

Signals to a running edge:
  SIGTERM  stop: not ready for stop.delay, then no new connections, exit as soon as
           the last request is done, or after stop.grace; a second one exits at once
  SIGINT   exit at once
  SIGHUP   look at the configuration now, and say what came of it
  SIGUSR1  open the file of the access log anew, after it was renamed
  SIGUSR2  start the program anew, hand the sockets over to it, and stop once it serves";

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Serve until stopped (also what happens without a command)
    Run,
    /// Check the configuration, print what would be served, and exit: 1 if there are problems
    Check,
    /// Print the discovery documents of each public URL, without serving
    Discover,
    /// Ask every server what it answers for discovery, and compare: 1 if one does not agree
    Verify(verify::Arguments),
    /// Make the MCP client table from a Bifrost's, without its secrets
    Import(import::Arguments),
    /// Have the edge that runs with this configuration replaced by this program, without refusing a connection
    Upgrade,
    /// Print the JSON Schema of the configuration, with which editors complete and check it
    Schema,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or(Command::Run);
    if let Command::Run = command {
        return run(&arguments.config);
    }
    if let Command::Import(import) = &command {
        return import::run(import);
    }
    if let Command::Schema = command {
        return written(io::stdout().write_all(config::json_schema().as_bytes()), ExitCode::SUCCESS);
    }
    let Ok(loaded) = load(&arguments.config) else { return ExitCode::FAILURE };
    let done = match command {
        Command::Check => check(&loaded),
        Command::Discover => discover(&loaded),
        Command::Verify(verify) => return verify::run(&loaded, &verify),
        Command::Upgrade => return replace_running(&loaded),
        // They need no configuration that was read here.
        Command::Run | Command::Import(_) | Command::Schema => Ok(()),
    };
    written(done, ExitCode::SUCCESS)
}

/// The exit code of a command that has written to standard output.
fn written(done: io::Result<()>, code: ExitCode) -> ExitCode {
    match done {
        Ok(()) => code,
        // The reader of a pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration; its problems are shown, and returned.
fn load(file: &Path) -> Result<Loaded, String> {
    Loaded::from_file(file).map_err(|problems| {
        let problems = problems.to_string();
        eprintln!("{problems}");
        problems
    })
}

// === run ===

fn run(file: &Path) -> ExitCode {
    let (predecessor, inherited) = match Predecessor::find() {
        Ok(found) => found.unzip(),
        Err(error) => {
            eprintln!(
                "cannot take over from the edge that runs: {error}; unset BIFROST_EDGE_HANDOVER if there is none"
            );
            return ExitCode::FAILURE;
        }
    };
    let failed = |predecessor: Option<Predecessor>, why: &str| {
        if let Some(predecessor) = predecessor {
            predecessor.failed(why);
        }
        ExitCode::FAILURE
    };
    let loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(problems) => return failed(predecessor, &problems),
    };
    if let Err(error) = telemetry::start() {
        eprintln!("cannot start the log: {error}");
        return failed(predecessor, "its log cannot be started");
    }
    let threads = Server::threads(&loaded.config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(serve(loaded, inherited.unwrap_or_default(), predecessor));
            // Whatever still runs, a name being looked up for example, is not waited for.
            runtime.shutdown_background();
            served
        }
        Err(error) => Err((format!("cannot start {threads} worker threads: {error}"), predecessor)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err((message, predecessor)) => {
            error!("{message}");
            failed(predecessor, &message)
        }
    }
}

/// Serves to the end. With an error comes the predecessor that has not heard of it.
async fn serve(
    loaded: Loaded,
    inherited: Inherited,
    predecessor: Option<Predecessor>,
) -> Result<(), (String, Option<Predecessor>)> {
    let (server, orders, _reloader) = match prepare(loaded, inherited) {
        Ok(prepared) => prepared,
        Err(message) => return Err((message, predecessor)),
    };
    let control = server.control().clone();
    let serving = server.serve(orders);
    pin!(serving);
    let before = tokio::select! {
        ended = &mut serving => Some(ended),
        () = control.entered(Phase::Serving) => None,
    };
    let ended = if let Some(ended) = before {
        ended.map_err(|error| (error.to_string(), predecessor))
    } else {
        if let Some(predecessor) = predecessor {
            predecessor.ready();
        }
        serving.await.map_err(|error| (error.to_string(), None))
    };
    ended.map(|cut| info!("stopped, {cut} requests cut"))
}

type Prepared = (Server, mpsc::Receiver<Order>, AbortOnDropHandle<()>);

/// A server whose sockets are bound, what it is told by signals, and what keeps its configuration up to date.
fn prepare(loaded: Loaded, inherited: Inherited) -> Result<Prepared, String> {
    let (orders, asked) = on_signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    info!("bifrost-edge {}, configuration {}", env!("CARGO_PKG_VERSION"), loaded.file.display());
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

// === upgrade ===

fn replace_running(loaded: &Loaded) -> ExitCode {
    match upgrade(&loaded.config) {
        Ok((old, new)) => {
            println!("process {new} serves from now on, process {old} finishes what it has");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// === check, discover ===

fn check(loaded: &Loaded) -> io::Result<()> {
    let discovery = Discovery::compile(&loaded.config);
    let mut out = io::stdout().lock();
    writeln!(out, "{}: valid", loaded.file.display())?;
    for listener in &loaded.config.listeners {
        writeln!(out, "listening on {} ({})", listener.address, listener.protocol())?;
    }
    if let Some(admin) = &loaded.config.admin {
        writeln!(out, "status page and metrics on http://{}/", admin.address.0)?;
    }
    for line in summary(loaded, &discovery) {
        writeln!(out, "{line}")?;
    }
    for warning in &loaded.warnings {
        writeln!(out, "warning: {}", warning.in_file(&loaded.file))?;
    }
    for (url, answer) in documents(&discovery) {
        writeln!(out, "GET {url} -> {}", answer.status.as_u16())?;
    }
    Ok(())
}

fn discover(loaded: &Loaded) -> io::Result<()> {
    let discovery = Discovery::compile(&loaded.config);
    let mut out = io::stdout().lock();
    if discovery.origins().are_derived() {
        writeln!(out, "# no public_urls: the documents depend on the host of each request")?;
    }
    for (url, answer) in documents(&discovery) {
        writeln!(out, "# GET {url} -> {}", answer.status.as_u16())?;
        let body = String::from_utf8_lossy(&answer.body);
        writeln!(out, "{}\n", body.trim_end())?;
    }
    Ok(())
}

/// What a GET of each document at each public URL is answered: asked of the discovery that serves.
fn documents(discovery: &Discovery) -> impl Iterator<Item = (String, &Answer)> {
    let paths = [AUTHORIZATION_SERVER, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP];
    let urls = discovery.origins().urls().iter();
    urls.flat_map(move |url| paths.map(|path| (url, path))).filter_map(|(url, path)| {
        let verdict = discovery.decide(&Request {
            method: &http::Method::GET,
            target: path.as_bytes(),
            host: Some(url.authority().as_bytes()),
            scheme: Scheme::Http,
            if_none_match: None,
        });
        match verdict {
            Verdict::Prepared(id) => Some((format!("{url}{path}"), &discovery.answers()[id.0])),
            Verdict::NotOurs | Verdict::Derived(_) => None,
        }
    })
}

/// What is served, in a few lines for a person.
fn summary(loaded: &Loaded, discovery: &Discovery) -> Vec<String> {
    let config = &loaded.config;
    let clients = config.mcp_clients.len();
    let deciding = discovery.deciding_clients();
    let profile = config.profile.name();
    let discovery_line = if discovery.is_on() {
        format!(
            "discovery on, profile {profile}: {} of {clients} MCP clients with auth_type per_user_oauth: {}",
            discovery.deciding_count(),
            first_few(deciding, discovery.deciding_count())
        )
    } else {
        format!("discovery off (404), profile {profile}: none of {clients} MCP clients has auth_type per_user_oauth")
    };
    let urls = discovery.origins().urls();
    let urls_line = if urls.is_empty() {
        "public URLs: none, derived from each request".to_owned()
    } else {
        format!("public URLs: {}", first_few(urls, urls.len()))
    };
    let servers: Vec<_> = config.servers.iter().map(|server| &server.address).collect();
    let servers_line = match servers.len() {
        0 => "forwarding to no server".to_owned(),
        1 => format!("forwarding to 1 server: {}", servers[0]),
        count => {
            format!("forwarding to {count} servers, {}: {}", config.balance.policy.name(), first_few(&servers, count))
        }
    };
    let mut lines = vec![discovery_line, urls_line, servers_line];
    lines.extend(config.access_log.as_ref().map(|log| format!("access log: {} to {}", log.format.name(), log.to)));
    lines
}

/// The first of so many.
fn first_few<T: ToString>(items: &[T], count: usize) -> String {
    const FEW: usize = 5;
    let shown: Vec<_> = items.iter().take(FEW).map(ToString::to_string).collect();
    match count.saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
