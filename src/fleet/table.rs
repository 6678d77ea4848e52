//! The servers there are at one moment, by tier.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use super::{
    balance::{Lots, Turns},
    runtime::Runtime,
    server::Server,
};
use crate::config::{self, Policy, ServerAddress};

/// Every server of a configuration and every address of a name. Immutable.
#[derive(Debug)]
pub(super) struct Table {
    pub members: Vec<Member>,
    /// Their places, by name and address.
    known: HashMap<(ServerAddress, SocketAddr), usize>,
    pub primaries: Tier,
    /// They get requests only while no primary is available.
    pub backups: Tier,
}

#[derive(Debug)]
pub(super) struct Member {
    pub server: Arc<Server>,
    /// The place of the server in the configuration that this is, or an address of.
    pub configured: usize,
}

/// The servers that get requests, with their weights above 0.
#[derive(Debug)]
pub(super) struct Tier {
    pub places: Vec<(usize, u32)>,
    /// For the fewest requests, and where there is nothing to hash.
    pub lots: Lots,
    /// For round robin.
    pub turns: Turns,
}

impl Table {
    pub fn new(servers: &[config::Server], policy: Policy, runtime: &Runtime) -> Self {
        runtime.forget_the_gone();
        let addresses = |(configured, server): (usize, &config::Server)| {
            let member = |address| Member { server: runtime.server(server, address), configured };
            let most = if server.is_one() { 1 } else { usize::MAX };
            runtime.addresses(&server.address).into_iter().take(most).map(member).collect::<Vec<_>>()
        };
        let members: Vec<_> = servers.iter().enumerate().flat_map(addresses).collect();
        let known =
            |(place, member): (usize, &Member)| ((member.server.name().clone(), member.server.address()), place);
        let known = members.iter().enumerate().map(known).collect();
        let tier = |backup: bool| {
            let weight = |(place, member): (usize, &Member)| {
                let server = &servers[member.configured];
                (server.backup == backup && server.weight > 0).then_some((place, u32::from(server.weight)))
            };
            let places: Vec<_> = members.iter().enumerate().filter_map(weight).collect();
            let turns = if policy == Policy::RoundRobin { Turns::new(&places) } else { Turns::default() };
            let lots = Lots::new(places.iter().map(|(_, weight)| *weight));
            Tier { places, lots, turns }
        };
        Table { primaries: tier(false), backups: tier(true), members, known }
    }

    /// The server of this name and address.
    pub fn find(&self, name: &ServerAddress, address: SocketAddr) -> Option<&Member> {
        self.known.get(&(name.clone(), address)).and_then(|place| self.members.get(*place))
    }
}
