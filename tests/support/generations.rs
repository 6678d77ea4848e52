//! The program and those that take over from it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::program::{Running, bridgehead, signal};

/// The program and its successors: all write to one log.
pub struct Generations {
    pub first: Running,
    pub address: SocketAddr,
    /// The one that serves.
    pub process: u32,
}

impl Generations {
    pub fn start(config: &Path) -> Self {
        let mut command = bridgehead();
        command.env("RUST_LOG", "info");
        Self::run(command, config)
    }

    pub fn run(command: Command, config: &Path) -> Self {
        let mut first = Running::run(command, config);
        let (address, process) = (first.address(), first.child.id());
        first.wait_for("forwarding to");
        Generations { first, address, process }
    }

    pub fn ask_to_be_replaced(&self) {
        assert!(signal(self.process, "USR2"), "the one that serves is gone");
    }

    pub fn replace(&mut self) {
        self.ask_to_be_replaced();
        let said = self.first.wait_for("serves from now on");
        self.process = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    }

    /// Stops the last one, and waits for the end of all.
    pub fn stop(mut self) -> String {
        // It may have been told already.
        signal(self.process, "TERM");
        self.first.whole_log()
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        if self.process != self.first.child.id() {
            signal(self.process, "KILL");
        }
    }
}

/// A configuration in a folder of its own.
pub fn configured(folder: &Path, more: &str) -> PathBuf {
    let file = folder.join("proxy.yaml");
    fs::write(
        &file,
        format!(
            "listeners: [{{address: \"127.0.0.1:0\"}}]\nhealth: {{enabled: false}}\nverify: {{at_start: false}}\n{more}"
        ),
    )
    .unwrap();
    file
}
