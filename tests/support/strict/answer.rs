//! Answers (RFC 9112 section 4).

use super::{
    End, Fault, Fields, Framing, Notes, Reading, Side,
    grammar::{is_text, line},
    sent,
};

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct AnswerHead {
    pub status: u16,
    pub is_1_0: bool,
    pub fields: Fields,
    pub framing: Framing,
    /// Whether the connection can carry no other.
    pub closes: bool,
}

impl AnswerHead {
    /// Whether another one follows to the same request (RFC 9110 section 15.2).
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status)
    }
}

/// Reads all answers of a connection to requests of these methods, interim ones included: the last one may not be
/// whole, or faulty, and what is behind the last one is a fault.
pub fn answers(bytes: &[u8], methods: &[&str], side: Side) -> Vec<Reading<AnswerHead>> {
    let mut answers: Vec<Reading<AnswerHead>> = Vec::new();
    let mut rest = bytes;
    let mut methods = methods.iter();
    let mut method = methods.next();
    loop {
        if !answers.last().is_none_or(Reading::is_whole) || rest.is_empty() {
            return answers;
        }
        let Some(asked) = method else {
            answers.push(Reading::headless(End::Fault("bytes behind the last answer"), Notes::new(side)));
            return answers;
        };
        let next = answer(rest, asked, side);
        rest = &rest[next.length..];
        if next.head.as_ref().is_some_and(|head| !head.is_interim()) {
            method = methods.next();
        }
        answers.push(next);
    }
}

/// Reads one answer to a request of this method, perhaps an interim one.
pub fn answer(bytes: &[u8], method: &str, side: Side) -> Reading<AnswerHead> {
    let mut notes = Notes::new(side);
    let mut rest = bytes;
    let head = match head(&mut rest, method, &mut notes) {
        Ok(Some(head)) => head,
        Ok(None) => return Reading::headless(End::Missing, notes),
        Err(why) => return Reading::headless(End::Fault(why), notes),
    };
    let framing = head.framing;
    Reading::with_body(head, framing, (bytes, rest), notes)
}

fn head(rest: &mut &[u8], method: &str, notes: &mut Notes) -> Result<Option<AnswerHead>, Fault> {
    while matches!(rest, [b'\r', b'\n', ..] | [b'\n', ..]) {
        notes.mend("an empty line before an answer")?;
        line(rest, notes)?;
    }
    let Some(first) = line(rest, notes)? else { return Ok(None) };
    let (status, is_1_0) = status_line(first, notes)?;
    let Some(fields) = Fields::read(rest, notes)? else { return Ok(None) };
    let framing = framing(&fields, status, is_1_0, method, notes)?;
    let keeps = !fields.lists("connection", "close") && (!is_1_0 || fields.lists("connection", "keep-alive"));
    let closes = !keeps || framing == Framing::Close;
    let head = AnswerHead { status, is_1_0, fields, framing, closes };
    if is_1_0 && matches!(status, 100..200) {
        notes.mend("an interim answer in HTTP/1.0")?;
    }
    if status == 101 {
        return Err("another protocol that nobody has asked for");
    }
    if notes.side == Side::Edge {
        sent::answer(&head)?;
    }
    Ok(Some(head))
}

/// Reads the status, and whether the version is HTTP/1.0.
fn status_line(line: &[u8], notes: &mut Notes) -> Result<(u16, bool), Fault> {
    let (version, rest) = line.split_at_checked(b"HTTP/1.1".len()).ok_or("a status line that is none")?;
    let is_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {
            // RFC 9110 section 2.5.
            notes.mend("a version after HTTP/1.1")?;
            false
        }
        _ => return Err("a version of which nothing is known"),
    };
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r');
    let blanks = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
    if &rest[..blanks] != b" " {
        // Section 4: words may be told apart by any blanks.
        notes.mend("a status line with other blanks than one")?;
    }
    let (digits, reason) = rest[blanks..].split_at_checked(3).ok_or("a status line without a status")?;
    if blanks == 0 || !digits.iter().all(u8::is_ascii_digit) {
        return Err("a status line without a status");
    }
    match reason {
        [b' ', ..] => {}
        [] => notes.mend("a status line without its last blank")?,
        [blank, ..] if is_blank(blank) => notes.mend("a status line with other blanks than one")?,
        _ => return Err("a status of more than three digits"),
    }
    if !reason.iter().all(|byte| is_text(*byte)) {
        notes.mend("a control byte in a reason")?;
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    match status {
        0..100 => Err("a status below 100"),
        600.. => {
            // RFC 9110 section 15.
            notes.flag();
            Ok((status, is_1_0))
        }
        _ => Ok((status, is_1_0)),
    }
}

/// Section 6.3.
fn framing(fields: &Fields, status: u16, is_1_0: bool, method: &str, notes: &mut Notes) -> Result<Framing, Fault> {
    let said = Framing::read(fields, is_1_0, notes);
    if matches!(status, 100..200 | 204) {
        if fields.has("content-length") || fields.has("transfer-encoding") {
            notes.mend("a length of what has no body")?;
        }
        return Ok(Framing::Empty);
    }
    if method == "HEAD" || status == 304 {
        if let Err(why) = said {
            notes.mend(why)?;
        }
        return Ok(Framing::Empty);
    }
    if status == 205 {
        // RFC 9110 section 15.3.6: it is empty, whatever it says.
        notes.flag();
        said?;
        return Ok(Framing::Empty);
    }
    Ok(said?.unwrap_or(Framing::Close))
}
