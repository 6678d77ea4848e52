//! Workers: the threads that carry connections.
//!
//! Each has a Tokio runtime of its own, and a connection stays with the worker that it was given to, as in nginx and
//! Envoy. On one runtime for all of them, workers steal tasks from each other and wake each other to do so, and one of
//! them waits for the sockets of all. What does not belong to a connection, such as health checks and the admin listener,
//! is done on the runtime that serves, beside them.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Handle, Id},
    sync::watch,
};
use tokio_util::task::TaskTracker;

/// Workers, until they are dropped: then their connections are cut.
pub struct Workers {
    each: Arc<[Worker]>,
    _running: watch::Sender<()>,
}

/// A thread that carries connections.
pub(super) struct Worker {
    pub runtime: Handle,
    /// Those that were given to it and are not closed.
    pub connections: TaskTracker,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// When there cannot be so many threads, or open files for them.
    pub fn start(count: usize) -> io::Result<Self> {
        let (running, ended) = watch::channel(());
        let start = |number| {
            let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
            let worker = Worker { runtime: runtime.handle().clone(), connections: TaskTracker::new() };
            let mut ended = ended.clone();
            let work = move || runtime.block_on(async { while ended.changed().await.is_ok() {} });
            thread::Builder::new().name(format!("worker-{number}")).spawn(work)?;
            Ok(worker)
        };
        let each = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Workers { each, _running: running })
    }

    /// The runtime of one of them, for what accepts the connections of the listener with this number.
    pub fn accepting(&self, listener: usize) -> &Handle {
        &self.each[listener % self.each.len()].runtime
    }

    pub(super) fn each(&self) -> &Arc<[Worker]> {
        &self.each
    }
}

/// Finds the worker with the fewest connections; of equals, the one with this runtime.
pub(super) fn least_busy(workers: &[Worker], preferred: Id) -> &Worker {
    let least = workers.iter().min_by_key(|worker| (worker.connections.len(), worker.runtime.id() != preferred));
    least.unwrap_or(&workers[0])
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn connections_are_shared_out_evenly_and_stay_where_they_were_accepted_if_they_can() {
        let workers = Workers::start(3).unwrap();
        let own = workers.accepting(1).id();
        assert_eq!(least_busy(workers.each(), own).runtime.id(), own);
        for _ in 0..6 {
            let worker = least_busy(workers.each(), own);
            worker.connections.spawn_on(pending::<()>(), &worker.runtime);
        }
        assert_eq!(workers.each().iter().map(|worker| worker.connections.len()).collect::<Vec<_>>(), [2, 2, 2]);
    }

    #[tokio::test]
    async fn what_workers_carry_ends_with_them() {
        let workers = Workers::start(2).unwrap();
        let mut carried = Vec::new();
        for worker in workers.each().iter() {
            let (held, dropped) = oneshot::channel::<()>();
            worker.connections.spawn_on(
                async move {
                    let _held = held;
                    pending::<()>().await;
                },
                &worker.runtime,
            );
            assert_eq!(worker.connections.len(), 1);
            carried.push(dropped);
        }
        drop(workers);
        for dropped in carried {
            assert!(dropped.await.is_err());
        }
    }
}
