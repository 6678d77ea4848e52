//! Requests (RFC 9112 section 3).

use super::{
    End, Fault, Fields, Framing, Notes, Reading, Side,
    grammar::{self, is_token, line},
    sent,
};

/// The head of a request.
#[derive(Debug, Clone)]
pub struct RequestHead {
    pub method: String,
    /// As an origin server expects it.
    pub target: Vec<u8>,
    /// For whom it is; empty when it does not say.
    pub host: Vec<u8>,
    pub is_1_0: bool,
    pub fields: Fields,
    pub framing: Framing,
    /// Whether it is the last one of its connection.
    pub closes: bool,
}

/// Reads all requests of a connection: the last one may not be whole, or faulty.
pub fn requests(bytes: &[u8], side: Side) -> Vec<Reading<RequestHead>> {
    let mut requests: Vec<Reading<RequestHead>> = Vec::new();
    let mut rest = bytes;
    let mut is_old = false;
    loop {
        let is_over =
            requests.last().is_some_and(|last| !last.is_whole() || last.head.as_ref().is_some_and(|head| head.closes));
        if is_over || rest.chunks(2).all(|line| line == b"\r\n") {
            return requests;
        }
        let mut next = request(rest, side);
        // Whether a connection of HTTP/1.0 is kept is up to the recipient (RFC 9112 section 9.3).
        next.is_doubtful |= is_old;
        is_old |= next.head.as_ref().is_some_and(|head| head.is_1_0);
        rest = &rest[next.length..];
        requests.push(next);
    }
}

/// Reads one request.
pub fn request(bytes: &[u8], side: Side) -> Reading<RequestHead> {
    let mut notes = Notes::new(side);
    let mut rest = bytes;
    let head = match head(&mut rest, &mut notes) {
        Ok(Some(head)) => head,
        Ok(None) => return Reading::headless(End::Missing, notes),
        Err(why) => return Reading::headless(End::Fault(why), notes),
    };
    let framing = head.framing;
    Reading::with_body(head, framing, (bytes, rest), notes)
}

fn head(rest: &mut &[u8], notes: &mut Notes) -> Result<Option<RequestHead>, Fault> {
    let mut skipped = 0;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        // RFC 9112 section 2.2: one at least.
        skipped += 1;
        if skipped > 1 || notes.side == Side::Edge {
            notes.doubt("an empty line before a request")?;
        }
        *rest = after;
    }
    let Some(first) = line(rest, notes)? else { return Ok(None) };
    let parts: Vec<_> = first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Err("a request line of other than three parts") };
    if !is_token(method) {
        return Err("a method that is no token");
    }
    if matches!(method, b"CONNECT" | b"TRACE") {
        return Err("a method that is not for servers");
    }
    let is_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err("a version that is neither HTTP/1.0 nor HTTP/1.1"),
    };
    let (authority, target) = self::target(method, target, notes)?;
    let Some(fields) = Fields::read(rest, notes)? else { return Ok(None) };
    let host = host(&fields, authority, is_1_0, notes)?;
    let framing = Framing::read(&fields, is_1_0, notes)?.unwrap_or(Framing::Empty);
    connection(&fields, notes);
    let keeps = !fields.lists("connection", "close") && (!is_1_0 || fields.lists("connection", "keep-alive"));
    let method = String::from_utf8_lossy(method).into_owned();
    let head = RequestHead { method, target, host, is_1_0, fields, framing, closes: !keeps };
    if notes.side == Side::Edge {
        sent::request(&head)?;
    }
    Ok(Some(head))
}

/// Splits a target into its authority, if it has one, and what an origin server is asked for (section 3.2).
fn target<'a>(method: &[u8], target: &'a [u8], notes: &mut Notes) -> Result<(Option<&'a [u8]>, Vec<u8>), Fault> {
    if target == b"*" && method == b"OPTIONS" {
        return Ok((None, b"*".to_vec()));
    }
    if target.starts_with(b"/") {
        grammar::path(target, notes)?;
        return Ok((None, target.to_vec()));
    }
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let rest = scheme.map(|scheme| &target[scheme.len()..]).ok_or("a target that is neither a path nor a URL")?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    grammar::host(authority, notes)?;
    if authority.is_empty() {
        return Err("a URL without a host");
    }
    grammar::path(path, notes)?;
    if !path.starts_with(b"/") {
        // Of `OPTIONS`, all of the server (section 3.2.4).
        notes.flag();
        return Ok((Some(authority), [b"/", path].concat()));
    }
    Ok((Some(authority), path.to_vec()))
}

fn host(fields: &Fields, authority: Option<&[u8]>, is_1_0: bool, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    let mut hosts = fields.all("host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("more than one Host");
    }
    if host.is_none() {
        if !is_1_0 {
            return Err("no Host");
        }
        // Such a client may be anybody's.
        notes.flag();
    }
    if let Some(host) = host {
        grammar::host(host, notes)?;
    }
    if authority.is_some() && authority != host {
        // Section 3.2.2: that of the target counts, but who disagrees may mean harm.
        notes.flag();
    }
    Ok(authority.or(host).unwrap_or_default().to_vec())
}

/// Notes what the edge refuses by its own rules, and others may.
fn connection(fields: &Fields, notes: &mut Notes) {
    let names: Vec<_> = fields.items("connection").filter(|name| !name.is_empty()).collect();
    let is_ours = |name: &&[u8]| {
        is_token(name)
            && [&b"close"[..], b"keep-alive", b"te", b"x-h-"]
                .iter()
                .any(|known| name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))
    };
    if names.len() > 9 || !names.iter().all(is_ours) || fields.has("upgrade") {
        notes.flag();
    }
    if fields.has("expect") && !fields.lists("expect", "100-continue") {
        notes.flag();
    }
}
