//! Bad input gets one clear line for each problem: where it is, what is wrong, how to mend it.

use crate::support::problems::{GOOD, problem, problems};

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    for (more, line) in [
        ("public_url: []\n", "f.yaml:3: public_url: unknown key; did you mean \"public_urls\"?"),
        ("timeouts: {conect: 5s}\n", "f.yaml:3: timeouts.conect: unknown key; did you mean \"connect\"?"),
        ("zzz: 1\n", "f.yaml:3: zzz: unknown key; known here: access, access_log, admin, balance, breaker, "),
    ] {
        let found = problem(more);
        assert!(found.starts_with(line), "{found}");
    }
}

#[test]
fn an_unknown_value_names_the_one_that_was_meant() {
    for (more, line) in [
        (
            "profile: nonsense_and_more\n",
            "f.yaml:3: profile: \"nonsense_and_more\" is not a known value; known here: per_user_oauth, oauth2",
        ),
        ("profile: 7\n", "f.yaml:3: profile: write one of: per_user_oauth, oauth2"),
    ] {
        assert_eq!(problem(more), line);
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
  - {name: a, connection_type: ftp, auth_type: per_user_oath}
  - {name: b, auth_type: [oauth]}
  - {name: c, connection_type: http}
  - {name: c, connection_type: inprocess}
";
    let found = problems(text);
    let starts = [
        "f.yaml:3: server: unknown key; did you mean \"servers\"?",
        "f.yaml:5: servers[0].address: \"127.0.0.1\" is no server address",
        "f.yaml:6: servers[1]: the key \"address\" is missing; add it",
        "f.yaml:6: servers[1].adress: unknown key; did you mean \"address\"?",
        "f.yaml:8: servers[3].address: the same address again; remove one (first: servers[2].address)",
        "f.yaml:10: public_urls[0]: ",
        "f.yaml:13: mcp_clients[0].auth_type: \"per_user_oath\" turns discovery off; did you mean \"per_user_oauth\"?",
        "f.yaml:14: mcp_clients[1].auth_type: found a list; write text such as headers or per_user_oauth",
        "f.yaml:16: mcp_clients[3].name: the name \"c\" again; rename one (first: mcp_clients[2].name)",
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
    let found = problem("zzz: 1\nmcp_clients: [{name: 5, client_id: 7, endpoint_slug: true, connection_type: [x]}]\n");
    assert!(found.starts_with("f.yaml:3: zzz: unknown key"), "{found}");
}

#[test]
fn nothing_is_no_text() {
    for (more, expected) in [
        ("access_log: {to: null}\n", "access_log.to: empty; write stdout, or the path of a file"),
        ("admin: {address: \"127.0.0.1:1\", hosts: [null]}\n", "admin.hosts[0]: \"\" is no host: the host is missing"),
    ] {
        let found = problem(more);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn when_there_are_too_many_problems_to_find_them_all_it_says_so() {
    let many: Vec<_> = (0..250).map(|number| format!("- {{name: c{number}, auth_type: [x]}}\n")).collect();
    let found = problems(&format!("{GOOD}mcp_clients:\n{}", many.concat()));
    assert!(found.iter().any(|line| line.contains("there may be more problems")), "{found:#?}");
}

#[test]
fn a_value_of_which_all_is_wrong_is_not_called_empty() {
    let found = problems("listeners: [7]\nservers: []\n");
    assert_eq!(found, ["f.yaml:1: listeners[0]: found a whole number; write a mapping of keys to values"]);
}

/// What means one thing to one program and another to the next is never taken for either.
#[test]
fn a_unit_that_could_mean_two_things_says_what_to_write() {
    for (more, line) in [
        (
            "limits: {request_body: 5M}\n",
            "f.yaml:3: limits.request_body: \"5M\" could be decimal or binary; write for example \"5MiB\" (1 KiB is 1024 \
             bytes), or \"5MB\" (1 KB is 1000)",
        ),
        ("limits: {head: 524k}\n", "f.yaml:3: limits.head: \"524k\" could be decimal or binary; write"),
        ("limits: {head: 24 G}\n", "f.yaml:3: limits.head: \"24 G\" could be decimal or binary; write"),
        (
            "limits: {idle: 5M}\n",
            "f.yaml:3: limits.idle: M could be minutes or months; write m for minutes, d for days",
        ),
        ("limits: {idle: 1m30}\n", "f.yaml:3: limits.idle: a number has no unit; write for example 1m 30s"),
        ("limits: {idle: 1 30s}\n", "f.yaml:3: limits.idle: a number has no unit; write for example 1m 30s"),
        ("timeouts: {request: 2months}\n", "f.yaml:3: timeouts.request: months and years have no fixed length"),
    ] {
        let found = problem(more);
        assert!(found.starts_with(line), "{found}");
    }
    let taken = "limits: {idle: 5 s, head_time: 1m30s, request_body: 5MiB, head: 524KB}\n";
    let config = bridgehead::config::Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}{taken}")).unwrap().config;
    let limits = &config.edge.limits;
    assert_eq!((limits.idle.as_secs(), limits.head_time.as_secs()), (5, 90));
    assert_eq!((limits.request_body.limit(), limits.head.limit()), (Some(5 * 1024 * 1024), Some(524_000)));
}

#[test]
fn a_tab_in_the_indentation_is_named() {
    for text in [
        "listeners:\n\t- address: \"127.0.0.1:0\"\nservers: []\n",
        "servers: []\n \tlisteners: []\n",
        "limits:\n\thead: 5KiB\nservers: []\n",
    ] {
        let found = problems(text);
        assert_eq!(
            found,
            ["f.yaml:2: the line is indented with a tab, which YAML does not allow; write spaces in its place"]
        );
    }
}

#[test]
fn another_way_to_name_a_variable_says_how_it_is_done_here() {
    let remedy = |name: &str| format!("write \"${{{name}}}\"");
    for (server, name) in [("env.BIFROST", "BIFROST"), ("$BIFROST", "BIFROST"), ("$bifrost", "bifrost")] {
        let found =
            problems(&format!("listeners: [{{address: \"127.0.0.1:1\"}}]\nservers: [{{address: \"{server}\"}}]\n"));
        let begins = format!("f.yaml:2: servers[0].address: \"{server}\" names a variable of the environment: ");
        assert!(found.len() == 1 && found[0].starts_with(&begins) && found[0].ends_with(&remedy(name)), "{found:?}");
    }
    for (more, key) in [("admin: {address: $ADMIN}\n", "admin.address"), ("public_urls: [env.URL]\n", "public_urls[0]")]
    {
        let found = problem(more);
        assert!(found.starts_with(&format!("f.yaml:3: {key}: ")) && found.contains("; write \"${"), "{found}");
    }
    let found = problems("listeners: [{address: $LISTEN}]\nservers: []\n");
    assert!(found.len() == 1 && found[0].ends_with(&remedy("LISTEN")), "{found:?}");
}

#[test]
fn a_fault_is_shown_in_the_operators_own_letters() {
    let server = |text: &str| {
        problems(&format!("listeners: [{{address: \"127.0.0.1:1\"}}]\nservers: [{{address: \"{text}\"}}]\n")).join("\n")
    };
    assert!(server("Bifrost.Internal").contains("\"Bifrost.Internal\" is no server address: the port is missing"));
    assert!(server("Big Frost:80").contains("the host \"Big Frost\" is no DNS name"), "{}", server("Big Frost:80"));
}

#[test]
fn a_key_in_capital_letters_is_one_problem() {
    let found = problems("Listeners: [{address: \"127.0.0.1:1\"}]\nservers: [{Address: \"a:1\"}]\n");
    assert_eq!(
        found,
        [
            "f.yaml:1: Listeners: unknown key: upper and lower case are told apart; write \"listeners\"",
            "f.yaml:2: servers[0].Address: unknown key: upper and lower case are told apart; write \"address\"",
        ]
    );
}

#[test]
fn a_merge_key_is_named_as_one() {
    assert_eq!(
        problem("limits: &a {head: 1KiB}\ntimeouts: {<<: *a}\n"),
        "f.yaml:4: timeouts.<<: the merge key << is not followed; write its keys out here"
    );
}
