//! The command `explain`.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
};

use clap::Args;
use serde::Deserialize;

use super::{
    outcome::{Format, written},
    upgrade::{ask, reachable},
};
use crate::{
    config::{Loaded, Site, SiteName},
    explain::{Asked, Explanation, ServerNow, explain, table},
};

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// The URL, as the client has it
    url: String,

    /// The method
    #[arg(long = "request", short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,

    /// A header that the client sends, 'Name: value'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    headers: Vec<String>,

    /// The address at the other end of the connection
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,

    /// The listener that takes it, by its address; otherwise the one with the port and the scheme of the URL
    #[arg(long, value_name = "ADDRESS")]
    listener: Option<String>,

    /// Ask the edge that runs with this configuration how the servers are
    #[arg(long)]
    running: bool,

    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const HELP: &str = "\
Takes the request through the code that serves, as far as the pick of a server, and says what is settled on the way and
which keys decide, with file and line. Nobody is asked, but with --running the admin listener of the running edge.

Examples:
  bridgehead explain https://gw.example.com/mcp
  bridgehead explain -X POST https://gw.example.com/mcp -H 'Authorization: Bearer x' --from 192.0.2.7
  bridgehead explain http://10.0.0.5:8000/.well-known/oauth-authorization-server -H 'Host: gw.example.com'

Exit codes:
  0  it is said, whatever becomes of the request
  1  the configuration has problems, or the running edge does not answer
  2  the command line is wrong";

pub(super) fn run(loaded: &Loaded, arguments: &Arguments) -> ExitCode {
    let asked = match asked(arguments) {
        Ok(asked) => asked,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let explained = match runtime {
        Ok(runtime) => runtime.block_on(explain(loaded, &asked)).map_err(|fault| (fault, ExitCode::from(2))),
        Err(error) => Err((format!("cannot start: {error}"), ExitCode::FAILURE)),
    };
    let mut explained = match explained {
        Ok(explained) => explained,
        Err((fault, code)) => {
            eprintln!("{fault}");
            return code;
        }
    };
    if arguments.running {
        match servers_now(loaded, &explained) {
            Ok(servers) => explained.servers_now = servers,
            Err(fault) => {
                eprintln!("{fault}");
                return ExitCode::FAILURE;
            }
        }
    }
    written(print(&explained, arguments.format), ExitCode::SUCCESS)
}

fn asked(arguments: &Arguments) -> Result<Asked, String> {
    let header = |header: &String| match header.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
        None => Err(format!("{header:?} is no header; write for example -H 'Host: gw.example.com'")),
    };
    Ok(Asked {
        method: arguments.method.clone(),
        url: arguments.url.clone(),
        headers: arguments.headers.iter().map(header).collect::<Result<_, _>>()?,
        from: arguments.from,
        listener: arguments.listener.clone(),
    })
}

fn print(explanation: &Explanation, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Table => out.write_all(table(explanation).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, explanation)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

/// What the edge says of its servers.
#[derive(Deserialize)]
struct Status {
    fleet: Servers,
}

#[derive(Deserialize)]
struct Servers {
    list: Vec<ServerStatus>,
}

#[derive(Deserialize)]
struct ServerStatus {
    server: String,
    address: String,
    #[serde(default)]
    sites: Vec<String>,
    state: String,
    in_flight: u64,
}

/// Asks the running edge for the servers of the request's site.
fn servers_now(loaded: &Loaded, explained: &Explanation) -> Result<Vec<ServerNow>, String> {
    let Some(admin) = &loaded.config.edge.admin else {
        return Err("admin.address is not set, so nobody can say how the servers are; leave --running out".to_owned());
    };
    let address = reachable(admin.address.0);
    let status: Status =
        ask(address).map_err(|error| format!("no edge answers on the admin listener {address}: {error}"))?;
    let site: Option<&Site> = explained.site.and_then(|site| loaded.config.sites.get(site));
    let Some(site) = site else { return Ok(Vec::new()) };
    let name = site.name.as_ref().map(SiteName::as_str);
    let is_of_site = |server: &ServerStatus| {
        server.sites.is_empty() || name.is_some_and(|name| server.sites.iter().any(|site| site == name))
    };
    let of_site = status.fleet.list.into_iter().filter(is_of_site);
    Ok(of_site
        .map(|ServerStatus { server, address, state, in_flight, .. }| ServerNow { server, address, state, in_flight })
        .collect())
}
