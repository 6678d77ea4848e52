//! Every request that is over is counted once, for what it was.

use std::{io::Write, sync::mpsc};

use bridgehead::{
    discovery::{DiscoveryOutcome as O, DocumentAsked as D},
    telemetry::{AnsweredBy, Class},
};

use crate::support::{
    PATIENCE,
    edge::{CLIENTS, Edge, PUBLIC_URLS, bifrost_and_edge, servers_yaml},
    nobody, raw, until, websocket,
};

/// The statuses that were counted, with how many there were of each.
fn statuses(edge: &Edge, class: Class, by: AnsweredBy) -> Vec<(Option<u16>, u64)> {
    edge.counters().sites().unsited().traffic().statuses(class, by).collect()
}

fn wait_for(edge: &Edge, requests: u64) {
    until("all requests are counted", || edge.counters().sites().traffic().requests >= requests);
    assert_eq!(edge.counters().sites().traffic().requests, requests);
}

#[test]
fn forwarded_requests_by_their_class_and_the_status_of_the_server() {
    let (_bifrost, edge) = bifrost_and_edge();
    for path in ["/echo", "/status/404", "/status/503", "/v1/models"] {
        edge.get(path);
    }
    wait_for(&edge, 4);
    assert_eq!(statuses(&edge, Class::Other, AnsweredBy::Server), [(Some(200), 1), (Some(404), 1), (Some(503), 1)]);
    assert_eq!(statuses(&edge, Class::Inference, AnsweredBy::Server).len(), 1);
    let traffic = edge.counters().sites().traffic();
    assert_eq!((traffic.server_errors, traffic.first_byte.count()), (1, 4));
    assert!(!traffic.first_byte.sum.is_zero());
    assert_eq!(edge.counters().sites().unsited().traffic().first_byte(Class::Other).count(), 3);
    let report = edge.report();
    assert_eq!(report.servers[0].first_byte.count(), 4);
}

#[test]
fn discovery_by_document_and_outcome() {
    let edge = Edge::start(&format!("{}{PUBLIC_URLS}{CLIENTS}discovery: {{max_age: 60s}}\n", servers_yaml(&[])));
    let (authorization, resource) =
        ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource");
    let tag = edge.get(authorization).header("etag").unwrap().to_owned();
    let mut client = edge.connect();
    let host = edge.host();
    client.ask("GET", authorization, &host, &format!("If-None-Match: {tag}\r\n"));
    client.ask("GET", &format!("{resource}/mcp?x"), &host, "");
    client.ask("HEAD", resource, &host, "");
    client.ask("OPTIONS", resource, &host, "");
    client.ask("DELETE", resource, &host, "");
    client.ask("GET", "/.well-known/openid-configuration", &host, "");
    client.ask("GET", authorization, "elsewhere", "");
    wait_for(&edge, 8);
    let counted: Vec<_> =
        edge.counters().sites().unsited().discovery().answers().filter(|(_, count)| *count > 0).collect();
    let counted: Vec<_> = counted.iter().map(|(answer, count)| (answer.document, answer.outcome, *count)).collect();
    assert_eq!(
        counted,
        [
            (D::AuthorizationServer, O::Ok, 1),
            (D::AuthorizationServer, O::NotModified, 1),
            (D::AuthorizationServer, O::Misdirected, 1),
            (D::ProtectedResource, O::Ok, 2),
            (D::ProtectedResource, O::MethodNotAllowed, 1),
            (D::ProtectedResource, O::Preflight, 1),
            (D::Other, O::NotFound, 1),
        ]
    );
    let by_status = statuses(&edge, Class::Discovery, AnsweredBy::Edge);
    assert_eq!(by_status.iter().map(|(_, count)| count).sum::<u64>(), 8);
    assert!(statuses(&edge, Class::Other, AnsweredBy::Edge).is_empty());
}

#[test]
fn refusals_of_every_stage() {
    let edge = Edge::start(&format!("{}unknown_hosts: refuse\n{PUBLIC_URLS}", servers_yaml(&[nobody()])));
    let ask = |request: &str| {
        let mut client = edge.connect();
        client.send(request);
        client.read_head().status
    };
    assert_eq!(ask("GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(ask("GET /mcp HTTP/1.1\r\nHost: elsewhere\r\n\r\n"), 421);
    assert_eq!(ask(&edge.head("GET", "/mcp", "Connection: Authorization\r\n")), 400);
    assert_eq!(edge.get("/mcp").status, 502);
    wait_for(&edge, 4);
    assert_eq!(statuses(&edge, Class::Other, AnsweredBy::Edge), [(Some(400), 1)]);
    assert_eq!(statuses(&edge, Class::Mcp, AnsweredBy::Edge), [(Some(400), 1), (Some(421), 1), (Some(502), 1)]);
    assert_eq!(edge.counters().sites().traffic().server_errors, 1);
}

#[test]
fn a_client_that_does_not_wait_for_its_answer_is_a_499() {
    let (has_it, received) = mpsc::channel();
    let edge = Edge::in_front_of_one(move |mut stream| {
        raw::read_head(&mut stream);
        has_it.send(()).unwrap();
        raw::is_closed(&mut stream);
    });
    let mut client = edge.connect();
    client.send(edge.head("GET", "/v1/models", ""));
    received.recv_timeout(PATIENCE).unwrap();
    drop(client);
    wait_for(&edge, 1);
    assert_eq!(statuses(&edge, Class::Inference, AnsweredBy::Edge), [(Some(499), 1)]);
}

#[test]
fn an_answer_that_is_cut_has_the_status_that_the_client_saw() {
    let edge = Edge::in_front_of_one(|mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    });
    let mut client = edge.connect();
    client.send(edge.head("GET", "/mcp", ""));
    assert_eq!(client.read_head().status, 200);
    client.read_to_end();
    wait_for(&edge, 1);
    assert_eq!(statuses(&edge, Class::Mcp, AnsweredBy::Server), [(Some(200), 1)]);
}

#[test]
fn a_websocket_is_one_request() {
    let edge = Edge::in_front_of_one(|mut stream| {
        websocket::accept(&mut stream);
        websocket::echo(stream);
    });
    let mut client = websocket::open(&edge);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    assert_eq!(edge.counters().sites().traffic().requests, 0, "it is not over");
    client.half_close();
    client.read_to_end();
    wait_for(&edge, 1);
    assert_eq!(statuses(&edge, Class::Websocket, AnsweredBy::Server), [(Some(101), 1)]);
}
