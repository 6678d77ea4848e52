//! `import` asks a running Bifrost.

use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    edge::{Edge, servers_yaml},
    import::{file, import, run},
    tls_server::{Folder, Trust},
};

fn wiki() -> Value {
    json!({
        "client_id": "1", "name": "wiki", "connection_type": "http", "auth_type": "per_user_oauth", "state": "connected",
        "connection_string": {"value": "https://wiki.example/mcp", "env_var": "", "from_env": false},
        "headers": {"Authorization": {"value": "planted****", "env_var": "", "from_env": false}},
    })
}

/// By what it serves.
const PROFILE: &str = "profile: per_user_oauth\n";
const WIKI: &str = "mcp_clients:\n  - name: wiki\n    client_id: '1'\n    auth_type: per_user_oauth\n    \
                    connection_type: http\n    connection_string: https://wiki.example/mcp\n";

#[test]
fn the_api_of_a_running_bifrost_is_asked_with_the_credentials_of_the_environment() {
    let bifrost = Bifrost::start();
    bifrost.close_api();
    bifrost.set_clients(&json!([]), &json!([wiki()]));
    let url = format!("http://{}/base/", bifrost.address());
    let (_, errors, code) = run(import(&[&url]).env("BRIDGEHEAD_API_TOKEN", "another"));
    assert!(code == 1 && errors.contains("/api/mcp/clients answers no list"), "{code}: {errors}");
    let url = format!("http://{}", bifrost.address());
    let (_, errors, code) = run(&mut import(&[&url]));
    assert!(code == 1 && errors.contains("401, credentials are needed"), "{errors}");
    let (out, errors, code) = run(import(&[&url]).env("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN));
    assert_eq!((out, code), (format!("{PROFILE}{WIKI}"), 0), "{errors}");
    assert!(!errors.contains("warning"), "{errors}");
}

/// As Bifrost shows them from 1.6 on.
#[test]
fn a_reference_is_kept_although_the_api_shows_what_it_refers_to() {
    let bifrost = Bifrost::start();
    let shown = |value: &str, reference: &str, kind: &str| json!({"value": value, "ref": reference, "type": kind});
    let client = json!({
        "name": "wiki", "connection_type": "http", "auth_type": "headers",
        "connection_string": shown("http****/mcp", "env.WIKI_URL", "env"),
        "headers": {
            "Authorization": shown("Bear****nted", "env.WIKI_TOKEN", "env"),
            "X-Vault": shown("plan****nted", "vault.secret/data/mcp#team", "vault"),
            "X-Other": shown("plan****nted", "aws.planted", "aws"),
            "X-None": {"value": "", "type": "plain_text"},
        },
    });
    bifrost.set_clients(&json!([]), &json!([client]));
    let (out, errors, code) = run(&mut import(&[&format!("http://{}", bifrost.address())]));
    let expected = "mcp_clients:\n  - name: wiki\n    auth_type: headers\n    connection_type: http\n    \
                    connection_string: env.WIKI_URL\n    headers:\n      Authorization: env.WIKI_TOKEN\n      \
                    X-Vault: vault.secret/data/mcp#team\n";
    assert_eq!((out, code), (format!("{PROFILE}{expected}"), 0), "{errors}");
    assert!(errors.contains("headers.X-Other: left out") && !errors.contains("planted"), "{errors}");
    assert!(!errors.contains("X-None"), "{errors}");
}

#[test]
fn every_page_of_the_api_is_asked_for_and_what_only_the_process_has_is_taken_if_the_database_is_empty() {
    let bifrost = Bifrost::start();
    let client = |number| json!({"name": format!("c{number}"), "connection_type": "inprocess"});
    let clients: Vec<_> = (0..250).map(client).collect();
    let url = format!("http://{}", bifrost.address());
    for (memory, database, asked) in [(json!([]), json!(clients), 3), (json!(clients), json!([]), 2)] {
        bifrost.set_clients(&memory, &database);
        let lists = || bifrost.recorded().iter().filter(|asked| asked.target.starts_with("/api/mcp/clients")).count();
        let before = lists();
        let (out, errors, code) = run(&mut import(&[&url]));
        assert_eq!((out.matches("- name: c").count(), code), (250, 0), "{errors}");
        assert_eq!(lists() - before, asked);
    }
}

#[test]
fn https_is_verified_with_what_the_system_trusts() {
    let (trust, bifrost) = (Trust::new(), Bifrost::start());
    bifrost.close_api();
    bifrost.set_clients(&json!([wiki()]), &json!([wiki()]));
    let door = trust.edge_with_tls(&servers_yaml(&[bifrost.address()]));
    let url = format!("https://localhost:{}", door.address.port());
    let with = |authorities: &Trust| {
        let file = file(&authorities.folder, "system.pem", authorities.authority.pem());
        let mut command = import(&[&url]);
        run(command.env("SSL_CERT_FILE", file).env("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN))
    };
    assert_eq!(with(&trust).0, format!("{PROFILE}{WIKI}"));
    let asked = bifrost.recorded().len();
    let (out, errors, code) = with(&Trust::new());
    assert_eq!((out.as_str(), code), ("", 1), "{errors}");
    assert_eq!(bifrost.recorded().len(), asked);
}

#[test]
fn a_redirect_is_not_followed_and_a_url_with_a_password_is_refused_unseen() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "");
    let url = format!("http://{}/?key=planted", edge.address);
    let (_, errors, code) = run(&mut import(&[&url]));
    assert!(code == 2 && errors.contains("query"), "{errors}");
    let (_, errors, code) = run(&mut import(&["https://admin:planted@bifrost.example"]));
    assert!(code == 2 && errors.contains("credentials by environment"), "{errors}");
    let (_, errors, code) = run(import(&[&format!("http://{}", edge.address)]).env("BRIDGEHEAD_API_USER", "planted"));
    assert!(code == 2 && errors.contains("set both"), "{errors}");
    assert!(bifrost.recorded().is_empty());
    let redirecting = Edge::listening("redirect_to_https: true", "public_urls: [\"https://127.0.0.1\"]\nservers: []\n");
    let (_, errors, code) = run(&mut import(&[&format!("http://{}", redirecting.address)]));
    assert!(code == 1 && errors.contains("308, a redirect, which is not followed"), "{errors}");
}

/// What is printed before the table, and the line that says why.
fn known(bifrost: &Bifrost) -> (String, String) {
    let url = format!("http://{}", bifrost.address());
    let (out, errors, code) = run(import(&[&url]).env("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN));
    assert_eq!(code, 0, "{errors}");
    let (head, _) = out.split_once("mcp_clients:").unwrap();
    let told = errors.lines().find_map(|line| line.strip_prefix(&format!("{url}: "))).unwrap();
    (head.to_owned(), told.to_owned())
}

#[test]
fn profile_and_mode_are_those_of_the_version_that_answers() {
    let bifrost = Bifrost::start();
    bifrost.set_clients(&json!([]), &json!([wiki()]));
    bifrost.close_api();
    let oauth2 = |mode: &str| format!("profile: oauth2\nmcp_server_auth_mode: {mode}\n");
    let client = |mode: &str| Some(json!({"mcp_server_auth_mode": mode}));
    bifrost.set_discovery(Discovery::On);
    for (version, client, head, told) in [
        ("v1.5.2", None, "profile: per_user_oauth\n".to_owned(), "it is Bifrost v1.5.2: profile per_user_oauth"),
        ("v1.5.9", None, oauth2("headers"), "it is Bifrost v1.5.9, which serves no discovery: profile oauth2, "),
        ("v1.6.2", None, oauth2("headers"), "it is Bifrost v1.6.2, which serves no discovery"),
        ("v1.6.3", client("oauth"), oauth2("oauth"), "mcp_server_auth_mode oauth in its configuration"),
        (
            "v2.7.0",
            client("headers"),
            oauth2("headers"),
            "it is Bifrost v2.7.0: profile oauth2, mcp_server_auth_mode headers",
        ),
    ] {
        bifrost.say(version, client);
        let (found, line) = known(&bifrost);
        assert_eq!(found, head, "{version}");
        assert!(line.contains(told), "{line}");
    }
    // Its configuration is not to be had, or says nothing of it: what it serves does.
    for (discovery, client, mode) in
        [(Discovery::Oauth2(Mode::Both), None, "both"), (Discovery::Oauth2(Mode::Headers), client(""), "headers")]
    {
        bifrost.set_discovery(discovery);
        bifrost.say("v2.6.1", client);
        let (found, line) = known(&bifrost);
        assert_eq!(found, oauth2(mode));
        assert!(line.ends_with(&format!("mcp_server_auth_mode {mode} by what it serves")), "{line}");
    }
}

#[test]
fn one_that_does_not_say_its_version_is_known_by_what_it_serves() {
    let bifrost = Bifrost::start();
    bifrost.set_clients(&json!([]), &json!([wiki()]));
    for (discovery, head) in [
        (Discovery::On, "profile: per_user_oauth\n"),
        (Discovery::Off, "profile: per_user_oauth\n"),
        (Discovery::Page, "profile: oauth2\nmcp_server_auth_mode: headers\n"),
        (Discovery::Oauth2(Mode::Oauth), "profile: oauth2\nmcp_server_auth_mode: both\n"),
        (Discovery::Redirect, ""),
    ] {
        bifrost.set_discovery(discovery);
        let (found, line) = known(&bifrost);
        assert_eq!(found, head, "{discovery:?}: {line}");
        assert!(line.starts_with("it does not answer /api/version"), "{line}");
    }
    bifrost.say("dev", None);
    let (_, line) = known(&bifrost);
    assert_eq!(line, "its version, \"dev\", is none that is known, so no profile is written");
}

#[test]
fn merged_the_profile_of_the_version_replaces_that_of_the_file() {
    let bifrost = Bifrost::start();
    bifrost.set_clients(&json!([]), &json!([wiki()]));
    let folder = Folder::new();
    let head = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\npublic_urls: [\"https://gw.example\"]\n";
    let text = format!("{head}profile: oauth2 # which\nmcp_server_auth_mode: both # by what\n# The end.\n");
    let target = file(&folder, "proxy.yaml", &text);
    let url = format!("http://{}", bifrost.address());
    bifrost.say("v1.5.1", None);
    let (_, errors, code) = run(&mut import(&[&url, "--into", &target, "--yes"]));
    assert_eq!(code, 0, "{errors}");
    let written = std::fs::read_to_string(&target).unwrap();
    assert!(written.starts_with(&format!("{head}profile: per_user_oauth # which\n")), "{written}");
    assert!(!written.contains("mcp_server_auth_mode:") && written.contains("# The end.\n"), "{written}");
    bifrost.say("v2.7.0", Some(json!({"mcp_server_auth_mode": "oauth"})));
    let (_, errors, code) = run(&mut import(&[&url, "--into", &target, "--yes"]));
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("profile oauth2, mcp_server_auth_mode oauth"), "{errors}");
    let written = std::fs::read_to_string(&target).unwrap();
    assert!(
        written.contains("profile: oauth2 # which\n") && written.contains("mcp_server_auth_mode: oauth"),
        "{written}"
    );
}
