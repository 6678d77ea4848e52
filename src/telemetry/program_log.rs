//! The log of the program, on standard error.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use env_logger::{Builder, Env, Logger, Target, WriteStyle};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::{
    lines::{LineCounts, Lines, RunningLines, Scribe},
    log_limit::LogLimit,
    log_record::Form,
};
use crate::config::LogFormat;

/// Lines that may wait to be written.
const QUEUE: usize = 1024;
/// How long the end of the process waits for them to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A process has one log.
static COUNTS: LazyLock<Arc<LineCounts>> = LazyLock::new(Arc::default);

/// The log on standard error, at the levels of `RUST_LOG`, `info` when it is not set.
///
/// Below `info` only the edge's own lines are written, whatever `RUST_LOG` says: the libraries'
/// debug lines show whole request heads, with their keys, cookies and OAuth codes. Of Pingora no line below a
/// warning is written: they are for its developers, and tell of listeners that the edge never had. What libraries say
/// may be a client's doing, so that not more than ten of their lines are written in a second.
struct EdgeLog {
    logger: Logger,
    of_libraries: LogLimit,
}

/// The running log. Dropping it waits, for at most 1 s, until everything that was logged is written.
#[derive(Debug)]
pub struct RunningLog(RunningLines<Vec<u8>>);

/// Takes formatted lines from the logger. Never waits.
struct Pipe(Lines<Vec<u8>>);

/// Writes them.
struct ProgramScribe {
    stderr: File,
    form: Form,
    counts: Arc<LineCounts>,
    /// Lines that were dropped, as far as the log says so.
    told: u64,
    /// Why the last lines could not be written.
    fault: Option<String>,
}

/// Starts the log of this process. Whoever logs never waits for standard error: 1024 lines may wait to be written,
/// more are dropped. How many is said once there is room again. Each record is one line, but for a terminal; where the
/// journal reads them they say their priority (`systemd.exec(5)`, `sd-daemon(3)`).
///
/// # Errors
/// When the process has a log already, or there is no thread to be had.
pub fn start(format: LogFormat) -> io::Result<RunningLog> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let form = Form { format, is_journal: is_journal(&stderr) };
    let scribe = ProgramScribe { stderr, form, counts: Arc::clone(&COUNTS), told: 0, fault: None };
    let (lines, running) = Lines::start("log", QUEUE, scribe, Arc::clone(&COUNTS))?;
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    builder.format_target(false).target(Target::Pipe(Box::new(Pipe(lines))));
    // The logger does not know that there is a terminal behind its pipe.
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !io::stderr().is_terminal() || format == LogFormat::Json {
        builder.format(move |to, record| {
            form.write(record.level(), record.target(), SystemTime::now(), record.args(), to)
        });
    } else if !is_set("RUST_LOG_STYLE") && !is_set("NO_COLOR") {
        builder.write_style(WriteStyle::Always);
    }
    let log = EdgeLog { logger: builder.build(), of_libraries: LogLimit::default() };
    log::set_max_level(log.logger.filter().min(LevelFilter::Debug));
    log::set_boxed_logger(Box::new(log)).map_err(io::Error::other)?;
    Ok(RunningLog(running))
}

/// Says why the process ends before it has a log: to the journal as one record with its priority, to everybody else as
/// it is.
pub fn say_without_log(message: &str) {
    let to_journal = io::stderr().as_fd().try_clone_to_owned().is_ok_and(|stderr| is_journal(&stderr.into()));
    if to_journal {
        eprintln!("<3>{}", message.lines().collect::<Vec<_>>().join("; "));
    } else {
        eprintln!("{message}");
    }
}

/// Whether what is written there goes to systemd's journal, as it says itself by the file's device and number.
fn is_journal(stderr: &File) -> bool {
    let Some((device, number)) = env::var("JOURNAL_STREAM").ok().and_then(|stream| {
        let (device, number) = stream.split_once(':')?;
        Some((device.parse::<u64>().ok()?, number.parse::<u64>().ok()?))
    }) else {
        return false;
    };
    stderr.metadata().is_ok_and(|file| (file.dev(), file.ino()) == (device, number))
}

/// Lines of this process's log that were dropped.
pub(crate) fn lines_dropped() -> u64 {
    COUNTS.read().dropped()
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        // There is nobody to be told.
        let _in_time = self.0.finish(LAST_LINES);
    }
}

impl Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Scribe for ProgramScribe {
    type Entry = Vec<u8>;

    fn append(&mut self, line: Vec<u8>, to: &mut Vec<u8>) {
        to.extend_from_slice(&line);
    }

    fn file(&mut self) -> &mut File {
        &mut self.stderr
    }

    fn has_written(&mut self, fault: Option<&io::Error>, _: bool, to: &mut Vec<u8>) {
        if let Some(fault) = fault {
            self.fault = Some(fault.to_string());
            return;
        }
        let dropped = self.counts.read().dropped();
        if dropped == self.told {
            return;
        }
        let lines = dropped - self.told;
        let why = self.fault.take().unwrap_or_else(|| "they were not read in time".into());
        let message = format_args!("{lines} lines of this log were dropped: {why}");
        // A vector takes everything.
        let _written = self.form.write(Level::Warn, module_path!(), SystemTime::now(), &message, to);
        self.told = dropped;
    }
}

impl Log for EdgeLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = is_ours(metadata);
        // It warns of what clients send, once for each of their handshakes.
        let is_flood = metadata.target().starts_with("rustls") && metadata.level() >= Level::Warn;
        let is_inner = metadata.target().starts_with("pingora") && metadata.level() > Level::Warn;
        (is_ours || metadata.level() <= Level::Info && !is_flood && !is_inner) && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if !is_ours(record.metadata()) {
            let (may, left_out) = self.of_libraries.pass("libraries");
            if left_out > 0 {
                let about = Metadata::builder().level(Level::Info).target(module_path!()).build();
                let told = format_args!("{left_out} more lines of libraries were not logged");
                self.logger.log(&Record::builder().metadata(about).args(told).build());
            }
            if !may {
                return;
            }
        }
        self.logger.log(record);
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("bridgehead")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    /// Its queue has no room for what comes in a burst while the thread sleeps.
    #[test]
    fn lines_are_written_as_they_come() {
        assert_eq!(ProgramScribe::GATHERING, Duration::ZERO);
    }

    #[test]
    fn a_log_that_nobody_reads_says_how_much_it_has_dropped_once_it_is_read_again() {
        let (mut reader, mut writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while writer.write(b"\n").is_ok() {}
        let counts = Arc::<LineCounts>::default();
        let scribe = ProgramScribe {
            stderr: std::os::fd::OwnedFd::from(writer).into(),
            form: Form { format: LogFormat::Text, is_journal: false },
            counts: Arc::clone(&counts),
            told: 0,
            fault: None,
        };
        let (lines, running) = Lines::start("test", 16, scribe, Arc::clone(&counts)).unwrap();
        let mut pipe = Pipe(lines);
        // More than the batch and the queue have room for.
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let mut added = 0;
        while counts.read().overflowed < 100 {
            pipe.write_all(&line).unwrap();
            added += 1;
        }
        assert!(!running.finish(Duration::from_millis(50)), "nobody reads, and the end does not wait for ever");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        assert!(running.finish(Duration::from_secs(10)));
        let text = reading.join().unwrap().unwrap();
        let told =
            text.lines().filter_map(|line| line.split_once(" WARN ] ")?.1.split(' ').next()?.parse::<u64>().ok());
        let (told, whole) = (told.sum::<u64>(), text.lines().filter(|line| line.starts_with("xx")).count() as u64);
        assert_eq!((told, told + whole), (counts.read().dropped(), added), "{text:.200}");
    }

    #[test]
    fn a_client_cannot_make_a_library_fill_the_log() {
        let logger = Builder::new().parse_filters("trace").build();
        let log = EdgeLog { logger, of_libraries: LogLimit::default() };
        let is_logged = |target, level| log.enabled(&Metadata::builder().target(target).level(level).build());
        // "Illegal SNI extension", for each handshake with an address for a name.
        assert!(!is_logged("rustls::msgs::handshake", Level::Warn));
        assert!(is_logged("rustls::msgs::handshake", Level::Error));
        assert!(is_logged("pingora_core::connectors", Level::Warn));
        assert!(!is_logged("pingora_core::protocols", Level::Debug));
        // "Shutting down 127.0.0.1:1", of a listener that the edge throws away.
        assert!(!is_logged("pingora_core::services::listening", Level::Info));
        assert!(is_logged("some_other", Level::Info));
        assert!(is_logged("bridgehead::edge::failure", Level::Trace));
    }
}
