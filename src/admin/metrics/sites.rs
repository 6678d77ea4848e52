//! The label of a site. Where there is one site alone, no series has it.

use crate::config::SiteName;

/// The label, left out where its value is empty.
pub(super) const SITE: &str = "site";

/// Its value.
pub(super) fn label(site: Option<&SiteName>) -> String {
    site.map(ToString::to_string).unwrap_or_default()
}
