//! The admin listener tells who runs the edge how it is, and nobody else, to the end.

use std::{net::TcpStream, thread};

use bridgehead::readiness::Stage;

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, bifrost_and_edge, servers_yaml},
    http::{Connection, Response},
    in_time::Joined,
    nobody, until,
};

/// An edge without servers, once it serves.
fn lonely() -> Edge {
    let edge = Edge::in_front_of(&[]);
    until("it is ready", || edge.ask_admin("/readyz").status == 200);
    edge
}

fn ask(edge: &Edge, method: &str, target: &str, host: &str) -> Response {
    Connection::to(edge.admin).ask(method, target, host, "")
}

#[test]
fn there_is_what_is_promised_and_nothing_else() {
    let edge = lonely();
    let mut admin = Connection::to(edge.admin);
    let host = edge.admin.to_string();
    for (target, status, content_type) in [
        ("/livez", 200, "text/plain; charset=utf-8"),
        ("/readyz?verbose", 200, "application/json"),
        ("/status", 200, "application/json"),
        ("/metrics", 200, "text/plain; version=0.0.4"),
        ("/", 200, "text/html; charset=utf-8"),
        ("/health", 404, "text/plain; charset=utf-8"),
        ("/status/", 404, "text/plain; charset=utf-8"),
        ("//", 404, "text/plain; charset=utf-8"),
    ] {
        let answer = admin.ask("GET", target, &host, "");
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(content_type)), "{target}");
        let head = admin.ask("HEAD", target, &host, "");
        assert_eq!((head.status, head.header("content-type")), (status, Some(content_type)), "{target}");
        // What they say changes all the time, but for its kind.
        for name in ["cache-control", "x-content-type-options", "x-frame-options", "referrer-policy", "connection"] {
            assert_eq!(head.header(name), answer.header(name), "{target}");
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    let missing = admin.ask("GET", "/nothing", &host, "");
    for path in ["/status", "/metrics", "/livez", "/readyz"] {
        assert!(missing.text().contains(path), "{}", missing.text());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = admin.ask(method, "/status", &host, "Origin: http://evil.example.com\r\nContent-Length: 0\r\n");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        let allows = |(name, _): &&(String, String)| name.starts_with("access-control-");
        assert_eq!(answer.headers.iter().find(allows), None, "{method}");
    }
}

#[test]
fn the_page_may_load_nothing_and_run_nothing_but_its_own() {
    let edge = Edge::in_front_of(&[]);
    let (one, other) = (edge.ask_admin("/"), edge.ask_admin("/"));
    let policy = one.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_ne!(policy, other.header("content-security-policy").unwrap(), "a nonce is for one answer");
    for outside in ["src=", "@import", "url(", "innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!one.text().contains(outside), "{outside}");
    }
}

#[test]
fn whom_a_request_is_for_is_looked_at_before_anything_else() {
    let edge = Edge::in_front_of(&[]);
    for host in ["evil.example.com", "10.0.0.7", "127.0.0.1.evil.example.com", "x"] {
        for target in ["/", "/livez", "/readyz", "/metrics", "/status", "/nothing"] {
            let answer = ask(&edge, "GET", target, host);
            assert_eq!(answer.status, 421, "{target} {host}");
            assert!(answer.text().contains("admin.hosts") && !answer.text().contains("evil"), "{}", answer.text());
        }
    }
    let port = edge.admin.port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "127.0.0.1".into(), "LOCALHOST".into()] {
        assert_eq!(ask(&edge, "GET", "/livez", &host).status, 200, "{host}");
    }
    let whole =
        Connection::to(edge.admin).ask("GET", &format!("http://{}/livez", edge.admin), &edge.admin.to_string(), "");
    assert_eq!(whole.status, 200);
    let elsewhere = Connection::to(edge.admin).ask("GET", "http://evil.example.com/livez", "evil.example.com", "");
    assert_eq!(elsewhere.status, 421);
}

#[test]
fn names_of_the_configuration_are_taken_from_the_next_request_on() {
    let edge = Edge::start("servers: []\n");
    assert_eq!(ask(&edge, "GET", "/metrics", "edge.monitoring.svc:8001").status, 421);
    edge.reload("servers: []\nadmin: {address: \"127.0.0.1:0\", hosts: [edge.monitoring.svc]}\n");
    assert_eq!(ask(&edge, "GET", "/metrics", "edge.monitoring.svc:8001").status, 200);
    assert_eq!(ask(&edge, "GET", "/metrics", "monitoring.svc").status, 421);
}

#[test]
fn a_head_that_is_malformed_too_large_or_without_host_is_refused() {
    let edge = Edge::in_front_of(&[]);
    let host = edge.admin;
    for (head, status) in [
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.0\r\n\r\n".to_owned(), 400),
        (format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"), 400),
        (format!("GET http://evil.example.com/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        (format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n folded\r\n\r\n"), 400),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400),
        (format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "x".repeat(32 * 1024)), 431),
    ] {
        let mut connection = Connection::to(edge.admin);
        connection.send(&head);
        assert_eq!(connection.read_response("GET").status, status, "{head:.60}");
        assert!(connection.is_closed(), "{head:.60}");
    }
    let mut connection = Connection::to(edge.admin);
    connection.send(format!("POST /livez HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\nbegun"));
    assert_eq!(connection.read_response("POST").status, 405);
    assert!(connection.is_closed(), "the rest of a body would be taken for a request");
}

/// Connections that ask nothing, or never end their head, cannot keep the probes out.
#[test]
fn whoever_holds_many_connections_open_keeps_nobody_out() {
    let edge = Edge::in_front_of(&[]);
    let mut held: Vec<Connection> = (0..200)
        .map(|place| {
            let mut connection = Connection::to(edge.admin);
            if place % 2 == 0 {
                connection.send("GET /livez HTTP/1.1\r\nHost: ");
            }
            connection
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(edge.ask_admin("/livez").status, 200);
    }
    assert!(held[0].is_closed(), "the oldest has made room");
}

#[test]
fn a_connection_is_kept_and_its_requests_may_come_at_once() {
    let edge = Edge::in_front_of(&[]);
    let mut connection = Connection::to(edge.admin);
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", edge.admin);
    connection.send(request.repeat(3));
    for _ in 0..3 {
        let answer = connection.read_response("GET");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    let last = connection.ask("GET", "/livez", &edge.admin.to_string(), "Connection: close\r\n");
    assert_eq!(last.header("connection"), Some("close"));
    assert!(connection.is_closed());
}

/// Probes must see the difference, and Prometheus the last numbers.
#[test]
fn an_empty_line_before_a_request_is_skipped_however_its_bytes_come() {
    let edge = lonely();
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", edge.admin);
    for pieces in [&["\r\n", &request][..], &["\r", &format!("\n{request}")], &[&format!("\r\n\r\n{request}")]] {
        let mut admin = Connection::to(edge.admin);
        admin.sender().set_nodelay(true).unwrap();
        for _ in 0..2 {
            for piece in pieces {
                admin.send(piece);
                // While this is answered the piece arrives.
                assert_eq!(edge.ask_admin("/livez").status, 200);
            }
            assert_eq!(admin.read_response("GET").status, 200, "{pieces:?}");
        }
    }
}

#[test]
fn a_stopping_edge_lives_is_not_ready_and_says_so_until_it_has_ended() {
    let (bifrost, edge) = bifrost_and_edge();
    let gate = bifrost.gate();
    until("it is ready", || edge.ask_admin("/readyz").json()["ready"] == true);
    let mut stream = edge.chat();
    let (admin, mut kept) = (edge.admin, Connection::to(edge.admin));
    let host = admin.to_string();
    assert_eq!(kept.ask("GET", "/livez", &host, "").status, 200);
    let stopping = thread::spawn(move || edge.stop());
    let ready = || Connection::to(admin).ask("GET", "/readyz", &host, "");
    until("it is draining", || ready().json()["phase"] == Stage::Draining.name());
    let draining = ready();
    assert_eq!((draining.status, draining.json()["ready"].clone()), (503, false.into()));
    assert!(draining.json()["reasons"][0].as_str().unwrap().starts_with("draining: "), "{}", draining.text());
    assert_eq!(kept.ask("GET", "/livez", &host, "").status, 200);
    let metrics = kept.ask("GET", "/metrics", &host, "");
    assert!(metrics.text().contains("bridgehead_server_requests_in_flight{"), "{}", metrics.text());
    assert_eq!(kept.ask("GET", "/status", &host, "").json()["ready"], false);
    gate.release_all();
    stream.read_chunks();
    assert_eq!(stopping.joined(), 0);
    assert!(TcpStream::connect_timeout(&admin, PATIENCE).is_err());
}

/// It answers discovery without any, so it must not be taken out of its load balancer.
#[test]
fn an_edge_without_a_server_that_is_available_is_ready_and_says_so() {
    let edge = Edge::with(&[nobody()], "health: {interval: 1h}\n");
    let servers = || edge.ask_admin("/readyz").json()["servers"].clone();
    until("it is known to be down", || servers() == serde_json::json!({"available": 0, "configured": 1}));
    until("it is ready", || edge.ask_admin("/readyz").status == 200);
    assert_eq!(servers()["available"], 0);
}

#[test]
fn the_status_says_what_is_served_and_no_secret() {
    let bifrost = Bifrost::start();
    let table = "mcp_clients:\n- {name: search, auth_type: headers, connection_type: sse, connection_string: \
                 \"https://user:planted-1@s.example.com/?key=planted-2\", headers: {Authorization: \"Bearer planted-3\"}}\n";
    let clients = CLIENTS.replace("mcp_clients:\n", "") + &table.replace("mcp_clients:\n", "");
    let yaml = format!("{PUBLIC_URLS}{}mcp_clients:\n{clients}", servers_yaml(&[bifrost.address()]));
    let edge = Edge::start(&yaml);
    until("it is ready", || edge.ask_admin("/readyz").status == 200);
    edge.get("/v1/models?key=planted-4");
    edge.connect().ask("GET", "/echo", &edge.host(), "Authorization: Bearer planted-5\r\nCookie: a=planted-6\r\n");
    let status = edge.ask_admin("/status").json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((status["phase"].clone(), status["ready"].clone()), ("serving".into(), true.into()));
    assert_eq!(status["configuration"]["generation"], 1);
    assert_eq!(status["sites"][0]["profile"], "per_user_oauth");
    assert_eq!(status["configuration"]["last_reload"], serde_json::Value::Null);
    let discovery = serde_json::json!({
        "on": true, "mcp_server_auth_mode": null, "deciding_clients": ["github"], "deciding": 1, "mcp_clients": 2,
        "answers": [],
    });
    assert_eq!(status["sites"][0]["discovery"], discovery);
    let url = format!("http://localhost:{}", edge.address.port());
    assert_eq!(status["sites"][0]["public_urls"]["urls"][0]["url"], url);
    let document = format!("{url}/.well-known/oauth-protected-resource/mcp");
    assert_eq!(status["sites"][0]["public_urls"]["urls"][0]["documents"][2], document);
    let server = &status["fleet"]["list"][0];
    assert_eq!(server["server"], bifrost.address().to_string());
    assert_eq!((server["state"].clone(), server["picks"].clone()), ("unknown".into(), 2.into()));
    edge.reload(&yaml);
    let last = edge.ask_admin("/status").json()["configuration"]["last_reload"].clone();
    assert_eq!((last["result"].clone(), last["generation"].clone()), ("used".into(), 2.into()));
    for path in ["/", "/status", "/metrics", "/readyz"] {
        assert!(!edge.ask_admin(path).text().contains("planted"), "{path}");
    }
}

#[test]
fn a_table_of_many_clients_and_urls_makes_no_large_status() {
    let urls: Vec<_> = (0..500).map(|place| format!("\"https://gw-{place}.example.com\"")).collect();
    let client = |place| {
        format!("- {{name: client-{place}, auth_type: per_user_oauth, connection_type: http, connection_string: x}}\n")
    };
    let clients: String = (0..5000).map(client).collect();
    let edge = Edge::start(&format!("servers: []\npublic_urls: [{}]\nmcp_clients:\n{clients}", urls.join(", ")));
    let status = edge.ask_admin("/status");
    assert!(status.body.len() < 64 * 1024, "{}", status.body.len());
    let status = status.json();
    assert_eq!(status["sites"][0]["discovery"]["deciding"], 5000);
    assert_eq!(status["sites"][0]["discovery"]["deciding_clients"].as_array().unwrap().len(), 50);
    assert_eq!(
        (
            status["sites"][0]["public_urls"]["count"].clone(),
            status["sites"][0]["public_urls"]["urls"].as_array().unwrap().len()
        ),
        (500.into(), 50)
    );
}

#[test]
fn lines_of_the_access_log_are_counted_where_there_is_one() {
    let without = Edge::in_front_of(&[]);
    assert_eq!(without.ask_admin("/status").json()["access_log"], serde_json::Value::Null);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let edge = Edge::start(&format!("servers: []\naccess_log: {{to: \"{}\"}}\n", log.display()));
    edge.get("/v1/models");
    let lines = || edge.ask_admin("/status").json()["access_log"].clone();
    until("it is written", || lines() == serde_json::json!({"written": 1, "dropped": 0}));
}
