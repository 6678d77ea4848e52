//! Keys that are there with nothing behind them.

use serde::{Deserialize, Deserializer, de};

/// A key whose items are all commented out reads as null: that means an empty list.
pub(in crate::config) fn empty_when_null<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for a section.
pub(in crate::config) fn default_when_null<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A section that may be left out, but not be empty: what its keys would have asked for must not be forgotten.
pub(in crate::config) fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let section = Option::deserialize(deserializer)?;
    section.map(Some).ok_or_else(|| de::Error::custom("found nothing; write its keys, or leave it out"))
}

/// Text, which `null` is not, although a string in YAML without quotes may be any word.
#[derive(Deserialize)]
#[serde(try_from = "Option<String>")]
pub(in crate::config) struct Text(pub String);

impl TryFrom<Option<String>> for Text {
    type Error = &'static str;

    fn try_from(text: Option<String>) -> Result<Self, Self::Error> {
        text.map(Text).ok_or("found nothing; write text; the word null only in quotes")
    }
}

/// A value that is made of text, which is empty when it is null.
pub(in crate::config) fn of_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<String, Error: std::fmt::Display>,
{
    Option::<String>::deserialize(deserializer)?.unwrap_or_default().try_into().map_err(de::Error::custom)
}
