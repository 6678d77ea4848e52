//! What is told to embedded discovery is checked as a whole, and a file of it is reloaded while it answers.

use std::fs;

use bridgehead::plugin::{DiscoveryFile, DiscoveryFilter, McpServerAuthMode, Options, Problems, Profile, PublicUrl};

use crate::support::{
    embedder::{AUTHORIZATION_SERVER, HOST, Proxy, at, urls},
    tls_server::Folder,
};

#[test]
fn a_file_is_reloaded_for_every_clone_and_a_faulty_one_changes_nothing() {
    let folder = Folder::new();
    let path =
        folder.write("discovery.yaml", "profile: per_user_oauth\npublic_urls: [\"https://gateway.example.com\"]\n");
    let file = DiscoveryFile::open(&path).unwrap();
    let proxy = Proxy::start(file.filter());
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 404, "no MCP client turns it on");
    let table = "mcp_clients: [{name: github, auth_type: per_user_oauth}]\n";
    fs::write(&path, format!("{}{table}", fs::read_to_string(&path).unwrap())).unwrap();
    assert_eq!((file.reload().unwrap(), file.reload().unwrap()), (true, false));
    assert_eq!(file.warnings(), []);
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 200);
    fs::write(&path, "public_url: [\"https://gateway.example.com\"]\nmcp_clients: [{auth_type: oauth}]\n").unwrap();
    let problems = file.reload().unwrap_err().to_string();
    let shown = path.display();
    let expected = [
        format!("{shown}:1: public_url: unknown key; did you mean \"public_urls\"?"),
        format!("{shown}:2: mcp_clients[0]: the key \"name\" is missing; add it"),
    ];
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected);
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 200, "as before");
    assert!(!file.reload().unwrap(), "it has been told");
    fs::write(&path, "# nothing\npublic_urls: [\"http://gateway.example.com\"]\n").unwrap();
    assert!(file.reload().unwrap());
    let warnings: Vec<_> = file.warnings().iter().map(|warning| (warning.line, warning.path.to_string())).collect();
    assert_eq!(warnings, [(Some(2), "public_urls[0]".to_owned()), (None, "profile".to_owned())]);
    fs::write(&path, "\u{feff}public_urls: [\"http://gateway.example.com\"]\n").unwrap();
    assert!(file.reload().unwrap());
    assert_eq!(file.warnings()[0].line, Some(1), "a mark in front is none of the key");
    fs::write(&path, "public_urls:\n").unwrap();
    assert!(file.reload().is_err(), "a list whose items are all commented out is no permission to answer every host");
    fs::write(&path, "").unwrap();
    let empty = file.reload().unwrap_err().to_string();
    assert_eq!(empty, format!("{shown}: the file is empty; write public_urls, profile and mcp_clients"));
}

#[test]
fn options_that_contradict_each_other_are_refused_with_their_keys() {
    let told = |options: &Options| match DiscoveryFilter::new(options) {
        Ok(filter) => format!("{filter:?}"),
        Err(problems) => Problems::to_string(&problems),
    };
    let twice = at(&["https://gateway.example.com", "https://gateway.example.com"]);
    assert!(told(&twice).contains("public_urls[1]: the same URL again; remove one (first: public_urls[0])"));
    assert!(told(&at(&[])).contains("public_urls: not set; list what clients type"), "{}", told(&at(&[])));
    assert!(told(&at(&["https://a.example.com"]).any_host(true)).contains("any_host: true, and there are public_urls"));
    let without_url = Options::new(Profile::Oauth2).mcp_server_auth_mode(McpServerAuthMode::Both);
    assert!(told(&without_url).contains("mcp_server_auth_mode: both needs public_urls"), "{}", told(&without_url));
    let good = without_url.public_urls(urls(&["https://gateway.example.com"]));
    assert_eq!(told(&good), "DiscoveryFilter { is_on: true, public_urls: [\"https://gateway.example.com\"] }");
    for wrong in ["gateway.example.com", "https://gateway.example.com/", "ftp://gateway.example.com"] {
        assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
    }
}
