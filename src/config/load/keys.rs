//! Which keys stand where: those of the whole process at the top level of the file that is loaded, those of a site there
//! or in an entry of `sites`.

use std::collections::BTreeSet;

use once_cell::sync::Lazy;

use super::json_schema::names;
use crate::config::keys::{config::EdgeKeys, site::Site};

/// The files that have more sites.
pub(super) const INCLUDE: &str = "include";

/// What the top level says for every site that says nothing else. Of `limits`, only what a site has.
pub(in crate::config) const FOR_EVERY_SITE: [&str; 10] =
    ["discovery", "balance", "health", "breaker", "retries", "verify", "timeouts", "access", "cors", "limits"];

/// The keys of the whole process.
pub(super) static EDGE: Lazy<BTreeSet<String>> = Lazy::new(names::<EdgeKeys>);

/// The keys of a site.
pub(super) static SITE: Lazy<BTreeSet<String>> = Lazy::new(names::<Site>);
