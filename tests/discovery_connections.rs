//! A connection on which discovery was answered stays in step, whatever the client sent.

use crate::support::discovery::{AS, PR, setup};

#[test]
fn header_names_are_written_as_old_scripts_expect_them() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    connection.send(format!("OPTIONS {AS} HTTP/1.0\r\nHost: {}\r\n\r\n", setup.edge.host()));
    let head = String::from_utf8(connection.read_to_end()).unwrap();
    for name in
        ["Access-Control-Allow-Origin: *", "X-Content-Type-Options: nosniff", "Cache-Control: no-store", "Allow: GET"]
    {
        assert!(head.contains(&format!("\r\n{name}")), "{head}");
    }
}

#[test]
fn a_connection_serves_many_answers_whatever_their_bodies() {
    let setup = setup();
    let host = setup.edge.host();
    let mut connection = setup.edge.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask("GET", AS, &host, "").status, 200);
        assert_eq!(connection.ask("HEAD", PR, &host, "").status, 200);
        assert_eq!(connection.ask("OPTIONS", PR, &host, "").status, 204);
        connection.send(format!("POST {AS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!(connection.read_response("POST").status, 405);
        connection.send(format!(
            "GET {AS} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ));
        assert_eq!(connection.read_response("GET").status, 200);
        assert_eq!(connection.ask("GET", "/.well-known/openid-configuration", &host, "").status, 404);
        assert_eq!(connection.ask("GET", AS, "evil", "").status, 421);
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn what_follows_a_malformed_body_is_never_taken_for_a_request() {
    let setup = setup();
    let host = setup.edge.host();
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        for body in ["ZZ\r\n", "3\r\nabcXX0\r\n\r\n"] {
            let mut connection = setup.edge.connect();
            connection
                .send(format!("{method} {AS} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
            let response = connection.read_response(method);
            assert_eq!(response.header("connection"), Some("close"), "{method} {body:?}");
            assert!(connection.is_closed(), "{method} {body:?}");
        }
    }
    setup.nothing_reached_bifrost();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let setup = setup();
    let host = setup.edge.host();
    let mut connection = setup.edge.connect();
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    connection.send(get(AS) + &get(PR) + &get("/.well-known/openid-configuration") + &get(AS));
    let statuses: Vec<_> = (0..4).map(|_| connection.read_response("GET").status).collect();
    assert_eq!(statuses, [200, 200, 404, 200]);
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_answered_at_once() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    let host = setup.edge.host();
    connection.send(format!("POST {AS} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"));
    let response = connection.read_response("POST");
    assert_eq!((response.status, response.header("connection")), (405, Some("close")));
}

#[test]
fn a_client_that_has_nothing_more_to_send_gets_its_answer() {
    let setup = setup();
    let mut connection = setup.edge.connect();
    connection.send(format!("GET {AS} HTTP/1.0\r\nHost: {}\r\n\r\n", setup.edge.host()));
    connection.half_close();
    let response = connection.read_response("GET");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(connection.is_closed());
}

#[test]
fn a_connection_that_its_client_wants_closed_ends_behind_a_whole_answer() {
    let setup = setup();
    let host = setup.edge.host();
    for (version, headers) in
        [("1.1", "Connection: close\r\n"), ("1.1", "Connection: te, Close\r\nTE: trailers\r\n"), ("1.0", "")]
    {
        let mut connection = setup.edge.connect();
        connection.send(format!("GET {AS} HTTP/{version}\r\nHost: {host}\r\n{headers}\r\n"));
        let answer = String::from_utf8(connection.read_to_end()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close"), "{version} {headers:?}: {head}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{version} {headers:?}: {body}");
    }
}
