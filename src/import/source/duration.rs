//! Durations as Go writes them.

/// The nanoseconds of a duration as Go writes it, such as `1h30m`; `None` when it is none.
pub(in crate::import) fn nanoseconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() || text.len() > LONGEST {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
        let number: f64 = rest[..rest.len() - unit.len()].parse().ok()?;
        let (unit, after) = UNITS.iter().find_map(|(name, size)| Some((size, unit.strip_prefix(name)?)))?;
        sum += number * unit;
        rest = after;
    }
    Some(sign * sum)
}

/// No duration is longer.
const LONGEST: usize = 32;

/// One that begins like another comes first.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_what_go_takes_for_one() {
        for (text, expected) in [
            ("0", 0.0),
            ("10m", 6e11),
            ("1h30m", 5.4e12),
            ("1.5s", 1.5e9),
            ("-2ms", -2e6),
            ("300µs", 3e5),
            (".5s", 5e8),
        ] {
            assert_eq!(nanoseconds(text), Some(expected), "{text}");
        }
        for text in ["", "-", "10", "m", "1d", "sk-live-0123456789abc", "1h planted", "1..5s", ".s"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
