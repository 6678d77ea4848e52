//! No secret comes out of the edge, wherever it was planted: not in its log at the most talkative level, not in its
//! access log, not in its metrics, whatever becomes of the request.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    thread,
};

use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    http::Connection,
    in_time, nobody,
    program::{Running, bridgehead},
    raw, until,
};

/// Where each secret is planted.
const PLANTED: [&str; 12] = [
    "s3cr3t-query",
    "s3cr3t-authorization",
    "s3cr3t-cookie",
    "s3cr3t-virtual-key",
    "s3cr3t-api-key",
    "s3cr3t-body",
    "s3cr3t-answer",
    "s3cr3t-location",
    "s3cr3t-set-cookie",
    "s3cr3t-table",
    "s3cr3t-protocol",
    "s3cr3t-user",
];

const HEADERS: &str = "Authorization: Bearer s3cr3t-authorization\r\nCookie: session=s3cr3t-cookie\r\nx-bf-vk: s3cr3t-virtual-key\r\n\
                       x-api-key: s3cr3t-api-key\r\nSec-WebSocket-Protocol: s3cr3t-protocol\r\n";

/// Answers that carry secrets, whole and broken ones, by the path of the request.
fn server() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some(head) = raw::read_next_head(&mut stream) else { return };
    let headers =
        "Location: http://x/cb?code=s3cr3t-location\r\nSet-Cookie: id=s3cr3t-set-cookie\r\nConnection: close\r\n";
    let path = head.split(' ').nth(1).unwrap();
    let answer = match path.split('?').next().unwrap() {
        "/redirect" => format!("HTTP/1.1 302 Found\r\n{headers}Content-Length: 13\r\n\r\ns3cr3t-answer"),
        "/cut" => format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 1000\r\n\r\ns3cr3t-answer"),
        "/garbage" => "s3cr3t-answer\r\n\r\n".to_owned(),
        "/bad-header" => format!("HTTP/1.1 200 OK\r\ns3cr3t-answer\r\n{headers}\r\n"),
        "/ws" => {
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ns3cr3t-answer";
            switch.to_owned()
        }
        "/silent" => String::new(),
        _ => format!("HTTP/1.1 500 No\r\n{headers}Content-Length: 13\r\n\r\ns3cr3t-answer"),
    };
    let _written = stream.write_all(answer.as_bytes());
}

fn yaml(log: &str, format: &str) -> String {
    format!(
        "listeners: [{{address: \"127.0.0.1:0\", http2: true}}]\nadmin: {{address: \"127.0.0.2:0\"}}\n\
         access_log: {{format: {format}, to: {log}}}\nunknown_hosts: refuse\npublic_urls: [\"http://x\"]\n\
         servers: [{{address: \"{}\"}}, {{address: \"{}\"}}]\nhealth: {{enabled: false}}\nbalance: {{policy: round_robin}}\n\
         breaker: {{enabled: false}}\naccess: [{{path: /closed, deny: [\"127.0.0.0/8\"]}}]\nlimits: {{request_body: 1KiB}}\n\
         mcp_clients:\n- {{name: a, auth_type: per_user_oauth, connection_type: http, connection_string: \
         \"http://s3cr3t-user:s3cr3t-table@h/\", headers: {{Authorization: s3cr3t-table}}}}\n",
        server(),
        nobody()
    )
}

/// Sends it and reads whatever comes.
fn send(address: SocketAddr, request: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let _reset = stream.read_to_end(&mut Vec::new());
}

fn requests() -> Vec<String> {
    let get =
        |path: &str| format!("GET {path}?code=s3cr3t-query HTTP/1.1\r\nHost: x\r\n{HEADERS}Connection: close\r\n\r\n");
    let post = |path: &str, length: usize| {
        format!(
            "POST {path}?code=s3cr3t-query HTTP/1.1\r\nHost: x\r\n{HEADERS}Connection: close\r\nContent-Length: {length}\r\n\r\ns3cr3t-body"
        )
    };
    let mut requests = Vec::new();
    // Twice: every other one meets the server that is not there first.
    for _ in 0..2 {
        for path in ["/redirect", "/cut", "/garbage", "/bad-header", "/silent", "/error", "/closed/x"] {
            requests.push(get(path));
            requests.push(post(path, 11));
        }
        requests.push(get("/ws").replace("Connection: close", "Connection: upgrade\r\nUpgrade: websocket"));
    }
    requests.push(get("/.well-known/oauth-authorization-server"));
    requests.push(get("/.well-known/openid-configuration"));
    requests.push(get("http://x/redirect"));
    requests.push(get("/redirect").replace("Host: x", "Host: s3cr3t-user@x"));
    requests.push(get("/redirect").replace("Host: x", "Host: x\r\nHost: y"));
    requests.push(get("/redirect").replace("Host: x", "Host: elsewhere"));
    requests.push(get("/redirect").replace("Connection: close", "Connection: authorization"));
    requests.push(get("/redirect").replace(" HTTP/1.1", ""));
    requests.push(get("/redirect").replace("GET ", "G\0T "));
    requests.push(get("/redirect").replace("Cookie:", "Cookie\0:"));
    requests.push(get("/redirect").replace("Cookie:", "Cookie :"));
    requests.push(post("/redirect", 5000));
    requests.push(format!("s3cr3t-query s3cr3t-body\r\n{HEADERS}\r\n"));
    requests.push("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ns3cr3t-bodys3cr3t-bodys3cr3t-body".to_owned());
    requests
}

fn over_http2(address: SocketAddr) {
    in_time::run(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut requests = requests.ready().await.unwrap();
        for (path, host) in [("/redirect", "x"), ("/cut", "x"), ("/error", "elsewhere"), ("/error", "s3cr3t-user@x")] {
            let request = http::Request::get(format!("http://{host}{path}?code=s3cr3t-query"))
                .header("authorization", "Bearer s3cr3t-authorization")
                .header("cookie", "s3cr3t-cookie")
                .header("x-bf-vk", "s3cr3t-virtual-key")
                .body(())
                .unwrap();
            let (answer, _) = requests.send_request(request, true).unwrap();
            if let Ok(answer) = answer.await {
                let mut body = answer.into_body();
                while let Some(Ok(_)) = body.data().await {}
            }
        }
        drop(requests);
        let _ended = connection.await;
    });
}

#[test]
fn none_is_in_any_output_whatever_becomes_of_the_request() {
    for format in ["text", "json"] {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("access.log");
        let configuration = folder.path().join("proxy.yaml");
        fs::write(&configuration, yaml("access.log", format)).unwrap();
        let mut command = bridgehead();
        command.env("RUST_LOG", "trace").stdout(Stdio::piped());
        let mut running = Running::run(command, &configuration);
        let address = running.address();
        let admin = running.wait_for("on http://127.0.0.2:");
        let admin: SocketAddr = admin.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        let requests = requests();
        thread::scope(|scope| {
            for request in &requests {
                scope.spawn(|| send(address, request));
            }
            scope.spawn(|| over_http2(address));
        });
        until("every request has its line", || {
            fs::read_to_string(&log).is_ok_and(|text| text.lines().count() >= requests.len() + 3)
        });
        let host = admin.to_string();
        let told: String = ["/metrics", "/status", "/"]
            .iter()
            .map(|path| Connection::to(admin).ask("GET", path, &host, "").text().to_owned())
            .collect();
        assert!(told.contains("bridgehead_requests_total"), "{told}");
        running.signal("TERM");
        let mut output = running.rest_of_the_log();
        assert!(output.contains("stopped"), "{output}");
        running.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        let lines = fs::read_to_string(&log).unwrap();
        assert!(
            lines.contains("/redirect") && lines.contains("answer_broken") && lines.contains("unknown_host"),
            "{lines}"
        );
        for secret in PLANTED {
            for (what, text) in [("output", &output), ("access log", &lines), ("admin", &told)] {
                let found = text.lines().find(|line| line.contains(secret));
                assert_eq!(found, None, "{secret} in the {what}");
            }
        }
    }
}
