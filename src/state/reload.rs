//! The configuration is loaded again when its file changes, or when somebody asks: one transaction, in which a
//! problem changes nothing.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use log::{error, info, warn};
use tokio::{
    select,
    sync::{Mutex, mpsc},
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{Control, remarks::Remarks};
use crate::{
    background::keep_going,
    config::{Contents, Fixed, Loaded, Problems, read},
    telemetry::Background,
};

/// Keeps a running edge at what its configuration file says.
pub struct Reloader {
    file: PathBuf,
    fixed: Fixed,
    control: Control,
    /// What is served.
    used: Contents,
    /// What was wrong with the file when it was looked at last.
    wrong: Option<String>,
    /// The files of servers that it names.
    named: Vec<PathBuf>,
    /// How those were when they were read.
    named_stamps: Stamps,
}

/// What the system says of files without reading them; `None` for one that is not there.
type Stamps = Vec<Option<Stamp>>;

/// Differs for another file, and for another state of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look into the file has shown.
enum Seen {
    /// What is served.
    Served,
    Other(Box<Loaded>),
    Wrong(Problems),
    /// It was written to while it was read.
    Torn,
}

/// Between two looks. Looking is cheap, works on every file system, and sees every kind of change: in place, by
/// rename, by the symbolic links of Kubernetes. A file is read once it looks the same twice.
const INTERVAL: Duration = Duration::from_millis(500);
/// A file with something wrong in it is read again after this: what it names may have come.
const AGAIN: Duration = Duration::from_secs(5);

impl Reloader {
    /// For an edge that serves this configuration.
    pub fn new(loaded: &Loaded, control: Control) -> Self {
        control.is_kept_at(&loaded.file);
        control.remarks_are(Remarks::of(loaded));
        Reloader {
            file: loaded.file.clone(),
            fixed: Fixed::of(&loaded.config.edge),
            control,
            used: loaded.contents,
            wrong: None,
            named: loaded.named.clone(),
            // Of no file: they are read once more.
            named_stamps: Vec::new(),
        }
    }

    /// Looks after the file for as long as it is polled. Each word of `asked` makes it look at once, and say what it
    /// has found even if that is nothing new.
    pub async fn run(self, asked: mpsc::Receiver<()>) {
        let counters = Arc::clone(self.control.counters());
        let own = Mutex::new((self, asked));
        keep_going(Background::Reload, &counters, || async {
            let (reloader, asked) = &mut *own.lock().await;
            reloader.look_again_and_again(asked).await
        })
        .await;
    }

    async fn look_again_and_again(&mut self, asked: &mut mpsc::Receiver<()>) -> io::Result<Infallible> {
        let (mut seen, mut considered) = (None, None);
        let mut is_asked = false;
        let mut last = Instant::now();
        loop {
            select! {
                Some(()) = asked.recv() => is_asked = true,
                () = sleep(INTERVAL) => {}
            }
            let files = self.files();
            let now = spawn_blocking(move || stamps(&files)).await?;
            let is_stable = seen.as_ref() == Some(&now);
            // What was missing may be there now.
            let is_worth_another = self.wrong.is_some() && last.elapsed() >= AGAIN;
            if is_asked || (is_stable && (is_worth_another || considered.as_ref() != Some(&now))) {
                let is_done = self.consider(&now, is_asked).await.unwrap_or_else(|fault| {
                    // As good as a file with something wrong in it, which is read again.
                    self.refuse(format!("{}: a fault of this program: {fault}", self.file.display()), is_asked);
                    true
                });
                considered = is_done.then(|| now.clone());
                is_asked &= !is_done;
                last = Instant::now();
            }
            seen = Some(now);
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        [&self.file].into_iter().chain(&self.named).cloned().collect()
    }

    /// Reads the file, and serves what it says if it is new and good. False: it must be looked at again.
    async fn consider(&mut self, now: &Stamps, is_asked: bool) -> io::Result<bool> {
        let (file, fixed, used, files) = (self.file.clone(), self.fixed.clone(), self.used, self.files());
        let is_named_same = now.get(1..) == Some(&self.named_stamps);
        let stamps_before = now.clone();
        let seen = spawn_blocking(move || {
            let seen = look_into(&file, &fixed, used, is_named_same);
            if stamps(&files) == stamps_before { seen } else { Seen::Torn }
        });
        let seen = seen.await?;
        self.named_stamps = match seen {
            Seen::Served | Seen::Other(_) => now.get(1..).unwrap_or_default().to_vec(),
            Seen::Wrong(_) | Seen::Torn => Vec::new(),
        };
        match seen {
            Seen::Torn => return Ok(false),
            Seen::Served => self.served(is_asked),
            Seen::Wrong(problems) => self.refuse(problems.to_string(), is_asked),
            Seen::Other(loaded) => self.replace(*loaded).await?,
        }
        Ok(true)
    }

    async fn replace(&mut self, loaded: Loaded) -> io::Result<()> {
        let remarks = Remarks::of(&loaded);
        let generation = self.control.replace(loaded.config).await?;
        (self.used, self.wrong) = (loaded.contents, None);
        if self.named != loaded.named {
            (self.named, self.named_stamps) = (loaded.named, Vec::new());
        }
        info!("{}: loaded again, and served as generation {generation}", self.file.display());
        for warning in &remarks.warnings {
            warn!("{warning}");
        }
        for note in &remarks.notes {
            info!("{note}");
        }
        self.control.remarks_are(remarks);
        Ok(())
    }

    fn served(&mut self, is_asked: bool) {
        if self.wrong.take().is_some() {
            self.control.restored();
            info!("{} is again what is served", self.file.display());
        } else if is_asked {
            info!("{} has not changed", self.file.display());
        }
    }

    fn refuse(&mut self, problems: String, is_asked: bool) {
        if is_asked || self.wrong.as_ref() != Some(&problems) {
            // One record, which nothing that collects logs takes apart.
            let list = problems.lines().collect::<Vec<_>>().join("; ");
            error!("the configuration from before is served on, because of: {list}");
            self.control.refused(problems.lines().map(str::to_owned).collect());
            self.wrong = Some(problems);
        }
    }
}

fn look_into(file: &Path, fixed: &Fixed, used: Contents, is_named_same: bool) -> Seen {
    if fs::metadata(file).is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        // Reading it could take for ever.
        return Seen::Wrong(Problems::of_file(file, "no regular file, so it is not read again"));
    }
    let text = match read(file) {
        Ok(text) => text,
        Err(problems) => return Seen::Wrong(problems),
    };
    if is_named_same && used.has_text(&text) {
        return Seen::Served;
    }
    match Loaded::for_running(file, &text, fixed) {
        Ok(loaded) if loaded.contents == used => Seen::Served,
        Ok(loaded) => Seen::Other(Box::new(loaded)),
        Err(problems) => Seen::Wrong(problems),
    }
}

fn stamps(files: &[PathBuf]) -> Stamps {
    let stamp = |file| {
        let file = fs::metadata(file).ok()?;
        Some(Stamp {
            file: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    };
    files.iter().map(stamp).collect()
}
