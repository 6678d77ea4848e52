//! Answers discovery.

use pingora::Result;
use pingora_proxy::Session;

use crate::{
    edge::exchange::Exchange,
    telemetry::{DiscoveryAnswer, DiscoveryOutcome, DocumentAsked},
};

/// Answers a request for discovery, and notes what it was answered. True: the response has been written.
pub(in crate::edge) async fn answer(session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
    let Some(decided) = exchange.snapshot.discovery.decide(session) else { return Ok(false) };
    exchange.site = decided.asked.site;
    exchange.account.discovery = Some(DiscoveryAnswer {
        document: DocumentAsked::of(decided.asked.target),
        outcome: DiscoveryOutcome::of(decided.status()),
    });
    exchange.account.written = decided.write(session).await?;
    Ok(true)
}
