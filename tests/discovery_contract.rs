//! Discovery is answered at the edge exactly as the contract says, row by row, and no byte of it
//! reaches a server.

use bridgehead::reason::Reason;

use crate::support::{
    discovery::{AS, PR, PR_MCP, authorization_server, is_discovery_answer, protected_resource, setup},
    http::Response,
};

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
    setup.are_not_found(&[
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
    ]);
}

#[test]
fn names_that_only_look_alike_are_forwarded() {
    let setup = setup();
    for target in ["/.well-known/jwks", "/.well-known/oauth-authorization-server-evil", "/oauth-authorization-server"] {
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
            assert_eq!(response.text(), format!("{}\n", Reason::MethodNotAllowed));
            is_discovery_answer(&response);
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn a_host_that_is_no_public_url_is_421_and_is_not_echoed() {
    let setup = setup();
    let port = setup.edge.address.port();
    for host in ["evil.example.com", "localhost", "localhost:1", &format!("evil.localhost:{port}"), ""] {
        let response = setup.edge.connect().ask("GET", AS, host, "");
        assert_eq!(response.status, 421, "{host:?}");
        assert_eq!(response.text(), format!("{}\n", Reason::UnknownHost), "{host:?}");
        is_discovery_answer(&response);
    }
    // What is no host at all is no request (RFC 9112 section 3.2).
    for host in [&format!("localhost:{port}.evil.example.com"), "evil\"><script>"] {
        let response = setup.edge.connect().ask("GET", AS, host, "");
        assert_eq!(response.status, 400, "{host:?}");
        assert!(!response.text().contains("evil"), "{}", response.text());
    }
    setup.nothing_reached_bifrost();
}
