//! Claude Code logs in at the gateway of a Bifrost 2.x through the edge, by the device flow of RFC 8628: from the first
//! request of the device to a message, a refresh and the end of the login, over HTTP/1.1, TLS and HTTP/2.

use std::process::Command;

use form_urlencoded::Serializer;
use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    consent::consent,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    http::Response,
    in_time::Printed,
    tls_server::Trust,
    tools::lacks,
};

const OAUTH2: &str = "profile: oauth2\nmcp_server_auth_mode: both\nclaude_code_gateway: true\n";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device, and the browser of its user, at one edge.
struct Device {
    bifrost: Bifrost,
    edge: Edge,
    /// Where the gateway is: what its user types in front of `/claude-code`.
    url: String,
    /// How curl is to speak to it.
    options: Vec<String>,
    /// Whose files these options name.
    _trust: Option<Trust>,
}

impl Device {
    fn at(bifrost: Bifrost, edge: Edge, scheme: &str, options: &[&str]) -> Self {
        let url = format!("{scheme}://{}", edge.host());
        bifrost.set_issuer_url(&url);
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Device { bifrost, edge, url, options, _trust: None }
    }

    fn over_http() -> Self {
        let bifrost = gateway();
        let edge = Edge::start(&format!("{PUBLIC_URLS}{}{OAUTH2}", servers_yaml(&[bifrost.address()])));
        Self::at(bifrost, edge, "http", &["--http1.1"])
    }

    /// Over the edge's own TLS, in this version of HTTP, below a path of its host.
    fn over_tls(version: &str, path: &str) -> Self {
        let (bifrost, trust) = (gateway(), Trust::new());
        bifrost.set_base_path(path);
        let edge = trust.edge_with_tls_at(path, &format!("{}{OAUTH2}", servers_yaml(&[bifrost.address()])));
        let ca = trust.folder.path().join("ca.pem");
        let device = Self::at(bifrost, edge, "https", &[version, "--cacert", ca.to_str().unwrap()]);
        let url = format!("{}{path}", device.url);
        device.bifrost.set_issuer_url(&url);
        Device { _trust: Some(trust), url, ..device }
    }

    fn curl(&self, path: &str, more: &[&str]) -> Response {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "20"]).args(&self.options).args(more);
        let output = curl.arg(format!("{}{path}", self.url)).printed().expect("curl is not installed");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        response(&output.stdout)
    }

    fn form(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        self.curl(&format!("/claude-code{path}"), &["--data", &body])
    }

    /// The metadata, which names the endpoints that the client uses.
    fn metadata(&self) -> Value {
        let answer = self.curl("/claude-code/.well-known/oauth-authorization-server", &[]);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        let (metadata, issuer) = (answer.json(), format!("{}/claude-code", self.url));
        assert_eq!(metadata["issuer"], issuer);
        for (name, path) in [
            ("device_authorization_endpoint", "/oauth/device_authorization"),
            ("token_endpoint", "/oauth/token"),
            ("revocation_endpoint", "/oauth/revoke"),
        ] {
            assert_eq!(metadata[name], format!("{issuer}{path}"));
        }
        metadata
    }

    fn poll(&self, code: &str) -> Response {
        self.form("/oauth/token", &[("grant_type", DEVICE_GRANT), ("device_code", code)])
    }

    fn refresh(&self, token: &str) -> Response {
        self.form("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// The user types the code into the page, and approves with a virtual key; where the browser ends.
    fn approve(&self, page: &str, code: &str) -> String {
        let path = page.strip_prefix(&self.url).unwrap();
        assert_eq!(self.curl(path, &[]).header("content-type"), Some("text/html; charset=utf-8"));
        let typed = json!({"user_code": code.to_lowercase().replace('-', " ")}).to_string();
        let verified = self.curl("/claude-code/device/verify", &["--json", &typed]);
        assert_eq!(verified.status, 200, "{verified:?}");
        let page = text(&verified.json(), "consent_url");
        assert!(page.starts_with(&self.url), "{page}");
        let send = |method: &str, target: &str, token: Option<&str>, body: &str| {
            let token = token.map(|token| format!("X-Bifrost-Temp-Token: {token}"));
            let token = token.iter().flat_map(|token| ["--header", token]);
            let body = [body].into_iter().filter(|body| !body.is_empty()).flat_map(|body| ["--json", body]);
            self.curl(target, &["--request", method].into_iter().chain(token).chain(body).collect::<Vec<_>>())
        };
        let (shown, end) = consent(&page, send);
        assert_eq!(shown["client_name"], "Claude Code");
        end
    }

    fn log_in(&self) -> Value {
        let begun = self.form("/oauth/device_authorization", &[("surface", "claude_code")]);
        assert_eq!((begun.status, begun.header("cache-control")), (200, Some("no-store")), "{begun:?}");
        let begun = begun.json();
        let (code, page) = (text(&begun, "device_code"), text(&begun, "verification_uri"));
        assert_eq!((page.as_str(), &begun["interval"]), (&*format!("{}/oauth/device", self.url), &json!(5)));
        refused(&self.poll(&code), "authorization_pending");
        refused(&self.poll(&code), "slow_down");
        let end = self.approve(&page, &text(&begun, "user_code"));
        assert_eq!(end, format!("{}/oauth/device?approved=1", self.url));
        let tokens = self.poll(&code);
        assert_eq!((tokens.status, tokens.header("cache-control")), (200, Some("no-store")), "{tokens:?}");
        refused(&self.poll(&code), "expired_token");
        tokens.json()
    }

    fn message(&self, token: &str) -> Response {
        let body = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let header = format!("Authorization: Bearer {token}");
        self.curl("/claude-code/v1/messages", &["--header", &header, "--json", &body.to_string()])
    }

    /// A whole life of a login.
    fn lives(&self) {
        self.metadata();
        let tokens = self.log_in();
        let said = self.message(&text(&tokens, "access_token"));
        assert_eq!((said.status, &said.json()["content"][0]["text"]), (200, &json!("Hello.")), "{said:?}");

        let renewed = self.refresh(&text(&tokens, "refresh_token")).json();
        assert_eq!(self.message(&text(&renewed, "access_token")).status, 200);
        let last = text(&renewed, "refresh_token");
        let revoked = self.form("/oauth/revoke", &[("token", &last)]);
        assert_eq!((revoked.status, revoked.text()), (200, ""));
        refused(&self.refresh(&last), "invalid_grant");
        // As RFC 7009 section 2.2 wants it.
        assert_eq!(self.form("/oauth/revoke", &[("token", "unknown")]).status, 200);

        let asked = self.bifrost.recorded();
        assert!(self.bifrost.discovery_requests().is_empty(), "{asked:?}");
        let scheme = self.url.split(':').next().unwrap();
        let host = self.edge.host();
        for request in asked.iter().filter(|request| request.target.contains("/claude-code/")) {
            assert_eq!((request.header("x-forwarded-proto"), request.header("host")), (Some(scheme), Some(&*host)));
        }
    }
}

/// A Bifrost with a gateway for Claude Code.
fn gateway() -> Bifrost {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.enable_claude_code();
    bifrost
}

/// What curl printed: the last head, and the body behind it.
fn response(printed: &[u8]) -> Response {
    let text = String::from_utf8(printed.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Response { status, headers, body: body.as_bytes().to_vec() }
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).to_owned()
}

fn refused(answer: &Response, error: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)), "{answer:?}");
}

#[test]
fn a_login_lives_over_http_1() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    Device::over_http().lives();
}

#[test]
fn a_login_lives_over_tls() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    Device::over_tls("--http1.1", "").lives();
}

#[test]
fn a_login_lives_over_http_2() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    Device::over_tls("--http2", "").lives();
}

#[test]
fn a_login_lives_below_a_path() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    Device::over_tls("--http1.1", "/bifrost").lives();
}

/// Without the key that path is the server's, whose document says the same.
#[test]
fn a_login_lives_without_the_key_by_what_the_server_says() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    let metadata = device.metadata();
    assert!(device.bifrost.discovery_requests().is_empty());
    let without = OAUTH2.replace("claude_code_gateway: true\n", "");
    device.edge.reload(&format!("{PUBLIC_URLS}{}{without}", servers_yaml(&[device.bifrost.address()])));
    assert_eq!(device.metadata(), metadata);
    assert_eq!(device.bifrost.discovery_requests().len(), 1);
    device.log_in();
}

/// The client shows what the gateway says; `x-should-retry` has it ask for a login at once.
#[test]
fn a_token_is_good_for_the_gateway_alone_and_refusals_arrive_whole() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    let token = text(&device.log_in(), "access_token");
    let bearer = format!("Authorization: Bearer {token}");
    let at_mcp = device.curl("/mcp", &["--header", &bearer, "--json", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#]);
    let challenge = at_mcp.header("www-authenticate").unwrap();
    assert!(at_mcp.status == 401 && challenge.contains("/.well-known/oauth-protected-resource/mcp"), "{at_mcp:?}");
    for (token, part) in [("", "sign in to this gateway with /login"), ("another", "sign in again with /login")] {
        let header = format!("Authorization: Bearer {token}");
        let options: &[&str] =
            if token.is_empty() { &["--json", "{}"] } else { &["--header", &header, "--json", "{}"] };
        let answer = device.curl("/claude-code/v1/messages", options);
        assert_eq!((answer.status, answer.header("x-should-retry")), (401, Some("false")), "{answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(part), "{answer:?}");
    }
}

#[test]
fn what_else_the_client_asks_for_is_forwarded_unchanged() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    let bearer = format!("Authorization: Bearer {}", text(&device.log_in(), "access_token"));
    let ask = |path: &str, more: &[&str]| device.curl(path, &[&["--header", bearer.as_str()], more].concat());
    assert_eq!(ask("/claude-code/managed/settings", &[]).status, 404);
    device.bifrost.set_managed_settings(&json!({"model": "claude"}));
    let settings = ask("/claude-code/managed/settings", &[]);
    let tag = settings.header("etag").unwrap();
    assert_eq!(settings.json()["settings"]["model"], "claude");
    let again = ask("/claude-code/managed/settings", &["--header", &format!("If-None-Match: {tag}")]);
    assert_eq!((again.status, again.header("etag"), again.text()), (304, Some(tag), ""));
    for signal in ["metrics", "logs", "traces"] {
        assert_eq!(ask(&format!("/claude-code/v1/{signal}"), &["--data-binary", "x"]).status, 200, "{signal}");
    }
    assert_eq!(ask("/claude-code/v1/models", &[]).json()["data"][0]["type"], "model");
    let counted = ask("/claude-code/v1/messages/count_tokens", &["--json", "{}"]);
    assert_eq!(counted.json()["input_tokens"], 1);
}

/// Each piece is held back until the client has the one before.
#[test]
fn a_streamed_message_arrives_piece_by_piece() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    let token = text(&device.log_in(), "access_token");
    let gate = device.bifrost.gate();
    let body = r#"{"model":"claude","stream":true}"#;
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: {}\r\n", body.len());
    let mut client = device.edge.connect();
    client.send(device.edge.head("POST", "/claude-code/v1/messages", &headers) + body);
    let head = client.read_head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let mut read = String::new();
    for number in 1..=5 {
        gate.release_one();
        while !read.contains(&format!("word{number} ")) {
            read += std::str::from_utf8(&client.read_chunk().unwrap()).unwrap();
        }
        assert!(!read.contains(&format!("word{} ", number + 1)), "{read}");
    }
    read += std::str::from_utf8(&client.read_chunks()).unwrap();
    assert!(read.starts_with("event: message_start\n") && read.contains("event: message_stop\n"), "{read}");
}

/// Bifrost counts the sign-ins of a minute by the peer of its connection, which is the edge, whoever asks.
#[test]
fn the_limit_of_the_gateway_itself_is_one_for_all_behind_the_edge() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    let mut connection = device.edge.connect();
    let mut begin = || {
        let headers = "X-Forwarded-For: 203.0.113.9\r\nContent-Length: 0\r\n";
        connection.send(device.edge.head("POST", "/claude-code/oauth/device_authorization", headers));
        connection.read_response("POST")
    };
    for _ in 0..120 {
        assert_eq!(begin().status, 200);
    }
    let refused = begin();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")), "{refused:?}");
    assert_eq!(refused.json()["error"], "slow_down");
    // Another connection, and another client of it, is the same to Bifrost.
    assert_eq!(device.form("/oauth/device_authorization", &[("surface", "claude_code")]).status, 429);
}

#[test]
fn a_gateway_that_is_off_says_so_through_the_edge() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let device = Device::over_http();
    device.bifrost.set_discovery(Discovery::Gap);
    assert_eq!(device.form("/oauth/token", &[]).status, 405);
    let off = Bifrost::of_oauth2(Mode::Headers);
    let edge = Edge::start(&format!("{PUBLIC_URLS}{}{OAUTH2}", servers_yaml(&[off.address()])));
    let device = Device::at(off, edge, "http", &[]);
    let answer = device.form("/oauth/token", &[]);
    assert_eq!((answer.status, &answer.json()["error"]), (404, &json!("not_found")), "{answer:?}");
}
