//! A duration as an operator writes it: numbers, each with its unit. What could mean something else than it says is
//! refused, with what to write instead.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{self, Unexpected, Visitor},
};

/// A duration, or none.
pub(in crate::config) trait Wait: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// How long it is, if there is one.
    fn length(&self) -> Option<Duration>;
}

/// Writes one as it can be read: in days and less, as months and years are refused.
pub(in crate::config) fn serialize<T: Wait, S: Serializer>(wait: &T, serializer: S) -> Result<S::Ok, S::Error> {
    const DAY: u64 = 24 * 60 * 60;
    const DAYS: u64 = 30;
    let Some(length) = wait.length() else { return serializer.serialize_none() };
    let days = length.as_secs() / DAY;
    let rest = length.saturating_sub(Duration::from_secs(days * DAY));
    match days {
        ..DAYS => serializer.collect_str(&humantime::format_duration(length)),
        _ if rest.is_zero() => serializer.collect_str(&format_args!("{days}days")),
        _ => serializer.collect_str(&format_args!("{days}days {}", humantime::format_duration(rest))),
    }
}

/// Reads one.
pub(in crate::config) fn deserialize<'de, T: Wait, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// It is no duration at all.
    None,
    /// It is nearly one.
    Unclear(&'static str),
}

/// The duration that a text says.
fn parse(text: &str) -> Result<Duration, Fault> {
    let mut rest = text.trim_matches(' ');
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(Fault::None);
    }
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.').len();
        let (number, behind) = rest.split_at(number);
        let behind = behind.trim_start_matches(' ');
        let unit = behind.len() - behind.trim_start_matches(|sign: char| sign.is_alphabetic()).len();
        let (unit, next) = behind.split_at(unit);
        match (number, unit) {
            ("", _) => return Err(Fault::None),
            // Nothing but a number.
            (_, "") if number.len() == text.trim_matches(' ').len() => return Err(Fault::None),
            (_, "") => return Err(Fault::Unclear("a number has no unit; write for example 1m 30s")),
            (_, "M") => return Err(Fault::Unclear("M could be minutes or months; write m for minutes, d for days")),
            (_, unit) if unit.starts_with("mo") || unit.starts_with('y') => {
                return Err(Fault::Unclear("months and years have no fixed length; write d for days"));
            }
            _ => {}
        }
        rest = next.trim_start_matches(' ');
    }
    humantime::parse_duration(text).map_err(|_| Fault::None)
}

impl Wait for Duration {
    fn length(&self) -> Option<Duration> {
        Some(*self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                parse(text).map_err(|fault| match fault {
                    Fault::None => E::invalid_value(Unexpected::Str(text), &self),
                    Fault::Unclear(why) => E::custom(why),
                })
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl Wait for Option<Duration> {
    fn length(&self) -> Option<Duration> {
        *self
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written(Duration);

        impl<'de> Deserialize<'de> for Written {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Duration::read(deserializer).map(Written)
            }
        }

        Ok(Option::<Written>::deserialize(deserializer)?.map(|Written(wait)| wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_means_what_it_says() {
        for (text, seconds) in [
            ("5s", 5.0),
            ("5 s", 5.0),
            (" 5s ", 5.0),
            ("1m30s", 90.0),
            ("1m 30 s", 90.0),
            ("250ms", 0.25),
            ("1.5h", 5400.0),
            ("1d", 86_400.0),
            ("2 min 5sec", 125.0),
            ("2weeks", 1_209_600.0),
            ("0", 0.0),
        ] {
            assert_eq!(parse(text).map(|wait| wait.as_secs_f64()), Ok(seconds), "{text:?}");
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for text in ["5M", "1m30", "1 30s", "1month", "1y", "1h 5M"] {
            let fault = parse(text).unwrap_err();
            assert!(matches!(fault, Fault::Unclear(_)), "{text:?} {fault:?}");
        }
        for text in
            ["", " ", "s", "5", "1.5", "5 bananas", "5S", "-5s", "1.s", "1.5.2s", "5s,", "999999999999999999999d"]
        {
            assert_eq!(parse(text), Err(Fault::None), "{text:?}");
        }
    }
}
