//! What a running edge is told.

use tokio::sync::mpsc;

use super::handover::Program;

/// What a running edge can be told to do.
#[derive(Debug, Clone)]
pub enum Order {
    /// Stop as `stop` in the configuration says: not ready, then no new connections, then over. A second one means
    /// [`Order::StopNow`].
    Stop,
    /// Drop everything.
    StopNow,
    /// Start this program, give it the sockets, and stop once it serves; go on if it does not.
    Replace(Program),
}

impl Order {
    /// What it says.
    pub fn name(&self) -> &'static str {
        match self {
            Order::Stop => "stop",
            Order::StopNow => "stop at once",
            Order::Replace(_) => "start a successor",
        }
    }
}

/// Waits for the word to stop, the first ones of which may be ignored; nobody being left to give it is one.
pub(super) async fn told_to_stop(
    orders: &mut mpsc::Receiver<Order>,
    mut ignored: usize,
    mut told_to_replace: impl FnMut(Program),
) {
    loop {
        match orders.recv().await {
            Some(Order::Replace(program)) => told_to_replace(program),
            Some(Order::Stop) if ignored > 0 => ignored -= 1,
            Some(Order::Stop | Order::StopNow) | None => return,
        }
    }
}
