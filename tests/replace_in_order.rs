//! Configurations take the place of one another in the order in which they came.

use std::future::ready;

use bridgehead::state::Control;
use tokio::time::timeout;

use crate::support::{PATIENCE, edge::config};

/// What is served in the end, as its first server.
fn served(control: &Control) -> String {
    control.snapshot().report().servers[0].server.clone()
}

#[tokio::test]
async fn one_that_takes_longer_than_the_next_does_not_win() {
    let address = ([127, 0, 0, 1], 8000).into();
    let control = Control::new(&config(address, "servers: [{address: \"10.0.0.1:1\"}]\n"));
    // A table that takes long to be compiled.
    let clients = (0..20_000).map(|number| {
        format!("- {{name: c{number}, auth_type: per_user_oauth, connection_type: http, connection_string: env.URL}}\n")
    });
    let slow = config(
        address,
        &format!("servers: [{{address: \"10.0.0.2:1\"}}]\nmcp_clients:\n{}", clients.collect::<String>()),
    );
    let quick = config(address, "servers: [{address: \"10.0.0.3:1\"}]\n");
    let both = async { tokio::join!(biased; control.replace(slow), control.replace(quick)) };
    let (slow, quick) = timeout(PATIENCE, both).await.unwrap();
    assert_eq!((slow.unwrap(), quick.unwrap()), (2, 3));
    assert_eq!(served(&control), "10.0.0.3:1");
    assert_eq!(control.snapshot().generation, 3);
}

/// One that is given up half-way leaves no trace, and nobody waits for it.
#[tokio::test]
async fn one_that_is_given_up_keeps_nobody_waiting() {
    let address = ([127, 0, 0, 1], 8000).into();
    let control = Control::new(&config(address, "servers: [{address: \"10.0.0.1:1\"}]\n"));
    let given_up = control.replace(config(address, "servers: [{address: \"10.0.0.2:1\"}]\n"));
    tokio::select! {
        biased;
        // It has hardly begun.
        _done = given_up => {}
        () = ready(()) => {}
    }
    let replaced = control.replace(config(address, "servers: [{address: \"10.0.0.3:1\"}]\n"));
    assert_eq!(timeout(PATIENCE, replaced).await.unwrap().unwrap(), 3);
    assert_eq!(served(&control), "10.0.0.3:1");
}
