//! A connection to a server is used again only under the settings that it was made with.

use crate::support::{
    edge::{Edge, servers_yaml},
    tls_server::{BOTH, Server, Speaks, Trust, over, yaml},
};

#[test]
fn after_a_reload_no_connection_of_other_settings_is_used() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let client = trust.client("edge");
    let right = format!("{}, {client}", trust.ca);
    for http2 in [false, true] {
        let with = |tls: &str| yaml(&[over(&server, tls, http2)], "breaker: {enabled: false}\n");
        let edge = Edge::start(&with(&right));
        for tls in [
            format!("{}, {client}", other.ca),
            format!("{right}, server_name: other.test"),
            client.clone(),
            trust.ca.clone(),
            format!("{}, {}", trust.ca, other.client("edge")),
        ] {
            edge.reload(&with(&right));
            assert_eq!(edge.get("/").status, 200);
            edge.reload(&with(&tls));
            assert_eq!(edge.get("/").status, 502, "{tls}");
        }
        edge.reload(&with(&format!("{}, {}", trust.ca, trust.client("another"))));
        assert_eq!(edge.get("/").json()["client"], "another");
        edge.reload(&with(&right));
        assert_eq!(edge.get("/").json()["client"], "edge");
    }
}

#[test]
fn after_a_reload_a_server_is_spoken_to_in_its_new_protocol() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let [one, two] = [false, true].map(|http2| yaml(&[over(&server, &trust.ca, http2)], ""));
    let edge = Edge::start(&one);
    for (yaml, version) in [(&one, "HTTP/1.1"), (&two, "HTTP/2.0"), (&one, "HTTP/1.1"), (&two, "HTTP/2.0")] {
        edge.reload(yaml);
        assert_eq!(edge.get("/").json()["version"], version);
    }
    // From TLS to none: the server does not understand.
    edge.reload(&servers_yaml(&[server.address()]));
    assert_eq!(edge.get("/").status, 502);
}

#[test]
fn servers_with_one_address_and_other_settings_share_no_connection() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        let tls = |trust: &Trust| format!("http2: {http2}, tls: {{{}, server_name: localhost}}", trust.ca);
        let right = format!("{{address: \"{}\", {}}}", server.address(), tls(&trust));
        let wrong = format!("{{address: \"localhost:{}\", {}}}", server.port(), tls(&other));
        let servers = [right, wrong];
        let more = "balance: {policy: round_robin}\nretries: {attempts: 1}\nbreaker: {enabled: false}\n";
        let edge = Edge::start(&yaml(&servers, more));
        let good = (0..8).filter(|_| edge.get("/").status == 200).count();
        assert_eq!(good, 4);
        let right = edge.report_of(&server.address());
        assert_eq!((right.picks, right.connect_failures), (4, 0));
        let wrong = edge.report_of(&format!("localhost:{}", server.port()));
        assert_eq!((wrong.picks, wrong.connect_failures), (4, 4));
    }
}
