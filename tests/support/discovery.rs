//! The contract of discovery: its paths, its documents, and what every answer carries.

use super::{
    bifrost::Bifrost,
    edge::{Edge, bifrost_and_edge},
    http::Response,
};

pub const AS: &str = "/.well-known/oauth-authorization-server";
pub const PR: &str = "/.well-known/oauth-protected-resource";
pub const PR_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// An edge in front of a server that discovery must not reach.
pub struct Setup {
    pub bifrost: Bifrost,
    pub edge: Edge,
}

pub fn setup() -> Setup {
    let (bifrost, edge) = bifrost_and_edge();
    Setup { bifrost, edge }
}

impl Setup {
    pub fn ask(&self, method: &str, target: &str) -> Response {
        self.edge.connect().ask(method, target, &self.edge.host(), "")
    }

    /// Asserts that these are 404 for every method, and not forwarded.
    pub fn are_not_found(&self, targets: &[&str]) {
        let mut connection = self.edge.connect();
        for target in targets {
            for method in ["GET", "HEAD", "POST"] {
                let response = connection.ask(method, target, &self.edge.host(), "");
                assert_eq!(response.status, 404, "{method} {target}");
                assert_eq!(response.header("content-type"), Some("text/plain"));
                assert_eq!(response.header("content-length"), Some("9"));
                assert_eq!(response.text(), if method == "HEAD" { "" } else { "Not Found" });
                is_discovery_answer(&response);
            }
        }
        self.nothing_reached_bifrost();
    }

    pub fn nothing_reached_bifrost(&self) {
        assert!(self.bifrost.recorded().is_empty(), "{:?}", self.bifrost.recorded());
    }
}

/// What every discovery answer carries.
pub fn is_discovery_answer(response: &Response) {
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

/// The documents of the profile `oauth2`.
pub mod oauth2 {
    pub fn authorization_server(base: &str) -> String {
        format!(
            concat!(
                r#"{{"issuer":"{0}","authorization_endpoint":"{0}/oauth2/authorize","#,
                r#""token_endpoint":"{0}/oauth2/token","registration_endpoint":"{0}/oauth2/register","#,
                r#""jwks_uri":"{0}/.well-known/jwks.json","response_types_supported":["code"],"#,
                r#""grant_types_supported":["authorization_code","refresh_token"],"#,
                r#""code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"],"#,
                r#""scopes_supported":["mcp"],"authorization_response_iss_parameter_supported":true}}"#,
                "\n"
            ),
            base
        )
    }

    pub fn protected_resource(base: &str) -> String {
        format!(
            concat!(
                r#"{{"resource":"{0}/mcp","authorization_servers":["{0}"],"scopes_supported":["mcp"],"#,
                r#""bearer_methods_supported":["header"]}}"#,
                "\n"
            ),
            base
        )
    }
}

/// Those of the first generation.
pub fn authorization_server(base: &str) -> String {
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

pub fn protected_resource(base: &str) -> String {
    format!(
        concat!(
            r#"{{"resource":"{0}/mcp","authorization_servers":["{0}"],"#,
            r#""scopes_supported":["mcp:read","mcp:write"],"bearer_methods_supported":["header"]}}"#,
            "\n"
        ),
        base
    )
}
