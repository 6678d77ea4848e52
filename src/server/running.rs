//! An edge that lets connections in, up to its end.

use std::{os::fd::OwnedFd, sync::Arc};

use log::{error, info, warn};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    Order, ServeError,
    handover::{Program, Successor},
    manager,
};
use crate::{
    edge::Door,
    state::{Control, Phase, Replacement},
};

/// An edge that lets connections in.
pub(super) struct Running {
    pub control: Control,
    pub door: Arc<Door>,
    pub in_flight: TaskTracker,
    /// True once it takes no more connections.
    pub stop: watch::Sender<bool>,
    pub listening: JoinSet<()>,
    pub sockets: NamedSockets,
    pub admin: Option<AbortOnDropHandle<()>>,
    /// The process that is about to take over.
    pub successor: Option<Successor>,
}

/// Sockets that listen, by what the configuration calls them.
pub(super) type NamedSockets = Vec<(String, OwnedFd)>;

/// Why a running edge ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Stopped,
    Now,
    /// By the process of this number.
    Replaced(u32),
}

impl Running {
    /// Serves until there is a reason to end. A successor that fails is none.
    pub async fn until_told(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<Ending, ServeError> {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Stop) => return Ok(Ending::Stopped),
                    Some(Order::StopNow) | None => return Ok(Ending::Now),
                    Some(Order::Replace(program)) => self.start_successor(&program),
                },
                is_ready = ready(&mut self.successor) => match (is_ready, self.successor.take()) {
                    (Ok(process), Some(successor)) => {
                        successor.release();
                        return Ok(Ending::Replaced(process));
                    }
                    (Err(why), _) => self.not_replaced(why),
                    (Ok(_), None) => {}
                },
                Some(ended) = self.listening.join_next() => return Err(ServeError::Ended(ended.err())),
            }
        }
    }

    pub fn start_successor(&mut self, program: &Program) {
        if self.successor.is_some() {
            return warn!("a successor is being started already");
        }
        match Successor::start(program, &self.sockets) {
            Ok(successor) => {
                self.control.is_replacing(Replacement::Starting);
                self.successor = Some(successor);
            }
            Err(error) => self.not_replaced(error.to_string()),
        }
    }

    fn not_replaced(&self, why: String) {
        error!("the successor does not serve, and this edge goes on: {why}");
        self.control.is_replacing(Replacement::Failed(why));
    }

    /// Takes no more connections, finishes what there is, and returns how many requests were cut.
    pub async fn end(mut self, ending: Ending, orders: &mut mpsc::Receiver<Order>) -> usize {
        let ended = async {
            match ending {
                Ending::Now => return,
                Ending::Stopped => {
                    manager::stopping();
                    self.control.enter(Phase::Leaving);
                    let delay = self.control.snapshot().stop.delay;
                    info!("not ready any more; connections are taken for another {delay:?}");
                    sleep(delay).await;
                }
                Ending::Replaced(process) => {
                    info!("process {process} serves from now on, this one finishes what it has");
                    manager::replaced_by(process);
                    // It answers there from now on.
                    self.admin = None;
                }
            }
            self.control.enter(Phase::Draining);
            info!("no more connections are taken; finishing {} requests in flight", self.in_flight.len());
            self.stop.send_replace(true);
            // Connections that nobody will accept must not wait here.
            self.sockets.clear();
            self.in_flight.close();
            let drained = async {
                while self.listening.join_next().await.is_some() {}
                self.in_flight.wait().await;
                self.door.drained().await;
            };
            let _in_time = timeout(self.control.snapshot().stop.grace, drained).await;
        };
        tokio::select! {
            () = ended => {}
            () = told_to_stop(orders, |_| warn!("an edge that ends is not replaced")) => {}
        }
        self.account_for_the_cut()
    }

    fn account_for_the_cut(&self) -> usize {
        let cut = self.in_flight.len();
        if cut > 0 {
            let servers = self.control.report().servers.into_iter().filter(|server| server.in_flight > 0);
            let servers: Vec<_> = servers.map(|server| format!("{} of {}", server.in_flight, server.server)).collect();
            warn!("{cut} requests are cut, with their servers: {}", servers.join(", "));
        }
        cut
    }
}

/// Waits until the successor serves, for ever if there is none.
async fn ready(successor: &mut Option<Successor>) -> Result<u32, String> {
    match successor {
        Some(successor) => successor.ready().await,
        None => std::future::pending().await,
    }
}

/// Waits for the word to stop; nobody being left to give it is one.
pub(super) async fn told_to_stop(orders: &mut mpsc::Receiver<Order>, mut told_to_replace: impl FnMut(Program)) {
    while let Some(Order::Replace(program)) = orders.recv().await {
        told_to_replace(program);
    }
}
