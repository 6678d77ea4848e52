//! Single values that are more than text: each is checked where it is read.

pub(super) mod environment;
pub(super) mod nearest;
pub(super) mod network;
pub(super) mod null;
pub(super) mod origin_pattern;
pub(super) mod path_prefix;
pub(super) mod patterns;
pub(super) mod public_url;
pub(super) mod server_address;
pub(super) mod site_name;
pub(super) mod text;
pub(super) mod wait;
