//! Who makes room when there are too many connections.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{task::AbortHandle, time::Instant};

/// Connections at a time. When there are more, the one that did something longest ago is ended, whatever it does.
pub(super) const MOST_CONNECTIONS: usize = 256;

/// When a connection was opened, had asked for something, or had taken its answer whole, whichever was last. A byte
/// read or written is none of these: a client that goes slowly is no better than one that does nothing.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

/// The connections that are open, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Vec<Member>>);

#[derive(Debug)]
struct Member {
    connection: AbortHandle,
    progress: Progress,
}

impl Default for Progress {
    fn default() -> Self {
        Progress(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Progress {
    /// It goes on.
    pub fn made(&self) {
        *self.0.lock() = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock()
    }
}

impl Crowd {
    /// Ends connections until there is room for one more. Waits for none of them.
    pub fn make_room(&self) {
        let mut members = self.0.lock();
        members.retain(|member| !member.connection.is_finished());
        while members.len() >= MOST_CONNECTIONS {
            // Of equals the one that came first.
            let Some((place, _)) = members.iter().enumerate().min_by_key(|(_, member)| member.progress.last()) else {
                return;
            };
            members.remove(place).connection.abort();
        }
    }

    pub fn enter(&self, connection: AbortHandle, progress: Progress) {
        self.0.lock().push(Member { connection, progress });
    }

    /// Whether the next one costs another one its place.
    pub fn is_full(&self) -> bool {
        let members = self.0.lock();
        members.iter().filter(|member| !member.connection.is_finished()).count() >= MOST_CONNECTIONS
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::{task::JoinSet, time::advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_without_progress_for_longest_is_ended_whatever_it_does() {
        let (crowd, mut connections, mut progress) = (Crowd::default(), JoinSet::new(), Vec::new());
        for _ in 0..MOST_CONNECTIONS {
            crowd.make_room();
            let (handle, made) = (connections.spawn(pending::<()>()), Progress::default());
            crowd.enter(handle, made.clone());
            progress.push(made);
            advance(Duration::from_millis(1)).await;
        }
        assert!(crowd.is_full());
        progress[0].made();
        let second = crowd.0.lock()[1].connection.clone();
        crowd.make_room();
        assert!(connections.join_next().await.is_some_and(|ended| ended.is_err_and(|error| error.is_cancelled())));
        assert!(second.is_finished() && !crowd.is_full());
    }
}
