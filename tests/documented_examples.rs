//! Promise: what the documents show is what the program does. The file on the first page serves a fleet, the log and the
//! problems are word for word, and every YAML is taken.

use bridgehead::config::Loaded;

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    http::Connection,
    in_time::Printed,
    nobody,
    pages::{Page, text_of},
    program::{Running, bridgehead},
    schema,
    tls_client::TlsClient,
    tls_server::{Authority, Folder},
    tools::lacks,
};

/// What README shows of a start is in the log, but for the time and the ports.
#[test]
fn the_log_in_the_readme_is_what_the_program_says() {
    let shipped = text_of("conf/proxy.yaml");
    let shipped = replaced(&shipped, "address: \"127.0.0.1:8000\"", "address: \"127.0.0.1:0\"");
    let shipped = replaced(&shipped, "address: \"127.0.0.1:8001\"", "address: \"127.0.0.1:0\"");
    let shipped = replaced(&shipped, "address: \"127.0.0.1:8080\"", &format!("address: \"{}\"", nobody()));
    let folder = Folder::new();
    let mut program = Running::start(&folder.write("proxy.yaml", shipped));
    program.wait_for("its health checks are bad");
    program.signal("INT");
    let log = masked(&program.whole_log().replace(folder.path().to_str().unwrap(), "conf"));
    let page = Page::at("README.md");
    let (_, shown) = page.blocks().into_iter().find(|(_, block)| block.starts_with('[')).unwrap();
    assert!(shown.lines().count() > 5, "{shown}");
    for line in masked(shown).lines() {
        assert!(log.lines().any(|logged| logged == line), "{line}\nis not in:\n{log}");
    }
}

/// Lines of a log without the time, and with no port but that of the public URLs.
fn masked(log: &str) -> String {
    let lines = log.lines().filter_map(|line| Some(line.split_once("Z ")?.1));
    let words = |line: &str| -> Vec<String> {
        let mask = |word: &str| match word.split_once("127.0.0.1:") {
            Some((before, after)) if !line.contains("public URLs") => {
                format!("{before}127.0.0.1:_{}", after.trim_start_matches(|sign: char| sign.is_ascii_digit()))
            }
            _ => word.to_owned(),
        };
        line.split(' ').map(mask).collect()
    };
    lines.map(|line| words(line).join(" ") + "\n").collect()
}

/// The shipped file with two words misspelt, wherever they stand in it today.
#[test]
fn the_problems_in_the_reference_are_what_check_says() {
    let shipped = text_of("conf/proxy.yaml");
    let broken = replaced(&shipped, "\nlisteners:", "\nlistener:");
    let broken = replaced(&broken, "\n    auth_type: per_user_oauth\n", "\n    auth_type: per_user_oath\n");
    let folder = Folder::new();
    folder.write("broken.yaml", broken);
    let output = bridgehead().args(["check", "--config", "broken.yaml"]).current_dir(folder.path()).printed().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let without_lines = |text: &str| text.replace(|sign: char| sign.is_ascii_digit(), "");
    let page = Page::at("conf/README.md");
    let (_, shown) = page.blocks().into_iter().find(|(_, block)| block.starts_with("$ bridgehead check")).unwrap();
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(without_lines(shown.trim_end()), without_lines(String::from_utf8_lossy(&output.stderr).trim_end()));
}

/// The file in README, word for word but for addresses, run by the program.
#[test]
fn the_file_in_the_readme_serves_a_fleet_behind_tls() {
    let page = Page::at("README.md");
    let (_, yaml) = page.blocks().into_iter().find(|(language, _)| *language == "yaml").unwrap();
    assert!((10..=16).contains(&yaml.lines().count()), "{yaml}");
    let name = "gateway.example.com";
    let authority = Authority::new();
    let identity = authority.sign(name, &[name]);
    let folder = Folder::new();
    folder.write("gateway.pem", identity.certificate_pem());
    folder.write("gateway.key", identity.key_pem());
    let servers: Vec<_> = (0..3).map(|_| Bifrost::start()).collect();
    let mut yaml = yaml.to_owned();
    for (place, server) in servers.iter().enumerate() {
        server.set_discovery(Discovery::Oauth2(Mode::Both));
        server.set_issuer_url(&format!("https://{name}"));
        yaml = replaced(&yaml, &format!("bifrost-{}.internal:8080", place + 1), &server.address().to_string());
    }
    for address in ["[::]:443", "[::]:80", "127.0.0.1:8001"] {
        yaml = replaced(&yaml, address, "127.0.0.1:0");
    }
    let file = folder.write("proxy.yaml", &yaml);
    let loaded = Loaded::from_file(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    schema::takes(&yaml);

    let mut program = Running::start(&file);
    let (secure, plain) = (program.address(), program.address());
    let get = |target: &str| {
        let mut client = TlsClient::trusting(&authority).connect_to(secure, name).unwrap();
        client.ask_to_the_end(&format!("GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")).unwrap()
    };
    let document = get("/.well-known/oauth-authorization-server");
    let is_document =
        document.starts_with("HTTP/1.1 200") && document.contains("\"issuer\":\"https://gateway.example.com\"");
    assert!(is_document, "{document}");
    assert!(get("/echo").starts_with("HTTP/1.1 200"));
    let [first, second, backup] = &servers[..] else { panic!("three servers") };
    let echoed = |server: &Bifrost| server.recorded().iter().filter(|request| request.target == "/echo").count();
    assert_eq!((echoed(first) + echoed(second), echoed(backup)), (1, 0));
    let redirect = Connection::to(plain).ask("GET", "/", name, "");
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("https://gateway.example.com/")));
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in: {text}");
    text.replace(from, to)
}

#[test]
fn yaml_in_the_documents_is_taken_by_the_edge_and_by_the_schema() {
    if lacks(&["git"]) {
        return;
    }
    let folder = Folder::new();
    let identity = Authority::new().sign("gateway.example.com", &["gateway.example.com"]);
    folder.write("gateway.pem", identity.certificate_pem());
    folder.write("gateway.key", identity.key_pem());
    let mut count = 0;
    for page in Page::of_operators() {
        for (_, yaml) in page.blocks().into_iter().filter(|(language, _)| *language == "yaml") {
            let has = |key: &str| yaml.lines().any(|line| line.starts_with(key));
            let mut text = format!("{yaml}\n");
            for (key, least) in [("listeners:", " [{address: \"127.0.0.1:0\"}]"), ("servers:", " []")] {
                let is_in_sites = key == "servers:" && has("sites:");
                if !has(key) && !is_in_sites {
                    text.extend([key, least, "\n"]);
                }
            }
            let file = folder.write("proxy.yaml", &text);
            if let Err(problems) = Loaded::from_file(&file) {
                panic!("{}: {problems}\n{yaml}", page.path.display());
            }
            schema::takes(&text);
            count += 1;
        }
    }
    assert!(count > 6, "YAML was not found");
}
