//! `import` asks a running Bifrost.

use serde_json::{Value, json};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    import::{file, import, run},
    tls_server::Trust,
};

fn wiki() -> Value {
    json!({
        "client_id": "1", "name": "wiki", "connection_type": "http", "auth_type": "per_user_oauth", "state": "connected",
        "connection_string": {"value": "https://wiki.example/mcp", "env_var": "", "from_env": false},
        "headers": {"Authorization": {"value": "planted****", "env_var": "", "from_env": false}},
    })
}

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
    assert_eq!((out.as_str(), code), (WIKI, 0), "{errors}");
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
    assert_eq!((out.as_str(), code), (expected, 0), "{errors}");
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
        let before = bifrost.recorded().len();
        let (out, errors, code) = run(&mut import(&[&url]));
        assert_eq!((out.matches("- name: c").count(), code), (250, 0), "{errors}");
        assert_eq!(bifrost.recorded().len() - before, asked);
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
    assert_eq!(with(&trust).0, WIKI);
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
