//! All addresses of the machine, of IPv4 and of IPv6, are listened on as the configuration says, or `check` says why not.

use std::net::{Ipv6Addr, SocketAddr};

use bridgehead::config::Loaded;
use socket2::{Domain, Socket, Type};

use crate::support::{
    http::Connection,
    problems::problems,
    program::{Running, config},
};

/// A port that nothing has, in either family, and the socket that holds it without listening: another one may listen
/// there if it may use an address again.
fn free_port() -> (u16, Socket) {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap().port(), socket)
}

fn serves(address: SocketAddr) -> bool {
    Connection::try_to(address).is_ok_and(|mut connection| {
        connection.send("GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.read_response("GET").status == 200
    })
}

fn run(listeners: &str) -> Running {
    let file = config(&format!(
        "listeners: [{listeners}]\nreadiness_path: /ready\nservers: [{{address: \"127.0.0.1:1\"}}]\n\
         health: {{enabled: false}}\nverify: {{at_start: false}}\n"
    ));
    let mut running = Running::start(file.path());
    running.wait_for("forwarding to");
    running
}

#[test]
fn all_of_ipv4_and_all_of_ipv6_are_had_side_by_side_in_either_order() {
    for order in [["0.0.0.0", "[::]"], ["[::]", "0.0.0.0"]] {
        let (port, _held) = free_port();
        let listeners = order.map(|host| format!("{{address: \"{host}:{port}\"}}")).join(", ");
        let _running = run(&listeners);
        assert!(serves(SocketAddr::from(([127, 0, 0, 1], port))), "{listeners}");
        assert!(serves(format!("[::1]:{port}").parse().unwrap()), "{listeners}");
    }
}

#[test]
fn all_of_ipv6_alone_takes_ipv4_as_well() {
    let (port, _held) = free_port();
    let _running = run(&format!("{{address: \"[::]:{port}\"}}"));
    assert!(serves(SocketAddr::from(([127, 0, 0, 1], port))));
    assert!(serves(format!("[::1]:{port}").parse().unwrap()));
}

#[test]
fn check_tells_of_addresses_that_are_in_the_way_of_one_another() {
    let text = |listeners: &[&str], admin: &str| {
        let listeners: Vec<_> = listeners.iter().map(|address| format!("{{address: \"{address}\"}}")).collect();
        let admin = if admin.is_empty() { String::new() } else { format!("admin: {{address: \"{admin}\"}}\n") };
        format!("listeners: [{}]\n{admin}servers: [{{address: \"a:1\"}}]\n", listeners.join(", "))
    };
    let message = "an address of the machine, on all of which the other one listens; remove one of them, or choose \
                   another port";
    for (listeners, admin, key, other) in [
        (&["0.0.0.0:80", "127.0.0.1:80"][..], "", "listeners[1].address", "listeners[0].address"),
        (&["10.0.0.7:80", "0.0.0.0:80"], "", "listeners[0].address", "listeners[1].address"),
        (&["[::]:80", "[::1]:80"], "", "listeners[1].address", "listeners[0].address"),
        (&["[::]:80", "127.0.0.1:80"], "", "listeners[1].address", "listeners[0].address"),
        (&["[::]:80"], "127.0.0.1:80", "admin.address", "listeners[0].address"),
        (&["0.0.0.0:80", "[::]:80", "[::ffff:10.0.0.7]:80"], "", "listeners[2].address", "listeners[0].address"),
    ] {
        let all = problems(&text(listeners, admin));
        assert_eq!(all.len(), 1, "{listeners:?} {admin}: {all:#?}");
        assert!(all[0].contains(&format!("{key}: {message}")) && all[0].contains(other), "{}", all[0]);
    }
    for listeners in [&["0.0.0.0:80", "[::]:80"][..], &["[::]:80", "[::1]:81"], &["0.0.0.0:80", "[::1]:80"]] {
        assert!(Loaded::from_text("f.yaml".as_ref(), &text(listeners, "")).is_ok(), "{listeners:?}");
    }
}
