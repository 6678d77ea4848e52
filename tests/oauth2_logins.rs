//! A login at a Bifrost of generation B, step by step through the edge: what the documents promise is there, and what
//! the server says of itself stays consistent with them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    bifrost::{Bifrost, Mode},
    consent::consent,
    edge::Edge,
    http::Response,
    tools::lacks,
};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A client, in front of an edge whose public URL has this origin.
struct Client {
    bifrost: Bifrost,
    edge: Edge,
    host: String,
    origin: String,
    id: String,
}

impl Client {
    fn at(scheme: &str) -> Self {
        let bifrost = Bifrost::of_oauth2(Mode::Oauth);
        let yaml = "profile: oauth2\nmcp_server_auth_mode: oauth\n";
        let urls = format!("public_urls: [\"{scheme}://localhost:{{port}}\"]\n");
        let edge = Edge::with(&[bifrost.address()], &format!("{urls}{yaml}"));
        let host = edge.host();
        let mut client = Client { bifrost, edge, origin: format!("{scheme}://{host}"), host, id: String::new() };
        let registered = client.send("POST", "/oauth2/register", "", &json!({"redirect_uris": [CALLBACK]}).to_string());
        assert_eq!(registered.status, 201, "{registered:?}");
        registered.json()["client_id"].as_str().unwrap().clone_into(&mut client.id);
        client
    }

    fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        let mut connection = self.edge.connect();
        let length = format!("Content-Length: {}\r\n{headers}", body.len());
        connection.send(self.edge.head(method, target, &length) + body);
        connection.read_response(method)
    }

    fn authorize(&self, resource: &str) -> Response {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let query = Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", self.id.as_str()),
                ("redirect_uri", CALLBACK),
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
                ("resource", resource),
                ("state", "s"),
            ])
            .finish();
        self.send("GET", &format!("/oauth2/authorize?{query}"), "", "")
    }

    /// As the consent page's script: from the URL of the page to that of the callback.
    fn consent(&self, page: &str) -> String {
        let send = |method: &str, target: &str, token: Option<&str>, body: &str| {
            let token = token.map_or(String::new(), |token| format!("X-Bifrost-Temp-Token: {token}\r\n"));
            self.send(method, target, &token, body)
        };
        consent(page, send).1
    }

    fn token(&self, form: &[(&str, &str)]) -> Response {
        let body = Serializer::new(String::new()).extend_pairs(form).append_pair("client_id", &self.id).finish();
        self.send("POST", "/oauth2/token", "Content-Type: application/x-www-form-urlencoded\r\n", &body)
    }

    fn log_in(&self) -> Value {
        let page = self.authorize(&format!("{}/mcp", self.origin));
        let callback = self.consent(page.header("location").unwrap());
        let parameters: Vec<_> = form_urlencoded::parse(callback.split_once('?').unwrap().1.as_bytes()).collect();
        let get = |name: &str| parameters.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!((get("iss").as_ref(), get("state").as_ref()), (self.origin.as_str(), "s"));
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*get("code")),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
        ];
        let tokens = self.token(&form);
        assert_eq!(self.token(&form).json()["error"], "invalid_grant", "a code is good once");
        tokens.json()
    }

    fn mcp(&self, path: &str, token: &str) -> Response {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        self.send("POST", path, &headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
    }
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[test]
fn a_login_a_refresh_and_every_slug_work_with_the_one_resource() {
    if lacks(&["openssl"]) {
        return;
    }
    let client = Client::at("http");
    let tokens = client.log_in();
    let access = text(&tokens, "access_token");
    assert_eq!(client.mcp("/mcp", access).status, 200);
    assert_eq!(client.mcp("/mcp/github", access).status, 200);
    assert_eq!(client.mcp("/mcp/unknown", access).status, 403);

    let refresh = |token: &str| client.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    let renewed = refresh(text(&tokens, "refresh_token")).json();
    assert_eq!(client.mcp("/mcp", text(&renewed, "access_token")).status, 200);
    // It has been rotated: whoever brings the old one ends the login.
    assert_eq!(refresh(text(&tokens, "refresh_token")).json()["error"], "invalid_grant");
    assert_eq!(refresh(text(&renewed, "refresh_token")).json()["error"], "invalid_grant");
    assert!(client.bifrost.discovery_requests().is_empty());
}

#[test]
fn the_token_is_signed_by_a_key_that_jwks_uri_has() {
    if lacks(&["openssl"]) {
        return;
    }
    let client = Client::at("http");
    let tokens = client.log_in();
    let document = client.edge.get("/.well-known/oauth-authorization-server").json();
    let keys = client.edge.get(text(&document, "jwks_uri").strip_prefix(&client.origin).unwrap()).json();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let [n, e] = ["n", "e"].map(|part| decode(keys["keys"][0][part].as_str().unwrap()));
    let (signed, signature) = text(&tokens, "access_token").rsplit_once('.').unwrap();
    let key = RsaPublicKeyComponents { n: &n, e: &e };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature)).unwrap();
    let claims: Value = serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["iss"], document["issuer"]);
    let resource = client.edge.get("/.well-known/oauth-protected-resource/mcp/github").json();
    assert_eq!(claims["aud"], json!([resource["resource"]]));
}

/// Why the metadata of `/mcp/<slug>` names `/mcp` as its resource.
#[test]
fn the_server_authorizes_no_resource_but_the_one_that_every_document_names() {
    let client = Client::at("http");
    let location = |resource: &str| client.authorize(resource).header("location").unwrap().to_owned();
    assert!(location(&format!("{}/mcp/github", client.origin)).contains("error=invalid_target"));
    let named = client.edge.get("/.well-known/oauth-protected-resource/mcp/github").json();
    assert!(location(text(&named, "resource")).contains("/oauth/consent?flow="));
}

#[test]
fn a_challenge_at_a_slug_names_the_metadata_on_our_origin() {
    let client = Client::at("https");
    for issuer in [None, Some("http://10.0.0.5:8080")] {
        issuer.inspect(|issuer| client.bifrost.set_issuer_url(issuer));
        for path in ["/mcp", "/mcp/github"] {
            let refused = client.mcp(path, "no-token");
            let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", client.origin);
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge.as_str())));
            assert_eq!(refused.header("access-control-expose-headers"), Some("WWW-Authenticate"));
        }
    }
}

/// Behind a TLS terminator, a Bifrost that believes in http sends the browser there: the token that it needs on the
/// page is in the fragment.
#[test]
fn the_fragment_of_the_consent_page_survives_the_repair_of_the_scheme() {
    let client = Client::at("https");
    client.bifrost.set_issuer_url(&format!("http://{}", client.host));
    let page = client.authorize("");
    let location = page.header("location").unwrap();
    assert!(location.starts_with(&format!("{}/oauth/consent?flow=", client.origin)), "{location}");
    client.consent(location);
}

#[test]
fn behind_a_terminator_the_server_learns_the_scheme_and_needs_no_repair() {
    if lacks(&["openssl"]) {
        return;
    }
    let client = Client::at("https");
    let tokens = client.log_in();
    assert_eq!(client.mcp("/mcp", text(&tokens, "access_token")).status, 200);
    let recorded = client.bifrost.recorded();
    assert!(recorded.iter().all(|request| request.header("x-forwarded-proto") == Some("https")), "{recorded:?}");
}

#[test]
fn an_answer_with_a_token_is_passed_as_it_is() {
    if lacks(&["openssl"]) {
        return;
    }
    let client = Client::at("http");
    let page = client.authorize("");
    let callback = client.consent(page.header("location").unwrap());
    let code = callback.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let answer = client.token(&form);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
}

#[test]
fn a_rule_for_logins_holds_for_the_endpoints_of_the_profile() {
    let bifrost = Bifrost::of_oauth2(Mode::Oauth);
    let yaml = "public_urls: [\"http://localhost:{port}\"]\nprofile: oauth2\nmcp_server_auth_mode: oauth\n\
                limits: {logins: {per_second: 0.001, burst: 2}}\n";
    let edge = Edge::with(&[bifrost.address()], yaml);
    for path in ["/oauth2/token", "/oauth2/register", "/oauth2/token", "/oauth2/register"] {
        edge.post(path);
    }
    assert_eq!(bifrost.recorded().len(), 2);
    // Not one of this profile's.
    edge.post("/api/oauth/per-user/token");
    assert_eq!(bifrost.recorded().len(), 3);
}
