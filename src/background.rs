//! Loops beside the requests go on for as long as the edge does.

use std::{
    any::Any,
    convert::Infallible,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use log::error;
use tokio::time::sleep;

use crate::telemetry::{Background, Counters};

/// A loop that has failed begins anew after this.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Polls a loop, and one after it whenever it fails or panics: that is a fault of this program, which is logged and
/// counted, and ends no more than one turn.
pub(crate) async fn keep_going<F>(what: Background, counters: &Counters, mut begin: impl FnMut() -> F)
where
    F: Future<Output = io::Result<Infallible>>,
{
    loop {
        let why = match caught(begin()).await {
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic,
        };
        failed(what, counters, &why);
        sleep(PAUSE).await;
    }
}

/// Logs and counts that one has failed, and goes on.
pub(crate) fn failed(what: Background, counters: &Counters, why: &str) {
    counters.background().failed(what);
    error!("{what} has failed and begins anew, please report it: {why}");
}

/// What the future comes to, or the message of its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        // It is not polled again.
        Err(panic) => Poll::Ready(Err(message(&*panic))),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, task::spawn_blocking};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_fails_in_whatever_way_is_counted_and_begun_anew() {
        let counters = Counters::default();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut turn = 0;
        let goes_on = keep_going(Background::Reload, &counters, || {
            turn += 1;
            let (turn, tell) = (turn, tell.clone());
            async move {
                tell.send(turn).unwrap();
                tokio::task::yield_now().await;
                match turn {
                    1 => panic!("turn one"),
                    2 => Err(io::Error::other("turn two")),
                    // As the blocking work of a loop fails.
                    3 => spawn_blocking(|| panic!("turn three")).await?,
                    _ => std::future::pending().await,
                }
            }
        });
        let mut seen = Vec::new();
        tokio::select! {
            () = goes_on => {}
            () = async {
                while seen.last() != Some(&4) {
                    seen.extend(told.recv().await);
                }
            } => {}
        }
        assert_eq!(seen, [1, 2, 3, 4]);
        let failed: Vec<_> = counters.background().failures().filter(|(_, count)| *count > 0).collect();
        assert_eq!(failed, [(Background::Reload, 3)]);
    }

    #[tokio::test]
    async fn the_message_of_a_panic_is_kept() {
        let one = caught(async { panic!("a fault") }).await;
        let other = caught(async { panic!("fault {}", 2) }).await;
        assert_eq!((one, other), (Err::<(), _>("a fault".into()), Err::<(), _>("fault 2".into())));
        assert_eq!(caught(async { 3 }).await, Ok(3));
    }
}
