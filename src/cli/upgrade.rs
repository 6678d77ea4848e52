//! Has a running edge replaced by the program that is installed now, and waits for the outcome.
//!
//! The running edge does the work when it gets SIGUSR2 ([`crate::process::Order::Replace`]); here its process is found,
//! and asked how it went, at its admin listener.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::{self, Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, de::DeserializeOwned};

use crate::config::Loaded;

/// Why an edge was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// There is no way to find it.
    #[error("admin.address is not set, so nobody can say which process runs; send SIGUSR2 to it, and look at its log")]
    NoAdmin,
    /// It does not answer.
    #[error("no edge answers on the admin listener {0}: {1}; if it runs elsewhere, send SIGUSR2 to it")]
    NoAnswer(SocketAddr, io::Error),
    /// Another program says that it is the edge.
    #[error("process {0} is no bridgehead, so it is left alone")]
    Stranger(i32),
    /// It is another edge, or serves another configuration.
    #[error(
        "the admin listener {address} belongs to process {process}, which runs with {theirs}, not with {own}: it is left \
         alone, and nothing was replaced; name its file with --config, or give each edge an admin.address of its own"
    )]
    Other {
        /// Where it answers.
        address: SocketAddr,
        /// Which process that is.
        process: i32,
        /// Its configuration.
        theirs: String,
        /// The one that was named.
        own: String,
    },
    /// It cannot be told.
    #[error("process {0} cannot be told: {1}; run this as its user, or as root")]
    NotTold(i32, rustix::io::Errno),
    /// Its successor did not serve; it goes on.
    #[error("the successor does not serve, and process {0} goes on: {1}")]
    Failed(i32, String),
    /// Nothing happened.
    #[error("process {0} was told, and nothing came of it within {PATIENCE:?}; look at its log")]
    Late(i32),
}

/// What the edge says of itself, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Status {
    pid: i32,
    phase: String,
    replacement: Replacement,
    configuration: Configuration,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    file: Option<PathBuf>,
    /// An older edge does not say it.
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Replacement {
    failed: u64,
    why: Option<String>,
}

/// A little longer than the edge waits for its successor.
const PATIENCE: Duration = Duration::from_secs(70);
const INTERVAL: Duration = Duration::from_millis(50);
const ANSWER: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Replaces the edge that runs with this configuration; returns the old process and the new one.
///
/// # Errors
/// When there is none, or another one answers in its place, or it goes on.
pub fn upgrade(loaded: &Loaded) -> Result<(i32, i32), UpgradeError> {
    let address = reachable(loaded.config.edge.admin.as_ref().ok_or(UpgradeError::NoAdmin)?.address.0);
    let before: Status = ask(address).map_err(|error| UpgradeError::NoAnswer(address, error))?;
    let old = before.pid;
    match is_edge(old) {
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(UpgradeError::NotTold(old, rustix::io::Errno::ACCESS));
        }
        Ok(false) | Err(_) => return Err(UpgradeError::Stranger(old)),
    }
    if let Some(theirs) = before.configuration.unlike(&loaded.file) {
        let own = loaded.file.display().to_string();
        return Err(UpgradeError::Other { address, process: old, theirs: theirs.display().to_string(), own });
    }
    let process = Pid::from_raw(old).ok_or(UpgradeError::Stranger(old))?;
    kill_process(process, Signal::USR2).map_err(|error| UpgradeError::NotTold(old, error))?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        sleep(INTERVAL);
        match ask::<Status>(address) {
            Ok(now) if now.pid != old && now.phase == "serving" => return Ok((old, now.pid)),
            Ok(now) if now.pid == old && now.replacement.failed > before.replacement.failed => {
                return Err(UpgradeError::Failed(old, now.replacement.why.unwrap_or_default()));
            }
            // One of them is just about to begin, or to end.
            Ok(_) | Err(_) => {}
        }
    }
    Err(UpgradeError::Late(old))
}

impl Configuration {
    /// The file, if it is another one than this, as far as an older edge says.
    fn unlike(&self, file: &Path) -> Option<&Path> {
        let said = self.path.as_deref().or_else(|| self.file.as_deref().filter(|file| file.is_absolute()))?;
        // By whatever links either is named; what is not there any more is compared as it is written.
        let followed = |file: &Path| file.canonicalize().or_else(|_| path::absolute(file)).unwrap_or(file.to_owned());
        (followed(said) != followed(file)).then_some(said)
    }
}

/// Where a listener on all addresses can be reached.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Whoever answers on that port, only an edge is sent a signal that ends most other programs.
fn is_edge(process: i32) -> io::Result<bool> {
    let program = fs::read_link(format!("/proc/{process}/exe"))?;
    // " (deleted)" follows when another one is installed in its place.
    Ok(program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bridgehead")))
}

/// What the edge behind an admin listener says of itself, as far as it is asked for.
pub(super) fn ask<T: DeserializeOwned>(address: SocketAddr) -> io::Result<T> {
    let mut connection = TcpStream::connect_timeout(&address, ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    write!(connection, "GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(MOST_BYTES).read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::Error::other("it does not say how it is"));
    }
    Ok(serde_json::from_slice(&answer[head + 4..])?)
}
