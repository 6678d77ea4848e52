//! Picks the server for the next attempt.

use http::header;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::{
    config::HashKey,
    edge::{client::Client, exchange::Exchange},
    fleet::Picked,
    reason::Reason,
    trust::TrustedProxies,
};

/// Picks the server for the next attempt.
///
/// # Errors
/// When there is none left.
pub(super) fn pick(session: &Session, exchange: &mut Exchange) -> Result<Picked> {
    let Exchange { snapshot, site, attempts, .. } = exchange;
    let servers = &snapshot.site(*site).servers;
    let key = servers.hash_key.as_ref().and_then(|key| hash_key(key, session, &snapshot.trusted));
    let Some(picked) = servers.fleet().pick(attempts, key.as_deref()) else {
        let none = ErrorType::Custom(Reason::NoServer.name());
        return Error::e_explain(none, "there is no server to send it to");
    };
    Ok(picked)
}

/// What the request is hashed by, if it has it.
fn hash_key(key: &HashKey, session: &Session, trusted: &TrustedProxies) -> Option<Vec<u8>> {
    let headers = &session.req_header().headers;
    match key {
        HashKey::Header(name) => headers.get(name).map(|value| value.as_bytes().to_vec()),
        HashKey::Cookie(name) => {
            let values = headers.get_all(header::COOKIE).iter();
            let mut pairs = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
            pairs.find_map(|pair| {
                pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec)
            })
        }
        HashKey::ClientAddress => Some(Client::of(session, trusted).address().to_string().into_bytes()),
    }
}
