//! Discovery is answered at the edge exactly as the contract says, row by row, and no byte of it
//! reaches a server.

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    http::Response,
};

const AS: &str = "/.well-known/oauth-authorization-server";
const PR: &str = "/.well-known/oauth-protected-resource";
const PR_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

struct Setup {
    bifrost: Bifrost,
    edge: Edge,
}

fn setup() -> Setup {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    Setup { bifrost, edge }
}

impl Setup {
    fn ask(&self, method: &str, target: &str) -> Response {
        self.edge.connect().ask(method, target, &self.edge.host(), "")
    }

    fn nothing_reached_bifrost(&self) {
        assert!(self.bifrost.recorded().is_empty(), "{:?}", self.bifrost.recorded());
    }
}

/// What every discovery answer carries.
fn is_discovery_answer(response: &Response) {
    assert_eq!(response.header("cache-control"), Some("no-store"), "{response:?}");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{response:?}");
    assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{response:?}");
    assert_eq!(response.header("access-control-allow-credentials"), None);
    assert_eq!(response.header("connection"), Some("keep-alive"), "{response:?}");
    assert_eq!(response.header("server"), None);
    assert_eq!(response.header("set-cookie"), None);
    assert!(response.header("date").is_some());
    assert_eq!(response.header("transfer-encoding"), None);
}

fn authorization_server(base: &str) -> String {
    format!(
        concat!(
            r#"{{"issuer":"{0}","authorization_endpoint":"{0}/api/oauth/per-user/authorize","#,
            r#""token_endpoint":"{0}/api/oauth/per-user/token","#,
            r#""registration_endpoint":"{0}/api/oauth/per-user/register","#,
            r#""response_types_supported":["code"],"grant_types_supported":["authorization_code"],"#,
            r#""code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"],"#,
            r#""scopes_supported":["mcp:read","mcp:write"]}}"#,
            "\n"
        ),
        base
    )
}

fn protected_resource(base: &str) -> String {
    format!(
        concat!(
            r#"{{"resource":"{0}/mcp","authorization_servers":["{0}"],"#,
            r#""scopes_supported":["mcp:read","mcp:write"],"bearer_methods_supported":["header"]}}"#,
            "\n"
        ),
        base
    )
}

#[test]
fn get_answers_the_documents_built_on_the_public_url_of_the_host() {
    let setup = setup();
    let port = setup.edge.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}")] {
        let base = format!("http://{host}");
        for (path, body) in
            [(AS, authorization_server(&base)), (PR, protected_resource(&base)), (PR_MCP, protected_resource(&base))]
        {
            let response = setup.edge.connect().ask("GET", path, &host, "");
            assert_eq!(response.status, 200);
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_eq!(response.header("content-length"), Some(body.len().to_string().as_str()));
            assert_eq!(response.text(), body);
            is_discovery_answer(&response);
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn header_names_are_written_as_old_scripts_expect_them() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    connection.send(format!("OPTIONS {AS} HTTP/1.0\r\nHost: {}\r\n\r\n", setup.edge.host()));
    let head = String::from_utf8(connection.read_to_end()).unwrap();
    for name in
        ["Access-Control-Allow-Origin: *", "X-Content-Type-Options: nosniff", "Cache-Control: no-store", "Allow: GET"]
    {
        assert!(head.contains(&format!("\r\n{name}")), "{head}");
    }
}

#[test]
fn a_query_and_odd_headers_change_nothing() {
    let setup = setup();
    let plain = setup.ask("GET", AS);
    for headers in [
        "",
        "MCP-Protocol-Version: 2025-11-25\r\n",
        "Origin: https://inspector.example.com\r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example.com\r\nForwarded: host=evil.example.com\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "If-None-Match: *\r\n",
    ] {
        let response = setup.edge.connect().ask("GET", &format!("{AS}?resource=/../x"), &setup.edge.host(), headers);
        assert_eq!((response.status, response.text()), (200, plain.text()), "{headers}");
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_host_in_another_case_or_with_a_dot_is_the_same_host() {
    let setup = setup();
    let port = setup.edge.address.port();
    for host in [format!("LOCALHOST:{port}"), format!("localhost.:{port}")] {
        let response = setup.edge.connect().ask("GET", AS, &host, "");
        assert_eq!(response.text(), authorization_server(&format!("http://localhost:{port}")));
    }
}

#[test]
fn an_absolute_target_is_answered_like_its_path() {
    let setup = setup();
    let host = setup.edge.host();
    let response = setup.edge.connect().ask("GET", &format!("http://{host}{AS}"), &host, "");
    assert_eq!(response.text(), authorization_server(&format!("http://{host}")));
    setup.nothing_reached_bifrost();
}

#[test]
fn suffixes_siblings_and_other_spellings_are_404_and_never_forwarded() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    for target in [
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/../../mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource/mcp/x",
        "/.well-known/oauth-protected-resource/other",
        "//.well-known/oauth-authorization-server",
        "/.well-known//oauth-authorization-server",
        "/./.well-known/oauth-authorization-server",
        "/x/../.well-known/oauth-authorization-server",
        "/%2ewell-known/oauth-authorization-server",
        "/%2E%77ell-known/oauth-authorization-server",
        "/.well-known%2Foauth-authorization-server",
        "/.well-known%2foauth-protected-resource",
        "/.well-known%5Coauth-authorization-server",
        "/.well-known\\oauth-authorization-server",
        "/.Well-Known/oauth-authorization-server",
        "/.well-known/OAUTH-authorization-server",
        "/.well-known/oauth-authorization-server;x",
        "/.well-known;x=1/oauth-authorization-server",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let response = connection.ask(method, target, &setup.edge.host(), "");
            assert_eq!(response.status, 404, "{method} {target}");
            assert_eq!(response.header("content-type"), Some("text/plain"));
            assert_eq!(response.header("content-length"), Some("9"));
            assert_eq!(response.text(), if method == "HEAD" { "" } else { "Not Found" });
            is_discovery_answer(&response);
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn names_that_only_look_alike_are_forwarded() {
    let setup = setup();
    for target in
        ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server-evil", "/oauth-authorization-server"]
    {
        setup.ask("GET", target);
    }
    assert_eq!(setup.bifrost.recorded().len(), 3);
}

#[test]
fn head_is_get_without_the_body() {
    let setup = setup();
    for path in [AS, PR, PR_MCP] {
        let (get, head) = (setup.ask("GET", path), setup.ask("HEAD", path));
        let but_date = |response: &Response| {
            let mut headers = response.headers.clone();
            headers.retain(|(name, _)| name != "date");
            headers
        };
        assert_eq!(head.status, 200);
        assert_eq!(but_date(&head), but_date(&get));
        assert!(head.body.is_empty());
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn options_is_204_for_any_origin_before_anything_that_could_refuse() {
    let setup = setup();
    let preflight = "Origin: https://evil.example.com\r\nAccess-Control-Request-Method: GET\r\n\
                     Access-Control-Request-Headers: mcp-protocol-version\r\n";
    for target in [AS, PR, PR_MCP, "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/mcp"] {
        for host in [setup.edge.host().as_str(), "unknown.example.com"] {
            let response = setup.edge.connect().ask("OPTIONS", target, host, preflight);
            assert_eq!(response.status, 204, "{target} {host}");
            assert_eq!(response.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
            let allowed = response.header("access-control-allow-headers").unwrap();
            assert_eq!(allowed, "MCP-Protocol-Version, Authorization, Content-Type, *");
            assert_eq!(response.header("content-length"), None, "RFC 9110 section 8.6");
            is_discovery_answer(&response);
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn other_methods_are_405_with_allow() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"] {
        for path in [AS, PR, PR_MCP] {
            let response = connection.ask(method, path, &setup.edge.host(), "");
            assert_eq!(response.status, 405, "{method} {path}");
            assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
            is_discovery_answer(&response);
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_host_that_is_no_public_url_is_421_and_is_not_echoed() {
    let setup = setup();
    let port = setup.edge.address.port();
    for host in [
        "evil.example.com",
        "localhost",
        "localhost:1",
        &format!("localhost:{port}.evil.example.com"),
        &format!("evil.localhost:{port}"),
        "evil\"><script>",
        "",
    ] {
        let response = setup.edge.connect().ask("GET", AS, host, "");
        assert_eq!(response.status, 421, "{host:?}");
        assert!(response.text().contains("add the origin that clients type"), "{}", response.text());
        assert!(response.text().contains("public_urls"));
        assert!(!response.text().contains("evil"), "{}", response.text());
        is_discovery_answer(&response);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_connection_serves_many_answers_whatever_their_bodies() {
    let setup = setup();
    let host = setup.edge.host();
    let mut connection = setup.edge.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask("GET", AS, &host, "").status, 200);
        assert_eq!(connection.ask("HEAD", PR, &host, "").status, 200);
        assert_eq!(connection.ask("OPTIONS", PR, &host, "").status, 204);
        connection.send(format!("POST {AS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!(connection.read_response("POST").status, 405);
        connection.send(format!(
            "GET {AS} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ));
        assert_eq!(connection.read_response("GET").status, 200);
        assert_eq!(connection.ask("GET", "/.well-known/openid-configuration", &host, "").status, 404);
        assert_eq!(connection.ask("GET", AS, "evil", "").status, 421);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn what_follows_a_malformed_body_is_never_taken_for_a_request() {
    let setup = setup();
    let host = setup.edge.host();
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        for body in ["ZZ\r\n", "3\r\nabcXX0\r\n\r\n"] {
            let mut connection = setup.edge.connect();
            connection
                .send(format!("{method} {AS} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
            let response = connection.read_response(method);
            assert_eq!(response.header("connection"), Some("close"), "{method} {body:?}");
            assert!(connection.is_closed(), "{method} {body:?}");
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let setup = setup();
    let host = setup.edge.host();
    let mut connection = setup.edge.connect();
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    connection.send(get(AS) + &get(PR) + &get("/.well-known/openid-configuration") + &get(AS));
    let statuses: Vec<_> = (0..4).map(|_| connection.read_response("GET").status).collect();
    assert_eq!(statuses, [200, 200, 404, 200]);
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_answered_at_once() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    let host = setup.edge.host();
    connection.send(format!("POST {AS} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"));
    let response = connection.read_response("POST");
    assert_eq!((response.status, response.header("connection")), (405, Some("close")));
}

#[test]
fn a_client_that_has_nothing_more_to_send_gets_its_answer() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    connection.send(format!("GET {AS} HTTP/1.0\r\nHost: {}\r\n\r\n", setup.edge.host()));
    connection.half_close();
    let response = connection.read_response("GET");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(connection.is_closed());
}

#[test]
fn without_a_per_user_oauth_client_the_documents_are_the_same_404_as_an_unknown_path() {
    let bifrost = Bifrost::start();
    let clients = "mcp_clients: [{name: a, auth_type: oauth, connection_type: http, connection_string: x}]\n";
    let edge = Edge::start(&format!("{PUBLIC_URLS}{}{clients}", servers_yaml(&[bifrost.address()])));
    let unknown = edge.connect().ask("GET", "/.well-known/openid-configuration", &edge.host(), "");
    for path in [AS, PR, PR_MCP] {
        let response = edge.connect().ask("GET", path, &edge.host(), "");
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
    let edge = Edge::start(&format!("{PUBLIC_URLS}servers: []\nmcp_clients: [{client}]\n"));
    assert_eq!(edge.connect().ask("GET", AS, &edge.host(), "").status, 200);
}

#[test]
fn with_a_maximum_age_documents_may_be_kept_and_errors_not() {
    let edge = Edge::start(&format!("{PUBLIC_URLS}servers: []\ndiscovery: {{max_age: 5m}}\n{CLIENTS}"));
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
    let edge = Edge::start(&format!("servers: []\n{CLIENTS}"));
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
    let edge = Edge::start(&format!("servers: []\ntrusted_proxies: [\"127.0.0.1\"]\n{CLIENTS}"));
    let get = |headers: &str| edge.connect().ask("GET", AS, "gw.example.com", headers);
    assert_eq!(get("X-Forwarded-Proto: https\r\n").text(), authorization_server("https://gw.example.com"));
    assert_eq!(get("X-Forwarded-Proto: HTTPS, http\r\n").text(), authorization_server("https://gw.example.com"));
    assert_eq!(get("X-Forwarded-Proto: ftp\r\n").text(), authorization_server("http://gw.example.com"));
    assert_eq!(get("").text(), authorization_server("http://gw.example.com"));
}
