//! The access log is written while it can be, and no request suffers when it cannot.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{
    edge::{CLIENTS, Edge},
    http::Connection,
    in_time::{Joined, Printed, read_beside},
    problems::problem,
    program::{Running, bridgehead, config},
    until,
};

const DOCUMENT: &str = "/.well-known/oauth-protected-resource";

/// An edge that answers discovery for `x` on a port of its choice.
fn yaml(log: &str) -> String {
    format!("listeners: [{{address: \"127.0.0.1:0\"}}]\npublic_urls: [\"http://x\"]\nservers: []\n{CLIENTS}{log}\n")
}

fn to(file: &Path) -> String {
    format!("access_log: {{to: \"{}\"}}\n", file.display())
}

fn ask(address: SocketAddr) {
    assert_eq!(Connection::to(address).ask("GET", DOCUMENT, "x", "").status, 200);
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

#[test]
fn a_renamed_file_is_left_for_a_new_one_when_the_signal_comes() {
    let folder = TempDir::new().unwrap();
    let (file, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let configuration = config(&yaml(&to(&file)));
    let mut running = Running::start(configuration.path());
    let address = running.address();
    ask(address);
    until("the line is there", || lines(&file) == 1);
    fs::rename(&file, &old).unwrap();
    ask(address);
    until("the old file is written on", || lines(&old) == 2);
    running.signal("USR1");
    running.wait_for("the access log goes on in ");
    ask(address);
    until("the new file is written", || lines(&file) == 1);
    assert_eq!(lines(&old), 2);
    // One that cannot be opened anew changes nothing.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    running.signal("USR1");
    running.wait_for("cannot be opened anew");
    running.signal("TERM");
    running.wait_for("stopped");
}

#[test]
fn the_signal_does_no_harm_where_there_is_no_file() {
    for log in ["", "access_log: {to: stdout}\n"] {
        let configuration = config(&yaml(log));
        let mut command = bridgehead();
        command.stdout(Stdio::null());
        let mut running = Running::run(command, configuration.path());
        let address = running.address();
        // It serves: the signal is waited for.
        ask(address);
        running.signal("USR1");
        ask(address);
        running.signal("TERM");
        running.wait_for("stopped");
    }
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    for signal in ["TERM", "INT"] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("access.log");
        let configuration = config(&yaml(&to(&file)));
        let mut running = Running::start(configuration.path());
        let mut client = Connection::to(running.address());
        for _ in 0..500 {
            assert_eq!(client.ask("GET", DOCUMENT, "x", "").status, 200);
        }
        running.signal(signal);
        running.rest_of_the_log();
        // The last one may have been cut at SIGINT, between its answer and its end.
        assert!((499..=500).contains(&lines(&file)), "{}", lines(&file));
    }
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let edge = Edge::start("servers: []\naccess_log: {format: json, to: /dev/full}\n");
    for _ in 0..20 {
        assert_eq!(edge.get("/").status, 503);
    }
    let dropped = "bridgehead_access_log_lines_dropped_total{reason=\"write_failed\"}";
    until("all lines are counted as dropped", || edge.metric(dropped) == 20);
    assert_eq!(edge.metric("bridgehead_access_log_lines_total"), 0);
}

#[test]
fn a_closed_standard_output_costs_lines_and_nothing_else() {
    let configuration = config(&yaml("access_log: {}\n"));
    let mut command = bridgehead();
    command.stdout(Stdio::piped());
    let mut running = Running::run(command, configuration.path());
    let address = running.address();
    let mut lines = BufReader::new(running.child.stdout.take().unwrap());
    ask(address);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains(" GET /.well-known/oauth-protected-resource HTTP/1.1 200 by=edge "), "{line}");
    drop(lines);
    for _ in 0..3 {
        ask(address);
    }
    running.wait_for("the access log cannot be written");
    running.signal("TERM");
    running.wait_for("stopped");
}

/// More lines than the queue and the pipe have room for.
const MANY: usize = 12_000;

#[test]
fn a_reader_that_reads_nothing_costs_lines_and_nothing_else() {
    let configuration = config(
        &(yaml("access_log: {}\nadmin: {address: \"127.0.0.2:0\"}\n") + "limits: {requests_per_connection: unlimited}"),
    );
    let mut command = bridgehead();
    command.stdout(Stdio::piped());
    let mut running = Running::run(command, configuration.path());
    let address = running.address();
    let admin = running.wait_for("on http://127.0.0.2:");
    let admin: SocketAddr = admin.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    let mut client = Connection::to(address);
    for _ in 0..MANY {
        assert_eq!(client.ask("GET", DOCUMENT, "x", "").status, 200);
    }
    let metrics = Connection::to(admin).ask("GET", "/metrics", &admin.to_string(), "").text().to_owned();
    let count = |name: &str| -> usize {
        metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
    };
    let dropped = count("bridgehead_access_log_lines_dropped_total{reason=\"queue_full\"}");
    assert!(dropped > 0, "{metrics}");
    // The thread that writes is stuck, and still the program's log tells of it.
    running.wait_for("the access log cannot be written fast enough");
    // Once it is read again, it goes on, and every line is accounted for.
    let out = read_beside(running.child.stdout.take().unwrap());
    running.signal("TERM");
    running.wait_for("stopped");
    drop(client);
    let written = out.joined().lines().count();
    assert_eq!(written + dropped, MANY);
}

#[test]
fn a_place_that_cannot_be_written_is_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing").join("access.log");
    for (log, expected) in [
        (to(&missing), "f.yaml:3: access_log.to: there is no directory for "),
        (to(folder.path()), "f.yaml:3: access_log.to: "),
        ("access_log: {to: \"\"}\n".into(), "f.yaml:3: access_log.to: empty; write stdout, or the path of a file"),
        ("access_log: {to: stderr}\n".into(), "f.yaml:3: access_log.to: standard error is the program's own log"),
        ("access_log: {format: xml}\n".into(), "f.yaml:3: access_log.format: \"xml\" is not a known value"),
        ("access_log: {file: x}\n".into(), "f.yaml:3: access_log.file: unknown key"),
    ] {
        let told = problem(&log);
        assert!(told.starts_with(expected), "{expected}\n{told}");
    }
    // Root may write every file; this one is none.
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bridgehead"))
        .args(["run", "--config"])
        .arg(config(&yaml(&to(&socket))).path())
        .printed()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("access_log.to: {} cannot be written: ", socket.display())), "{told}");
}

#[test]
fn a_relative_path_starts_at_the_folder_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let edge = Edge::start_in(folder.path(), "servers: []\naccess_log: {to: access.log}\n");
    edge.get("/");
    edge.stop();
    assert_eq!(lines(&folder.path().join("access.log")), 1);
}
