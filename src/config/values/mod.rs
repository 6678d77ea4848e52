//! Single values that are more than text: each is checked where it is read.

pub(super) mod environment;
pub(super) mod invalid;
pub(super) mod nearest;
pub(super) mod network;
pub(super) mod null;
#[cfg(feature = "edge")]
pub(super) mod origin_pattern;
#[cfg(feature = "edge")]
pub(super) mod path_prefix;
#[cfg(feature = "edge")]
pub(super) mod patterns;
pub(super) mod public_url;
#[cfg(feature = "edge")]
pub(super) mod server_address;
pub(super) mod site_name;
pub(super) mod text;
pub(super) mod wait;
