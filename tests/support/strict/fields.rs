//! Field lines (RFC 9112 section 5).

use super::{
    Fault, Notes,
    grammar::{is_text, is_token, line, trim},
};

/// Names, in lower case, and values, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, Vec<u8>)>);

impl Fields {
    /// The values of all lines of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_slice())
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The items of a list over all its lines, empty ones included.
    pub fn items<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| value.split(|byte| *byte == b',')).map(trim)
    }

    /// Whether the list has this item, in any case.
    pub fn lists(&self, name: &str, item: &str) -> bool {
        self.items(name).any(|found| found.eq_ignore_ascii_case(item.as_bytes()))
    }

    /// The fields of a corpus that go from end to end, sorted: only the order of equal names means anything
    /// (RFC 9110 section 5.3).
    pub fn of_the_ends(&self) -> Vec<(&str, &[u8])> {
        let own = self.0.iter().filter(|(name, _)| name.starts_with("x-c-") && !self.lists("connection", name));
        let mut own: Vec<_> = own.map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        own.sort_by_key(|(name, _)| *name);
        own
    }

    /// Reads lines up to the empty one. None: they have not all come.
    pub(super) fn read(bytes: &mut &[u8], notes: &mut Notes) -> Result<Option<Self>, Fault> {
        let mut fields = Fields::default();
        while let Some(line) = line(bytes, notes)? {
            if line.is_empty() {
                return Ok(Some(fields));
            }
            fields.add(line, notes)?;
        }
        Ok(None)
    }

    fn add(&mut self, line: &[u8], notes: &mut Notes) -> Result<(), Fault> {
        if matches!(line[0], b' ' | b'\t') {
            // Sections 2.2 and 5.2.
            notes.mend("a folded line")?;
            if let Some((_, value)) = self.0.last_mut() {
                value.push(b' ');
                value.extend(clean(line, notes)?);
                *value = trim(value).to_vec();
            }
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a field without a colon")?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let bare = trim(name);
        if bare.len() < name.len() {
            // Section 5.1.
            notes.mend("blanks between a field's name and its colon")?;
        }
        if !is_token(bare) {
            return Err("a field's name that is no token");
        }
        let name = String::from_utf8_lossy(bare).to_ascii_lowercase();
        self.0.push((name, clean(value, notes)?));
        Ok(())
    }
}

/// The value with a blank for each byte that has no place in one (RFC 9110 section 5.5).
fn clean(value: &[u8], notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    if !value.iter().all(|byte| is_text(*byte)) {
        notes.mend("a control byte in a field")?;
    }
    let cleaned: Vec<u8> = value.iter().map(|byte| if is_text(*byte) { *byte } else { b' ' }).collect();
    Ok(trim(&cleaned).to_vec())
}
