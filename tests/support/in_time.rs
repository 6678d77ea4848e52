//! Waits that end. A test that waits for what never comes fails and says where, instead of holding up all others.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime, time::timeout};

use super::PATIENCE;

/// Longer than what is waited for has patience itself: whatever that has to say is said first.
const LONG: Duration = PATIENCE.saturating_mul(3);
/// A program of others may build something first.
const LONGEST: Duration = PATIENCE.saturating_mul(15);
const LOOK: Duration = Duration::from_millis(2);

/// What is told by another thread.
pub trait Heard<T> {
    /// Waits for it.
    #[track_caller]
    fn heard(&self) -> T;
}

/// What a thread of the test ends with.
pub trait Joined<T> {
    /// Waits for its end. Its panic is one here.
    #[track_caller]
    fn joined(self) -> T;
}

/// A program's end.
pub trait Ended {
    /// Waits for it. A program that does not end is killed, and its end is an error.
    fn ended(&mut self) -> io::Result<ExitStatus>;
}

/// All that a program prints.
pub trait Printed {
    /// Runs it to its end. A program that does not end is killed, and its end is an error with what it has printed.
    fn printed(&mut self) -> io::Result<Output>;
}

impl<T> Heard<T> for Receiver<T> {
    fn heard(&self) -> T {
        match self.recv_timeout(LONG) {
            Ok(told) => told,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was heard in {LONG:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("nobody is left to be heard"),
        }
    }
}

impl<T> Joined<T> for JoinHandle<T> {
    fn joined(self) -> T {
        assert!(happens(LONG, || self.is_finished()), "the thread has not ended in {LONG:?}");
        self.join().expect("the thread has panicked")
    }
}

impl Ended for Child {
    fn ended(&mut self) -> io::Result<ExitStatus> {
        ends(self, LONG)
    }
}

impl Printed for Command {
    fn printed(&mut self) -> io::Result<Output> {
        let mut child = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        printed_by(&mut child)
    }
}

impl Printed for Child {
    fn printed(&mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        printed_by(self)
    }
}

fn printed_by(child: &mut Child) -> io::Result<Output> {
    let (stdout, stderr) = (child.stdout.take().map(read_beside), child.stderr.take().map(read_beside));
    let status = ends(child, LONGEST);
    let read = |pipe: Option<JoinHandle<_>>| pipe.map(Joined::joined).unwrap_or_default();
    let (stdout, stderr) = (read(stdout), read(stderr));
    let status = status.map_err(|error| {
        let shown = [&stdout, &stderr].map(|printed| String::from_utf8_lossy(printed).into_owned()).concat();
        io::Error::new(error.kind(), format!("{error}; it had printed:\n{shown}"))
    })?;
    Ok(Output { status, stdout, stderr })
}

/// Whether this lasts longer than any test: what comes again and again is no answer.
pub fn is_endless(began: Instant) -> bool {
    began.elapsed() > LONGEST
}

/// Runs asynchronous steps of a test to their end.
///
/// # Panics
/// When they have none.
pub fn run<T>(steps: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, steps).await.expect("something hangs") })
}

/// Reads a pipe to its end, beside the test.
pub fn read_beside(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut printed = Vec::new();
        pipe.read_to_end(&mut printed).expect("a pipe that can be read");
        printed
    })
}

/// Sends the lines of a pipe, beside the test.
pub fn lines_beside(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    // It ends with the pipe, or with the test.
    thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

/// Hears lines up to their end, which is that of a program, and shows each.
pub fn to_the_end(lines: &Receiver<String>, mut heard: impl FnMut(&str)) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut all = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                heard(&line);
                all += &(line + "\n");
            }
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => panic!("the program goes on:\n{all}"),
        }
    }
}

fn ends(child: &mut Child, within: Duration) -> io::Result<ExitStatus> {
    let mut status = child.try_wait();
    if happens(within, || {
        status = child.try_wait();
        !matches!(status, Ok(None))
    }) {
        return status.map(|ended| ended.expect("an end"));
    }
    child.kill()?;
    child.wait()?;
    Err(io::Error::new(ErrorKind::TimedOut, format!("process {} has not ended in {within:?}", child.id())))
}

/// Whether something happens in time.
pub fn happens(within: Duration, mut has_happened: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !has_happened() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}
