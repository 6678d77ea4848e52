//! Looks up names.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::{ToSocketAddrs, lookup_host},
    time::timeout,
};

/// Finds the addresses of a name and its port; at least one.
///
/// # Errors
/// Why there is none, for a person.
pub(super) async fn lookup(name: impl ToSocketAddrs, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    match timeout(patience, lookup_host(name)).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() { Err("the name has no address".into()) } else { Ok(addresses) }
        }
        Ok(Err(error)) => Err(format!("the name does not resolve: {error}")),
        Err(_) => Err(format!("the name does not resolve within {patience:?}")),
    }
}
