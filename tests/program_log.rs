//! The program's log costs no request anything, whoever reads it, and nobody can fill it.

use std::{
    cell::RefCell,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Write, pipe},
    net::SocketAddr,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    process::Child,
    thread,
};

use serde_json::Value;

use crate::support::{
    http::Connection,
    in_time::{Ended, lines_beside, to_the_end},
    nobody,
    program::{Running, bridgehead, config, signal},
    until,
};

fn yaml(server: SocketAddr) -> String {
    format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\nservers: [{{address: \"{server}\"}}]\n\
         limits: {{requests: unlimited}}\nbreaker: {{enabled: false}}\n"
    )
}

/// Writes into a pipe until nothing more fits.
fn fill(pipe: &PipeWriter) {
    // Opened anew: the program's own end of it must go on waiting.
    let mut end = OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap();
    rustix::io::ioctl_fionbio(&end, true).unwrap();
    let full = loop {
        if let Err(error) = end.write(b"x") {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
}

/// Ends with the test.
struct Unread {
    child: Child,
    address: SocketAddr,
    log: BufReader<PipeReader>,
}

impl Unread {
    /// A program that serves, and whose standard error takes nothing more.
    fn start(yaml: &str) -> Self {
        let (reader, writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let configuration = config(yaml);
        let mut command = bridgehead();
        command.arg("run").arg("--config").arg(configuration.path());
        let child = command.stderr(writer.try_clone().unwrap()).spawn().unwrap();
        drop(command);
        let mut unread = Unread { child, address: nobody(), log: BufReader::new(reader) };
        let listening = unread.read_to("listening on ");
        unread.address = listening.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        until("it serves", || std::net::TcpStream::connect(unread.address).is_ok());
        fill(&writer);
        unread
    }

    fn wait(&mut self) {
        let child = RefCell::new(&mut self.child);
        until("it has stopped", || child.borrow_mut().try_wait().unwrap().is_some());
    }

    fn read_to(&mut self, part: &str) -> String {
        let mut line = String::new();
        until(part, || {
            match self.log.read_line(&mut line) {
                Ok(0) => panic!("the log ends without {part}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                Ok(_) if line.contains(part) => return true,
                Ok(_) => line.clear(),
            }
            false
        });
        line
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_no_request_and_no_signal() {
    let mut unread = Unread::start(&yaml(nobody()));
    // More than there are workers.
    for _ in 0..200 {
        assert_eq!(Connection::to(unread.address).ask("GET", "/x", "x", "").status, 502);
    }
    assert!(signal(unread.child.id(), "TERM"));
    unread.wait();
}

#[test]
fn once_it_is_read_again_the_lines_are_there() {
    let mut unread = Unread::start(&yaml(nobody()));
    assert_eq!(Connection::to(unread.address).ask("GET", "/kept", "x", "").status, 502);
    assert!(signal(unread.child.id(), "TERM"));
    unread.read_to("GET /kept");
    unread.read_to("stopped");
}

#[test]
fn failures_are_short_lines_and_not_many() {
    let configuration = config(&yaml(nobody()));
    let mut running = Running::start(configuration.path());
    let address = running.address();
    for _ in 0..100 {
        let mut client = Connection::to(address);
        client.send(format!("{} /{} HTTP/1.1\r\nHost: x\r\n\r\n", "M".repeat(5000), "p".repeat(20_000)));
        assert_eq!(client.read_head().status, 502);
    }
    running.signal("TERM");
    let log = running.rest_of_the_log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/ppp")).collect();
    // A second of the log may lie in two of those that are counted.
    let seconds: Vec<_> = lines.iter().map(|line| line.split_whitespace().next()).collect();
    assert!(seconds.chunk_by(|one, next| one == next).all(|lines| lines.len() <= 20), "{log}");
    assert!(!lines.is_empty(), "{log}");
    assert!(lines.iter().all(|line| line.len() < 1500), "{}", lines[0].len());
    let shown = format!(" {} /{}..., ", "M".repeat(32), "p".repeat(1023));
    assert!(lines[0].contains(&shown), "{}", lines[0]);
}

#[test]
fn it_tells_of_no_listener_that_never_was() {
    for level in ["info", "trace"] {
        let configuration = config(&yaml(nobody()));
        let mut running = Running::start_with(configuration.path(), level);
        running.address();
        running.signal("TERM");
        let log = running.whole_log();
        assert!(!log.contains("Shutting down"), "{log}");
    }
}

#[test]
fn as_json_every_record_is_an_object() {
    let configuration = config(&format!("{}log: {{format: json}}\n", yaml(nobody())));
    let mut running = Running::start(configuration.path());
    running.wait_for("forwarding to 1 server");
    running.signal("TERM");
    let log = running.whole_log();
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |part: &str| records.iter().find(|record| record["message"].as_str().unwrap().contains(part)).unwrap();
    assert_eq!((&said("listening on ")["level"], &said("stopped")["level"]), (&"info".into(), &"info".into()));
    assert_eq!(said("write the profile here")["level"], "warn", "{log}");
    for record in &records {
        assert!(humantime::parse_rfc3339(record["time"].as_str().unwrap()).is_ok(), "{record}");
        assert!(record["target"].as_str().unwrap().starts_with("bridgehead"), "{record}");
    }
}

#[test]
fn a_configuration_that_is_refused_is_one_record_however_much_else_fails() {
    let configuration = config(&yaml(nobody()));
    let mut running = Running::start(configuration.path());
    let address = running.address();
    let flood = || {
        for _ in 0..100 {
            assert_eq!(Connection::to(address).ask("GET", "/x", "x", "").status, 502);
        }
    };
    flood();
    thread::scope(|scope| {
        scope.spawn(flood);
        fs::write(configuration.path(), "listeners: [{address: \"127.0.0.1:0\"}]\nservrs: []\nstop: {grase: 1s}\n")
            .unwrap();
        let line = running.wait_for("the configuration from before is served on, because of: ");
        assert!(line.contains("servrs") && line.contains("; ") && line.contains("grase"), "{line}");
    });
}

/// What this program writes to a journal, or to something that is none.
fn written_to_journal(is_journal: bool, yaml: &str) -> String {
    let (reader, writer) = pipe().unwrap();
    let about = File::from(OwnedFd::from(writer.try_clone().unwrap())).metadata().unwrap();
    let number = if is_journal { about.ino() } else { about.ino() + 1 };
    let configuration = config(yaml);
    let mut command = bridgehead();
    command.env("JOURNAL_STREAM", format!("{}:{number}", about.dev())).stderr(writer);
    command.arg("run").arg("--config").arg(configuration.path());
    let mut child = command.spawn().unwrap();
    drop(command);
    let written = to_the_end(&lines_beside(reader), |line| {
        if line.contains("forwarding to") {
            signal(child.id(), "TERM");
        }
    });
    child.ended().unwrap();
    written
}

#[test]
fn the_journal_gets_the_priority_of_every_line() {
    let written = written_to_journal(true, &yaml(nobody()));
    assert!(written.lines().all(|line| line.starts_with("<6>[") || line.starts_with("<4>[")), "{written}");
    assert!(written.contains("WARN ] ") && written.contains("<6>"), "{written}");
    let wrong = written_to_journal(true, "listeners: []\nservrs: []\n");
    assert!(wrong.lines().count() == 1 && wrong.starts_with("<3>") && wrong.contains("; "), "{wrong}");
    let written = written_to_journal(false, &yaml(nobody()));
    assert!(written.lines().all(|line| line.starts_with('[')), "{written}");
}
