//! The metrics, in the text format of Prometheus. Nothing is kept for them: they are what the edge has counted,
//! read when somebody asks.

mod connections;
mod families;
mod fleet;
mod process;
mod requests;
mod running;
mod sites;
mod verification;

use prometheus::{Result, TextEncoder};

use self::families::Families;
use crate::state::Control;

/// The media type of the text format.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics of a running edge.
///
/// # Errors
/// When a metric is no metric, which would be a fault of this program.
pub fn render(control: &Control) -> Result<String> {
    let (report, counters) = (control.report(), control.counters());
    let mut families = Families::default();
    requests::collect(&mut families, counters);
    fleet::collect(&mut families, &report);
    connections::collect(&mut families, control);
    running::collect(&mut families, control);
    verification::collect(&mut families, &control.verification());
    process::collect(&mut families, counters.started());
    TextEncoder::new().encode_to_string(&families.sorted())
}
