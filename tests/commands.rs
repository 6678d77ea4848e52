//! The commands do what an operator expects of them, with the exit codes that scripts rely on.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output},
};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, servers_yaml},
    http::Connection,
    in_time::{Ended, Printed},
    program::{Running, bridgehead, config},
    tools::lacks,
};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/proxy.yaml");

fn output(arguments: &[&str]) -> Output {
    bridgehead().args(arguments).printed().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn check_prints_what_would_be_served() {
    let output = output(&["check", "--config", SHIPPED]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
    for line in [
        "listening on 127.0.0.1:8000 (http)",
        "discovery on, profile per_user_oauth: 1 of 5 MCP clients with auth_type per_user_oauth: github",
        "public URLs: http://localhost:8000, http://127.0.0.1:8000",
        "forwarding to 1 server: 127.0.0.1:8080",
        "GET http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp -> 200",
    ] {
        assert!(text(&output.stdout).lines().any(|printed| printed == line), "{line}\n{}", text(&output.stdout));
    }
}

#[test]
fn check_warns_and_still_succeeds() {
    let file = config("listeners: [{address: \"127.0.0.1:1\"}]\nservers: []\n");
    let output = output(&["check", "--config", file.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let warnings = text(&output.stdout).lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(warnings, 3, "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("discovery off (404)"));
}

#[test]
fn discover_prints_the_documents_that_a_running_edge_serves() {
    let output = output(&["discover", "-c", SHIPPED]);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    let documents: Vec<serde_json::Value> =
        printed.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 6);
    assert_eq!(documents[0]["issuer"], "http://localhost:8000");
    assert_eq!(documents[4]["authorization_servers"][0], "http://127.0.0.1:8000");
}

#[test]
fn every_problem_is_a_line_and_the_exit_code_is_1() {
    let file = config("listeners: []\nserver: []\nservers: [{address: x}]\n");
    for command in ["check", "run", "discover"] {
        let output = output(&[command, "--config", file.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        let name = file.path().display().to_string();
        let lines: Vec<_> = text(&output.stderr).lines().collect();
        assert_eq!(lines.len(), 3, "{lines:#?}");
        for (line, place) in lines.iter().zip([":1: listeners: ", ":2: server: ", ":3: servers[0].address: "]) {
            assert!(line.starts_with(&format!("{name}{place}")), "{line}");
        }
    }
}

#[test]
fn a_file_that_is_none_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    fs::File::create(path("huge")).unwrap().set_len(1 << 30).unwrap();
    fs::write(path("latin1"), b"listeners: []\n# caf\xe9\n").unwrap();
    fs::write(path("empty"), "").unwrap();
    for (name, message) in [
        ("missing", "there is no such file; name one with --config or BRIDGEHEAD_CONFIG"),
        ("directory", "this is a directory; name the file in it"),
        ("huge", "larger than 64 MiB"),
        ("latin1", "line 2 is not UTF-8; save the file as UTF-8"),
        ("empty", "the file is empty; start from the conf/proxy.yaml that is shipped"),
    ] {
        for command in [&["check"][..], &["run"], &[]] {
            let output = bridgehead().args(command).arg("--config").arg(path(name)).printed().unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}");
            let line = text(&output.stderr);
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(line.starts_with(&format!("{}: {message}", path(name).display())), "{line}");
        }
    }
}

#[test]
fn a_port_in_use_is_one_clear_line_and_not_a_process_without_a_listener() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file =
        config(&format!("listeners: [{{address: \"{address}\"}}]\nservers: []\npublic_urls: [\"http://localhost\"]\n"));
    let output = output(&["run", "--config", file.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let errors: Vec<_> = text(&output.stderr).lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{}", text(&output.stderr));
    assert!(errors[0].contains(&format!("cannot listen on {address}: Address already in use")), "{errors:?}");
    assert!(errors[0].contains("change listeners[0].address"), "{errors:?}");
}

#[test]
fn a_system_certificate_that_cannot_be_read_is_one_clear_line() {
    let authorities = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&authorities, "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n").unwrap();
    let file = config("listeners: [{address: \"127.0.0.1:0\"}]\nservers: []\n");
    let mut command = bridgehead();
    let output = command.env("SSL_CERT_FILE", authorities.path()).arg("--config").arg(file.path()).printed().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let last = log.lines().last().unwrap();
    assert!(last.contains("the certificates that the system trusts cannot be read"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn at_start_the_log_says_what_is_served() {
    let servers = servers_yaml(&["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]);
    let urls = "public_urls: [\"http://gw.example.com\"]\n";
    let file = config(&format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{urls}{servers}{CLIENTS}"));
    let mut edge = Running::start(file.path());
    edge.wait_for(&format!("configuration {}", file.path().display()));
    let address = edge.address();
    edge.wait_for("discovery on, profile per_user_oauth: 1 of 1 MCP client with auth_type per_user_oauth: github");
    edge.wait_for("public URLs: http://gw.example.com");
    edge.wait_for("forwarding to 2 servers, least_requests: 127.0.0.1:1, 127.0.0.1:2");
    edge.wait_for("http://gw.example.com is plain http");
    let document = Connection::to(address).ask("GET", "/.well-known/oauth-authorization-server", "gw.example.com", "");
    assert_eq!(document.status, 200);
}

#[test]
fn a_signal_ends_it_with_exit_code_0() {
    for name in ["TERM", "INT"] {
        let file = config("listeners: [{address: \"127.0.0.1:0\"}]\nservers: []\n");
        let mut edge = Running::start(file.path());
        edge.wait_for("listening on");
        edge.wait_for("forwarding to no server");
        edge.signal(name);
        edge.wait_for("stopped, 0 requests cut");
        assert_eq!(edge.child.ended().unwrap().code(), Some(0), "SIG{name}");
    }
}

#[test]
fn a_second_sigterm_ends_it_at_once_and_says_what_was_cut() {
    let bifrost = Bifrost::start();
    let servers = servers_yaml(&[bifrost.address()]);
    let file = config(&format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{servers}"));
    let mut edge = Running::start(file.path());
    let mut connection = Connection::to(edge.address());
    connection.send("GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.read_head().status, 200);
    edge.signal("TERM");
    edge.wait_for("finishing 1 requests in flight");
    edge.signal("TERM");
    edge.wait_for("stopped, 1 requests cut");
    assert_eq!(edge.child.ended().unwrap().code(), Some(0));
}

#[test]
fn no_secret_is_in_the_log_at_the_most_talkative_level() {
    let bifrost = Bifrost::start();
    let servers = servers_yaml(&[bifrost.address()]);
    let file = config(&format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{servers}"));
    let mut edge = Running::start_with(file.path(), "trace");
    let address = edge.address();
    let secrets = "Authorization: Bearer planted\r\nCookie: token=planted\r\nX-Bf-Vk: planted\r\n";
    for path in ["/echo", "/reset", "/status/500", "/.well-known/oauth-authorization-server", "/truncate"] {
        let mut connection = Connection::to(address);
        connection.send(format!("GET {path}?code=planted HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{secrets}\r\n"));
        connection.read_to_end();
    }
    edge.signal("TERM");
    let log = edge.rest_of_the_log();
    assert!(log.contains("/reset") && !log.contains("planted"), "{log}");
}

#[test]
fn a_failure_in_the_log_shows_no_query() {
    let servers = servers_yaml(&["127.0.0.1:1".parse().unwrap()]);
    let file = config(&format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{servers}"));
    let mut edge = Running::start(file.path());
    let address = edge.address();
    Connection::to(address).ask("GET", "/api/oauth/callback?code=planted", "x", "Authorization: planted\r\n");
    let line = edge.wait_for("the Bifrost server cannot be reached");
    assert!(line.contains("GET /api/oauth/callback, 127.0.0.1:1:") && !line.contains("planted"), "{line}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_help_is_for_operators() {
    assert_eq!(output(&["chek"]).status.code(), Some(2));
    assert_eq!(output(&["--version"]).status.code(), Some(0));
    let help = output(&["--help"]);
    for part in ["check", "discover", "run", "--config", "conf/proxy.yaml", "Exit codes:", "SIGTERM", "RUST_LOG"] {
        assert!(text(&help.stdout).contains(part), "{part}");
    }
}

const COMMANDS: [&str; 10] =
    ["run", "check", "config", "explain", "discover", "verify", "import", "upgrade", "schema", "completions"];

#[test]
fn every_command_has_a_manual_page_and_the_programs_own_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man");
    let written = output(&["man", into.to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    let page = |name: &str| fs::read_to_string(into.join(format!("{name}.1"))).unwrap();
    let program = page("bridgehead");
    assert!(program.starts_with(".ie") && program.contains("\n.TH BRIDGEHEAD 1"), "{program}");
    assert!(program.contains("SIGUSR2") && program.contains("RUST_LOG"), "{program}");
    for command in COMMANDS {
        assert!(program.contains(&format!("bridgehead\\-{command}(1)")), "{command} is not in:\n{program}");
        let page = page(&format!("bridgehead-{command}"));
        assert!(page.contains(&format!("\\fBbridgehead {command}\\fR")) && page.contains("\\-\\-config"), "{page}");
    }
    // No page of what only packages are made with.
    assert_eq!(fs::read_dir(&into).unwrap().count(), COMMANDS.len() + 1);
    assert_eq!(output(&["man", "/dev/null/man"]).status.code(), Some(1));
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = output(&["completions", shell]);
        assert!(output.status.success() && output.stderr.is_empty());
        for word in COMMANDS.into_iter().chain(["strict", "config"]) {
            assert!(text(&output.stdout).contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(output(&["completions", "cmd.exe"]).status.code(), Some(2));
}

#[test]
fn bash_completes_a_command_and_its_options() {
    if lacks(&["bash"]) {
        return;
    }
    let completed = |words: &str, position: usize| {
        let script = format!(
            "source <({} completions bash); COMP_WORDS=({words}); COMP_CWORD={position}; \
             _bridgehead bridgehead \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            env!("CARGO_BIN_EXE_bridgehead")
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).printed().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(completed("bridgehead up", 1), "upgrade");
    assert_eq!(completed("bridgehead check --st", 2), "--strict");
}
