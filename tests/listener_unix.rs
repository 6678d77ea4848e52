//! A listener may be a Unix socket.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    in_time::Printed,
    program::{Running, bridgehead, config as config_file},
    tls_server::Folder,
};

fn yaml(socket: &Path, more: &str, bifrost: &Bifrost) -> String {
    format!(
        "listeners: [{{address: \"unix:{}\"{more}}}]\nunknown_hosts: forward\nservers: [{{address: \"{}\"}}]\n",
        socket.display(),
        bifrost.address()
    )
}

fn get(socket: &Path, headers: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(format!("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_on_a_unix_socket_are_served() {
    let (bifrost, folder) = (Bifrost::start(), Folder::new());
    let socket = folder.path().join("edge.sock");
    let config = config_file(&(yaml(&socket, "", &bifrost) + "trusted_proxies: [\"127.0.0.1\"]\n"));
    let mut running = Running::start(config.path());
    running.wait_for(&format!("listening on unix:{} (http)", socket.display()));
    assert!(get(&socket, "").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(&socket, "X-Forwarded-For: 203.0.113.9\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    let told: Vec<_> = bifrost.recorded().iter().map(|seen| seen.header("x-real-ip").unwrap().to_owned()).collect();
    assert_eq!(told, ["127.0.0.1", "203.0.113.9"], "its peers count as 127.0.0.1");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
}

#[test]
fn its_mode_is_the_one_of_the_configuration() {
    let (bifrost, folder) = (Bifrost::start(), Folder::new());
    let socket = folder.path().join("edge.sock");
    let config = config_file(&yaml(&socket, ", mode: \"0600\"", &bifrost));
    let mut running = Running::start(config.path());
    running.wait_for("listening on unix:");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let (bifrost, folder) = (Bifrost::start(), Folder::new());
    let socket = folder.path().join("edge.sock");
    let config = config_file(&yaml(&socket, "", &bifrost));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let mut running = Running::start(config.path());
    running.wait_for("listening on unix:");
    assert!(get(&socket, "").starts_with("HTTP/1.1 200 OK\r\n"));
    let second = bridgehead().arg("run").arg("--config").arg(config.path()).printed().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && said.contains("cannot listen on unix:"), "{said}");
    assert!(get(&socket, "").starts_with("HTTP/1.1 200 OK\r\n"), "the first one goes on");
}

#[test]
fn what_is_no_socket_is_never_deleted() {
    let (bifrost, folder) = (Bifrost::start(), Folder::new());
    let file = folder.write("edge.sock", "precious");
    let config = config_file(&yaml(&file, "", &bifrost));
    let output = bridgehead().arg("run").arg("--config").arg(config.path()).printed().unwrap();
    assert!(!output.status.success());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}
