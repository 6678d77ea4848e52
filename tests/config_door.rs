//! Nonsense about listeners, limits and access is refused with its line and its remedy.

use bridgehead::config::Loaded;

use crate::support::{
    problems::problems,
    tls_server::{Authority, Folder},
};

/// The one problem of a configuration with this in place of its listeners, or with this after it.
fn problem(listeners: &str, more: &str) -> String {
    let found = problems(&format!("listeners: {listeners}\nservers: [{{address: \"a:1\"}}]\n{more}\n"));
    assert_eq!(found.len(), 1, "{listeners} {more}: {found:#?}");
    found[0].clone()
}

fn listener(options: &str) -> String {
    format!("[{{address: \"127.0.0.1:8000\", {options}}}]")
}

#[test]
fn nonsense_about_listeners() {
    for (listeners, expected) in [
        ("[{address: \"8000\"}]", "listeners[0].address: \"8000\" is not an IP address with a port; write for example"),
        ("[{address: \"unix:edge.sock\"}]", "is not absolute; write for example \"unix:/run/bridgehead.sock\""),
        (
            "[{address: \"unix:/x\"}, {address: \"unix:/x\"}]",
            "listeners[1].address: the same address again; remove one",
        ),
        (&listener("mode: \"0660\""), "listeners[0].mode: only a Unix socket has one; remove it"),
        ("[{address: \"unix:/x\", mode: \"9\"}]", "listeners[0].mode: \"9\" is no mode; write octal digits in quotes"),
        (
            "[{address: \"unix:/x\", mode: 660}]",
            "listeners[0].mode: found a whole number; write octal digits in quotes, for example \"0660\"",
        ),
        ("[{address: \"unix:/x\", mode: \"+66\"}]", "listeners[0].mode: \"+66\" is no mode; write octal digits"),
        (&listener("proxy_protocol: true"), "listeners[0].proxy_protocol: believed from trusted_proxies alone"),
        (&listener("redirect_to_https: true"), "listeners[0].redirect_to_https: no public URL is https"),
        (&listener("tls: {certificates: []}"), "listeners[0].tls.certificates: empty; add at least one"),
        // All its keys are commented out: not plain text, either.
        (&listener("tls: null"), "listeners[0].tls: found nothing; write its keys, or leave it out"),
        (&listener("tls: {}"), "listeners[0].tls: the key \"certificates\" is missing; add it"),
    ] {
        let found = problem(listeners, "");
        assert!(found.starts_with("f.yaml:1: ") && found.contains(expected), "{found}\n{expected}");
    }
    let https = "public_urls: [\"https://gw.example.com\"]";
    let (folder, authority) = (Folder::new(), Authority::new());
    let identity = authority.sign("x", &["x"]);
    let certificate = folder.write("x.pem", identity.certificate_pem());
    let key = folder.write("x.key", identity.key_pem());
    let pair = format!("{{certificate: \"{}\", key: \"{}\"}}", certificate.display(), key.display());
    let found = problem(&listener(&format!("redirect_to_https: true, tls: {{certificates: [{pair}]}}")), https);
    assert!(found.contains("listeners[0].redirect_to_https: this listener has tls"), "{found}");
    let found = problem(&listener(&format!("tls: {{certificates: [{pair}], client_certificates: optional}}")), https);
    assert!(found.contains("listeners[0].tls.client_certificates: without client_ca"), "{found}");
    let found = problem(&listener(&format!("tls: {{certificates: [{pair}], oldest: \"1.1\"}}")), https);
    assert!(found.contains("listeners[0].tls.oldest: \"1.1\" is not a known value; did you mean \"1.2\"?"), "{found}");
}

#[test]
fn files_of_listeners_that_hold_something_else() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (one, another) = (authority.sign("one", &["one"]), authority.sign("another", &["another"]));
    let certificate = folder.write("one.pem", one.certificate_pem());
    let key = folder.write("another.key", another.key_pem());
    let empty = folder.write("empty.pem", "");
    let of = |certificate: &std::path::Path, key: &std::path::Path, more: &str| {
        let pair = format!("{{certificate: \"{}\", key: \"{}\"}}", certificate.display(), key.display());
        problem(&listener(&format!("tls: {{certificates: [{pair}]{more}}}")), "")
    };
    let found = of(&certificate, &key, "");
    assert!(
        found.contains("listeners[0].tls.certificates[0].key: ") && found.contains("does not fit the certificate"),
        "{found}"
    );
    let found = of(&certificate, &folder.path().join("nobody.key"), "");
    assert!(found.contains("certificates[0].key: ") && found.contains("cannot be read"), "{found}");
    let found = of(&empty, &key, "");
    assert!(found.contains("certificates[0].certificate: ") && found.contains("holds no certificate"), "{found}");
    let key = folder.write("one.key", one.key_pem());
    let found = of(&certificate, &key, &format!(", client_ca: \"{}\"", empty.display()));
    assert!(found.contains("listeners[0].tls.client_ca: ") && found.contains("holds no certificate"), "{found}");
}

#[test]
fn nonsense_about_limits() {
    for (limit, expected) in [
        ("connections: 0", "\"0\" is no whole number above 0; write for example 1000, or \"unlimited\""),
        ("connections_per_client: -1", "\"-1\" is no whole number above 0"),
        ("head: 10B", "must be from 1KiB to 512KiB; write for example 64KiB"),
        ("head: 1MiB", "must be from 1KiB to 512KiB"),
        ("head: unlimited", "must be from 1KiB to 512KiB"),
        ("headers: 0", "must be from 1 to 256; write for example 100"),
        ("headers: 257", "must be from 1 to 256"),
        ("head_time: 0s", "0 leaves no time for anything; write for example 10s"),
        ("idle: 0s", "0 leaves no time for anything; write for example 75s"),
        ("idle: 400days", "longer than a year"),
        ("client_silence: 0s", "0 leaves no time for anything"),
        ("http2_streams: 0", "must be from 1 to 10000"),
        ("requests_per_connection: x", "\"x\" is no whole number above 0"),
        ("body_rate: slow", "\"slow\" is no size"),
        ("requests: {per_second: 0, burst: 1}", "per_second must be from 0.001 to 1000000000 and burst at least 1"),
        ("requests: {per_second: 1, burst: 0}", "burst at least 1; write for example {per_second: 100, burst: 200}"),
        ("requests: {per_second: .nan, burst: 1}", "per_second must be from"),
    ] {
        let found = problem("[{address: \"127.0.0.1:8000\"}]", &format!("limits: {{{limit}}}"));
        let key = limit.split(':').next().unwrap();
        assert!(
            found.starts_with(&format!("f.yaml:3: limits.{key}: ")) && found.contains(expected),
            "{found}\n{expected}"
        );
    }
    let found = problem("[{address: \"127.0.0.1:8000\"}]", "limits: {logins: {per_second: 1}}");
    assert!(found.contains("limits.logins: the key \"burst\" is missing; add it"), "{found}");
    let found = problem("[{address: \"127.0.0.1:8000\"}]", "limits: {logins: none}");
    assert!(found.contains("limits.logins: ") && found.contains("\"unlimited\""), "{found}");
}

#[test]
fn nonsense_about_access_and_networks() {
    for (more, expected) in [
        ("access: [{path: /api}]", "access[0]: allows and denies nobody; add allow or deny, or remove it"),
        ("access: [{path: api, deny: [\"::/0\"]}]", "access[0].path: \"api\" is no path prefix"),
        ("access: [{path: /a%70i, deny: [\"::/0\"]}]", "access[0].path: a path that may be read in several ways"),
        ("access: [{path: /api, deny: [\"x\"]}]", "access[0].deny[0]: \"x\" is no network"),
        ("access: [{path: /api, deny: [\"10.1.0.0/8\"]}]", "write \"10.0.0.0/8\""),
        (
            "access: [{path: /api, deny: [\"::/0\"]}, {path: /API, deny: [\"::/0\"]}]",
            "access[1].path: the same path again",
        ),
        (
            "trusted_proxies: [\"::ffff:10.0.0.0/104\"]",
            "trusted_proxies[0]: \"::ffff:10.0.0.0/104\" is IPv4 in its IPv6 form",
        ),
    ] {
        let found = problem("[{address: \"127.0.0.1:8000\"}]", more);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}

#[test]
fn nonsense_about_the_admin_listener_and_readiness() {
    for (more, expected) in [
        (
            "admin: {address: \"127.0.0.1:1\", hosts: [\"edge:1\"]}",
            "admin.hosts[0]: \"edge:1\" is no host: it has a port",
        ),
        ("admin: {address: \"127.0.0.1:1\", hosts: [a, A]}", "admin.hosts[1]: the same host again; remove one"),
        ("admin: {address: \"127.0.0.1:1\", names: [a]}", "admin.names: unknown key; known here: address, hosts"),
        ("readiness_path: ready", "readiness_path: \"ready\" is no path for readiness: it does not begin with a slash"),
        ("readiness_path: /", "it is the start page; write for example \"/edge-readyz\""),
        ("readiness_path: /mcp", "MCP clients listen there"),
        ("readiness_path: /v1/mcp", "MCP clients listen there"),
        ("readiness_path: /.well-known/openid-configuration", "discovery is below /.well-known"),
        ("readiness_path: /x?token=secret", "readiness_path: this is no path for readiness"),
    ] {
        let found = problem("[{address: \"127.0.0.1:8000\"}]", more);
        assert!(found.starts_with("f.yaml:3: ") && found.contains(expected), "{found}\n{expected}");
    }
    let any_port = "listeners: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"127.0.0.1:0\"}\nservers: []\n";
    assert!(Loaded::from_text("f.yaml".as_ref(), any_port).is_ok(), "the system chooses two ports");
}
