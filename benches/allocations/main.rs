//! What one request allocates, and what one connection holds: counted in an edge in this process, which serves
//! over loopback as the program does, in front of a server in another process. Nothing is subtracted: the line
//! "no request" is what the edge allocates by itself in the meantime.
//!
//! `cargo bench --bench allocations`. With `--sites`, where the allocations are made as well; then
//! `CARGO_PROFILE_BENCH_DEBUG=line-tables-only` names the lines in dependencies too. `--test` only proves that
//! it runs.

mod client;
mod edge;
mod sites;
mod upstream;

use std::{env, thread, time::Duration};

use tempfile::NamedTempFile;

use self::{client::Client, edge::Edge, sites::Kind, upstream::Upstream};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The stack frames of a site that are kept; those of functions that were inlined come on top.
const FRAMES: usize = 24;
/// Longer than the edge needs for what it does behind an answer.
const PAUSE: Duration = Duration::from_millis(50);
const DISCOVERY: &str = "/.well-known/oauth-authorization-server";

/// How much is counted, and what is printed.
struct Options {
    requests: usize,
    connections: usize,
    with_sites: bool,
}

/// Allocations are being counted.
struct Counting {
    profiler: dhat::Profiler,
    /// Where dhat writes the sites, if they are asked for.
    profile: Option<NamedTempFile>,
}

fn main() {
    if env::args().any(|argument| argument == upstream::ARGUMENT) {
        return upstream::serve();
    }
    let options = Options::given();
    let upstream = Upstream::start();
    println!("{:<40} {:>12} {:>12}", "a request, on a kept-alive connection", "allocations", "bytes");
    let edge = Edge::start(upstream.address, "");
    options.requests(&edge, "no request", |_| {});
    options.requests(&edge, "discovery, GET", |client| client.get(DISCOVERY));
    options.requests(&edge, "forwarded GET, 1.4 KB back", |client| client.get("/small"));
    options.requests(&edge, "forwarded GET, 10 KB back", |client| client.get("/large"));
    options.requests(&edge, "forwarded POST of 2 KB, 1.4 KB back", |client| client.post("/small", 2048));
    let logging = Edge::start(upstream.address, "access_log: {to: /dev/null}\n");
    options.requests(&logging, "discovery, GET, access log on", |client| client.get(DISCOVERY));
    options.requests(&logging, "forwarded GET, 1.4 KB, access log on", |client| client.get("/small"));
    drop(logging);

    println!("\n{:<40} {:>12} {:>12}", "a connection, held open", "allocations", "bytes");
    options.held(&edge, "idle, new", |_| {});
    options.held(&edge, "idle, after discovery", |client| client.get(DISCOVERY));
    options.held(&edge, "idle, after a forwarded GET", |client| client.get("/small"));
    options.held(&edge, "an SSE stream, after its first event", Client::begin_stream);
}

impl Options {
    fn given() -> Self {
        let is_given = |name: &str| env::args().any(|argument| argument == name);
        let (requests, connections) = if is_given("--test") { (10, 2) } else { (1000, 100) };
        Options { requests, connections, with_sites: is_given("--sites") }
    }

    /// Counts what so many requests allocate, one after the other on one connection that has served some before.
    fn requests(&self, edge: &Edge, what: &str, ask: impl Fn(&mut Client)) {
        let mut client = Client::connect(edge.address);
        for _ in 0..10 {
            ask(&mut client);
        }
        let counting = Counting::begin(self.with_sites);
        for _ in 0..self.requests {
            ask(&mut client);
        }
        let stats = settled();
        print(what, self.requests, stats.total_blocks, stats.total_bytes);
        counting.end(Kind::Made, self.requests);
    }

    /// Counts what so many connections hold that have done this.
    fn held(&self, edge: &Edge, what: &str, begin: impl Fn(&mut Client)) {
        // What is made once for all connections has been made.
        begin(&mut Client::connect(edge.address));
        let mut clients = Vec::with_capacity(self.connections);
        let counting = Counting::begin(self.with_sites);
        for _ in 0..self.connections {
            let mut client = Client::connect(edge.address);
            begin(&mut client);
            clients.push(client);
        }
        let stats = settled();
        print(what, self.connections, stats.curr_blocks as u64, stats.curr_bytes as u64);
        counting.end(Kind::Held, self.connections);
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers, printed")]
fn print(what: &str, each: usize, blocks: u64, bytes: u64) {
    let each = each as f64;
    println!("{what:<40} {:>12.2} {:>12.1}", blocks as f64 / each, bytes as f64 / each);
}

impl Counting {
    /// Begins once the edge is quiet.
    fn begin(with_sites: bool) -> Self {
        thread::sleep(PAUSE);
        let profiler = dhat::Profiler::builder().trim_backtraces(Some(FRAMES));
        if !with_sites {
            return Counting { profiler: profiler.testing().build(), profile: None };
        }
        let profile = NamedTempFile::new().expect("a file");
        Counting { profiler: profiler.file_name(profile.path()).build(), profile: Some(profile) }
    }

    /// Prints the sites, if that is asked for.
    fn end(self, kind: Kind, each: usize) {
        drop(self.profiler);
        if let Some(profile) = self.profile {
            sites::print(&profile, kind, each);
        }
    }
}

/// The counts once they do not change any more: the edge ends what it began for the last request.
fn settled() -> dhat::HeapStats {
    let mut last = dhat::HeapStats::get();
    for _ in 0..50 {
        thread::sleep(PAUSE);
        let now = dhat::HeapStats::get();
        if (now.total_blocks, now.curr_blocks) == (last.total_blocks, last.curr_blocks) {
            break;
        }
        last = now;
    }
    last
}
