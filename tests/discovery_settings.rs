//! What the configuration says about discovery decides what it answers.

use crate::support::{
    bifrost::Bifrost,
    discovery::{AS, PR, PR_MCP, authorization_server, is_discovery_answer},
    edge::{CLIENTS, Edge, PUBLIC_URLS},
};

#[test]
fn without_a_per_user_oauth_client_the_documents_are_the_same_404_as_an_unknown_path() {
    let bifrost = Bifrost::start();
    let clients = "mcp_clients: [{name: a, auth_type: oauth, connection_type: http, connection_string: x}]\n";
    let edge = Edge::with(&[bifrost.address()], &format!("{PUBLIC_URLS}{clients}"));
    let unknown = edge.get("/.well-known/openid-configuration");
    for path in [AS, PR, PR_MCP] {
        let response = edge.get(path);
        assert_eq!((response.status, response.text()), (404, "Not Found"));
        assert_eq!(response.headers.len(), unknown.headers.len());
        assert_eq!(response.header("content-type"), Some("text/plain"));
        is_discovery_answer(&response);
        assert_eq!(edge.connect().ask("POST", path, &edge.host(), "").status, 405);
        assert_eq!(edge.connect().ask("OPTIONS", path, &edge.host(), "").status, 204);
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_disabled_per_user_oauth_client_still_counts() {
    let client = "{name: a, auth_type: per_user_oauth, connection_type: http, connection_string: x, disabled: true}";
    let edge = Edge::with(&[], &format!("{PUBLIC_URLS}mcp_clients: [{client}]\n"));
    assert_eq!(edge.get(AS).status, 200);
}

#[test]
fn with_a_maximum_age_documents_may_be_kept_and_errors_not() {
    let edge = Edge::with(&[], &format!("{PUBLIC_URLS}discovery: {{max_age: 5m}}\n{CLIENTS}"));
    let host = edge.host();
    let mut connection = edge.connect();
    let full = connection.ask("GET", AS, &host, "");
    assert_eq!(full.header("cache-control"), Some("public, max-age=300"));
    let tag = full.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2);
    assert_ne!(connection.ask("GET", PR, &host, "").header("etag"), Some(tag));
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let response = connection.ask(method, AS, &host, &format!("If-None-Match: {known}\r\n"));
            assert_eq!(response.status, 304, "{known}");
            assert_eq!(response.header("etag"), Some(tag));
            assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
            assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        }
    }
    let other = connection.ask("GET", AS, &host, "If-None-Match: \"x\"\r\n");
    assert_eq!((other.status, other.body), (200, full.body));
    for (host, path) in [(host.as_str(), "/.well-known/openid-configuration"), ("evil", AS)] {
        assert_eq!(connection.ask("GET", path, host, "").header("cache-control"), Some("no-store"));
    }
}

#[test]
fn without_public_urls_the_base_is_the_host_as_bifrost_derives_it() {
    let edge = Edge::with(&[], CLIENTS);
    let get = |host: &str, headers: &str| edge.connect().ask("GET", AS, host, headers);
    assert_eq!(get("GW.example.com:8443", "").text(), authorization_server("http://gw.example.com:8443"));
    assert_eq!(get("gw.example.com:80", "").text(), authorization_server("http://gw.example.com"));
    let spoofed = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example.com\r\n";
    assert_eq!(get("gw.example.com", spoofed).text(), authorization_server("http://gw.example.com"));
    for host in ["", "a b", "a/b", "evil\"x", "user@gw.example.com.", "gw:0"] {
        let response = get(host, "");
        assert_eq!(response.status, 400, "{host:?}");
        assert!(!response.text().contains("evil"));
    }
}

#[test]
fn without_public_urls_a_trusted_proxy_says_the_scheme() {
    let edge = Edge::with(&[], &format!("trusted_proxies: [\"127.0.0.1\"]\n{CLIENTS}"));
    let get = |headers: &str| edge.connect().ask("GET", AS, "gw.example.com", headers);
    assert_eq!(get("X-Forwarded-Proto: https\r\n").text(), authorization_server("https://gw.example.com"));
    assert_eq!(get("X-Forwarded-Proto: HTTPS, http\r\n").text(), authorization_server("https://gw.example.com"));
    assert_eq!(get("X-Forwarded-Proto: ftp\r\n").text(), authorization_server("http://gw.example.com"));
    assert_eq!(get("").text(), authorization_server("http://gw.example.com"));
}
