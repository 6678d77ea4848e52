//! Public URLs with a path: the documents are where the standards put them and where clients look that append to what
//! they are given, the issuer is the URL as it is written, and traffic below the path is forwarded as it came.

use bridgehead::telemetry::Class;

use crate::support::{
    bifrost::{Bifrost, Mode},
    discovery::{
        Setup, is_discovery_answer,
        oauth2::{authorization_server, protected_resource},
    },
    edge::Edge,
    tools::lacks,
    until,
};

const BASE: &str = "/bifrost";
const OAUTH2: &str = "profile: oauth2\nmcp_server_auth_mode: both\n";

fn setup_at(paths: &[&str], more: &str) -> Setup {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.set_base_path(BASE);
    let urls: Vec<_> = paths.iter().map(|path| format!("\"http://localhost:{{port}}{path}\"")).collect();
    let urls = format!("public_urls: [{}]\n", urls.join(", "));
    let edge = Edge::with(&[bifrost.address()], &format!("{urls}{OAUTH2}{more}"));
    Setup { bifrost, edge }
}

fn setup() -> Setup {
    setup_at(&[BASE], "")
}

/// Where the documents of a public URL with this path are: of the authorization server, and of the protected resource.
fn places(path: &str) -> ([String; 2], [String; 6]) {
    let (server, resource) = ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource");
    (
        [format!("{server}{path}"), format!("{path}{server}")],
        [
            format!("{resource}{path}/mcp"),
            format!("{resource}{path}/mcp/github"),
            format!("{resource}{path}/v1/mcp"),
            format!("{path}{resource}"),
            format!("{path}{resource}/mcp"),
            format!("{path}{resource}/mcp/github"),
        ],
    )
}

/// What an edge with this public URL alone, and no path, answers.
fn issuer_of(setup: &Setup, path: &str) -> Option<String> {
    let response = setup.ask("GET", path);
    is_discovery_answer(&response);
    if response.status == 404 {
        return None;
    }
    assert_eq!(response.status, 200, "{path}: {response:?}");
    let document = response.json();
    let issuer = document["issuer"].as_str().or_else(|| document["authorization_servers"][0].as_str());
    Some(issuer.unwrap().to_owned())
}

#[test]
fn the_documents_are_between_host_and_path_and_behind_the_path_with_the_same_bytes() {
    let setup = setup();
    let base = format!("http://{}{BASE}", setup.edge.host());
    let (server, resource) = (authorization_server(&base), protected_resource(&base));
    let (servers, resources) = places(BASE);
    let servers = servers.into_iter().map(|path| (path, &server));
    for (path, body) in servers.chain(resources.into_iter().map(|path| (path, &resource))) {
        let response = setup.ask("GET", &path);
        assert_eq!((response.status, response.text()), (200, body.as_str()), "{path}");
        is_discovery_answer(&response);
        let head = setup.ask("HEAD", &path);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(setup.ask("OPTIONS", &path).status, 204);
        assert_eq!(setup.ask("POST", &path).status, 405);
        assert_eq!(setup.edge.connect().ask("GET", &path, "unknown.example", "").status, 421);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn the_places_of_the_root_are_404_unless_the_root_is_a_public_url_too() {
    let (servers, resources) = places("");
    let keys = "/.well-known/jwks.json";
    for path in servers.iter().chain(&resources).map(String::as_str).chain([keys]) {
        let below = setup();
        assert_eq!(issuer_of(&below, path), None, "{path}");
        below.nothing_reached_bifrost();
    }
    let both = setup_at(&["", BASE], "");
    for path in servers.iter().chain(&resources) {
        assert_eq!(issuer_of(&both, path), Some(format!("http://{}", both.edge.host())), "{path}");
    }
}

#[test]
fn several_paths_of_one_host_live_side_by_side_and_the_longest_that_fits_wins() {
    let paths = ["/teams", "", "/teams/a", "/teams/ab"];
    let setup = setup_at(&paths, "");
    for path in paths {
        let (servers, resources) = places(path);
        for place in servers.iter().chain(&resources) {
            assert_eq!(issuer_of(&setup, place), Some(format!("http://{}{path}", setup.edge.host())), "{place}");
        }
    }
    for unknown in ["/.well-known/oauth-authorization-server/teams/b", "/teams/b/.well-known/oauth-protected-resource"]
    {
        assert_eq!(issuer_of(&setup, unknown), None);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn suffixes_siblings_and_other_spellings_are_404_and_never_forwarded() {
    let setup = setup();
    setup.are_not_found(&[
        "/.well-known/oauth-protected-resource/bifrost",
        "/.well-known/oauth-protected-resource/bifrost/",
        "/.well-known/oauth-protected-resource/bifrost/other",
        "/.well-known/oauth-protected-resource/bifrost/mcp/",
        "/.well-known/oauth-protected-resource/other/mcp",
        "/.well-known/oauth-authorization-server/bifrost/",
        "/.well-known/oauth-authorization-server/bifrost/mcp",
        "/.well-known/oauth-authorization-server/Bifrost",
        "/.well-known/oauth-authorization-server//bifrost",
        "/.well-known/oauth-authorization-server/%62ifrost",
        "/.well-known/oauth-authorization-server/bifrost;x",
        "/.well-known/openid-configuration/bifrost",
        "/.well-known/jwks.json/bifrost",
        "/bifrost/.well-known/openid-configuration",
        "/bifrost/.well-known/oauth-authorization-server/",
        "/bifrost/.well-known/oauth-authorization-server/bifrost",
        "/bifrost/mcp/.well-known/oauth-authorization-server",
        "/bifrost//.well-known/oauth-authorization-server",
        "//bifrost/.well-known/oauth-authorization-server",
        "/BIFROST/.well-known/oauth-authorization-server",
        "/x/../bifrost/.well-known/oauth-authorization-server",
        "/bifrost/.well-known%2foauth-authorization-server",
        "/bifrost/bifrost/.well-known/oauth-authorization-server",
        "/other/.well-known/oauth-authorization-server",
    ]);
}

#[test]
fn traffic_is_forwarded_with_its_path_as_it_came() {
    if lacks(&["openssl"]) {
        return;
    }
    let setup = setup();
    for target in
        ["/bifrost/echo?x=/bifrost/", "/bifrost/echo/%62/..%2f", "/bifrost//v1/models", "/echo", "/bifrost", "/"]
    {
        setup.ask("GET", target);
        assert_eq!(setup.bifrost.recorded().last().unwrap().target, target);
    }
    let keys = setup.ask("GET", "/bifrost/.well-known/jwks.json");
    assert_eq!(keys.json()["keys"][0]["kty"], "RSA");
}

#[test]
fn the_classes_are_those_of_the_paths_behind_the_base() {
    let setup = setup_at(&[BASE, "/bifrost/two"], "");
    for (path, class) in [
        ("/bifrost/mcp", Class::Mcp),
        ("/bifrost/v1/chat/completions", Class::Inference),
        ("/bifrost/two/mcp/github", Class::Mcp),
        ("/bifrost/oauth2/token", Class::Oauth),
        ("/bifrost/api/config", Class::Api),
        ("/bifrost/claude-code/v1/messages", Class::Inference),
        ("/mcp", Class::Mcp),
        ("/bifrost/bifrost/mcp", Class::Other),
    ] {
        setup.edge.post_counts_as(path, class);
    }
}

#[test]
fn the_limit_for_logins_holds_below_the_path() {
    let setup = setup_at(&[BASE], "limits: {logins: {per_second: 0.001, burst: 2}}\n");
    let paths =
        ["/bifrost/oauth2/token", "/bifrost/oauth2/register", "/oauth2/token", "/bifrost/claude-code/oauth/token"];
    let refused = paths.map(|path| setup.edge.post(path).status == 429);
    assert_eq!(refused, [false, false, true, true]);
}

#[test]
fn a_rule_of_access_holds_below_the_path_in_whatever_spelling() {
    let setup = setup_at(&[BASE], "access: [{path: /api, allow: [10.0.0.0/8]}]\n");
    for path in
        ["/api/config", "/bifrost/api/config", "//bifrost/api/config", "/%62ifrost/API/config", "/bifrost/x/../api"]
    {
        assert_eq!(setup.ask("GET", path).status, 403, "{path}");
    }
    setup.nothing_reached_bifrost();
    assert_ne!(setup.ask("GET", "/bifrost/apis").status, 403);
}

#[test]
fn a_limit_of_time_for_a_path_holds_below_the_base() {
    let setup = setup_at(&[BASE], "timeouts: {paths: [{prefix: /hang, first_byte: 100ms}]}\n");
    assert_eq!(setup.ask("GET", "/bifrost/hang").status, 504);
}

#[test]
fn servers_are_checked_at_the_path_that_the_file_gives() {
    for path in ["/health", "/bifrost/health"] {
        let setup = setup_at(&[BASE], &format!("health: {{path: {path}, interval: 50ms}}\n"));
        let state = || setup.edge.report_of(&setup.bifrost.address()).state;
        until("it has been found up", || state() == bridgehead::fleet::State::Up);
    }
}

/// A Bifrost that is told a scheme, a host or nothing of the path says of itself what no client can use.
#[test]
fn a_challenge_names_the_metadata_below_the_path() {
    let setup = setup();
    let base = format!("http://{}{BASE}", setup.edge.host());
    let resource = "/.well-known/oauth-protected-resource/mcp";
    for issuer in
        [&base, "http://10.0.0.5:8080/bifrost", "http://10.0.0.5:8080", &format!("http://{}", setup.edge.host())]
    {
        setup.bifrost.set_issuer_url(issuer);
        let refused = setup.edge.post("/bifrost/mcp");
        let challenge = format!("Bearer resource_metadata=\"{base}{resource}\"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge.as_str())), "{issuer}");
        assert_eq!(issuer_of(&setup, &format!("{BASE}{resource}")), Some(base.clone()));
    }
}

#[test]
fn a_location_keeps_its_path_and_gets_the_right_scheme() {
    let bifrost = Bifrost::start();
    bifrost.set_base_path(BASE);
    let edge = Edge::with(&[bifrost.address()], "public_urls: [\"https://gw.example.com/bifrost\"]\n");
    for (location, repaired) in [
        (
            "http://gw.example.com/bifrost/oauth/consent?flow=1#t=2",
            "https://gw.example.com/bifrost/oauth/consent?flow=1#t=2",
        ),
        ("http://gw.example.com/elsewhere", "https://gw.example.com/elsewhere"),
        ("/bifrost/ui", "/bifrost/ui"),
        ("http://127.0.0.1:9/callback?code=1", "http://127.0.0.1:9/callback?code=1"),
    ] {
        let to: String = form_urlencoded::byte_serialize(location.as_bytes()).collect();
        let response = edge.connect().ask("GET", &format!("/bifrost/redirect?to={to}"), "gw.example.com", "");
        assert_eq!(response.header("location"), Some(repaired));
    }
    assert_eq!(bifrost.recorded()[0].header("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_redirect_to_https_keeps_the_path_and_is_not_for_mcp() {
    let yaml = "public_urls: [\"https://gw.example.com/bifrost\"]\nservers: []\n";
    let edge = Edge::listening("redirect_to_https: true", yaml);
    let ask = |target: &str| edge.connect().ask("GET", target, "gw.example.com", "");
    assert_eq!(ask("/bifrost/ui?x").header("location"), Some("https://gw.example.com/bifrost/ui?x"));
    assert_eq!(ask("/").header("location"), Some("https://gw.example.com/"));
    for mcp in ["/bifrost/mcp", "/bifrost/mcp/github", "/bifrost/v1/mcp", "/mcp"] {
        assert_eq!(ask(mcp).header("location"), None, "{mcp}");
    }
}

#[test]
fn the_claude_code_gateway_is_below_the_path_too() {
    let metadata = "/claude-code/.well-known/oauth-authorization-server";
    let forwarding = setup();
    forwarding.ask("GET", &format!("{BASE}{metadata}"));
    assert_eq!(forwarding.bifrost.only().target, format!("{BASE}{metadata}"));
    assert_eq!(forwarding.ask("GET", metadata).status, 404);
    let setup = setup_at(&[BASE], "claude_code_gateway: true\n");
    let issuer = format!("http://{}{BASE}/claude-code", setup.edge.host());
    assert_eq!(issuer_of(&setup, &format!("{BASE}{metadata}")), Some(issuer));
    for other in [metadata, "/.well-known/oauth-authorization-server/bifrost/claude-code"] {
        assert_eq!(issuer_of(&setup, other), None, "{other}");
    }
    setup.nothing_reached_bifrost();
}
