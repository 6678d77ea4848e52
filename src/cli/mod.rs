//! The commands: from arguments to an exit code.

mod config;
mod explain;
mod found;
mod import;
mod outcome;
mod pages;
mod report;
mod run;
mod show;
mod summary;
mod upgrade;
mod verify;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use self::{
    outcome::{Format, load, written},
    report::check_for_program,
    run::run,
    show::{check, discover},
    upgrade::upgrade,
};
use crate::config::{Loaded, json_schema};

/// A reverse proxy in front of a fleet of Bifrost AI gateways. It answers MCP OAuth discovery
/// (RFC 8414, RFC 9728) itself, from the MCP clients in its configuration, and forwards everything
/// else to the Bifrost servers.
#[derive(Debug, Parser)]
#[command(name = "bridgehead", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration file. Without it that of `BRIDGEHEAD_CONFIG`, conf/proxy.yaml, or /etc/bridgehead/proxy.yaml
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  bridgehead                              run with conf/proxy.yaml
  bridgehead check -c /etc/bridgehead/proxy.yaml
  bridgehead explain -X POST https://gw.example.com/mcp --from 192.0.2.7
  bridgehead discover | grep issuer
  bridgehead verify --format json
  bridgehead import config.json --into conf/proxy.yaml

Exit codes:
  0  done, or stopped by a signal
  1  the configuration has problems, or warnings (check --strict), an address cannot be listened on, the edge was not
     replaced, a server does not agree with the edge or was not reached (verify), or
     nothing can be imported (import)
  2  the command line is wrong, or the environment

Environment:
  BRIDGEHEAD_CONFIG  the configuration file, where --config names none
  RUST_LOG  how much is logged to standard error: warn, info (default), debug
  BRIDGEHEAD_API_TOKEN, or BRIDGEHEAD_API_USER and BRIDGEHEAD_API_PASSWORD, and
  BRIDGEHEAD_API_SETUP_TOKEN while a Bifrost's dashboard has no login
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
    Check {
        /// Exit with 1 if there are warnings, too
        #[arg(long)]
        strict: bool,

        /// How the result is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print the configuration as it is understood, with every default, or compare it with another one
    Config(config::Arguments),
    /// Say what would become of a request, step by step, and which keys decide
    Explain(explain::Arguments),
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
    /// Print what a shell completes this command line with
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, for packages
    #[command(hide = true)]
    Man {
        /// The folder, made if it is not there
        folder: PathBuf,
    },
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or(Command::Run);
    let file = found::configuration(arguments.config);
    if let Command::Run = command {
        return run(&file);
    }
    if let Command::Import(import) = &command {
        return import::run(import);
    }
    if let Command::Schema = command {
        return written(io::stdout().write_all(json_schema().as_bytes()), ExitCode::SUCCESS);
    }
    if let Command::Check { strict, format: Format::Json } = command {
        return check_for_program(&file, strict);
    }
    if let Command::Completions { shell } = command {
        return pages::completions(shell);
    }
    if let Command::Man { folder } = &command {
        return pages::manual(folder);
    }
    let Ok(loaded) = load(&file) else { return ExitCode::FAILURE };
    if !matches!(command, Command::Check { .. }) {
        // Beside what other programs read.
        eprintln!("configuration {}", file.display());
    }
    let done = match command {
        Command::Check { strict, .. } => {
            let has_failed = strict && !loaded.warnings.is_empty();
            let code = if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return written(check(&loaded), code);
        }
        Command::Discover => discover(&loaded),
        Command::Config(config) => return config::run(&loaded, &config),
        Command::Explain(explain) => return explain::run(&loaded, &explain),
        Command::Verify(verify) => {
            for warning in loaded.certificate_warnings() {
                eprintln!("warning: {}", warning.in_file(&loaded.file));
            }
            return verify::run(&loaded, &verify);
        }
        Command::Upgrade => return replace_running(&loaded),
        // They need no configuration that was read here.
        Command::Run | Command::Import(_) | Command::Schema | Command::Completions { .. } | Command::Man { .. } => {
            Ok(())
        }
    };
    written(done, ExitCode::SUCCESS)
}

fn replace_running(loaded: &Loaded) -> ExitCode {
    match upgrade(loaded) {
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
