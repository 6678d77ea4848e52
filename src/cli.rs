//! The commands: from arguments to an exit code.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use log::{error, info, warn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    config::{self, Config, Loaded, Scheme},
    discovery::{
        AUTHORIZATION_SERVER, Answer, Discovery, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, Request, Verdict,
    },
    server::{Server, Stop},
    telemetry,
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

Exit codes:
  0  done, or stopped by a signal
  1  the configuration has problems, or an address cannot be listened on
  2  the command line is wrong

Environment:
  RUST_LOG  how much is logged to standard error: warn, info (default), debug

Signals to a running edge:
  SIGTERM  stop accepting, finish the requests in flight for at most 30 s, exit;
           a second one exits at once
  SIGINT   exit at once";

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serve until stopped (also what happens without a command)
    Run,
    /// Check the configuration, print what would be served, and exit: 1 if there are problems
    Check,
    /// Print the discovery documents of each public URL, without serving
    Discover,
    /// Print the JSON Schema of the configuration, with which editors complete and check it
    Schema,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Some(Command::Schema)) {
        return printed(io::stdout().write_all(config::json_schema().as_bytes()));
    }
    let loaded = match Loaded::from_file(&arguments.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.command.unwrap_or(Command::Run) {
        Command::Check => printed(check(&loaded)),
        Command::Discover => printed(discover(&loaded)),
        Command::Run | Command::Schema => run(loaded),
    }
}

/// The exit code of a command that prints.
fn printed(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

// === run ===

fn run(loaded: Loaded) -> ExitCode {
    if let Err(error) = telemetry::start() {
        eprintln!("cannot start the log: {error}");
        return ExitCode::FAILURE;
    }
    let threads = Server::threads(&loaded.config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(serve(loaded));
            // Whatever still runs, a name being looked up for example, is not waited for.
            runtime.shutdown_background();
            served
        }
        Err(error) => Err(format!("cannot start {threads} worker threads: {error}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            error!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(loaded: Loaded) -> Result<(), String> {
    let stop = on_signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    info!("bifrost-edge {}, configuration {}", env!("CARGO_PKG_VERSION"), loaded.file.display());
    raise_open_files(&loaded.config);
    let server = Server::bind(&loaded.config).map_err(|error| error.to_string())?;
    for (listener, address) in server.listeners() {
        info!("listening on {address} ({})", listener.protocol());
    }
    if let Some(address) = server.admin_address() {
        info!("metrics on http://{address}/metrics");
    }
    for line in summary(&loaded, server.control().snapshot().discovery.discovery()) {
        info!("{line}");
    }
    for warning in &loaded.warnings {
        warn!("{}", warning.in_file(&loaded.file));
    }
    // A large table needs its memory only until it is compiled.
    drop(loaded);
    let cut = server.serve(stop).await.map_err(|error| error.to_string())?;
    info!("stopped, {cut} requests cut");
    Ok(())
}

/// A connection needs a file of its own and one to a server. The system gives a process fewer than it may have,
/// unless it asks.
fn raise_open_files(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        warn!("the process may have {soft} open files, and not more: {error}");
    }
    let wanted = config.limits.connections.0.map(|connections| 2 * connections as u64);
    if wanted.is_some_and(|wanted| hard < wanted) {
        warn!(
            "limits.connections needs up to {} open files, and the process may have {hard}; raise ulimit -n, or lower \
             the limit",
            wanted.unwrap_or_default()
        );
    }
}

/// Turns signals into words to the server: the first SIGTERM asks it to finish, everything after that,
/// and SIGINT always, to end at once.
fn on_signals() -> io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let asked_to_finish = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => false,
        };
        if asked_to_finish {
            info!("SIGTERM: finishing the requests in flight");
            let _server_gone = sender.send(Stop::Gracefully).await;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        let _server_gone = sender.send(Stop::Now).await;
    });
    Ok(receiver)
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
        writeln!(out, "metrics on http://{}/metrics", admin.address.0)?;
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
            deciding.len(),
            first_few(deciding)
        )
    } else {
        format!("discovery off (404), profile {profile}: none of {clients} MCP clients has auth_type per_user_oauth")
    };
    let urls = discovery.origins().urls();
    let urls_line = if urls.is_empty() {
        "public URLs: none, derived from each request".to_owned()
    } else {
        format!("public URLs: {}", first_few(urls))
    };
    let servers: Vec<_> = config.servers.iter().map(|server| &server.address).collect();
    let servers_line = match servers.len() {
        0 => "forwarding to no server".to_owned(),
        1 => format!("forwarding to 1 server: {}", servers[0]),
        count => format!("forwarding to {count} servers, {}: {}", config.balance.policy.name(), first_few(&servers)),
    };
    vec![discovery_line, urls_line, servers_line]
}

fn first_few<T: ToString>(items: &[T]) -> String {
    const FEW: usize = 5;
    let shown: Vec<_> = items.iter().take(FEW).map(ToString::to_string).collect();
    match items.len().saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
