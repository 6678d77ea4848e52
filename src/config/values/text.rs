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

pub(in crate::config) use written_as_text;
