//! What clients that only hold on cost the edge: its resident memory, printed, for idle connections, heads that
//! never end, and uploads that creep or stall; and what those cost that reset their streams at once: its processor time.
//! Everything stays on loopback and ends with the program.
//!
//! `cargo bench --bench abuse`, or with other numbers: `cargo bench --bench abuse -- 1000 1000 100`. `--test` only
//! proves that it runs.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::ServerName};
use tokio::runtime;

/// A running edge, and its two listeners.
struct Edge {
    child: Child,
    plain: SocketAddr,
    tls: SocketAddr,
}

/// What is held open until it has been measured.
trait Held {}
impl<T> Held for T {}

fn main() {
    let counts: Vec<usize> = env::args().filter_map(|argument| argument.parse().ok()).collect();
    let count = |place: usize, default: usize| counts.get(place).copied().unwrap_or(default);
    let is_test = env::args().any(|argument| argument == "--test");
    let (idle, slow, uploads) = if is_test { (50, 50, 5) } else { (10_000, 10_000, 1_000) };
    let (idle, slow, uploads) = (count(0, idle), count(1, slow), count(2, uploads));
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("the limit may be raised up to the hard one");

    println!("{:<48} {:>8} {:>12} {:>10}", "held open", "number", "memory", "each");
    measure("idle connections, new", idle, |edge, _| Box::new(connect(edge.plain)));
    measure("idle connections, after a request", idle, |edge, _| {
        let mut stream = connect(edge.plain);
        ask(&mut stream);
        Box::new(stream)
    });
    let trusting = client_config();
    measure("idle connections, TLS, after a request", idle / 5, |edge, folder| {
        let session = ClientConnection::new(trusting(folder), ServerName::try_from("localhost").expect("a name"));
        let mut stream = StreamOwned::new(session.expect("a session"), connect(edge.tls));
        ask(&mut stream);
        Box::new(stream)
    });
    measure("heads that never end, 30 bytes of each", slow, |edge, _| {
        let mut stream = connect(edge.plain);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: y").expect("the edge reads");
        Box::new(stream)
    });
    measure("heads that never end, 60 KiB of each", slow / 10, |edge, _| {
        let mut stream = connect(edge.plain);
        stream
            .write_all(&[b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 60 * 1024]].concat())
            .expect("the edge reads");
        Box::new(stream)
    });
    measure("uploads that creep, 64 KiB of each", uploads, |edge, _| {
        let mut stream = connect(edge.plain);
        let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n";
        stream.write_all(&[head.as_bytes(), &vec![b'x'; 64 * 1024]].concat()).expect("the edge reads");
        Box::new(stream)
    });
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    measure("connections of HTTP/2, 100 uploads each that stall", uploads / 100 + 1, |edge, _| {
        Box::new(runtime.block_on(stalled_uploads(edge.plain, 100)))
    });
    resets(if is_test { 1_000 } else { 200_000 });
}

/// Opens uploads on one connection of HTTP/2, whose server takes nothing of them.
async fn stalled_uploads(edge: SocketAddr, number: usize) -> impl Held {
    let stream = tokio::net::TcpStream::connect(edge).await.expect("the edge accepts");
    let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut held = Vec::new();
    for _ in 0..number {
        let request = http::Request::post("http://localhost/stall").body(()).expect("a request");
        let mut requests = requests.clone().ready().await.expect("a stream");
        let (answer, mut body) = requests.send_request(request, false).expect("a stream");
        body.send_data(vec![b'x'; 1024 * 1024].into(), false).expect("it is queued");
        held.push((answer, body));
    }
    held
}

/// Opens streams of HTTP/2 and resets each at once, on one connection after the other, and prints what that costs.
fn resets(number: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let edge = Edge::start(folder.path());
    ask(&mut connect(edge.plain));
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // GET, http, /, and the name of the authority, by the static table (RFC 7541 appendix A).
    let head = [&[0x82, 0x86, 0x84, 0x41, 9][..], b"localhost"].concat();
    let (before, mut sent, mut connections) = (edge.processor_time(), 0, 0);
    while sent < number {
        let mut stream = connect(edge.plain);
        connections += 1;
        let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
        for pair in 0.. {
            let id = 2 * pair + 1;
            bytes.extend([frame(1, 5, id, &head), frame(3, 0, id, &8_u32.to_be_bytes())].concat());
            if sent == number || stream.write_all(&bytes).is_err() {
                break;
            }
            bytes.clear();
            sent += 1;
        }
        // Until the edge has closed it.
        let _read = stream.read_to_end(&mut Vec::new());
    }
    let cost = edge.processor_time().saturating_sub(before).as_secs_f64();
    println!(
        "{:<48} {sent:>8} {connections:>8} connections {:>8.1} µs",
        "streams of HTTP/2 reset at once, processor time",
        cost * 1e6 / f64::from(sent.max(1))
    );
}

/// Holds so many of these at a fresh edge, and prints what they cost it.
fn measure(what: &str, count: usize, open: impl Fn(&Edge, &std::path::Path) -> Box<dyn Held>) {
    let folder = tempfile::tempdir().expect("a folder");
    let edge = Edge::start(folder.path());
    // The first request of all makes what every later one uses.
    ask(&mut connect(edge.plain));
    let before = edge.resident();
    let held: Vec<_> = (0..count).map(|_| open(&edge, folder.path())).collect();
    let after = edge.settled();
    let cost = after.saturating_sub(before);
    let each = cost * 1024 / u64::try_from(count.max(1)).unwrap_or(1);
    println!("{what:<48} {count:>8} {:>8} MiB {each:>8} B", cost / 1024);
    drop(held);
}

impl Edge {
    fn start(folder: &std::path::Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(folder.join("edge.pem"), certificate.pem()).expect("a file");
        fs::write(folder.join("edge.key"), key.serialize_pem()).expect("a file");
        let yaml = format!(
            "listeners:\n- {{address: \"127.0.0.1:0\", http2: true}}\n- address: \"127.0.0.1:0\"\n  tls: {{certificates: \
             [{{certificate: edge.pem, key: edge.key}}]}}\nhealth: {{enabled: false}}\nservers: [{{address: \"{}\"}}]\n\
             limits: {{connections: unlimited, connections_per_client: unlimited, head_time: 10m, requests: unlimited, \
             idle: 10m}}\nmcp_clients: [{{name: a, auth_type: per_user_oauth, connection_type: http, connection_string: \
             env.X}}]\n",
            silent_server()
        );
        fs::write(folder.join("proxy.yaml"), yaml).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bridgehead"))
            .args(["run", "--config"])
            .arg(folder.join("proxy.yaml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines().map_while(Result::ok);
        let mut listening = || {
            let line = lines.find(|line| line.contains("listening on ")).expect("it listens");
            line.split_whitespace().find_map(|word| word.parse().ok()).expect("an address")
        };
        let (plain, tls) = (listening(), listening());
        thread::spawn(move || lines.for_each(drop));
        Edge { child, plain, tls }
    }

    /// In KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// Of all its threads.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may have spaces in it; in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
        Duration::from_millis(fields.take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
    }

    /// The memory once it does not change any more.
    fn settled(&self) -> u64 {
        let mut last = self.resident();
        for _ in 0..50 {
            thread::sleep(Duration::from_millis(200));
            let now = self.resident();
            if now == last {
                break;
            }
            last = now;
        }
        last
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the edge accepts");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// One request for discovery, whose answer is read whole.
fn ask(stream: &mut (impl Read + Write)) {
    stream
        .write_all(b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("a request");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).expect("an answer");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
}

/// Takes what it is sent, but of an upload to `/stall` only what it reads first, and says nothing.
fn silent_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut taken = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = stream.try_clone().expect("a socket");
            taken.push(stream);
            // Small stacks: there is one for each upload.
            let reading = thread::Builder::new().stack_size(64 * 1024);
            let _reader = reading.spawn(move || {
                let mut piece = [0; 16 * 1024];
                while reader.read(&mut piece).is_ok_and(|read| read > 0 && !piece.starts_with(b"POST /stall")) {}
            });
        }
    });
    address
}

fn client_config() -> impl Fn(&std::path::Path) -> Arc<ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    |folder| {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(folder.join("edge.pem")).expect("a certificate");
        roots.add(certificate).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
