//! A new program takes over from the one that runs, and nobody notices; if it cannot, the old one goes on.

use std::{
    fs,
    net::TcpListener,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    edge::servers_yaml,
    generations::{Generations, configured},
    http::Connection,
    in_time::{Ended, Printed},
    nobody_yet,
    program::{bridgehead, signal},
    troubled::{Troubled, event_text},
};

#[test]
fn a_successor_takes_over_the_sockets_and_binds_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let unix = folder.path().join("edge.sock");
    let listeners = |more: &str| {
        let unix = format!("{{address: \"unix:{}\"}}", unix.display());
        let yaml = format!("listeners: [{{address: \"127.0.0.1:0\"}}, {unix}{more}]\nservers: []\n");
        fs::write(folder.path().join("proxy.yaml"), yaml).unwrap();
        folder.path().join("proxy.yaml")
    };
    let mut edge = Generations::start(&listeners(""));
    listeners(", {address: \"127.0.0.2:0\"}");
    edge.first.wait_for("cannot change while the edge runs");
    edge.replace();
    assert!(edge.first.child.ended().unwrap().success());
    assert_eq!(Connection::to(edge.address).ask("GET", "/x", "x", "").status, 503);
    assert!(std::os::unix::net::UnixStream::connect(&unix).is_ok());
    let log = edge.stop();
    assert!(log.contains("stopped, 0 requests cut"), "{log}");
}

/// A program that can be replaced by another one of the same name.
struct Installed {
    folder: TempDir,
    program: PathBuf,
}

impl Installed {
    fn good() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installed = Installed { program: folder.path().join("bridgehead"), folder };
        installed.install_good();
        installed
    }

    fn install(&self, put: impl FnOnce(&Path)) {
        let beside = self.folder.path().join("new");
        put(&beside);
        fs::rename(beside, &self.program).unwrap();
    }

    fn install_good(&self) {
        self.install(|to| {
            fs::copy(env!("CARGO_BIN_EXE_bridgehead"), to).unwrap();
        });
    }

    fn install_script(&self, text: &str) {
        self.install(|to| {
            fs::write(to, text).unwrap();
            fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        });
    }

    fn run(&self, config: &Path) -> Generations {
        let mut command = Command::new(&self.program);
        command.env("RUST_LOG", "info");
        Generations::run(command, config)
    }
}

#[test]
fn a_successor_that_fails_changes_nothing() {
    let installed = Installed::good();
    let file = configured(installed.folder.path(), "servers: []\n");
    let mut edge = installed.run(&file);
    let serves = |edge: &Generations| Connection::to(edge.address).ask("GET", "/x", "x", "").status == 503;

    // A bad configuration.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "listeners: []\n").unwrap();
    edge.ask_to_be_replaced();
    edge.first.wait_for("the successor does not serve, and this edge goes on: ");
    assert!(serves(&edge));
    fs::write(&file, text).unwrap();
    // A program that ends at once, one that says nothing, and one that is none.
    for (text, why) in [
        ("#!/bin/sh\nexit 3\n", "it ended with exit status: 3"),
        ("#!/bin/sh\nexec 0<&-\nexec sleep 20\n", "it closed its standard input"),
        ("no program\n", "Exec format error"),
    ] {
        installed.install_script(text);
        edge.ask_to_be_replaced();
        edge.first.wait_for(why);
        assert!(serves(&edge));
    }
    installed.install_good();
    edge.replace();
    assert!(serves(&edge));
    edge.stop();
}

#[test]
fn an_edge_that_is_told_to_stop_takes_its_starting_successor_along() {
    let installed = Installed::good();
    let file = configured(installed.folder.path(), "servers: []\nstop: {delay: 2s}\n");
    let mut edge = installed.run(&file);
    assert_eq!(Connection::to(edge.address).ask("GET", "/x", "x", "").status, 503);
    let late = format!("#!/bin/sh\nsleep 1\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_bridgehead"));
    installed.install_script(&late);
    edge.ask_to_be_replaced();
    edge.first.wait_for("told to start a successor");
    edge.first.signal("TERM");
    edge.first.wait_for("the successor does not serve, and this edge goes on: this edge was told to stop");
    // To the end of all who write to it.
    let log = edge.first.whole_log();
    assert!(edge.first.child.ended().unwrap().success(), "{log}");
    assert!(Connection::try_to(edge.address).is_err());
    assert!(!log.contains("serves from now on"), "{log}");
}

/// A stream that its server holds back.
struct Held {
    server: Troubled,
    client: Connection,
    _folder: TempDir,
}

impl Held {
    fn finish(mut self) {
        self.server.release(100);
        assert_eq!(self.client.read_chunks().len(), 2 * event_text(0).len());
    }
}

/// An edge whose first process has been replaced, and still has a stream.
fn replaced_with_a_stream() -> (Generations, Held) {
    let server = Troubled::start();
    let folder = tempfile::tempdir().unwrap();
    let mut edge = Generations::start(&configured(folder.path(), &servers_yaml(&[server.address()])));
    let mut client = Connection::to(edge.address);
    client.send("GET /stream/2 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    edge.replace();
    (edge, Held { server, client, _folder: folder })
}

/// Nobody has told it to stop yet: it ends because it was replaced.
#[test]
fn a_replaced_edge_does_not_take_the_first_word_to_stop_for_the_second() {
    let (mut edge, held) = replaced_with_a_stream();
    edge.first.signal("TERM");
    edge.first.wait_for("told to stop");
    // The successor, told to stop, waits for it: a manager of services would end what is left with the main process.
    assert!(signal(edge.process, "TERM"));
    edge.first.wait_for("told to stop");
    held.finish();
    let log = edge.stop();
    assert_eq!(log.matches("stopped, 0 requests cut, 0 came too late").count(), 2, "{log}");
}

#[test]
fn a_successor_that_dies_while_its_predecessor_drains_is_an_error() {
    let (mut edge, held) = replaced_with_a_stream();
    assert!(signal(edge.process, "KILL"));
    edge.first.wait_for("which took over, has ended (signal: 9 (SIGKILL)): nobody serves");
    held.finish();
    assert_eq!(edge.first.child.ended().unwrap().code(), Some(1));
}

#[test]
fn systemd_hears_of_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let read = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..read]).trim().to_owned()
    };
    let mut command = bridgehead();
    command.env("RUST_LOG", "info").env("NOTIFY_SOCKET", &socket);
    let mut edge = Generations::run(command, &configured(folder.path(), "servers: []\n"));
    assert_eq!(hear(), "READY=1");
    edge.replace();
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), format!("MAINPID={}", edge.process));
    edge.stop();
    assert_eq!(hear(), "STOPPING=1");
}

/// Runs the command with this configuration; returns its exit code and all it printed.
fn upgrade(file: &Path) -> (i32, String) {
    let output = bridgehead().arg("upgrade").arg("--config").arg(file).printed().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn the_command_says_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let admin = nobody_yet();
    let file = configured(folder.path(), &format!("admin: {{address: \"{admin}\"}}\nservers: []\n"));
    let (code, said) = upgrade(&file);
    assert!(code == 1 && said.contains(&format!("no edge answers on the admin listener {admin}")), "{said}");
    let mut edge = Generations::start(&file);
    let first = edge.process;
    let (code, said) = upgrade(&file);
    assert_eq!(code, 0, "{said}");
    edge.process = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    let told = format!("process {} serves from now on, process {first} finishes what it has\n", edge.process);
    // On standard error, which configuration was meant.
    assert_eq!(said, format!("{told}configuration {}\n", file.display()));
    assert!(edge.first.child.ended().unwrap().success());
    assert_eq!(Connection::to(edge.address).ask("GET", "/x", "x", "").status, 503);

    // Its port is another's now: the successor cannot bind it.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let other = format!("{{address: \"{}\"}}", taken.local_addr().unwrap());
    fs::write(&file, text.replace("}]", &format!("}}, {other}]"))).unwrap();
    let (code, said) = upgrade(&file);
    let goes_on = format!("the successor does not serve, and process {} goes on: cannot listen on", edge.process);
    assert!(code == 1 && said.contains(&goes_on), "{said}");
    assert_eq!(Connection::to(edge.address).ask("GET", "/x", "x", "").status, 503);
    edge.stop();
}

/// Two configurations with one admin address by mistake: the one that runs is not replaced for the other.
#[test]
fn an_edge_of_another_configuration_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("admin: {{address: \"{}\"}}\nservers: []\n", nobody_yet());
    let file = configured(folder.path(), &text);
    let other = folder.path().join("other.yaml");
    fs::copy(&file, &other).unwrap();
    let edge = Generations::start(&file);
    let (code, said) = upgrade(&other);
    let (theirs, own) = (file.display(), other.display());
    let belongs =
        format!("belongs to process {}, which runs with {theirs}, not with {own}: it is left alone", edge.process);
    assert!(code == 1 && said.contains(&belongs), "{said}");
    assert!(Connection::to(edge.address).ask("GET", "/x", "x", "").status == 503, "it goes on");
    // By another name it is the same file.
    let link = folder.path().join("link.yaml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (code, said) = upgrade(&link);
    assert_eq!(code, 0, "{said}");
    drop(edge);
    let new: u32 = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    crate::support::program::signal(new, "TERM");
}
