//! Answers discovery.

use std::sync::Arc;

use pingora::Result;
use pingora_proxy::Session;

use super::failure::log_refusal;
use crate::{
    discovery::{DiscoveryAnswer, DiscoveryOutcome, DocumentAsked},
    edge::exchange::{Exchange, X_REQUEST_ID},
    reason::Reason,
    telemetry::Counters,
};

/// Answers a request for discovery, and notes what it was answered. True: the response has been written.
pub(in crate::edge) async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    counters: &Counters,
) -> Result<bool> {
    let Some(decided) = exchange.snapshot.discovery.decide(session) else { return Ok(false) };
    exchange.site = decided.asked.site;
    let outcome = DiscoveryOutcome::of(decided.status());
    exchange.account.discovery = Some(DiscoveryAnswer { document: DocumentAsked::of(decided.asked.target), outcome });
    match outcome.reason() {
        None => exchange.account.written = decided.write(session, None).await?,
        Some(reason) => refuse(session, exchange, reason, counters).await?,
    }
    Ok(true)
}

/// Refuses a request for discovery, as any other is: with an id, and a line in the log.
async fn refuse(session: &mut Session, exchange: &mut Exchange, reason: Reason, counters: &Counters) -> Result<()> {
    exchange.take_request_id(session);
    exchange.site().counters.failed(reason);
    exchange.account.reason = Some(reason);
    log_refusal(session, exchange, reason, "a request for discovery", counters);
    let (snapshot, id) = (Arc::clone(&exchange.snapshot), exchange.request_id().clone());
    // Decided as a moment ago: by the same snapshot.
    if let Some(decided) = snapshot.discovery.decide(session) {
        exchange.account.written = decided.write(session, Some((X_REQUEST_ID, &id))).await?;
    }
    Ok(())
}
