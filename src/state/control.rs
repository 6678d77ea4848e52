//! The hand on a running edge: what it serves can be replaced, what it has done be asked for.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use log::warn;
use tokio::{
    sync::{Mutex, Notify, watch},
    task::spawn_blocking,
};

use super::{
    reloads::{Outcome, Reloads},
    remarks::Remarks,
    replacement::Replacement,
};
use crate::{
    api::Credentials,
    config::{CertificateLife, Config},
    edge::{Snapshot, keep_verifying, resolve_new, supervise},
    fleet::{Report, Runtime},
    readiness::{Readiness, Stage},
    telemetry::Counters,
    verify::{self, Kept},
};

/// What is served, and what is measured. All clones are the same.
#[derive(Clone)]
pub struct Control {
    snapshot: Arc<ArcSwap<Snapshot>>,
    runtime: Arc<Runtime>,
    counters: Arc<Counters>,
    /// There is another snapshot.
    changed: Arc<Notify>,
    /// The last generation that was given to a snapshot. Held while one configuration takes the place of another:
    /// they do so in the order in which they came, however long each takes to compile.
    generations: Arc<Mutex<u64>>,
    reloads: Arc<Reloads>,
    verification: Arc<Kept>,
    stage: watch::Sender<Stage>,
    replacement: Arc<ArcSwap<Replacement>>,
    failed_replacements: Arc<AtomicU64>,
    started: Instant,
    /// As the operator named it.
    file: Arc<OnceLock<PathBuf>>,
    remarks: Arc<ArcSwap<Remarks>>,
}

/// New names of servers are waited for so long.
const NEW_NAMES: Duration = Duration::from_secs(5);

/// The generation of the configuration that the edge was started with.
const FIRST: u64 = 1;

impl Control {
    /// Compiles a configuration, with nothing measured yet.
    pub fn new(config: &Config) -> Self {
        let (runtime, counters) = (Arc::default(), Arc::<Counters>::default());
        let snapshot = Snapshot::compile(config, Arc::clone(&runtime), counters.sites(), FIRST);
        Control {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            runtime,
            counters,
            changed: Arc::default(),
            generations: Arc::new(Mutex::new(FIRST)),
            reloads: Arc::default(),
            verification: Arc::default(),
            stage: watch::Sender::default(),
            replacement: Arc::default(),
            failed_replacements: Arc::default(),
            started: Instant::now(),
            file: Arc::default(),
            remarks: Arc::default(),
        }
    }

    /// What is served now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What is served, now and later.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Serves another configuration from now on; requests that have begun end with theirs. Listeners and
    /// threads stay as they are. Returns its generation.
    ///
    /// Names that are new are looked up before, for at most 5 s. It is compiled on a thread of its own. Of several at a
    /// time each waits for the one before it: the last one that came is what is served in the end.
    ///
    /// # Errors
    /// When there is no such thread to be had.
    pub async fn replace(&self, config: Config) -> io::Result<u64> {
        let mut last = self.generations.lock().await;
        *last += 1;
        let generation = *last;
        let (runtime, counters) = (Arc::clone(&self.runtime), Arc::clone(&self.counters));
        // A large table is dropped there, too.
        let snapshot =
            spawn_blocking(move || Snapshot::compile(&config, runtime, counters.sites(), generation)).await?;
        let snapshot = Arc::new(snapshot);
        resolve_new(&snapshot, NEW_NAMES).await;
        self.snapshot.store(Arc::clone(&snapshot));
        let (changed, verification) = (Arc::clone(&self.changed), Arc::clone(&self.verification));
        // To its end, even if nobody waits for it any more.
        let told = spawn_blocking(move || {
            snapshot.take_over();
            changed.notify_one();
            verification.reloaded();
        });
        told.await?;
        self.reloads.add(Outcome::Used(generation));
        Ok(generation)
    }

    /// Takes note that another configuration was refused, and why: a line for each problem.
    pub(super) fn refused(&self, problems: Vec<String>) {
        self.reloads.add(Outcome::Refused(problems));
    }

    /// Takes note that the file is again what is served, after it was refused.
    pub(super) fn restored(&self) {
        self.reloads.restored(self.snapshot.load().generation);
    }

    /// How long the certificates hold that are in use, each file once.
    pub fn certificates(&self) -> Vec<CertificateLife> {
        let mut all = self.counters.certificates();
        all.extend(self.snapshot.load().server_certificates.iter().cloned());
        all.sort_by(|one, other| (&one.file, &one.name, one.ends).cmp(&(&other.file, &other.name, other.ends)));
        all.dedup_by(|one, other| (&one.file, &one.name) == (&other.file, &other.name));
        all
    }

    /// What is served, and whatever will be.
    pub fn shared_snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// How the reloads went.
    pub fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// The file that it is kept at, as the operator named it, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.get().map(PathBuf::as_path)
    }

    /// It is kept at this file from now on.
    pub(super) fn is_kept_at(&self, file: &Path) {
        let _the_first = self.file.set(file.to_owned());
    }

    /// What an operator should know about the file as it is served.
    pub fn remarks(&self) -> Arc<Remarks> {
        self.remarks.load_full()
    }

    /// That is this from now on.
    pub(super) fn remarks_are(&self, remarks: Remarks) {
        self.remarks.store(Arc::new(remarks));
    }

    /// Whether new traffic may be sent here.
    pub fn readiness(&self) -> Readiness {
        Readiness { stage: *self.stage.borrow() }
    }

    /// How far the edge is, now and later.
    pub(crate) fn stages(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// The edge is so far now.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// How far it is with being replaced.
    pub fn replacement(&self) -> Arc<Replacement> {
        self.replacement.load_full()
    }

    /// How many successors did not serve.
    pub fn failed_replacements(&self) -> u64 {
        self.failed_replacements.load(Ordering::Acquire)
    }

    pub(crate) fn is_replacing(&self, replacement: Replacement) {
        let has_failed = matches!(replacement, Replacement::Failed(_));
        self.replacement.store(Arc::new(replacement));
        // Whoever sees the count go up finds out why.
        self.failed_replacements.fetch_add(has_failed.into(), Ordering::Release);
    }

    /// Waits until it is so far.
    pub async fn entered(&self, stage: Stage) {
        // It is over, too, when nobody is left to say so.
        let _entered = self.stage.subscribe().wait_for(|now| *now == stage).await.map(drop);
    }

    /// How long it has been there.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// What the servers of all sites have done so far.
    pub fn report(&self) -> Report {
        self.snapshot.load().report()
    }

    /// Whether the servers of each site agreed with the edge when they were asked last; nothing of a site whose were not,
    /// or need not be any more.
    pub fn verification(&self) -> Vec<Arc<verify::Report>> {
        self.verification.all()
    }

    /// What was counted at the listeners so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Looks up the names of servers for the first time.
    pub(crate) async fn resolve_names(&self) {
        resolve_new(&self.snapshot(), NEW_NAMES).await;
    }

    /// Keeps looking up names and checking servers for as long as it is polled.
    pub(crate) fn supervise(&self) -> impl Future<Output = ()> + Send + use<> {
        supervise(self.snapshots(), Arc::clone(&self.changed), Arc::clone(&self.counters))
    }

    /// Keeps verifying the servers, as often as the configuration wants it, for as long as it is polled.
    pub(crate) fn keep_verifying(&self) -> impl Future<Output = ()> + Send + use<> {
        let credentials = Credentials::from_environment().unwrap_or_else(|fault| {
            warn!("verify: the MCP clients of servers are not compared: {fault}");
            None
        });
        keep_verifying(self.snapshots(), Arc::clone(&self.verification), credentials, Arc::clone(&self.counters))
    }
}
