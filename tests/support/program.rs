//! The program itself, as an operator runs it.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::Receiver,
};

use super::{
    PATIENCE,
    in_time::{lines_beside, to_the_end},
};

/// The program, not started yet.
pub fn bridgehead() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bridgehead"));
    command.env_remove("RUST_LOG");
    command
}

/// Takes the credentials for Bifrost's API, whoever has them in the environment, from a command.
pub fn without_credentials(command: &mut Command) {
    for name in ["TOKEN", "USER", "PASSWORD", "SETUP_TOKEN"] {
        command.env_remove(format!("BRIDGEHEAD_API_{name}"));
    }
}

/// A running program; dropping it ends it.
pub struct Running {
    pub child: Child,
    log: Receiver<String>,
    /// What has been read of the log.
    seen: String,
}

impl Running {
    pub fn start(config: &Path) -> Self {
        Self::start_with(config, "info")
    }

    pub fn start_with(config: &Path, level: &str) -> Self {
        Self::start_with_env(config, level, &[])
    }

    pub fn start_with_env(config: &Path, level: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = bridgehead();
        command.envs(variables.iter().copied()).env("RUST_LOG", level);
        Self::run(command, config)
    }

    /// Runs this command of the program with a configuration.
    pub fn run(mut command: Command, config: &Path) -> Self {
        command.arg("run").arg("--config").arg(config);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = lines_beside(child.stderr.take().unwrap());
        Running { child, log, seen: String::new() }
    }

    /// Reads the log up to the line that has this in it.
    pub fn wait_for(&mut self, part: &str) -> String {
        let from = self.seen.len();
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("the log has no {part:?}, {error}:\n{}", &self.seen[from..]));
            self.seen += &line;
            self.seen += "\n";
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Whether a line with this in it has come since the log was last read.
    pub fn has_said(&mut self, part: &str) -> bool {
        let from = self.seen.len();
        for line in self.log.try_iter() {
            self.seen += &line;
            self.seen += "\n";
        }
        self.seen[from..].contains(part)
    }

    /// Reads the log up to the address on which it listens.
    pub fn address(&mut self) -> SocketAddr {
        let listening = self.wait_for("listening on 127.0.0.1:");
        listening.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    /// Reads the log to its end, which comes with that of the program.
    pub fn rest_of_the_log(&mut self) -> String {
        to_the_end(&self.log, |_| {})
    }

    /// The same, with all that was read before.
    pub fn whole_log(&mut self) -> String {
        self.seen.clone() + &self.rest_of_the_log()
    }

    pub fn signal(&self, name: &str) {
        assert!(signal(self.child.id(), name));
    }
}

/// Sends a signal to a process. Whether it was there.
pub fn signal(process: u32, name: &str) -> bool {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).stderr(Stdio::null()).status();
    sent.unwrap().success()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A configuration file with this text, deleted when dropped. A server in it sees no health checks, unless
/// the text wants them.
pub fn config(yaml: &str) -> tempfile::NamedTempFile {
    let health = if yaml.contains("health:") { "" } else { "health: {enabled: false}\n" };
    let verify = if yaml.contains("verify:") { "" } else { "verify: {at_start: false}\n" };
    let yaml = format!("{yaml}\n{health}{verify}");
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}
