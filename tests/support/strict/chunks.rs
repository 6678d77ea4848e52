//! A body in chunks (RFC 9112 section 7.1).

use super::{
    End, Fault, Fields, Notes,
    framing::Body,
    grammar::{is_text, is_token, line, trim},
};

/// Reads a body from its first size to the end of its trailers.
pub fn read(bytes: &[u8], notes: &mut Notes) -> Body {
    let mut rest = bytes;
    let mut content = Vec::new();
    let end = loop {
        match chunk(&mut rest, &mut content, notes) {
            Ok(Step::Chunk) => {}
            Ok(Step::Over) => break End::Whole,
            Ok(Step::Missing) => break End::Missing,
            Err(why) => break End::Fault(why),
        }
    };
    Body { content, end, length: bytes.len() - rest.len() }
}

enum Step {
    Chunk,
    Over,
    Missing,
}

fn chunk(rest: &mut &[u8], content: &mut Vec<u8>, notes: &mut Notes) -> Result<Step, Fault> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        // No more than the line feed may be missing.
        let begun = rest.strip_suffix(b"\r").unwrap_or(rest);
        return if begun.is_empty() { Ok(Step::Missing) } else { size(begun, notes).map(|_| Step::Missing) };
    };
    let size_line = rest[..end].strip_suffix(b"\r").ok_or("a chunk's size without a carriage return")?;
    let size = size(size_line, notes)?;
    *rest = &rest[end + 1..];
    if size == 0 {
        return trailers(rest, notes);
    }
    let have = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
    content.extend_from_slice(&rest[..have]);
    *rest = &rest[have..];
    match rest {
        _ if (have as u64) < size => Ok(Step::Missing),
        [b'\r', b'\n', ..] => {
            *rest = &rest[2..];
            Ok(Step::Chunk)
        }
        [] | [b'\r'] => Ok(Step::Missing),
        _ => Err("a chunk that is longer than its size"),
    }
}

/// Reads the digits and the extensions of a line.
fn size(line: &[u8], notes: &mut Notes) -> Result<u64, Fault> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(digits);
    if !(1..=16).contains(&digits.len()) {
        return Err("a chunk without a size");
    }
    let begins_well = extensions.is_empty() || matches!(extensions[0], b';' | b' ' | b'\t');
    if !begins_well || !extensions.iter().all(|byte| is_text(*byte)) {
        return Err("a chunk's size with something behind it");
    }
    if trim(extensions).first().is_some_and(|first| *first != b';') {
        return Err("a chunk's size with blanks in it");
    }
    if !are_extensions(extensions) {
        notes.doubt("an extension of a chunk that is none")?;
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or("a chunk without a size")
}

/// Section 7.1.1.
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(extension) = trim_start(rest).strip_prefix(b";") else { return false };
        let extension = trim_start(extension);
        let end = extension.iter().position(|byte| !is_token(&[*byte])).unwrap_or(extension.len());
        if end == 0 {
            return false;
        }
        rest = &extension[end..];
        let Some(value) = trim_start(rest).strip_prefix(b"=") else { continue };
        let value = trim_start(value);
        let end = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted_end(quoted).map_or(0, |end| end + 1),
            None => value.iter().position(|byte| !is_token(&[*byte])).unwrap_or(value.len()),
        };
        if end == 0 {
            return false;
        }
        rest = &value[end..];
    }
    true
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Where a quoted string ends, its last sign included.
fn quoted_end(quoted: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (place, byte) in quoted.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// Reads the lines behind the last chunk. Whoever drops them need not know what a field is, but where a line ends.
fn trailers(rest: &mut &[u8], notes: &mut Notes) -> Result<Step, Fault> {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let mut whole = &rest[..=end];
        let Some(line) = line(&mut whole, notes)? else { break };
        *rest = &rest[end + 1..];
        if line.is_empty() {
            return Ok(Step::Over);
        }
        if !line.iter().all(|byte| is_text(*byte)) {
            notes.mend("a control byte in a trailer")?;
        }
        let mut strict = Notes::new(super::Side::Edge);
        let trailer = [line, b"\r\n\r\n"].concat();
        match Fields::read(&mut trailer.as_slice(), &mut strict) {
            Ok(Some(fields))
                if !["content-length", "transfer-encoding", "host"].iter().any(|name| fields.has(name)) => {}
            _ => notes.doubt("a trailer that is none")?,
        }
    }
    Ok(Step::Missing)
}
