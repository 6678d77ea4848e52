//! Promise: the examples for who embeds discovery, or the whole edge, do what they say.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::support::{
    bifrost::Bifrost,
    http::{Connection, Response},
    in_time::{Heard, lines_beside},
    nobody_yet,
    tls_server::Folder,
    tools::{example, lacks},
    until,
};

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// An example that runs; dropping it ends it.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    /// Runs one on a free port, unless it has not been built.
    fn run(name: &str, arguments: &[String]) -> Option<Self> {
        if lacks(&["examples"]) {
            return None;
        }
        let address = nobody_yet();
        let mut command = Command::new(example(name));
        command.arg(address.to_string()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        let mut example = Example { child, address };
        until("the example listens", || {
            assert_eq!(example.child.try_wait().unwrap(), None, "it has ended");
            TcpStream::connect(address).is_ok()
        });
        Some(example)
    }

    fn ask(&self, host: &str, path: &str) -> Response {
        Connection::to(self.address).ask("GET", path, host, "")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn the_example_with_pingoras_load_balancer_answers_from_a_file_and_reads_it_again() {
    let bifrosts = [Bifrost::start(), Bifrost::start()];
    let folder = Folder::new();
    let off = "profile: oauth2\npublic_urls: [\"https://gateway.example.com\"]\n";
    let file = folder.write("discovery.yaml", off);
    let addresses = bifrosts.iter().map(|bifrost| bifrost.address().to_string());
    let arguments: Vec<_> = [file.display().to_string()].into_iter().chain(addresses).collect();
    let Some(example) = Example::run("load_balancer", &arguments) else { return };
    let ask = |path: &str| example.ask("gateway.example.com", path);
    assert_eq!(ask(AUTHORIZATION_SERVER).status, 404);
    assert_eq!((ask("/health").status, ask("/health").status), (200, 200));
    assert_eq!(bifrosts.map(|bifrost| bifrost.recorded().len()), [1, 1]);
    fs::write(&file, format!("{off}mcp_server_auth_mode: both\n")).unwrap();
    until("the file has been read again", || ask(AUTHORIZATION_SERVER).status == 200);
    assert_eq!(ask(AUTHORIZATION_SERVER).json()["issuer"], "https://gateway.example.com");
}

#[test]
fn the_example_with_virtual_hosts_leaves_an_identity_provider_alone() {
    let (bifrost, keycloak) = (Bifrost::start(), Bifrost::start());
    let arguments = [&bifrost, &keycloak].map(|server| server.address().to_string());
    let Some(example) = Example::run("virtual_hosts", &arguments) else { return };
    assert_eq!(example.ask("gateway.example.com", AUTHORIZATION_SERVER).status, 200);
    for (host, path) in [
        ("login.example.com", "/realms/x/.well-known/openid-configuration"),
        ("gateway.example.com", "/realms/x/.well-known/openid-configuration"),
    ] {
        assert_ne!(example.ask(host, path).status, 421);
    }
    assert_eq!((bifrost.recorded().len(), keycloak.recorded().len()), (0, 2));
}

#[test]
fn the_example_with_a_table_from_code_replaces_it_while_it_runs() {
    let bifrost = Bifrost::start();
    let Some(mut example) = Example::run("table_from_code", &[bifrost.address().to_string()]) else { return };
    assert_eq!(example.ask("gw.example.com", AUTHORIZATION_SERVER).json()["issuer"], "http://gw.example.com");
    let (mut told, told_by) = (example.child.stdin.take().unwrap(), example.child.stdout.take().unwrap());
    let lines = lines_beside(told_by);
    // It is counted when it has been sent, which may be after it has come.
    until("the answer is counted", || {
        told.write_all(b"\n").unwrap();
        let first = lines.heard();
        let is_counted = first == "authorization_server ok: 1";
        assert_eq!(if is_counted { lines.heard() } else { first }, "discovery is off");
        is_counted
    });
    assert_eq!(example.ask("gw.example.com", AUTHORIZATION_SERVER).status, 404);
}

#[test]
fn the_example_with_the_whole_edge_forwards_as_its_configuration_says() {
    let bifrost = Bifrost::start();
    let folder = Folder::new();
    let file = folder.write(
        "proxy.yaml",
        format!(
            "listeners: [{{address: \"127.0.0.1:0\"}}]\nprofile: oauth2\nmcp_server_auth_mode: both\n\
         public_urls: [\"https://gateway.example.com\"]\nservers: [{{address: \"{}\"}}]\n",
            bifrost.address(),
        ),
    );
    let Some(example) = Example::run("edge_service", &[file.display().to_string()]) else { return };
    let document = example.ask("gateway.example.com", AUTHORIZATION_SERVER);
    assert_eq!(document.json()["issuer"], "https://gateway.example.com");
    assert_eq!(example.ask("gateway.example.com", "/echo").json()["target"], "/echo");
    assert_eq!(example.ask("other.example.com", "/echo").status, 421);
}
