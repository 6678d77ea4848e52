//! Bad input gets one clear line for each problem: where it is, what is wrong, how to mend it.

use bifrost_edge::config::Loaded;

use crate::support::tls_server::{Authority, Folder};

const GOOD: &str = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"127.0.0.1:8080\"}]\n";

fn problems(text: &str) -> Vec<String> {
    match Loaded::from_text("f.yaml".as_ref(), text) {
        Ok(_) => panic!("taken as good:\n{text}"),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The one problem of a good file and this on top.
fn problem(more: &str) -> String {
    let mut lines = problems(&format!("{GOOD}{more}"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

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
        ("zzz: 1\n", "f.yaml:3: zzz: unknown key; known here: listeners, admin, threads, "),
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
            "f.yaml:3: profile: \"nonsense_and_more\" is not a known value; known here: per_user_oauth",
        ),
        ("profile: 7\n".to_owned(), "f.yaml:3: profile: write one of: per_user_oauth"),
    ] {
        assert_eq!(problem(&more), line);
    }
}

#[test]
fn a_wrong_type_says_what_to_write() {
    for (more, line) in [
        ("threads: many\n", "f.yaml:3: threads: found text; write a whole number above 0"),
        ("threads: 5000\n", "f.yaml:3: threads: more than 1024 threads help nobody"),
        ("threads: 0\n", "f.yaml:3: threads: not a value that fits; write a whole number above 0"),
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
        ("\"http://h/path\"", "public_urls[0]: \"http://h/path\" is no public URL: it has a path; write"),
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
fn addresses_and_times_are_checked() {
    let with = |listeners: &str, servers: &str| problems(&format!("listeners: [{listeners}]\nservers: [{servers}]\n"));
    let a = "{address: \"127.0.0.1:8000\"}";
    let b = "{address: \"127.0.0.1:8080\"}";
    assert_eq!(with("", b), ["f.yaml:1: listeners: empty; add at least one, for example {address: \"0.0.0.0:8000\"}"]);
    assert_eq!(
        with(&format!("{a}, {a}"), b),
        ["f.yaml:1: listeners[1].address: the same address again; remove one (first: listeners[0].address)"]
    );
    assert_eq!(
        with(a, &format!("{b}, {b}")),
        ["f.yaml:2: servers[1].address: the same address again; remove one (first: servers[0].address)"]
    );
    for (address, part) in [
        ("127.0.0.1", "the port is missing"),
        ("127.0.0.1:99999", "1 to 65535"),
        ("http://x:1", "a scheme"),
        ("", "the host is missing"),
    ] {
        let found = with(a, &format!("{{address: \"{address}\"}}"));
        assert!(found[0].starts_with("f.yaml:2: servers[0].address: ") && found[0].contains(part), "{found:?}");
    }
    assert!(
        problem("admin: {address: \"127.0.0.1:8000\"}\n")
            .contains("a listener has this address; choose another port (first: listeners[0].address)")
    );
    assert!(
        problem("discovery: {max_age: 1500ms}\n").contains("discovery.max_age: Cache-Control counts whole seconds")
    );
}

#[test]
fn nonsense_about_the_fleet_is_refused_with_its_remedy() {
    for (text, part) in [
        ("timeouts: {connect: 0s}", "timeouts.connect: 0 leaves no time for anything; write for example 5s"),
        ("timeouts: {first_byte: 0s}", "timeouts.first_byte: 0 leaves"),
        ("timeouts: {silence: 0s}", "timeouts.silence: 0 leaves no time for anything; write for example 15m"),
        ("timeouts: {request: 0s}", "timeouts.request: 0 leaves"),
        ("timeouts: {idle: 0s}", "timeouts.idle: 0 leaves"),
        ("timeouts: {paths: [{prefix: /v1, silence: 0s}]}", "timeouts.paths[0].silence: 0 leaves"),
        ("timeouts: {paths: [{prefix: v1}]}", "timeouts.paths[0].prefix: \"v1\" is no path prefix"),
        ("timeouts: {paths: [{prefix: /v1}, {prefix: /v1/}]}", "timeouts.paths[1].prefix: the same prefix again"),
        ("timeouts: {first_byte: 500000000years}", "timeouts.first_byte: longer than a year"),
        ("timeouts: {request: 2years}", "timeouts.request: longer than a year; write for example 1h"),
        ("breaker: {longest_open: 2years}", "breaker.longest_open: longer than a year"),
        ("dns: {interval: 0s}", "dns.interval: 0 leaves"),
        ("health: {interval: 0s}", "health.interval: 0 leaves"),
        ("health: {timeout: 0s}", "health.timeout: 0 leaves"),
        ("health: {rise: 0}", "health.rise: must be at least 1; write for example 2"),
        ("health: {fall: 0}", "health.fall: must be at least 1; write for example 3"),
        ("health: {path: health}", "health.path: no path"),
        ("health: {statuses: []}", "health.statuses: empty"),
        ("health: {statuses: [99]}", "health.statuses[0]: 99 is no status; write one from 100 to 599"),
        ("breaker: {failures: 0}", "breaker.failures: must be at least 1"),
        ("breaker: {server_errors: 0}", "breaker.server_errors: must be at least 1"),
        ("breaker: {open: 0s}", "breaker.open: 0 leaves"),
        ("breaker: {longest_open: 1ms}", "breaker.longest_open: shorter than open"),
        ("retries: {attempts: 0}", "retries.attempts: must be from 1, no retry, to 16"),
        ("retries: {attempts: 17}", "retries.attempts: must be from 1"),
        ("retries: {budget: 101}", "retries.budget: percent"),
        ("balance: {policy: random}", "balance.policy: \"random\" is not a known value"),
        ("balance: {policy: hash}", "f.yaml:3: balance.hash_key: missing, and policy: hash needs it"),
        ("balance: {hash_key: client_address}", "balance.hash_key: used with policy: hash alone"),
        (
            "balance: {policy: hash, hash_key: session}",
            "balance.hash_key: \"session\" is no key; write \"header:NAME\"",
        ),
        ("balance: {policy: hash, hash_key: \"header:a b\"}", "is no key"),
        ("balance: {hash_load: 0.5}", "balance.hash_load: must be from 1 to 100"),
        ("balance: {hash_load: .nan}", "balance.hash_load: must be from 1 to 100"),
        ("limits: {request_body: 0}", "limits.request_body: \"0\" is no size"),
        ("limits: {request_body: much}", "limits.request_body: \"much\" is no size; write for example \"100MiB\""),
    ] {
        let found = problem(&format!("{text}\n"));
        assert!(found.contains(part), "{text} gave {found}");
    }
    for (servers, part) in [
        ("{address: \"a:1\", weight: 101}", "servers[0].weight: the greatest weight is 100"),
        ("{address: \"a:1\", weight: -1}", "servers[0].weight"),
        ("{address: \"a:1\", backup: true}", "servers[0].backup: every server is a backup, of nothing"),
        (
            "{address: \"a:1\", weight: 0}, {address: \"b:1\", weight: 0}",
            "servers[0].weight: no server but a backup has",
        ),
        (
            "{address: \"a:1\", backup: true}, {address: \"b:1\", weight: 0}",
            "servers[1].weight: no server but a backup has",
        ),
        ("{address: \"a:1\", tls: {ca: /nowhere.pem}}", "servers[0].tls.ca: /nowhere.pem cannot be read"),
        ("{address: \"a:1\", tls: {ca: Cargo.toml}}", "servers[0].tls.ca: Cargo.toml holds no certificate"),
        ("{address: \"a:1\", tls: {certificate: x.pem}}", "servers[0].tls.certificate: needs the other half; add key"),
        ("{address: \"a:1\", tls: {key: x.pem}}", "servers[0].tls.key: needs the other half; add certificate"),
        ("{address: \"a:1\", tls: {server_name: \"a b\"}}", "servers[0].tls.server_name"),
    ] {
        let text = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{servers}]\n");
        let found = Loaded::from_text("f.yaml".as_ref(), &text).unwrap_err().to_string();
        assert!(found.contains(part) && found.starts_with("f.yaml:2: "), "{servers} gave {found}");
    }
    // Commented out key by key, it is TLS all the same.
    let empty = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers:\n- address: \"a:1\"\n  tls:\n    # ca: ca.pem\n";
    assert!(Loaded::from_text("f.yaml".as_ref(), empty).unwrap().config.servers[0].tls.is_some());
    let both = "listeners: [{address: \"127.0.0.1:8000\"}]\ntimeouts: {request: 1h}\n\
                servers: [{address: \"a:1\", http2: true}]\n";
    let found = Loaded::from_text("f.yaml".as_ref(), both).unwrap_err().to_string();
    assert!(found.contains("servers[0].http2: timeouts.request is not kept on HTTP/2"), "{found}");
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
fn what_is_no_yaml_is_one_line_with_its_place() {
    for text in [
        "listeners: [",
        "a: b: c",
        "\tlisteners: []",
        "listeners: \"x",
        "a: &x [*x]\nb: *y",
        "a: 1\na: 2",
        "--- 1\n--- 2",
        "&a [*a]",
        "{",
        "a: !!binary \u{1}",
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        assert!(found[0].starts_with("f.yaml") && found[0].contains("YAML"), "{found:?}");
    }
}

#[test]
fn brackets_in_texts_and_comments_are_no_nesting() {
    let block = |number| format!("- name: c{number}\n  connection_type: inprocess\n  state: a[ # {{\n");
    let json =
        |number| format!("{{\"name\": \"c{number}\", \"connection_type\": \"inprocess\", \"state\": \"[{{\\\"[\"}}");
    let clients = [
        format!("\n{}", (0..2000).map(block).collect::<Vec<_>>().concat()),
        format!(" [{}]\n", (0..2000).map(json).collect::<Vec<_>>().join(",\n")),
    ];
    for clients in clients {
        let loaded = Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}mcp_clients:{clients}"));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.config.mcp_clients.len(), 2000);
    }
}

#[test]
fn a_server_that_is_the_edge_itself_is_refused() {
    for (listener, server) in
        [("127.0.0.1:8000", "127.0.0.1:8000"), ("0.0.0.0:8000", "127.0.0.1:8000"), ("[::]:8000", "[::1]:8000")]
    {
        let found =
            problems(&format!("listeners: [{{address: \"{listener}\"}}]\nservers: [{{address: \"{server}\"}}]\n"));
        assert!(
            found.len() == 1 && found[0].contains("servers[0].address: the edge itself listens there"),
            "{found:?}"
        );
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

#[test]
fn when_there_are_too_many_problems_to_find_them_all_it_says_so() {
    let many: Vec<_> = (0..250).map(|number| format!("- {{name: c{number}, connection_type: x, foo: 1}}\n")).collect();
    let found = problems(&format!("{GOOD}mcp_clients:\n{}", many.concat()));
    assert!(found.iter().any(|line| line.contains("there may be more problems")), "{found:#?}");
}

#[test]
fn two_documents_in_a_file_are_not_a_repeated_key() {
    let found = problems(&format!("{GOOD}---\n{GOOD}"));
    assert!(found[0].contains("more than one document"), "{found:?}");
}

#[test]
fn a_key_that_is_there_twice_is_named() {
    let found = problems("a: 1\nservers:\n- {address: x, b: 1,\n   address: y}\n");
    assert_eq!(
        found,
        ["f.yaml:4: servers[0].address: not valid YAML: the key is here for the second time; remove one"]
    );
}

#[test]
fn a_value_of_which_all_is_wrong_is_not_called_empty() {
    let found = problems("listeners: [7]\nservers: []\n");
    assert_eq!(found, ["f.yaml:1: listeners[0]: found a whole number; write a mapping of keys to values"]);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert!(Loaded::from_text("f.yaml".as_ref(), &text).is_ok());
}

#[test]
fn an_empty_file_or_one_of_another_kind_says_so() {
    for text in ["", "\n\n", "# only a comment\n", "---\n", "null"] {
        assert_eq!(
            problems(text),
            ["f.yaml: the file is empty; start from the conf/proxy.yaml that is shipped"],
            "{text:?}"
        );
    }
    for text in ["[]", "7", "text"] {
        let found = problems(text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("write"), "{found:?}");
    }
}

#[test]
fn a_hostile_file_neither_hangs_nor_reaches_the_terminal() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    assert!(!problems(bomb).is_empty());
    for deep in ["[", "{a: ", "- "] {
        let found = problems(&format!("x: {}", deep.repeat(100_000)));
        assert!(found.len() == 1 && found[0].len() < 300, "{found:?}");
    }
    let escape = problems(&format!("{GOOD}\"\\e[31mred\": 1\n"));
    assert!(escape.iter().all(|line| !line.contains('\u{1b}')), "{escape:?}");
    let many: Vec<_> = (0..5000).map(|number| format!("- {{name: c{number}, connection_type: http}}\n")).collect();
    let found = problems(&format!("{GOOD}mcp_clients:\n{}", many.concat()));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "f.yaml: and at least 4900 more problems");
}

/// An encrypted key as OpenSSL once wrote it.
const LEGACY_KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                          AAAA\n-----END RSA PRIVATE KEY-----\n";

#[test]
fn files_for_tls_that_hold_something_else_are_refused_with_their_key() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (one, another) = (authority.sign("one", &[]), authority.sign("another", &[]));
    let bad_der = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let certificate = folder.write("good.pem", one.certificate_pem());
    let key = folder.write("good.key", one.key_pem());
    let no_certificates: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "holds no certificate; it must be PEM, BEGIN CERTIFICATE"),
        ("text", b"not a certificate".to_vec(), "holds no certificate; it must be PEM"),
        ("bytes", vec![0xff, 0xfe, 0x00, 0x80], "holds no certificate; it must be PEM"),
        ("key", one.key_pem().into(), "holds no certificate; it must be PEM"),
        (
            "base64",
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_vec(),
            "is damaged; it must be PEM, from BEGIN to END CERTIFICATE",
        ),
        (
            "open",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec(),
            "is damaged; it must be PEM, from BEGIN to END CERTIFICATE",
        ),
        ("der", bad_der("CERTIFICATE").into(), "holds a certificate that cannot be read"),
        (
            "both",
            [one.certificate_pem(), bad_der("CERTIFICATE")].concat().into(),
            "holds a certificate that cannot be read",
        ),
    ];
    let no_keys: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "holds no private key; it must be PEM, BEGIN PRIVATE KEY"),
        ("text", b"not a key".to_vec(), "holds no private key; it must be PEM"),
        ("bytes", vec![0xff, 0xfe, 0x00, 0x80], "holds no private key; it must be PEM"),
        ("certificate", one.certificate_pem().into(), "holds no private key; it must be PEM"),
        ("encrypted", bad_der("ENCRYPTED PRIVATE KEY").into(), "is encrypted; decrypt it with openssl pkey"),
        ("legacy", LEGACY_KEY.into(), "is encrypted; decrypt it with openssl pkey"),
        ("der", bad_der("PRIVATE KEY").into(), "cannot be used with the certificate"),
        ("other", another.key_pem().into(), "does not fit the certificate; name the key that it was issued for"),
    ];
    let check = |key: &str, name: &str, contents: &[u8], part: &str, others: &str| {
        let file = folder.write(&format!("{key}-{name}"), contents);
        let file = file.display();
        let found = problems(&format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: \"a:1\", tls: {{{key}: \"{file}\"{others}}}}}]\n"
        ));
        let start = format!("f.yaml:2: servers[0].tls.{key}: {file} {part}");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{found:#?}\n{start}");
        assert!(found[0].contains("; "), "no remedy: {}", found[0]);
    };
    for (name, contents, part) in no_certificates {
        check("ca", name, &contents, part, "");
        check("certificate", name, &contents, part, &format!(", key: \"{}\"", key.display()));
    }
    for (name, contents, part) in no_keys {
        check("key", name, &contents, part, &format!(", certificate: \"{}\"", certificate.display()));
    }
}
