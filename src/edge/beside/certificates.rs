//! The certificates of the listeners are read again when their files change.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use log::{error, info, warn};
use rustls::ServerConfig;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    background::keep_going,
    config::{CertificateLife, FileFault, ListenerTls},
    edge::snapshot::Snapshot,
    telemetry::{Background, Counters},
};

/// A listener with TLS, and what its handshakes use now.
#[derive(Clone)]
pub struct TlsListener {
    name: String,
    tls: ListenerTls,
    has_http2: bool,
    used: Arc<ArcSwap<ServerConfig>>,
    /// What the files held before they were read for the first time.
    first: Contents,
    /// How long the certificates hold that were read then.
    lives: Vec<CertificateLife>,
}

/// What the files held when they were looked at; `None` for one that cannot be read.
type Contents = HashMap<PathBuf, Option<u64>>;

/// Between two looks at the files. Looking is cheap, and sees every kind of change: in place, by rename, by the
/// symbolic links of Kubernetes.
const INTERVAL: Duration = Duration::from_secs(2);

impl TlsListener {
    /// Reads the certificates of a listener, whose name is for the log.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn new(name: String, tls: &ListenerTls, has_http2: bool) -> Result<Self, Vec<FileFault>> {
        let first = contents(tls);
        let used = Arc::new(ArcSwap::from_pointee(tls.load(has_http2)?));
        Ok(TlsListener { name, tls: tls.clone(), has_http2, used, first, lives: lives(tls) })
    }

    /// What handshakes use, now and later.
    pub fn used(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.used)
    }

    /// Uses what the files hold now; if something is wrong with them, what was used before.
    fn reload(&self, counters: &Counters, soon: Duration) {
        match self.tls.load(self.has_http2) {
            Ok(config) => {
                self.used.store(Arc::new(config));
                counters.reloaded(true);
                let lives = lives(&self.tls);
                info!("{}: new certificates are used from now on: {}", self.name, shown(&lives));
                self.warn(&lives, soon);
                counters.certificates_are(&self.name, lives);
            }
            Err(faults) => {
                counters.reloaded(false);
                let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
                error!("{}: the certificates from before are used on: {}", self.name, faults.join("; "));
            }
        }
    }
}

impl TlsListener {
    fn warn(&self, lives: &[CertificateLife], soon: Duration) {
        for trouble in lives.iter().filter_map(|life| life.trouble(SystemTime::now(), soon)) {
            warn!("{}: {trouble}", self.name);
        }
    }
}

/// How long what the files of a listener hold is valid.
fn lives(tls: &ListenerTls) -> Vec<CertificateLife> {
    tls.pairs().chain([tls.authorities()]).flatten().collect()
}

fn shown(lives: &[CertificateLife]) -> String {
    lives.iter().map(CertificateLife::shown).collect::<Vec<_>>().join("; ")
}

fn contents(tls: &ListenerTls) -> Contents {
    let hash = |file: &PathBuf| {
        let mut hasher = DefaultHasher::new();
        std::fs::read(file).ok()?.hash(&mut hasher);
        Some(hasher.finish())
    };
    tls.files().map(|file| (hash(&file), file)).map(|(hash, file)| (file, hash)).collect()
}

/// Looks after the files of these listeners for as long as it is polled.
pub async fn keep_reading(listeners: Vec<TlsListener>, snapshot: Arc<ArcSwap<Snapshot>>, counters: Arc<Counters>) {
    for listener in &listeners {
        info!("{}: {}", listener.name, shown(&listener.lives));
        counters.certificates_are(&listener.name, listener.lives.clone());
    }
    keep_going(Background::Certificates, &counters, || read_again_and_again(&listeners, &snapshot, &counters)).await;
}

async fn read_again_and_again(
    listeners: &[TlsListener],
    snapshot: &ArcSwap<Snapshot>,
    counters: &Arc<Counters>,
) -> io::Result<Infallible> {
    let mut used: Vec<_> = listeners.iter().map(|listener| listener.first.clone()).collect();
    let mut seen = used.clone();
    loop {
        sleep(INTERVAL).await;
        let looked_at = listeners.to_vec();
        let look = move || looked_at.iter().map(|listener| contents(&listener.tls)).collect::<Vec<_>>();
        let now = spawn_blocking(look).await?;
        for (place, listener) in listeners.iter().enumerate() {
            // What is still being written looks different at the next look.
            if now[place] == seen[place] && now[place] != used[place] {
                used[place].clone_from(&now[place]);
                let (listener, counters) = (listener.clone(), Arc::clone(counters));
                let soon = snapshot.load().expires_soon;
                spawn_blocking(move || listener.reload(&counters, soon)).await?;
            }
        }
        seen = now;
    }
}
