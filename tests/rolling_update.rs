//! One edge after the other is replaced behind a load balancer that asks `/readyz`, as in a Kubernetes rolling update:
//! every new connection is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    http::Connection,
    until,
};

/// Where new connections go: to the edges that said that they are ready when they were asked last.
#[derive(Clone, Default)]
struct LoadBalancer {
    ready: Arc<Mutex<Vec<SocketAddr>>>,
}

impl LoadBalancer {
    fn probe(&self, edges: &[&Edge]) {
        let is_ready = |edge: &&&Edge| {
            let mut admin = Connection::to(edge.admin);
            admin.ask("GET", "/readyz", &edge.admin.to_string(), "").status == 200
        };
        *self.ready.lock().unwrap() = edges.iter().filter(is_ready).map(|edge| edge.address).collect();
    }

    fn next(&self, number: usize) -> SocketAddr {
        let ready = self.ready.lock().unwrap();
        ready[number % ready.len()]
    }
}

/// Asks on one new connection after the other; returns how many answers there were, and what went wrong.
fn clients(balancer: &LoadBalancer, stop: &AtomicBool) -> (usize, Vec<String>) {
    const MOST: usize = 20_000;
    let mut wrong = Vec::new();
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) && asked < MOST {
        let edge = balancer.next(asked);
        let answered = Connection::try_to(edge).map_err(|error| error.to_string()).and_then(|mut connection| {
            connection.send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            connection.try_read_head()
        });
        match answered {
            Ok(head) if head.status == 200 => {}
            Ok(head) => wrong.push(format!("status {}", head.status)),
            Err(error) => wrong.push(error),
        }
        asked += 1;
    }
    (asked, wrong)
}

#[test]
fn no_connection_is_refused_while_all_edges_are_replaced_one_after_the_other() {
    let bifrost = Bifrost::start();
    let servers = servers_yaml(&[bifrost.address()]);
    // The delay of each ends when the load balancer has noticed: with the second word to stop.
    let start = || Edge::start(&format!("{servers}stop: {{delay: 1h}}\nlimits: {{requests: unlimited}}\n"));
    let (balancer, stop) = (LoadBalancer::default(), AtomicBool::new(false));
    let mut edges = [start(), start()];
    until("both are ready", || {
        balancer.probe(&edges.each_ref());
        balancer.ready.lock().unwrap().len() == 2
    });
    thread::scope(|scope| {
        let load = scope.spawn(|| clients(&balancer, &stop));
        for place in 0..edges.len() {
            let (old, before) = (edges[place].address, bifrost.recorded().len());
            until("requests flow", || bifrost.recorded().len() > before + 20);
            edges[place].begin_to_stop();
            until("the load balancer has noticed", || {
                balancer.probe(&edges.each_ref());
                !balancer.ready.lock().unwrap().contains(&old)
            });
            let new = start();
            let replaced = std::mem::replace(&mut edges[place], new);
            until("the new one is ready", || {
                balancer.probe(&edges.each_ref());
                balancer.ready.lock().unwrap().len() == 2
            });
            until("its last request is over", || {
                replaced.report().servers.iter().all(|server| server.in_flight == 0)
                    && replaced.counters().connections().open() == 0
            });
            replaced.stop();
        }
        stop.store(true, Ordering::Relaxed);
        let (asked, wrong) = load.join().unwrap();
        assert!(wrong.is_empty(), "{asked} asked, {wrong:?}");
        assert!(asked > 40, "only {asked}");
    });
}
