//! Names that were mistyped.

/// The known name that a mistyped one most likely meant.
pub(in crate::config) fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to say about a mistyped name.
pub(crate) fn suggestion(typed: &str, known: &[&str]) -> String {
    match nearest(typed, known) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// What to say about a key that nobody knows.
pub(in crate::config) fn unknown_key(key: &str, known: &[&str]) -> String {
    match known.iter().find(|known| known.eq_ignore_ascii_case(key)) {
        _ if key == "<<" => "the merge key << is not followed; write its keys out here".to_owned(),
        Some(known) => format!("unknown key: upper and lower case are told apart; write {known:?}"),
        None => format!("unknown key; {}", suggestion(key, known)),
    }
}

/// Whether a text is nearly this name, whatever its capital letters and what stands between its words: two letters more,
/// fewer or other ones.
pub(in crate::config) fn is_near_miss(typed: &str, name: &str) -> bool {
    const MOST: usize = 2;
    let letters = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>()
    };
    // A long text is none, and would take its time.
    typed != name
        && typed.len() <= 2 * name.len()
        && strsim::damerau_levenshtein(&letters(typed), &letters(name)) <= MOST
}
