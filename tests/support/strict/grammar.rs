//! The words of the grammar.

use super::{Fault, Notes};

/// RFC 9110 section 5.6.2.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What may be in a value, a reason phrase or an extension of a chunk (RFC 9110 section 5.5).
pub fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Takes blanks off both ends (RFC 9110 section 5.6.3).
pub fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Takes the next line off the bytes, without its end. None: it has none yet.
pub fn line<'a>(bytes: &mut &'a [u8], notes: &mut Notes) -> Result<Option<&'a [u8]>, Fault> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = &bytes[..end];
    *bytes = &bytes[end + 1..];
    if let Some(line) = line.strip_suffix(b"\r") {
        return Ok(Some(line));
    }
    // RFC 9112 section 2.2.
    notes.mend("a line feed without a carriage return")?;
    Ok(Some(line))
}

/// Reads digits only, no sign and no blanks (RFC 9110 section 8.6).
pub fn length(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// A path, and perhaps a query (RFC 3986 section 3.3): what is no part of a URI is passed on by some.
pub fn path(path: &[u8], notes: &mut Notes) -> Result<(), Fault> {
    let mut place = 0;
    while let Some(byte) = path.get(place) {
        match byte {
            0..=b' ' | 0x7f => return Err("a control byte or a blank in the target"),
            b'#' => return Err("a fragment in the target"),
            b'%' => {
                let is_escaped =
                    path.get(place + 1..place + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                if !is_escaped {
                    notes.flag();
                }
            }
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(byte) => {}
            _ => notes.flag(),
        }
        place += 1;
    }
    Ok(())
}

/// A host, and perhaps a port (RFC 9110 section 7.2).
pub fn host(host: &[u8], notes: &mut Notes) -> Result<(), Fault> {
    let literal_end = if host.starts_with(b"[") { host.iter().position(|byte| *byte == b']') } else { Some(0) };
    let literal_end = literal_end.ok_or("a Host with half a bracket")?;
    let colon = host[literal_end..].iter().position(|byte| *byte == b':').map(|colon| literal_end + colon);
    let (name, port) = host.split_at(colon.unwrap_or(host.len()));
    if !port.iter().skip(1).all(u8::is_ascii_digit) {
        return Err("a Host whose port is no number");
    }
    let is_port = port.get(1..).is_none_or(|digits| length(digits).is_some_and(|port| port <= 65_535));
    // Without the dot of the root.
    let bare = name.strip_suffix(b".").unwrap_or(name);
    if bare.is_empty() || bare.ends_with(b".") || !is_port {
        notes.flag();
    }
    let inside = match name.strip_prefix(b"[") {
        Some(literal) => literal.strip_suffix(b"]").ok_or("a Host with something behind its bracket")?,
        None => name,
    };
    for byte in inside {
        match byte {
            b'-' | b'.' | b'_' | b'~' => {}
            b':' if name.starts_with(b"[") => {}
            _ if byte.is_ascii_alphanumeric() => {}
            b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => notes.flag(),
            _ => return Err("a Host that is none"),
        }
    }
    if name.starts_with(b"[") {
        notes.flag();
    }
    Ok(())
}
