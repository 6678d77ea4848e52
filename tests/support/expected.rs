//! What a client may get for an answer of a server.

use super::{
    corpus::AnswerEntry,
    recorder::Script,
    strict::{self, AnswerHead, End, Fields, Framing, Reading, Side},
};

/// What becomes of an answer.
#[derive(Debug)]
pub enum Expected {
    /// The client gets it.
    Same(Reading<AnswerHead>),
    /// The client gets it as the standard mends it, or a 502.
    Mended(Reading<AnswerHead>),
    /// It breaks off in its body: the client gets a 502, or sees that it does.
    Broken(Reading<AnswerHead>),
    /// The client gets a 502.
    Refused,
}

/// What a client has got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<u8>,
    /// Whether it ended as it said it would.
    pub is_whole: bool,
    /// Whether such a client would see that it broke off.
    pub shows_end: bool,
}

impl Expected {
    /// Reads what the server sends.
    pub fn of(entry: &AnswerEntry) -> Self {
        let answers = strict::answers(&entry.bytes, &[entry.method], Side::Server);
        let mut is_doubtful = false;
        for answer in answers {
            is_doubtful |= answer.is_doubtful;
            let Some(head) = &answer.head else { return Expected::Refused };
            match answer.end {
                End::Missing | End::Fault(_) => return Expected::Broken(answer),
                End::Whole if head.is_interim() => {}
                End::Whole | End::Closing if is_doubtful => return Expected::Mended(answer),
                End::Whole | End::Closing => return Expected::Same(answer),
            }
        }
        Expected::Refused
    }

    /// What the server does. It keeps its connection only where nobody waits for its end.
    pub fn script(&self, entry: &AnswerEntry) -> Script {
        let waits_for_more = match self {
            Expected::Same(answer) | Expected::Mended(answer) => answer.end == End::Closing,
            Expected::Broken(answer) => answer.end == End::Missing,
            Expected::Refused => false,
        };
        Script { bytes: entry.bytes.clone(), cuts: entry.cuts.clone(), stays: entry.stays && !waits_for_more }
    }

    /// Compares it with what has come of it.
    pub fn check(&self, got: &Got) -> Result<(), String> {
        let is_own = got.is_own_refusal();
        match self {
            Expected::Same(answer) => {
                is_same(answer, got)?;
                let head = answer.head.as_ref().ok_or("no head")?;
                if head.fields.of_the_ends() != got.fields.of_the_ends() {
                    return Err("other fields".to_owned());
                }
                if got
                    .fields
                    .0
                    .iter()
                    .any(|(name, _)| name.starts_with("x-h-") && head.fields.lists("connection", name))
                {
                    return Err("a field that Connection names".to_owned());
                }
                Ok(())
            }
            Expected::Mended(_) | Expected::Broken(_) | Expected::Refused if is_own => Ok(()),
            Expected::Mended(answer) if answer.is_body_doubtful && (!got.is_whole || hides_its_end(answer, got)) => {
                is_begun(answer, got)
            }
            Expected::Mended(answer) => is_same(answer, got).map_err(|why| format!("mended, {why}")),
            Expected::Broken(answer) => is_begun(answer, got),
            Expected::Refused => Err(format!("{} instead of a 502", got.status)),
        }
    }
}

impl Got {
    fn is_own_refusal(&self) -> bool {
        let says_so = self.body.windows(17).any(|text| text == b"\"status_code\":502") || self.body.is_empty();
        self.is_whole && self.status == 502 && says_so && self.fields.has("x-request-id")
    }
}

fn is_same(answer: &Reading<AnswerHead>, got: &Got) -> Result<(), String> {
    let status = answer.head.as_ref().map(|head| head.status);
    if status != Some(got.status) {
        return Err(format!("{} instead of {}", got.status, status.unwrap_or_default()));
    }
    if !got.is_whole {
        return Err("an answer that broke off".to_owned());
    }
    if answer.body != got.body {
        return Err("another body".to_owned());
    }
    Ok(())
}

/// Whether nobody can see that it has broken off: a client of HTTP/1.0 knows no chunks, and so no end but that of its
/// connection, and in memory there is no reset.
fn hides_its_end(answer: &Reading<AnswerHead>, got: &Got) -> bool {
    !got.shows_end && answer.head.as_ref().is_some_and(|head| head.framing == Framing::Chunked)
}

/// Whether it is the beginning of an answer, and no more.
fn is_begun(answer: &Reading<AnswerHead>, got: &Got) -> Result<(), String> {
    let head = answer.head.as_ref().ok_or("no head")?;
    if head.status != got.status {
        return Err(format!("{} instead of the beginning of {}", got.status, head.status));
    }
    if !answer.body.starts_with(&got.body) {
        return Err("another body than the one that broke off".to_owned());
    }
    if got.is_whole && !hides_its_end(answer, got) {
        return Err("a whole answer where one broke off".to_owned());
    }
    Ok(())
}
