//! Sessions that a server makes and keeps in its memory stay with it, when requests are hashed by what clients send from
//! their first request on. `Mcp-Session-Id` is not of that kind, and `check` says so. Source: MCP 2025-06-18,
//! Streamable HTTP, session management.

use std::{
    collections::HashSet,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bridgehead::config::Loaded;

use crate::support::{PATIENCE, edge::Edge, http::Response, raw};

type Sessions = Arc<Mutex<HashSet<String>>>;

/// An MCP server with sessions: it makes one for a request without any, and answers 404 to one that it does not know.
fn server(number: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sessions = Sessions::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sessions = Arc::clone(&sessions);
            thread::spawn(move || answer(stream, number, &sessions));
        }
    });
    address
}

fn answer(mut stream: TcpStream, number: usize, sessions: &Mutex<HashSet<String>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while let Some(head) = raw::read_next_head(&mut stream) {
        let sent =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("mcp-session-id: ").map(str::to_owned));
        let mut sessions = sessions.lock().unwrap();
        let text = match sent {
            Some(session) if sessions.contains(session.trim()) => {
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
            }
            Some(_) => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            None => {
                let session = format!("{number}-{}", sessions.len());
                let text = format!("HTTP/1.1 200 OK\r\nMcp-Session-Id: {session}\r\nContent-Length: 0\r\n\r\n");
                sessions.insert(session);
                text
            }
        };
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn sessions_stay_with_their_server_by_what_clients_send_from_the_first_request_on() {
    for (key, header) in [
        ("client_address", "X-Forwarded-For: 203.0.113.CLIENT\r\n"),
        ("header:X-Team", "X-Team: CLIENT\r\n"),
        ("cookie:team", "Cookie: a=b; team=CLIENT\r\n"),
    ] {
        let servers: [SocketAddr; 3] = std::array::from_fn(server);
        let options = format!("balance: {{policy: hash, hash_key: \"{key}\"}}\ntrusted_proxies: [\"127.0.0.1\"]");
        let edge = Edge::with(&servers, &options);
        let ask = |headers: &str| -> Response {
            let head = edge.head("POST", "/mcp", &format!("{headers}Content-Length: 0\r\n"));
            edge.connect().send(head).read_response("POST")
        };
        let mut used = HashSet::new();
        for client in 0..30 {
            let header = header.replace("CLIENT", &client.to_string());
            let first = ask(&header);
            let session = first.header("mcp-session-id").unwrap();
            used.insert(session.split('-').next().unwrap().to_owned());
            for _ in 0..2 {
                let next = ask(&format!("{header}Mcp-Session-Id: {session}\r\n"));
                assert_eq!(next.status, 200, "{key}: the session of client {client} is lost");
            }
        }
        assert_eq!(used.len(), 3, "{key}: not every server has sessions");
    }
}

#[test]
fn a_hash_by_the_session_id_is_warned_of_with_what_works() {
    let warnings = |key: &str| {
        let text = format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: \"127.0.0.1:8080\"}}]\n\
             public_urls: [\"http://localhost:8000\"]\nbalance: {{policy: hash, hash_key: \"{key}\"}}\n"
        );
        let loaded = Loaded::from_text("f.yaml".as_ref(), &text).unwrap();
        loaded.warnings.iter().map(|warning| warning.in_file(&loaded.file)).collect::<Vec<_>>().join("\n")
    };
    for spelling in ["header:Mcp-Session-Id", "header: mcp-session-id"] {
        let found = warnings(spelling);
        for part in ["balance.hash_key: the server makes Mcp-Session-Id", "write client_address, or a header or cookie"]
        {
            assert!(found.contains(part), "{spelling} gave {found:?}");
        }
    }
    for other in ["client_address", "header:X-Team", "cookie:Mcp-Session-Id"] {
        assert!(!warnings(other).contains("hash_key"), "{other}");
    }
    let missing = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\nbalance: {policy: hash}\n";
    let problem = Loaded::from_text("f.yaml".as_ref(), missing).unwrap_err().to_string();
    assert!(problem.contains("add for example hash_key: client_address"), "{problem}");
}
