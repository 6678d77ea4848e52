//! An edge that lets connections in, up to its end.

use std::{os::fd::OwnedFd, sync::Arc};

use log::{error, info, warn};
use tokio::{
    pin,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    error::ServeError,
    handover::{Predecessor, Program, Successor},
    manager,
    order::{Order, told_to_stop},
};
use crate::{
    edge::{Listeners, Workers},
    readiness::Stage,
    state::{Control, Replacement},
};

/// An edge that lets connections in.
pub(super) struct Running {
    pub control: Control,
    /// Their connections end with it.
    pub workers: Workers,
    pub listeners: Arc<Listeners>,
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

/// How an edge has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Requests that were cut.
    pub cut: usize,
    /// Requests that came while their idle connection was being closed, since the start.
    pub missed: u64,
    /// The process that had taken over ended before this one: nobody serves.
    pub is_orphaned: bool,
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
                is_ready = ready(&mut self.successor) => match is_ready {
                    Ok(process) => return Ok(Ending::Replaced(process)),
                    Err(why) => {
                        self.successor = None;
                        self.not_replaced(why);
                    }
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

    /// Takes no more connections, finishes what there is, and waits for the end of the predecessor, if there is one
    /// that still does.
    pub async fn end(
        mut self,
        ending: Ending,
        orders: &mut mpsc::Receiver<Order>,
        predecessor: Option<Predecessor>,
    ) -> Ended {
        match (ending, &mut self.successor) {
            (Ending::Replaced(_), Some(successor)) => successor.release(),
            // It may have begun to serve in this moment.
            (_, Some(successor)) => {
                successor.stop();
                self.not_replaced("this edge was told to stop".to_owned());
            }
            (_, None) => {}
        }
        let mut is_orphaned = false;
        // A replaced edge has not been told to stop yet.
        let ignored = usize::from(matches!(ending, Ending::Replaced(_)));
        tokio::select! {
            () = self.drain(ending, predecessor, &mut is_orphaned) => {}
            () = told_to_stop(orders, ignored, |_| warn!("an edge that ends is not replaced")) => {}
        }
        let cut = self.account_for_the_cut();
        drop(self.workers);
        Ended { cut, missed: self.control.counters().requests_missed(), is_orphaned }
    }

    async fn drain(&mut self, ending: Ending, predecessor: Option<Predecessor>, is_orphaned: &mut bool) {
        match ending {
            Ending::Now => return,
            Ending::Stopped => {
                manager::stopping();
                self.control.enter(Stage::Leaving);
                let delay = self.control.snapshot().stop.delay;
                if !delay.is_zero() {
                    info!("not ready any more; connections are taken for another {delay:?}");
                    sleep(delay).await;
                }
            }
            Ending::Replaced(process) => {
                info!("process {process} serves from now on, this one finishes what it has");
                manager::replaced_by(process);
                // It answers there from now on.
                self.admin = None;
            }
        }
        self.control.enter(Stage::Draining);
        info!("no more connections are taken; finishing {} requests in flight", self.in_flight.len());
        self.stop.send_replace(true);
        // Connections that nobody will accept must not wait here.
        self.sockets.clear();
        self.in_flight.close();
        let grace = self.control.snapshot().stop.grace;
        let (serving, stopped) = match (ending, &mut self.successor) {
            (Ending::Replaced(process), Some(successor)) => (Some((process, successor)), None),
            (_, stopped) => (None, stopped.as_mut()),
        };
        let drained = async {
            while self.listening.join_next().await.is_some() {}
            self.in_flight.wait().await;
            self.listeners.drained().await;
            if let Some(predecessor) = predecessor {
                predecessor.gone().await;
            }
            if let Some(successor) = stopped {
                let _status = successor.ended().await;
            }
        };
        let drained = timeout(grace, drained);
        pin!(drained);
        tokio::select! {
            _in_time = &mut drained => {}
            (process, status) = ended(serving) => {
                *is_orphaned = true;
                error!("process {process}, which took over, has ended ({status}): nobody serves");
                let _in_time = drained.await;
            }
        }
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

/// Waits for the end of the process that serves now, for ever if there is none. Which it was, and how it ended.
async fn ended(serving: Option<(u32, &mut Successor)>) -> (u32, String) {
    let Some((process, successor)) = serving else { return std::future::pending().await };
    let status = successor.ended().await;
    (process, status.map_or_else(|error| error.to_string(), |status| status.to_string()))
}
