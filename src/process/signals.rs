//! Signals to the process.

use std::io;

use log::info;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{handover::Program, order::Order};

/// A reload or a replacement that somebody asks for while the configuration is still being read must not end the
/// process, as these signals do when nobody listens.
pub(crate) fn survive_early_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for kind in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
            let _never_heard = signal(kind)?;
        }
        Ok(())
    })
}

/// Turns signals into orders to the edge, and into words to look at the configuration.
pub(crate) fn on_signals() -> io::Result<(mpsc::Receiver<Order>, mpsc::Receiver<()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut replace = signal(SignalKind::user_defined2())?;
    let ((order, orders), (ask, asked)) = (mpsc::channel(4), mpsc::channel(1));
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                _ = terminate.recv() => Order::Stop,
                _ = interrupt.recv() => Order::StopNow,
                _ = replace.recv() => Order::Replace(Program::this()),
                _ = hangup.recv() => {
                    // One word that has not been heard yet stands for two.
                    let _already_asked = ask.try_send(());
                    continue;
                }
            };
            info!("told to {}", next.name());
            if order.send(next).await.is_err() {
                return;
            }
        }
    });
    Ok((orders, asked))
}
