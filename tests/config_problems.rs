//! Bad input gets one clear line for each problem: where it is, what is wrong, how to mend it.

use bridgehead::config::Loaded;

use crate::support::problems::{GOOD, problem, problems};

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    for (more, line) in [
        ("public_url: []\n", "f.yaml:3: public_url: unknown key; did you mean \"public_urls\"?"),
        ("timeouts: {conect: 5s}\n", "f.yaml:3: timeouts.conect: unknown key; did you mean \"connect\"?"),
        (
            "mcp_clients:\n- name: a\n  connection_type: inprocess\n  auth_tpye: oauth\n",
            "f.yaml:6: mcp_clients[0].auth_tpye: unknown key; did you mean \"auth_type\"?",
        ),
        (
            "mcp_clients:\n- name: a\n  connection_type: stdio\n  stdio_config: {comand: x, command: y}\n",
            "f.yaml:6: mcp_clients[0].stdio_config.comand: unknown key; did you mean \"command\"?",
        ),
        ("zzz: 1\n", "f.yaml:3: zzz: unknown key; known here: listeners, admin, access_log, stop, threads, "),
    ] {
        let found = problem(more);
        assert!(found.starts_with(line), "{found}");
    }
}

#[test]
fn an_unknown_value_names_the_one_that_was_meant() {
    let client = |fields: &str| format!("mcp_clients:\n- {{name: a, {fields}}}\n");
    for (more, line) in [
        (
            client("connection_type: inprocess, auth_type: per_user_oath"),
            "f.yaml:4: mcp_clients[0].auth_type: \"per_user_oath\" is not a known value; did you mean \"per_user_oauth\"?",
        ),
        (
            client("connection_type: htpp"),
            "f.yaml:4: mcp_clients[0].connection_type: \"htpp\" is not a known value; did you mean \"http\"?",
        ),
        (
            "profile: nonsense_and_more\n".to_owned(),
            "f.yaml:3: profile: \"nonsense_and_more\" is not a known value; known here: per_user_oauth, oauth2",
        ),
        ("profile: 7\n".to_owned(), "f.yaml:3: profile: write one of: per_user_oauth, oauth2"),
    ] {
        assert_eq!(problem(&more), line);
    }
}

#[test]
fn a_wrong_type_says_what_to_write() {
    for (more, line) in [
        ("threads: many\n", "f.yaml:3: threads: found text; write a whole number from 1 to 1024"),
        ("threads: 5000\n", "f.yaml:3: threads: more than 1024 threads help nobody"),
        ("threads: 0\n", "f.yaml:3: threads: not a value that fits; write a whole number from 1 to 1024"),
        ("limits: {headers: many}\n", "f.yaml:3: limits.headers: found text; write a whole number from 1 to 256"),
        (
            "health: {rise: 4294967296}\n",
            "f.yaml:3: health.rise: not a value that fits; write a whole number from 1 to 4294967295",
        ),
        (
            "health: {fall: 1.5}\n",
            "f.yaml:3: health.fall: found a number with a fraction; write a whole number from 1 to 4294967295",
        ),
        (
            "health: {statuses: [ok]}\n",
            "f.yaml:3: health.statuses[0]: found text; write a whole number from 100 to 599",
        ),
        (
            "breaker: {failures: -1}\n",
            "f.yaml:3: breaker.failures: not a value that fits; write a whole number from 1 to 4294967295",
        ),
        ("retries: {attempts: x}\n", "f.yaml:3: retries.attempts: found text; write a whole number from 1 to 16"),
        ("retries: {budget: x}\n", "f.yaml:3: retries.budget: found text; write a whole number from 0 to 100"),
        (
            "limits: {requests: {per_second: 1, burst: 4294967296}}\n",
            "f.yaml:3: limits.requests.burst: not a value that fits; write a whole number from 1 to 4294967295",
        ),
        ("public_urls: \"http://localhost:8000\"\n", "f.yaml:3: public_urls: found text; write a list"),
        ("public_urls: [7]\n", "f.yaml:3: public_urls[0]: \"7\" is no public URL: the scheme is missing"),
        ("discovery: 5m\n", "f.yaml:3: discovery: found text; write a mapping of keys to values"),
        ("timeouts: {connect: 5}\n", "f.yaml:3: timeouts.connect: not a value that fits; write a duration such as 5s"),
        (
            "timeouts: {connect: soon}\n",
            "f.yaml:3: timeouts.connect: not a value that fits; write a duration such as 5s",
        ),
        ("mcp_clients: {}\n", "f.yaml:3: mcp_clients: found a mapping; write a list"),
        ("mcp_clients: [x]\n", "f.yaml:3: mcp_clients[0]: found text; write a mapping of keys to values"),
        (
            "trusted_proxies: [\"10.0.0.0/33\"]\n",
            "f.yaml:3: trusted_proxies[0]: \"10.0.0.0/33\" is no network; write an address or CIDR",
        ),
        (
            "admin: {address: \"localhost:8001\"}\n",
            "f.yaml:3: admin.address: \"localhost:8001\" is not an IP address with a port; write for example",
        ),
    ] {
        let found = problem(more);
        assert!(found.starts_with(line), "{found}");
    }
}

#[test]
fn a_list_where_a_file_belongs_says_what_to_write() {
    let found = problems("listeners: [{address: \"127.0.0.1:1\"}]\nservers: [{address: \"a:1\", tls: {ca: [x]}}]\n");
    assert_eq!(found, ["f.yaml:2: servers[0].tls.ca: found a list; write the path of a file"]);
}

#[test]
fn the_table_is_checked() {
    for (clients, line) in [
        (
            "- {name: a, connection_type: inprocess}\n- {name: b, connection_type: inprocess}\n- {name: a, connection_type: inprocess}\n",
            "f.yaml:6: mcp_clients[2].name: the name \"a\" again; rename one (first: mcp_clients[0].name)",
        ),
        (
            "- {name: \" \", connection_type: inprocess}\n",
            "f.yaml:4: mcp_clients[0].name: empty; give the MCP client a name",
        ),
        ("- {connection_type: inprocess}\n", "f.yaml:4: mcp_clients[0]: the key \"name\" is missing; add it"),
        ("- {name: a}\n", "f.yaml:4: mcp_clients[0]: the key \"connection_type\" is missing; add it"),
        (
            "- {name: a, connection_type: http}\n",
            "f.yaml:4: mcp_clients[0].connection_string: an http or sse client needs one; write its URL, or a reference such as env.NAME",
        ),
        (
            "- {name: a, connection_type: sse, connection_string: \"\"}\n",
            "f.yaml:4: mcp_clients[0].connection_string: an http or sse client needs one; write its URL, or a reference such as env.NAME",
        ),
        (
            "- {name: a, connection_type: stdio}\n",
            "f.yaml:4: mcp_clients[0].stdio_config: a stdio client needs one; write at least {command: …}",
        ),
    ] {
        assert_eq!(problem(&format!("mcp_clients:\n{clients}")), line);
    }
}

#[test]
fn public_urls_are_checked() {
    for (urls, part) in [
        (
            "\"http://h/path/\"",
            "public_urls[0]: \"http://h/path/\" is no public URL: a trailing slash; write \"http://h/path\"",
        ),
        ("\"http://h/a b\"", "public_urls[0]: \"http://h/a b\" is no public URL: its path has other characters than"),
        ("\"https://h/a\", \"http://h/b\"", "public_urls[1]: the same host with another scheme, and"),
        (
            "\"https://h/a\", \"https://h\", \"https://h/a\"",
            "public_urls[2]: the same URL again; remove one (first: public_urls[0])",
        ),
        ("\"http://h?q\"", "it has a query; write"),
        ("\"http://u@h\"", "it has a user name; write"),
        ("\"http://h/\"", "a trailing slash; write \"http://h\""),
        ("\"http://H\"", "upper case; write \"http://h\""),
        ("\"http://h:0\"", "the port \"0\" is not a number from 1 to 65535"),
        ("\"http://h:99999\"", "the port \"99999\" is not a number from 1 to 65535"),
        ("\"h\"", "the scheme is missing; write"),
        ("\"https://h\", \"https://h\"", "public_urls[1]: the same URL again; remove one (first: public_urls[0])"),
        ("\"https://h\", \"http://h\"", "public_urls[1]: the same host with another scheme, and"),
    ] {
        let found = problem(&format!("public_urls: [{urls}]\n"));
        assert!(found.starts_with("f.yaml:3: public_urls[") && found.contains(part), "{found}");
    }
}

#[test]
fn every_problem_is_reported_at_its_own_line() {
    let text = "\
listeners:
  - address: \"127.0.0.1:8000\"
server: []
servers:
  - address: \"127.0.0.1\"
  - adress: \"127.0.0.1:8080\"
  - address: \"127.0.0.1:8081\"
  - address: \"127.0.0.1:8081\"
public_urls:
  - \"http://h/\"
  - \"http://g\"
mcp_clients:
  - {name: a, connection_type: ftp, auth_type: oaut}
  - {name: b, connection_type: http}
  - {name: b, connection_type: inprocess}
";
    let found = problems(text);
    let starts = [
        "f.yaml:3: server: unknown key; did you mean \"servers\"?",
        "f.yaml:5: servers[0].address: \"127.0.0.1\" is no server address",
        "f.yaml:6: servers[1]: the key \"address\" is missing; add it",
        "f.yaml:6: servers[1].adress: unknown key; did you mean \"address\"?",
        "f.yaml:8: servers[3].address: the same address again; remove one (first: servers[2].address)",
        "f.yaml:10: public_urls[0]: ",
        "f.yaml:13: mcp_clients[0].auth_type: \"oaut\" is not a known value; did you mean \"oauth\"?",
        "f.yaml:13: mcp_clients[0].connection_type: \"ftp\" is not a known value",
        "f.yaml:14: mcp_clients[1].connection_string: ",
        "f.yaml:15: mcp_clients[2].name: the name \"b\" again; rename one (first: mcp_clients[1].name)",
    ];
    let mut sorted = found.clone();
    sorted.sort_by_key(|line| starts.iter().position(|start| line.starts_with(start)));
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in sorted.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\n{found:#?}");
    }
}

#[test]
fn no_password_or_token_in_a_url_is_shown() {
    for more in [
        "public_urls: [\"https://user:planted@h\"]\n",
        "public_urls: [\"https://h?token=planted\"]\n",
        "public_urls: [\"https://h/#planted\"]\n",
    ] {
        assert!(!problem(more).contains("planted"), "{}", problem(more));
    }
    let server = problems("listeners: [{address: \"127.0.0.1:1\"}]\nservers: [{address: \"user:planted@h:80\"}]\n");
    assert!(!server[0].contains("planted"), "{server:?}");
}

#[test]
fn a_value_is_judged_alike_beside_a_fault_and_without() {
    let found = problem("zzz: 1\nmcp_clients: [{name: 5, client_id: 7, slug: true, connection_type: inprocess}]\n");
    assert!(found.starts_with("f.yaml:3: zzz: unknown key"), "{found}");
    let one = problem("mcp_clients: [{name: a, connection_type: http, connection_string: [x]}]\n");
    assert!(one.contains("connection_string: found a list; write text"), "{one}");
}

/// YAML without quotes takes `null` for text, and an MCP client called "null" is nobody's wish.
#[test]
fn nothing_is_no_name() {
    let client = |fields: &str| format!("mcp_clients: [{{connection_type: inprocess, {fields}}}]\n");
    for (more, key) in [
        (client("name: null"), "mcp_clients[0].name"),
        (client("name: ~"), "mcp_clients[0].name"),
        (client("name: "), "mcp_clients[0].name"),
        (client("name: a, tools_to_execute: [b, null]"), "mcp_clients[0].tools_to_execute[1]"),
        (client("name: a, oauth_scopes: [~]"), "mcp_clients[0].oauth_scopes[0]"),
        (client("name: a, stdio_config: {command: null}"), "mcp_clients[0].stdio_config.command"),
    ] {
        let found = problem(&more);
        let expected = format!("f.yaml:3: {key}: found nothing; write text; the word null only in quotes");
        assert_eq!(found, expected, "{more}");
    }
    for (more, expected) in [
        ("access_log: {to: null}\n", "access_log.to: empty; write stdout, or the path of a file"),
        ("admin: {address: \"127.0.0.1:1\", hosts: [null]}\n", "admin.hosts[0]: \"\" is no host: the host is missing"),
    ] {
        let found = problem(more);
        assert!(found.contains(expected), "{found}");
    }
    let quoted = format!("{GOOD}{}", client("name: \"null\""));
    let config = Loaded::from_text("f.yaml".as_ref(), &quoted).unwrap().config;
    assert_eq!(config.mcp_clients[0].name, "null");
}

#[test]
fn a_key_that_is_there_by_both_its_names_is_refused() {
    let found = problem("mcp_clients: [{name: a, connection_type: inprocess, tls: {}, tls_config: {}}]\n");
    assert_eq!(
        found,
        "f.yaml:3: mcp_clients[0]: the key \"tls_config\" is there twice, once by its other name; remove one"
    );
}

#[test]
fn when_there_are_too_many_problems_to_find_them_all_it_says_so() {
    let many: Vec<_> = (0..250).map(|number| format!("- {{name: c{number}, connection_type: x, foo: 1}}\n")).collect();
    let found = problems(&format!("{GOOD}mcp_clients:\n{}", many.concat()));
    assert!(found.iter().any(|line| line.contains("there may be more problems")), "{found:#?}");
}

#[test]
fn a_value_of_which_all_is_wrong_is_not_called_empty() {
    let found = problems("listeners: [7]\nservers: []\n");
    assert_eq!(found, ["f.yaml:1: listeners[0]: found a whole number; write a mapping of keys to values"]);
}
