//! The admin listener answers when the process has no open file left; new clients are refused before that.

use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpStream},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{
    PATIENCE,
    http::Connection,
    nobody_yet,
    program::{Running, bridgehead, config},
    until,
};

fn yaml(admin: SocketAddr) -> String {
    format!("listeners: [{{address: \"127.0.0.1:0\"}}]\nadmin: {{address: \"{admin}\"}}\nservers: []\n")
}

/// Whether it has all that it opens to serve.
fn is_ready(admin: SocketAddr) -> bool {
    TcpStream::connect(admin).is_ok()
        && Connection::to(admin).ask("GET", "/readyz", &admin.to_string(), "Connection: close\r\n").status == 200
}

/// How many files the process has open.
fn open_files(running: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap().count()
}

#[test]
fn the_admin_listener_answers_a_process_without_an_open_file_left() {
    let admin = nobody_yet();
    let file = config(&yaml(admin));
    let mut running = Running::start(file.path());
    running.address();
    until("it serves", || is_ready(admin));
    let process = Pid::from_raw(running.child.id().try_into().unwrap());
    // Not one more than it has: every number below the limit is taken.
    let least = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    until("no file is left", || {
        let most = u64::try_from(open_files(&running)).unwrap();
        prlimit(process, Resource::Nofile, least(most)).unwrap();
        open_files(&running) as u64 == most
    });
    for _ in 0..20 {
        for path in ["/livez", "/readyz"] {
            let answer = Connection::to(admin).ask("GET", path, &admin.to_string(), "Connection: close\r\n");
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}

#[test]
fn new_clients_are_refused_before_the_last_file_is_taken() {
    const MOST: usize = 128;
    let admin = nobody_yet();
    let file = config(&yaml(admin));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {MOST}; exec \"$0\" \"$@\"")).arg(bridgehead().get_program());
    let mut running = Running::run(command, file.path());
    let address = running.address();
    until("it serves", || is_ready(admin));
    let mut held = Vec::new();
    while open_files(&running) < MOST - 30 {
        let mut connection = Connection::to(admin);
        assert_eq!(connection.ask("GET", "/livez", &admin.to_string(), "").status, 200);
        held.push(connection);
    }
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "closed without a word");
    running.wait_for("too many open files: the last open files are kept for the admin listener");
    let metrics = Connection::to(admin).ask("GET", "/metrics", &admin.to_string(), "Connection: close\r\n");
    assert!(metrics.text().contains("bridgehead_connections_closed_total{reason=\"open_files\"} 1"));
}
