//! Each request goes to the server that the configured rule says.

use std::net::SocketAddr;

use bridgehead::fleet::State;

use crate::support::{bifrost::Bifrost, edge::Edge, nobody, until};

fn fleet<const N: usize>() -> [Bifrost; N] {
    std::array::from_fn(|_| Bifrost::start())
}

fn counts<const N: usize>(fleet: &[Bifrost; N]) -> [usize; N] {
    fleet.each_ref().map(|bifrost| bifrost.recorded().len())
}

fn in_front_of<const N: usize>(fleet: &[Bifrost; N], options: &str) -> Edge {
    Edge::with(&fleet.each_ref().map(Bifrost::address), options)
}

fn ask(edge: &Edge, headers: &str) {
    assert_eq!(edge.connect().ask("GET", "/echo", "x", headers).status, 200);
}

#[test]
fn a_server_with_a_stream_gets_fewer_requests_until_the_stream_ends() {
    let fleet: [Bifrost; 2] = fleet();
    let gates = fleet.each_ref().map(Bifrost::gate);
    let edge = in_front_of(&fleet, "");
    let mut stream = edge.chat();
    let busy = counts(&fleet).iter().position(|count| *count == 1).unwrap();
    let in_flight = |edge: &Edge| edge.report().servers.iter().map(|server| server.in_flight).sum::<usize>();
    for _ in 0..20 {
        ask(&edge, "");
        until("the stream alone is in flight", || in_flight(&edge) == 1);
    }
    assert_eq!((counts(&fleet)[busy], counts(&fleet)[1 - busy]), (1, 20));
    gates[busy].release_all();
    stream.read_chunks();
    until("nothing is in flight", || in_flight(&edge) == 0);
    for _ in 0..40 {
        ask(&edge, "");
    }
    assert!(counts(&fleet)[busy] > 1, "{:?}", counts(&fleet));
}

#[test]
fn streams_spread_over_all_servers() {
    let fleet: [Bifrost; 3] = fleet();
    let gates = fleet.each_ref().map(Bifrost::gate);
    let edge = in_front_of(&fleet, "");
    let streams: Vec<_> = (0..30).map(|_| edge.chat()).collect();
    let counts = counts(&fleet);
    assert!(counts.iter().all(|count| (7..=13).contains(count)), "{counts:?}");
    for gate in &gates {
        gate.release_all();
    }
    drop(streams);
}

#[test]
fn servers_take_turns() {
    let fleet: [Bifrost; 3] = fleet();
    let edge = in_front_of(&fleet, "balance: {policy: round_robin}");
    let mut connection = edge.connect();
    for _ in 0..9 {
        assert_eq!(connection.ask("GET", "/health", &edge.host(), "").status, 200);
    }
    assert_eq!(counts(&fleet), [3, 3, 3]);
}

#[test]
fn round_robin_goes_by_weight() {
    let fleet: [Bifrost; 3] = fleet();
    let [a, b, c] = fleet.each_ref().map(Bifrost::address);
    let servers =
        format!("servers: [{{address: \"{a}\", weight: 3}}, {{address: \"{b}\"}}, {{address: \"{c}\", weight: 0}}]");
    let edge = Edge::start(&format!("{servers}\nbalance: {{policy: round_robin}}\n"));
    for _ in 0..12 {
        ask(&edge, "");
    }
    assert_eq!(counts(&fleet), [9, 3, 0]);
}

#[test]
fn the_same_key_goes_to_the_same_server() {
    for (key, header) in [
        ("header:X-Team", "X-Team: SESSION\r\n"),
        ("header:x-bf-session-id", "X-Bf-Session-Id: SESSION\r\n"),
        ("cookie:token", "Cookie: a=b; token=SESSION\r\n"),
    ] {
        let fleet: [Bifrost; 3] = fleet();
        let edge = in_front_of(&fleet, &format!("balance: {{policy: hash, hash_key: \"{key}\"}}"));
        let mut used = std::collections::HashSet::new();
        for session in 0..40 {
            let before = counts(&fleet);
            for _ in 0..3 {
                ask(&edge, &header.replace("SESSION", &format!("session-{session}")));
            }
            let after = counts(&fleet);
            let grown: Vec<_> = (0..3).filter(|place| after[*place] > before[*place]).collect();
            assert_eq!(grown.len(), 1, "{key}, session {session}: {before:?}, then {after:?}");
            used.extend(grown);
        }
        assert_eq!(used.len(), 3, "{key}");
        // Requests without the key are not piled on one server.
        let before = counts(&fleet);
        for _ in 0..60 {
            ask(&edge, "");
        }
        let after = counts(&fleet);
        assert!((0..3).all(|place| after[place] > before[place]), "{key}: {before:?}, then {after:?}");
    }
}

#[test]
fn clients_are_told_apart_by_their_address_behind_a_trusted_proxy() {
    let fleet: [Bifrost; 3] = fleet();
    let options = "balance: {policy: hash, hash_key: client_address}\ntrusted_proxies: [\"127.0.0.1\"]";
    let edge = in_front_of(&fleet, options);
    for client in 0..40 {
        let before = counts(&fleet);
        for _ in 0..3 {
            ask(&edge, &format!("X-Forwarded-For: 203.0.113.{client}\r\n"));
        }
        let after = counts(&fleet);
        assert!((0..3).any(|place| after[place] == before[place] + 3), "{before:?}, then {after:?}");
    }
    assert!(counts(&fleet).iter().all(|count| *count > 0));
}

#[test]
fn a_key_moves_when_its_server_goes_and_only_then() {
    let mut fleet = fleet::<3>().map(Some);
    let addresses = fleet.each_ref().map(|bifrost| bifrost.as_ref().unwrap().address());
    let options = "balance: {policy: hash, hash_key: \"header:X-Team\"}";
    let edge = Edge::with(&addresses, options);
    let server_of = |session: usize, fleet: &[Option<Bifrost>; 3]| {
        let recorded =
            || fleet.each_ref().map(|bifrost| bifrost.as_ref().map_or(0, |bifrost| bifrost.recorded().len()));
        let before = recorded();
        ask(&edge, &format!("X-Team: {session}\r\n"));
        let after = recorded();
        (0..3).find(|place| after[*place] > before[*place]).unwrap()
    };
    let before: Vec<_> = (0..40).map(|session| server_of(session, &fleet)).collect();
    fleet[0] = None;
    let after: Vec<_> = (0..40).map(|session| server_of(session, &fleet)).collect();
    for (before, after) in before.iter().zip(&after) {
        assert!(*before == 0 || before == after, "{before} to {after}");
    }
    assert!(before.contains(&0));
}

#[test]
fn a_backup_takes_over_when_no_other_is_left() {
    let backup = Bifrost::start();
    let primary = Bifrost::start();
    let servers = |primary: SocketAddr| {
        format!("servers: [{{address: \"{}\", backup: true}}, {{address: \"{primary}\"}}]\n", backup.address())
    };
    let edge = Edge::start(&servers(primary.address()));
    for _ in 0..10 {
        ask(&edge, "");
    }
    assert_eq!((primary.recorded().len(), backup.recorded().len()), (10, 0));
    let edge = Edge::start(&servers(nobody()));
    for _ in 0..10 {
        ask(&edge, "");
    }
    assert_eq!(backup.recorded().len(), 10);
}

/// Although it gets no requests any more, once a primary is back.
#[test]
fn a_backup_whose_breaker_has_opened_is_probed_after_its_pause() {
    for health in ["health: {interval: 20ms, timeout: 5s}\n", "health: {enabled: false}\n"] {
        let (primary, backup, gone) = (Bifrost::start(), Bifrost::start(), nobody());
        let yaml = |primary: SocketAddr| {
            format!(
                "servers: [{{address: \"{}\", backup: true}}, {{address: \"{primary}\"}}]\n{health}\
                 breaker: {{failures: 2, server_errors: 2, server_error_share: 50, open: 300ms, longest_open: 300ms}}\n",
                backup.address()
            )
        };
        let edge = Edge::start(&yaml(gone));
        until("the backup's breaker opens", || {
            assert_eq!(edge.get("/status/500").status, 500);
            edge.report_of(&backup.address()).state == State::Open
        });
        edge.reload(&yaml(primary.address()));
        until("the backup is well again", || {
            assert_eq!(edge.get("/echo").status, 200);
            matches!(edge.report_of(&backup.address()).state, State::Up | State::Unknown)
        });
        let asked = backup.recorded().len();
        assert_eq!(edge.get("/echo").status, 200);
        assert_eq!(backup.recorded().len(), asked, "the primary is asked");
    }
}
