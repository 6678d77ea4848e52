//! Values that are written as text.

/// Has values of a type written as the text that this part of them shows.
macro_rules! written_as_text {
    ($($type:ident: $($part:tt)?),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self$(.$part)?)
            }
        }
    )+};
}

/// Has values of a type parsed as they are read from a file.
macro_rules! parsed_from_text {
    ($($type:ident),+ $(,)?) => {$(
        impl std::str::FromStr for $type {
            type Err = $crate::config::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.to_owned().try_into()
            }
        }
    )+};
}

pub(in crate::config) use parsed_from_text;
pub(in crate::config) use written_as_text;
