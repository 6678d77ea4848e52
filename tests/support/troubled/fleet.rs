//! Three of these servers behind an edge.

use super::Troubled;
use crate::support::edge::{CLIENTS, Edge, PUBLIC_URLS};

pub fn fleet() -> ([Troubled; 3], Edge) {
    fleet_with("")
}

/// With an edge that waits for the first byte of an answer, but not long.
pub fn impatient_fleet() -> ([Troubled; 3], Edge) {
    fleet_with("timeouts: {first_byte: 300ms}\n")
}

/// With an edge that has these options.
pub fn fleet_with(options: &str) -> ([Troubled; 3], Edge) {
    let fleet = [Troubled::start(), Troubled::start(), Troubled::start()];
    let edge = Edge::with(&fleet.each_ref().map(Troubled::address), &format!("{PUBLIC_URLS}{options}{CLIENTS}"));
    (fleet, edge)
}
