//! `bridgehead explain` says what becomes of a request, as the edge does it, and which keys decide, with their lines.

use std::{fs, process::Output};

use serde_json::Value;

use crate::support::{
    edge::Edge,
    in_time::Printed,
    program::{Running, bridgehead},
    tls_server::{Authority, Folder},
};

const MAIN: &str = "\
listeners:
  - {address: \"127.0.0.1:8000\"}
  - {address: \"127.0.0.1:8001\", redirect_to_https: true}
trusted_proxies: [\"10.0.0.0/8\"]
readiness_path: /edge-readyz
limits: {request_body: 1MiB}
timeouts:
  connect: 2s
  paths: [{prefix: /mcp, silence: 1h}]
include: [\"sites/*.yaml\"]
sites:
  - name: production
    public_urls: [\"https://gw.example.com\"]
    profile: oauth2
    mcp_server_auth_mode: both
    servers: [{address: \"10.1.0.1:8080\"}, {address: \"10.1.0.2:8080\", backup: true}]
    access:
      - {path: /, deny: [\"203.0.113.9\"]}
      - path: /api
        allow: [\"192.0.2.0/24\"]
";
const STAGING: &str = "\
name: staging
public_urls: [\"https://gw.example.com/staging\"]
profile: per_user_oauth
timeouts: {first_byte: 5m}
servers: []
mcp_clients:
  - {name: a, auth_type: none, connection_type: inprocess}
";

fn folder() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("sites")).unwrap();
    folder.write("proxy.yaml", MAIN);
    folder.write("sites/staging.yaml", STAGING);
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let file = folder.path().join("proxy.yaml");
    bridgehead().arg("explain").args(arguments).arg("--config").arg(file).printed().unwrap()
}

/// What is said of a request, as JSON.
fn explained(folder: &Folder, arguments: &[&str]) -> Value {
    let output = run(folder, &[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What one step says, and its keys: path, value, file name, line.
fn step(explained: &Value, name: &str) -> (String, Vec<(String, Value, String, u64)>) {
    let steps = explained["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {explained:#}"));
    let key = |key: &Value| {
        let file = key["file"].as_str().and_then(|file| file.rsplit('/').next()).unwrap_or_default();
        (
            key["key"].as_str().unwrap().to_owned(),
            key["value"].clone(),
            file.to_owned(),
            key["line"].as_u64().unwrap_or_default(),
        )
    };
    (step["says"].as_str().unwrap().to_owned(), step["keys"].as_array().unwrap().iter().map(key).collect())
}

fn key(path: &str, value: impl Into<Value>, file: &str, line: u64) -> (String, Value, String, u64) {
    (path.to_owned(), value.into(), file.to_owned(), line)
}

#[test]
fn a_request_that_is_forwarded_is_told_step_by_step() {
    let folder = folder();
    let url = "https://gw.example.com/mcp?token=x";
    let told = explained(
        &folder,
        &["-X", "POST", url, "-H", "X-Forwarded-For: 192.0.2.7", "-H", "Authorization: Bearer x", "--from", "10.9.9.9"],
    );
    assert_eq!(
        (&told["answered_by"], &told["status"], &told["reason"]),
        (&"server".into(), &Value::Null, &Value::Null)
    );
    let (says, keys) = step(&told, "listener");
    assert!(says.contains("127.0.0.1:8000") && says.contains("https ends at something in front"), "{says}");
    assert_eq!(keys, [key("listeners[0].address", "127.0.0.1:8000", "proxy.yaml", 2)]);
    assert!(step(&told, "client").0.starts_with("192.0.2.7, as the trusted proxy 10.9.9.9 says"));
    let (says, keys) = step(&told, "site");
    assert!(says.starts_with("site production, by its public URL https://gw.example.com"), "{says}");
    assert_eq!(keys, [key("sites[0].public_urls[0]", "https://gw.example.com", "proxy.yaml", 13)]);
    assert_eq!(step(&told, "access").0, "the rule for / lets in 192.0.2.7");
    assert_eq!(step(&told, "limits").1[0], key("limits.request_body", "1MiB", "proxy.yaml", 6));
    assert_eq!(step(&told, "class").0, "mcp, by its path as Bifrost has it: /mcp");
    let (says, keys) = step(&told, "timeouts");
    assert_eq!(says, "connect 2s, first_byte 15m, silence 1h, request without a limit");
    assert_eq!(keys[0], key("timeouts.connect", "2s", "proxy.yaml", 8));
    assert_eq!(keys[1], key("sites[0].timeouts.first_byte", "15m", "", 0));
    assert_eq!(keys[2], key("timeouts.paths[0].silence", "1h", "proxy.yaml", 9));
    assert_eq!(step(&told, "servers").0, "10.1.0.1:8080; 10.1.0.2:8080, backup");
    let says = step(&told, "request headers").0;
    for part in [
        "X-Forwarded-For: 192.0.2.7, 10.9.9.9",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 192.0.2.7",
        "X-Forwarded-Host: gw.example.com",
        "X-Request-Id: (new",
    ] {
        assert!(says.contains(part), "{part}: {says}");
    }
    assert!(step(&told, "response").0.contains("Location http://gw.example.com/x becomes https://gw.example.com/x"));
    assert!(!told["steps"].to_string().contains("Bearer x"), "{told:#}");
}

#[test]
fn what_the_edge_answers_by_itself_names_what_decides() {
    let folder = folder();
    let told = explained(&folder, &["https://gw.example.com/.well-known/oauth-authorization-server"]);
    assert_eq!((&told["answered_by"], &told["status"]), (&"edge".into(), &200.into()));
    let (says, keys) = step(&told, "discovery");
    assert!(says.contains("because mcp_server_auth_mode is both"), "{says}");
    assert_eq!(keys[1], key("sites[0].mcp_server_auth_mode", "both", "proxy.yaml", 15));
    assert!(step(&told, "answer").0.contains("\"issuer\":\"https://gw.example.com\""));
    let told = explained(&folder, &["https://gw.example.com/.well-known/oauth-protected-resource/staging/mcp"]);
    assert_eq!(told["status"], 404);
    let (says, keys) = step(&told, "discovery");
    assert!(says.contains("is answered 404; discovery is off, because none of 1 MCP client has"), "{says}");
    assert_eq!((keys[0].0.as_str(), keys[0].2.as_str(), keys[0].3), ("profile", "staging.yaml", 3));
    assert_eq!((keys[1].0.as_str(), keys[1].2.as_str(), keys[1].3), ("mcp_clients", "staging.yaml", 6));
    let told = explained(&folder, &["http://gw.example.com:8001/x"]);
    assert_eq!(told["status"], 308);
    assert_eq!(step(&told, "redirect").1, [key("listeners[1].redirect_to_https", true, "proxy.yaml", 3)]);
    assert!(step(&told, "answer").0.contains("https://gw.example.com/x"));
    let told = explained(&folder, &["http://anything/edge-readyz"]);
    assert_eq!(
        (&told["status"], &step(&told, "readiness").1[0]),
        (&200.into(), &key("readiness_path", "/edge-readyz", "proxy.yaml", 5))
    );
}

#[test]
fn a_refusal_names_its_reason_and_the_key() {
    let folder = folder();
    let refused = |arguments: &[&str]| {
        let told = explained(&folder, arguments);
        assert_eq!(told["answered_by"], "edge");
        (told["status"].as_u64().unwrap(), told["reason"].as_str().unwrap().to_owned(), told)
    };
    let (status, reason, told) = refused(&["https://other.example.com/mcp"]);
    assert_eq!((status, reason.as_str()), (421, "unknown_host"));
    let keys = step(&told, "site").1;
    assert_eq!(
        keys.iter().map(|key| (key.2.as_str(), key.3)).collect::<Vec<_>>(),
        [("proxy.yaml", 13), ("staging.yaml", 2)]
    );
    let (status, reason, told) = refused(&["https://other.example.com/.well-known/oauth-authorization-server"]);
    assert_eq!((status, reason.as_str()), (421, "unknown_host"));
    assert!(step(&told, "discovery").0.contains("add the origin that clients type to public_urls"));
    let (status, reason, told) = refused(&["https://gw.example.com/%61pi/x", "--from", "198.51.100.7"]);
    assert_eq!((status, reason.as_str()), (403, "forbidden"));
    let (says, keys) = step(&told, "access");
    assert_eq!(says, "the rule for /api keeps out 198.51.100.7");
    assert_eq!((keys[1].0.as_str(), keys[1].3), ("sites[0].access[1].allow", 20));
    let (status, reason, told) =
        refused(&["-X", "POST", "https://gw.example.com/v1/x", "-H", "Content-Length: 2000000"]);
    assert_eq!((status, reason.as_str()), (413, "body_too_large"));
    assert_eq!(step(&told, "answer").1, [key("limits.request_body", "1MiB", "proxy.yaml", 6)]);
    let (status, reason, _) =
        refused(&["https://gw.example.com/x", "-H", "Transfer-Encoding: chunked", "-H", "Content-Length: 1"]);
    assert_eq!((status, reason.as_str()), (400, "malformed"));
    let (status, _, told) = refused(&["-X", "TRACE", "https://gw.example.com/x"]);
    assert!(status == 405 && step(&told, "answer").0.contains("method_not_allowed"));
    // Of a site without servers nobody is asked.
    let told = explained(&folder, &["https://gw.example.com/staging/v1/x"]);
    assert!(step(&told, "servers").0.contains("503, reason no_server"), "{told:#}");
    assert_eq!(step(&told, "timeouts").1[1], key("timeouts.first_byte", "5m", "staging.yaml", 4));
    assert_eq!(step(&told, "class").0, "inference, by its path as Bifrost has it: /v1/x");
}

#[test]
fn a_person_reads_lines_and_a_wrong_question_is_a_line_too() {
    let folder = folder();
    let output = run(&folder, &["https://gw.example.com/api", "--from", "192.0.2.1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let file = folder.path().join("proxy.yaml").display().to_string();
    assert!(text.starts_with("GET https://gw.example.com/api\n") && text.ends_with("=> a server is asked\n"), "{text}");
    assert!(text.contains(&format!("sites[0].access[1].allow = [\"192.0.2.0/24\"]  {file}:20\n")), "{text}");
    assert!(text.contains("= \"least_requests\"  (default)\n"), "{text}");
    for (arguments, why) in [
        (&["gw.example.com/mcp"][..], "is no URL; write it as the client has it"),
        (&["https://gw.example.com/", "-H", "Host"], "\"Host\" is no header"),
        (&["https://gw.example.com/", "-H", "X: a\nY: b"], "a line break"),
        (
            &["https://gw.example.com/", "--listener", "127.0.0.1:1"],
            "there is no listener \"127.0.0.1:1\"; known here: 127.0.0.1:8000",
        ),
    ] {
        let output = run(&folder, arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
    let output = run(&folder, &["https://gw.example.com/", "--running"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("admin.address is not set"));
}

#[test]
fn a_running_edge_says_how_the_servers_are() {
    let folder = Folder::new();
    let admin = crate::support::nobody_yet();
    let text = format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\nadmin: {{address: \"{admin}\"}}\nhealth: {{enabled: false}}\nservers: \
         [{{address: \"127.0.0.1:9\"}}]\npublic_urls: [\"http://gw.example.com\"]\n"
    );
    let file = folder.write("proxy.yaml", text);
    let mut running = Running::start(&file);
    running.wait_for("listening on");
    let told = explained(&folder, &["http://gw.example.com/v1/x", "--running"]);
    let servers = told["servers_now"].as_array().unwrap();
    assert_eq!(servers.len(), 1);
    assert_eq!((&servers[0]["server"], &servers[0]["in_flight"]), (&"127.0.0.1:9".into(), &0.into()));
    assert!(servers[0]["state"].is_string());
}

/// Servers that are none answer nothing: what is forwarded is 503 then.
const SERVED: &str = "\
readiness_path: /edge-readyz
limits: {request_body: 10B, headers: 5}
sites:
  - name: a
    public_urls: [\"https://a.example\"]
    profile: oauth2
    mcp_server_auth_mode: both
    servers: []
    access: [{path: /api, deny: [\"127.0.0.0/8\"]}]
  - name: b
    public_urls: [\"https://b.example/below\"]
    profile: per_user_oauth
    servers: []
";

#[test]
fn what_is_said_is_what_an_edge_does() {
    let folder = Folder::new();
    folder.write("proxy.yaml", format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\n{SERVED}"));
    let edge = Edge::start(SERVED);
    let mut statuses = Vec::new();
    for (method, host, target, header) in [
        ("GET", "a.example", "/v1/models", ""),
        ("GET", "a.example", "/api/x", ""),
        ("GET", "a.example", "//x/../API", ""),
        ("GET", "other.example", "/v1/models", ""),
        ("GET", "b.example", "/v1/models", ""),
        ("GET", "b.example", "/below/v1/models", ""),
        ("GET", "a.example", "/.well-known/oauth-authorization-server", ""),
        ("GET", "a.example", "/.well-known/oauth-protected-resource/mcp/x", ""),
        ("GET", "a.example", "/.well-known/oauth-authorization-server/", ""),
        ("POST", "a.example", "/.well-known/oauth-authorization-server", "Content-Length: 0"),
        ("OPTIONS", "other.example", "/.well-known/oauth-authorization-server", "Origin: https://x.example"),
        ("GET", "other.example", "/.well-known/oauth-authorization-server", ""),
        ("GET", "b.example", "/.well-known/oauth-authorization-server/below", ""),
        ("GET", "a.example", "/.well-known/jwks.json", ""),
        ("GET", "other.example", "/edge-readyz", ""),
        ("DELETE", "a.example", "/edge-readyz", ""),
        ("POST", "a.example", "/mcp", "Content-Length: 11"),
        ("TRACE", "a.example", "/mcp", ""),
        ("GET", "a.example", "/mcp", "Content-Length: x"),
        ("GET", "a b", "/mcp", ""),
    ] {
        let url = format!("http://{}{target}", if host.contains(' ') { "a.example" } else { host });
        let mut arguments = vec!["-X", method, &url];
        let own_host = format!("Host: {host}");
        arguments.extend(["-H", &own_host]);
        if !header.is_empty() {
            arguments.extend(["-H", header]);
        }
        let told = explained(&folder, &arguments);
        let status = edge.connect().ask(method, target, host, &header_line(header)).status;
        let said = told["status"].as_u64().unwrap_or(503);
        assert_eq!(said, u64::from(status), "{method} {host} {target} {header}: {told:#}");
        statuses.push(said);
    }
    for status in [200, 204, 400, 403, 404, 405, 413, 421, 503] {
        assert!(statuses.contains(&status), "{status} is not among {statuses:?}");
    }
}

fn header_line(header: &str) -> String {
    if header.is_empty() { String::new() } else { format!("{header}\r\n") }
}

#[test]
fn plain_http_to_a_listener_for_https_gets_nowhere() {
    let folder = Folder::new();
    let authority = Authority::new();
    let identity = authority.sign("a", &["gw.example.com"]);
    folder.write("cert.pem", identity.certificate_pem());
    folder.write("key.pem", identity.key_pem());
    let text = "listeners:\n- {address: \"127.0.0.1:8080\"}\n- address: \"127.0.0.1:8443\"\n  tls: {certificates: [{certificate: cert.pem, \
                key: key.pem}]}\nservers: [{address: \"10.0.0.1:80\"}]\npublic_urls: [\"https://gw.example.com\"]\n";
    folder.write("proxy.yaml", text);
    let told = explained(&folder, &["http://gw.example.com/x", "--listener", "127.0.0.1:8443"]);
    assert_eq!((&told["status"], &told["answered_by"]), (&400.into(), &"edge".into()));
    assert_eq!(step(&told, "answer").1[0].3, 4);
    // By its scheme the right one is taken.
    let told = explained(&folder, &["https://gw.example.com/x"]);
    assert_eq!(step(&told, "listener").1, [key("listeners[1].address", "127.0.0.1:8443", "proxy.yaml", 3)]);
    assert!(step(&told, "client").0.ends_with("over https"));
    assert!(step(&told, "listener").0.starts_with("127.0.0.1:8443 (https, HTTP/2)"));
}
