//! What the operator wrote: the schema of `conf/proxy.yaml`, the checks on it, and every problem
//! with its file, line, key path and remedy.
//!
//! ```
//! let config = bridgehead::config::Loaded::from_text(
//!     "conf/proxy.yaml".as_ref(),
//!     "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{adress: \"127.0.0.1:8080\"}]\n",
//! );
//! let problems = config.unwrap_err().to_string();
//! assert!(problems.contains("conf/proxy.yaml:2: servers[0].adress: unknown key; did you mean \"address\"?"));
//! ```

mod access_log;
mod admin;
mod bounds;
mod certificates;
mod checks;
mod contents;
mod decode;
mod dns;
mod door_checks;
mod fault;
mod fixed;
mod fleet;
mod fleet_checks;
mod json_schema;
mod limits;
mod lines;
mod listener;
mod listener_tls;
mod mcp_client;
mod network;
mod null;
mod path_prefix;
mod patterns;
mod pem;
mod problem;
mod profile;
mod profile_checks;
mod public_url;
mod schema;
mod server_address;
mod server_tls;
mod stop;
mod timeouts;
mod verify;

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde_yaml::Value;

pub(crate) use self::public_url::split_port;
pub use self::{
    access_log::{AccessLog, AccessLogFormat, AccessLogTarget},
    admin::{Admin, AdminAddress, AdminHost, ReadinessPath},
    contents::Contents,
    dns::Dns,
    fixed::Fixed,
    fleet::{Balance, BreakerOptions, HashKey, HealthChecks, HealthyStatus, Policy, Retries, Server},
    json_schema::json_schema,
    limits::{ClientRate, Count, Limits, RateLimit, Size},
    listener::{ListenAddress, Listener, Mode},
    listener_tls::{CertificateFiles, ClientCertificates, FileFault, ListenerTls, TlsVersion},
    mcp_client::{
        AuthType, ConnectionType, GoDuration, McpClient, OauthConfig, Secret, StdioConfig, TlsConfig, TokenExchange,
    },
    network::Network,
    path_prefix::PathPrefix,
    problem::{KeyPath, Problem, Problems, Step},
    profile::{McpServerAuthMode, Profile},
    public_url::{PublicUrl, Scheme},
    schema::{AccessRule, Config, DiscoveryOptions, UnknownHosts},
    server_address::ServerAddress,
    server_tls::{ServerName, ServerTls, TlsFiles},
    stop::StopOptions,
    timeouts::{PathTimeouts, Timeouts},
    verify::Verify,
};

/// A larger file is refused: 64 MiB is room for more than 200,000 MCP clients.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// A configuration that has passed every check.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file as the operator named it.
    pub file: PathBuf,
    /// What it says.
    pub config: Config,
    /// What the operator should know about it.
    pub warnings: Vec<Problem>,
    /// What the file held, and the files of servers that it names.
    pub contents: Contents,
    /// The files of servers that it names.
    pub named: Vec<PathBuf>,
}

impl Loaded {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file; one problem when it cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, Problems> {
        Self::from_text(file, &read(file)?)
    }

    /// Checks the text of a file for an edge that runs already.
    ///
    /// # Errors
    /// Every problem of the text; if there is none, every key that a running edge cannot change.
    pub fn for_running(file: &Path, text: &str, fixed: &Fixed) -> Result<Self, Problems> {
        let loaded = Self::from_text(file, text)?;
        let problems = fixed.problems(&loaded.config);
        if problems.is_empty() { Ok(loaded) } else { Err(located(file, text, problems)) }
    }

    /// Checks the text of a file; `file` only names it.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(line) = too_deep(text) {
            let message = "nested deeper than any configuration; look for a bracket that is never closed";
            return Err(Problems::new(file, vec![Problem { line: Some(line), ..Problem::of_file(message) }]));
        }
        // A good file is decoded straight from its text; only a bad one is looked at a second time.
        let mut config: Config = serde_yaml::from_str(text).map_err(|fault| diagnose(file, text, &fault))?;
        let problems = judge(&mut config, file);
        if !problems.is_empty() {
            return Err(located(file, text, problems));
        }
        let mut warnings = checks::warnings(&config);
        lines::locate(text, &mut warnings);
        let contents = Contents::of(text, &config);
        let named = contents::named(&config, folder(file));
        Ok(Loaded { file: file.to_owned(), config, warnings, contents, named })
    }
}

/// Everything that is wrong with a configuration that decoded. Reads the files that it names.
fn judge(config: &mut Config, file: &Path) -> Vec<Problem> {
    let mut problems = checks::problems(config);
    let folder = folder(file);
    for (place, server) in config.servers.iter_mut().enumerate() {
        if let Some(tls) = &mut server.tls {
            problems.extend(tls.read(folder, &KeyPath::root("servers").index(place).key("tls")));
        }
    }
    for (place, listener) in config.listeners.iter_mut().enumerate() {
        let has_http2 = listener.has_http2();
        if let Some(tls) = &mut listener.tls {
            problems.extend(tls.check(folder, has_http2, &KeyPath::root("listeners").index(place).key("tls")));
        }
    }
    problems.extend(config.access_log.as_mut().and_then(|log| log.locate(folder)));
    problems
}

/// Where the relative paths of a file start.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The text of a configuration file.
///
/// # Errors
/// When it cannot be read, or is too large or not UTF-8.
pub fn read(file: &Path) -> Result<String, Problems> {
    read_text(file).map_err(|message| Problems::new(file, vec![Problem::of_file(message)]))
}

pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let open = File::open(file).and_then(|open| {
        if open.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(open)
    });
    let mut bytes = Vec::new();
    let read = open.and_then(|open| {
        let size = open.metadata()?.len();
        if size > MOST_BYTES {
            return Ok(size);
        }
        open.take(MOST_BYTES + 1).read_to_end(&mut bytes).map(|read| read as u64)
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err("there is no such file; name one with --config, or start from the conf/proxy.yaml that is shipped"
                .into())
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => Err("this is a directory; name the file in it".into()),
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(size) if size > MOST_BYTES => Err(format!(
            "larger than {} MiB, which is no configuration of this program; name another file",
            MOST_BYTES / (1024 * 1024)
        )),
        Ok(_) => String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            format!("line {line} is not UTF-8; save the file as UTF-8")
        }),
    }
}

/// All problems of a text that did not decode.
fn diagnose(file: &Path, text: &str, fault: &serde_yaml::Error) -> Problems {
    let tree: Value = match serde_yaml::from_str(text) {
        Ok(Value::Null) => {
            let message = "the file is empty; start from the conf/proxy.yaml that is shipped";
            return Problems::new(file, vec![Problem::of_file(message)]);
        }
        Ok(tree) => tree,
        Err(syntax) => {
            let problem = lines::first_repeated_key(text).unwrap_or_else(|| syntax_problem(&syntax));
            return Problems::new(file, vec![problem]);
        }
    };
    let mut decoded = decode::decode::<Config>(&tree);
    let mut problems = Vec::new();
    if let Some(mut config) = decoded.value.take() {
        let checked = judge(&mut config, file).into_iter().map(|problem| Problem {
            path: decoded.path_in_file(problem.path),
            first: problem.first.map(|first| decoded.path_in_file(first)),
            ..problem
        });
        // A value of which parts were left out cannot be judged as a whole.
        problems.extend(checked.filter(|problem| !decoded.is_partial(&problem.path)));
    }
    problems.extend(decoded.problems);
    if problems.is_empty() {
        problems.push(syntax_problem(fault));
    }
    located(file, text, problems)
}

/// The line on which the text is nested so deep that libyaml would take minutes to refuse it. A file
/// without so many open brackets cannot be; one that has them, perhaps in its texts, is looked at closely
/// up to there.
fn too_deep(text: &str) -> Option<usize> {
    // serde_yaml itself goes no deeper than 128.
    const DEEPEST: usize = 200;
    let mut open = 0_usize;
    let suspect = text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        // Twice, so that the nesting is there to be seen before the text is cut off.
        open > 2 * DEEPEST
    })?;
    let before = &text[..suspect];
    // Lists that open one right after the other are too much for the parser that finds lines, too.
    if before.ends_with(&"[".repeat(DEEPEST)) {
        return Some(before.lines().count());
    }
    lines::first_deeper_than(before, DEEPEST)
}

fn syntax_problem(fault: &serde_yaml::Error) -> Problem {
    Problem {
        line: fault.location().map(|place| place.line()),
        ..Problem::of_file(format!("not valid YAML: {fault}; look at the indentation, quotes and brackets there"))
    }
}

fn located(file: &Path, text: &str, mut problems: Vec<Problem>) -> Problems {
    lines::locate(text, &mut problems);
    Problems::new(file, problems)
}
