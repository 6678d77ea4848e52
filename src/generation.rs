//! What each generation of Bifrost serves: the one place that changes when Bifrost's contract does.

use http::Method;

/// A generation of Bifrost's discovery contract. Source: the routes of Bifrost's OAuth handlers and consent page.
#[derive(Debug)]
pub struct Generation {
    /// Its name in the configuration and in reports.
    pub name: &'static str,
    /// The first version and the last.
    pub versions: &'static str,
    /// Stands before the paths of the three endpoints, and of no other generation's.
    pub endpoints: &'static str,
    /// Where clients register (RFC 7591).
    pub registration: &'static str,
    /// Where users authorize (RFC 6749 section 3.1).
    pub authorization: &'static str,
    /// Where tokens are (RFC 6749 section 3.2).
    pub token: &'static str,
    /// What else browsers pass through in a login, or the paths above it. Not where users sign in to the dashboard,
    /// which a virtual key makes needless.
    pub consent: &'static [&'static str],
    /// Where the keys are that sign its tokens.
    pub keys: Option<&'static str>,
    /// What a client may have a token for.
    pub grant_types: &'static [&'static str],
    /// What a token may be for.
    pub scopes: &'static [&'static str],
    /// Whether the response to a request for authorization names the issuer (RFC 9207).
    pub names_issuer: bool,
    /// The body of the 404 in place of a document.
    pub absence: &'static [u8],
}

/// What a Bifrost serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// [`PER_USER_OAUTH`].
    PerUserOauth,
    /// [`OAUTH2`].
    Oauth2,
    /// No discovery.
    Nothing,
}

/// What a Bifrost of this version serves, as it says it itself: `v1.6.3`, `2.7.0` or `1.5.0-prerelease2`, for example.
/// `None` when that is no version.
pub fn served_by(version: &str) -> Option<Served> {
    let numbers = version.rsplit('/').next()?.trim_start_matches(['v', 'V']).split(['-', '+']).next()?;
    let numbers: Result<Vec<u32>, _> = numbers.split('.').map(str::parse).collect();
    match numbers.ok()?[..] {
        [1, 5, 0..=2] => Some(Served::PerUserOauth),
        [1, 0..=5, _] | [1, 6, 0..=2] | [0, _, _] => Some(Served::Nothing),
        [_, _, _] => Some(Served::Oauth2),
        _ => None,
    }
}

/// Has its endpoints under those of the REST API.
pub static PER_USER_OAUTH: Generation = Generation {
    name: "per_user_oauth",
    versions: "1.5.0 to 1.5.2",
    endpoints: "/api/oauth/per-user/",
    registration: "/api/oauth/per-user/register",
    authorization: "/api/oauth/per-user/authorize",
    token: "/api/oauth/per-user/token",
    consent: &["/api/oauth/per-user/consent", "/api/oauth/callback", "/oauth/consent"],
    keys: None,
    grant_types: &["authorization_code"],
    scopes: &["mcp:read", "mcp:write"],
    names_issuer: false,
    absence: b"Not Found",
};

/// Is an authorization server of its own.
pub static OAUTH2: Generation = Generation {
    name: "oauth2",
    versions: "1.6.3 and later",
    endpoints: "/oauth2/",
    registration: "/oauth2/register",
    authorization: "/oauth2/authorize",
    token: "/oauth2/token",
    consent: &["/oauth/consent", "/api/oauth2/consent/flows"],
    keys: Some(JWKS),
    grant_types: &["authorization_code", "refresh_token"],
    scopes: &["mcp"],
    names_issuer: true,
    absence: b"",
};

/// The versions without discovery, before the first generation and between the two.
pub const VERSIONS_WITHOUT: &str = "before 1.5.0, or 1.5.3 to 1.6.2";
/// Begins the 404 of the dashboard of some of them, for a path that is none of its own.
pub const DASHBOARD_ABSENCE: &[u8] = b"404 - ";

/// Where a Bifrost of any generation says its version, to everybody.
pub const VERSION: &str = "/api/version";

/// Where a Bifrost has the keys that sign its tokens, if it has any.
pub const JWKS: &str = "/.well-known/jwks.json";

/// Where Bifrost 2.x has its Claude Code gateway, an authorization server of its own that is no part of a generation:
/// its issuer is the public URL and this. Source: Bifrost's `ClaudeCodeGatewayHandler`.
pub const CLAUDE_CODE: &str = "/claude-code";
/// What logins are for there.
pub const CLAUDE_CODE_MESSAGES: &str = "/claude-code/v1/messages";
const CLAUDE_CODE_OAUTH: &str = "/claude-code/oauth";
const CLAUDE_CODE_VERIFY: &str = "/claude-code/device/verify";
/// The page where a user types the code (RFC 8628 section 3.3).
const CLAUDE_CODE_PAGE: &str = "/oauth/device";

/// The members of the authorization server metadata that name the endpoints (RFC 8414 section 2).
pub const ENDPOINT_MEMBERS: [&str; 3] = ["token_endpoint", "authorization_endpoint", "registration_endpoint"];

/// What all that is OAuth is at or below, of either generation and of the Claude Code gateway.
const OAUTH: [&str; 8] = [
    "/oauth",
    "/oauth2",
    "/api/oauth",
    "/api/oauth2",
    JWKS,
    CLAUDE_CODE_OAUTH,
    CLAUDE_CODE_VERIFY,
    "/claude-code/.well-known/oauth-authorization-server",
];

impl Generation {
    /// The paths, or those above them, through which a login passes on the servers: clients and browsers must reach
    /// them.
    pub fn login_paths(&self) -> impl Iterator<Item = &'static str> {
        [self.registration, self.authorization, self.token].into_iter().chain(self.consent.iter().copied())
    }

    /// Whether a request for this path, without a query, is a step of a login: a POST that registers a client or asks
    /// for a token; and at the Claude Code gateway, which is there whatever the generation, any POST of a login, and the
    /// page where the code is typed.
    pub fn is_login(&self, method: &Method, path: &[u8]) -> bool {
        match *method {
            Method::POST => {
                path == self.token.as_bytes()
                    || path == self.registration.as_bytes()
                    || [CLAUDE_CODE_OAUTH, CLAUDE_CODE_VERIFY, CLAUDE_CODE_PAGE]
                        .iter()
                        .any(|root| is_at_or_below(path, root))
            }
            Method::GET => path == CLAUDE_CODE_PAGE.as_bytes(),
            _ => false,
        }
    }
}

/// The paths, or those above them, through which a login at the Claude Code gateway passes: the endpoints of RFC 8628
/// and RFC 7009, the page for the code, and what browsers pass through in any login of [`OAUTH2`].
pub fn claude_code_login_paths() -> impl Iterator<Item = &'static str> {
    const ENDPOINTS: [&str; 5] = [
        "/claude-code/oauth/device_authorization",
        "/claude-code/oauth/token",
        "/claude-code/oauth/revoke",
        CLAUDE_CODE_VERIFY,
        CLAUDE_CODE_PAGE,
    ];
    ENDPOINTS.into_iter().chain(OAUTH2.consent.iter().copied())
}

/// Whether a path, with or without a query, is one of OAuth.
pub fn is_oauth(path: &[u8]) -> bool {
    OAUTH.iter().any(|root| is_at_or_below(path, root))
}

/// Whether a path, with or without a query, is this one or below it.
pub(crate) fn is_at_or_below(path: &[u8], root: &str) -> bool {
    let rest = path.strip_prefix(root.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_what_is_served() {
        for (version, served) in [
            ("v1.4.24", Some(Served::Nothing)),
            ("1.5.0", Some(Served::PerUserOauth)),
            ("v1.5.2", Some(Served::PerUserOauth)),
            ("v1.5.0-prerelease7", Some(Served::PerUserOauth)),
            ("v1.5.3", Some(Served::Nothing)),
            ("1.6.2", Some(Served::Nothing)),
            ("transports/v1.6.3", Some(Served::Oauth2)),
            ("1.7.0+build", Some(Served::Oauth2)),
            ("v2.7.0", Some(Served::Oauth2)),
            ("3.0.0-rc.1", Some(Served::Oauth2)),
            ("dev", None),
            ("v2", None),
            ("", None),
            ("1.6.x", None),
        ] {
            assert_eq!(served_by(version), served, "{version}");
        }
    }

    #[test]
    fn the_table_agrees_with_itself() {
        for generation in [&PER_USER_OAUTH, &OAUTH2] {
            for endpoint in [generation.registration, generation.authorization, generation.token] {
                assert!(endpoint.starts_with(generation.endpoints), "{endpoint}");
            }
            for path in generation.login_paths().chain(generation.keys).chain(claude_code_login_paths()) {
                assert!(is_oauth(path.as_bytes()), "{path}");
            }
            assert!(generation.is_login(&Method::POST, generation.token.as_bytes()));
            assert!(!generation.is_login(&Method::POST, generation.authorization.as_bytes()));
        }
    }

    #[test]
    fn the_steps_of_a_login_at_the_claude_code_gateway_are_known() {
        for (method, path, is_login) in [
            (Method::POST, "/claude-code/oauth/device_authorization", true),
            (Method::POST, "/claude-code/oauth/token", true),
            (Method::POST, "/claude-code/oauth/revoke", true),
            (Method::POST, "/claude-code/device/verify", true),
            (Method::GET, "/oauth/device", true),
            (Method::POST, "/oauth/device", true),
            (Method::OPTIONS, "/claude-code/oauth/token", false),
            (Method::POST, "/claude-code/oauthx", false),
            (Method::POST, "/claude-code/v1/messages", false),
            (Method::GET, "/oauth/devices", false),
        ] {
            assert_eq!(OAUTH2.is_login(&method, path.as_bytes()), is_login, "{method} {path}");
        }
    }
}
