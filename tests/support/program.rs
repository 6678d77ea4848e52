//! The program itself, as an operator runs it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

/// The program, not started yet.
pub fn bifrost_edge() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bifrost-edge"));
    command.env_remove("RUST_LOG");
    command
}

/// A running program; dropping it ends it.
pub struct Running {
    pub child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub fn start(config: &Path) -> Self {
        Self::start_with(config, "info")
    }

    pub fn start_with(config: &Path, level: &str) -> Self {
        let mut command = bifrost_edge();
        command.env("RUST_LOG", level).arg("run").arg("--config").arg(config);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Running { child, log }
    }

    /// Reads the log up to the line that has this in it.
    pub fn wait_for(&mut self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended without {part:?}:\n{seen}");
            if line.contains(part) {
                return line;
            }
            seen += &line;
        }
    }

    pub fn rest_of_the_log(&mut self) -> String {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        log
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
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
    let yaml = format!("{yaml}\n{health}");
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}
