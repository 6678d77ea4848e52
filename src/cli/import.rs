//! The command `import`.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_yaml::Value;

use super::outcome::written;
use crate::{
    api::{BaseUrl, Credentials},
    config::MOST_BYTES,
    edge::{Asker, system_authorities},
    import::{
        ApiClient, AuthorizationServer, Destination, Issuer, MODE, MergeFault, Merged, Original, Running, Table,
        base_path_of_config, clients_of_config, diff, known_of_config, known_of_running, merge_into,
    },
};

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// A Bifrost's config.json, - for standard input, or the URL of a running Bifrost
    source: String,

    /// Show what merging the table into this configuration changes
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,

    /// The site that it is for, where FILE has several: in FILE, or in a file that it includes
    #[arg(long, requires = "into", value_name = "NAME")]
    site: Option<String>,

    /// And write it
    #[arg(long, requires = "into")]
    yes: bool,

    /// Take MCP clients out of FILE that SOURCE does not have
    #[arg(long, requires = "into")]
    prune: bool,
}

const HELP: &str = "\
Prints the section mcp_clients, or with --into a unified diff. References such as env.NAME are kept; of what is or may
be a secret (header values, OAuth clients, arguments and values of stdio commands, queries and user names in URLs)
nothing is, and standard error says what was left out. It also takes the profile, and mcp_server_auth_mode, where they
can be known: by client.mcp_server_auth_mode of a config.json, or something in it that only later versions have; of a
running Bifrost by its version and its configuration; and whether it has a Claude Code gateway. A server.base_path is
told, and compared with public_urls.

With --into, nothing outside these keys of the one site changes, and entries that say the same keep their text. Of an entry that says
something else the fields that do are replaced, but not by what SOURCE has only in part; one that only SOURCE has is
appended, and one that only FILE has stays, unless --prune takes it out. Comments stay. The file is written only with
--yes, at once, and only if it passes check.

Exit codes:
  0  done, or shown
  1  SOURCE cannot be read or has no MCP client, or the result would not pass check
  2  the command line is wrong, or the environment

Where FILE has several sites, --site names the one that it is for. It may be in a file that FILE includes: then that one
is shown and written, and the whole configuration is checked with it.

Environment, for a URL:
  BRIDGEHEAD_API_TOKEN    a session token of Bifrost's API, sent as Bearer, or
  BRIDGEHEAD_API_USER     a user of it, and
  BRIDGEHEAD_API_PASSWORD its password, sent as Basic; and
  BRIDGEHEAD_API_SETUP_TOKEN  the setup token of a Bifrost whose dashboard has no login yet";

/// What ends the command before it is done.
enum Ended {
    /// The environment or the command line is wrong.
    Usage(String),
    /// Anything else.
    Failed(String),
    /// Standard output.
    Output(io::Error),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (message, code) = match import(arguments) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Ended::Output(error)) => return written(Err(error), ExitCode::SUCCESS),
        Err(Ended::Usage(message)) => (message, ExitCode::from(2)),
        Err(Ended::Failed(message)) => (message, ExitCode::FAILURE),
    };
    eprintln!("{message}");
    code
}

fn import(arguments: &Arguments) -> Result<(), Ended> {
    let table = table(&arguments.source, arguments.prune)?;
    if let Some(file) = &arguments.into {
        return into(file, &table, arguments);
    }
    let section = table.section().map_err(|problems| Ended::Failed(problems.to_string()))?;
    show(&section.text)?;
    tell(&table, &section.remarks);
    Ok(())
}

fn table(source: &str, is_pruned: bool) -> Result<Table, Ended> {
    let failed = |fault: String| Ended::Failed(format!("{}: {fault}", named(source)));
    let new = |entries: &[Value]| {
        Table::new(entries).map_err(|faults| {
            let lines: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", named(source))).collect();
            Ended::Failed(lines.join("\n"))
        })
    };
    let mut base_path = None;
    let (mut table, known, why_empty) = if BaseUrl::is_meant(source) {
        let (entries, running) = of_url(source)?;
        (new(&entries)?, known_of_running(&running), EMPTY_API)
    } else {
        let text = read(source).map_err(failed)?;
        let table = new(&clients_of_config(&text).map_err(failed)?)?;
        let known = known_of_config(&text, table.deciding()).map_err(failed)?;
        base_path = base_path_of_config(&text).map_err(failed)?;
        (table, known, EMPTY_FILE)
    };
    (table.profile, table.server, table.base_path) = (known.profile, known.server, base_path);
    // Merged, it would at best change nothing, and with --prune empty the table.
    match &table.server {
        None if table.is_empty() => return Err(failed(why_empty.to_owned())),
        Some(_) if table.is_empty() && is_pruned => return Err(failed(EMPTY_PRUNED.to_owned())),
        _ => {}
    }
    table.told = format!("{}: {}", named(source), known.told);
    Ok(table)
}

/// A source as messages name it.
fn named(source: &str) -> &str {
    if source == "-" { "standard input" } else { source }
}

const EMPTY_API: &str = "it lists no MCP client, so there is nothing to import; a Bifrost without a config store lists \
                         none whatever its file says: import its config.json";
const EMPTY_PRUNED: &str = "it has no MCP client, and --prune would take all of them out of FILE; without --prune only \
                            profile and mode are taken";
const EMPTY_FILE: &str = "its list of MCP clients is empty, so there is nothing to import";

fn into(file: &Path, table: &Table, arguments: &Arguments) -> Result<(), Ended> {
    let fault = |file: &Path, fault: String| Ended::Failed(format!("{}: {fault}", file.display()));
    let mut original = Original::read(file).map_err(|why| fault(file, why))?;
    let to = Destination::find(file, original.text(), arguments.site.as_deref())
        .map_err(|why| fault(file, why.to_string()))?;
    let name = to.file().display();
    let failed = |why: String| fault(to.file(), why);
    if to.file() != file {
        original = Original::read(to.file()).map_err(failed)?;
    }
    let merged = merge_into(&to, original.text(), table, arguments.prune).map_err(|fault| match fault {
        // It names the file on every line.
        MergeFault::Invalid(problems) => Ended::Failed(format!("the result would not be valid:\n{problems}")),
        fault => failed(fault.to_string()),
    })?;
    show(&diff(&name.to_string(), original.text(), &merged.text))?;
    tell(table, &merged.remarks);
    switch(&name.to_string(), &merged, table.server.as_ref());
    if let Some(path) = &merged.missing_path {
        eprintln!(
            "warning: {name}: the source is below the path {path}, its server.base_path, and none of public_urls has \
             that path: write it at the end of the URL that clients type"
        );
    }
    let Merged { added, replaced, removed, kept, text, .. } = merged;
    eprintln!("{name}: {added} added, {replaced} replaced, {removed} taken out, {kept} only in it");
    if text == original.text() {
        eprintln!("{name}: nothing to change");
    } else if arguments.yes {
        original.replace(&text).map_err(|fault| failed(fault.to_string()))?;
        eprintln!("{name}: written");
    } else {
        eprintln!("{name}: not written; --yes writes it");
    }
    Ok(())
}

/// Says what becomes of discovery.
fn switch(name: &str, merged: &Merged, server: Option<&AuthorizationServer>) {
    let Merged { deciding_before, deciding, profile, mode, is_switched, goes_off, lacks_issuer, .. } = merged;
    let gateway = if server.is_some_and(|server| server.has_claude_code) { ", claude_code_gateway true" } else { "" };
    match mode {
        Some(mode) if *is_switched => eprintln!("{name}: profile {}, {MODE} {}{gateway}", profile.name(), mode.name()),
        None if *is_switched => eprintln!("{name}: profile {}", profile.name()),
        _ => {}
    }
    match mode {
        None if *deciding == 0 && *deciding_before > 0 => eprintln!(
            "warning: {name}: no MCP client with auth_type per_user_oauth is left (before: {deciding_before}): \
             discovery is then off, and users cannot log in"
        ),
        _ if *goes_off => {
            eprintln!("warning: {name}: discovery was on, and is then off: users cannot log in");
        }
        _ => {}
    }
    match server.map(|server| &server.issuer) {
        Some(Issuer::Url { url, .. }) if *lacks_issuer => eprintln!(
            "warning: {name}: the source issues tokens for {url} alone, which is none of public_urls: users cannot log \
             in; have it there"
        ),
        Some(Issuer::Url { has_slash: true, .. }) => eprintln!(
            "note: {name}: the source's oauth2_server_config.issuer_url ends with a slash, which Bifrost leaves out since \
             2.4.0; if it is older, take the slash off there, or users cannot log in"
        ),
        Some(Issuer::Other(why)) => eprintln!(
            "warning: {name}: the source's oauth2_server_config.issuer_url is none of public_urls, and cannot be: \
             {why}; Bifrost sends it as it is written: mend it there, or users cannot log in"
        ),
        Some(Issuer::Reference) => eprintln!(
            "{name}: the source's oauth2_server_config.issuer_url is a reference, and was not compared with public_urls"
        ),
        _ => {}
    }
}

fn show(text: &str) -> Result<(), Ended> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Ended::Output)
}

/// Says what is not there, and what is newer than the edge.
fn tell(table: &Table, remarks: &[String]) {
    for dropped in &table.dropped {
        eprintln!("{dropped}");
    }
    for remark in remarks {
        eprintln!("{remark}");
    }
    let (clients, deciding) = (table.len(), table.deciding());
    eprintln!("MCP clients: {clients}, with auth_type per_user_oauth: {deciding}");
    eprintln!("{}", table.told);
    if table.server.as_ref().is_some_and(|server| server.has_claude_code) {
        eprintln!("it has a Claude Code gateway, whatever that mode");
    }
    if let Some(path) = &table.base_path {
        eprintln!("its server.base_path is {path}: public_urls end with it, as in https://gateway.example.com{path}");
    }
}

// === The source ===

fn read(source: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if source == "-" {
        io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(source).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no such file; name a Bifrost's config.json, -, or a URL with http:// or https://".into())
        }
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(size) if size as u64 > MOST_BYTES => Err(format!("larger than {} MiB", MOST_BYTES / (1024 * 1024))),
        Ok(_) => String::from_utf8(bytes).map_err(|_| "is not UTF-8".into()),
    }
}

fn of_url(source: &str) -> Result<(Vec<Value>, Running), Ended> {
    // It may hold a password: then it is not shown.
    let url = BaseUrl::parse(source).map_err(|fault| Ended::Usage(fault.to_owned()))?;
    let credentials = Credentials::from_environment().map_err(Ended::Usage)?;
    if credentials.is_some() && !url.is_tls() && !url.is_loopback() {
        eprintln!("warning: the credentials go to {} in clear text; use https", url.authority());
    }
    system_authorities().map_err(Ended::Failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Ended::Failed(format!("cannot start: {error}")))?;
    let answered = runtime.block_on(async { Asker::new().bifrost_at::<ApiClient>(&url, credentials.as_ref()).await });
    runtime.shutdown_background();
    let answered = answered.map_err(|fault| Ended::Failed(format!("{source}: {fault}")))?;
    let running = Running {
        version: answered.version,
        client: answered.client.and_then(|client| serde_yaml::to_value(client).ok()),
        document: answered.document,
    };
    Ok((answered.clients.into_iter().map(ApiClient::into_fields).collect(), running))
}
