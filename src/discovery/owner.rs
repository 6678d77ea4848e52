//! Whose a path is, where a host has more than Bifrosts: for a proxy of somebody else's.

use super::{
    spelling::{any_reading, may_hide_well_known},
    well_known::{without_query, without_slug},
};
use crate::generation::CLAUDE_CODE;

/// Whether a path, in whatever spelling, is for discovery at one of the public URLs, of which `is_base` knows the paths, or
/// at what Bifrost has below one.
pub(super) fn is_at_base(raw: &[u8], is_base: impl Fn(&[u8]) -> bool) -> bool {
    let path = without_query(raw);
    let is_resource = |path: &[u8]| resources(path).any(<[u8]>::is_empty);
    let is_of_base = |path: &[u8]| resources(path).any(&is_base);
    may_hide_well_known(path)
        && any_reading(path, |before, after| {
            is_of_base(before) && is_resource(after) || before.is_empty() && is_of_base(after)
        })
}

/// What a path may be below: itself, and what is left of it without a resource of Bifrost's at its end.
fn resources(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let below = ["/mcp", "/v1/mcp", CLAUDE_CODE].map(|resource| path.strip_suffix(resource.as_bytes()));
    [Some(path), without_slug(path)].into_iter().chain(below).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::discovery::places;

    /// A spelling of a path that a server may read as that path.
    fn spelled(path: &str, places: &[(usize, u8)]) -> String {
        let mut segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        for (place, how) in places {
            let place = place % segments.len();
            let segment = segments[place].clone();
            match how % 6 {
                0 => segments.insert(place, String::new()),
                1 => segments.insert(place, ".".into()),
                2 => segments.splice(place..place, ["x".into(), "..".into()]).for_each(drop),
                3 => segments[place] = segment.replacen('e', "%65", 1),
                4 => segments.push(String::new()),
                _ => segments[place] = format!("{segment};v=1"),
            }
        }
        format!("/{}", segments.join("/"))
    }

    proptest! {
        #[test]
        fn what_a_bifrost_may_read_as_its_own_is_its_own(
            base in prop::sample::select(vec!["", "/bifrost", "/team-e/one"]),
            document in 0..7_usize,
            how in prop::collection::vec(any::<(usize, u8)>(), 0..3),
        ) {
            let places = places(base);
            let path = spelled(&places[document % places.len()], &how);
            prop_assert!(is_at_base(path.as_bytes(), |path| path == base.as_bytes()), "{path} at {base:?}");
            // Below somebody else's path it is not.
            let other = format!("/realms/x{path}");
            prop_assert!(!is_at_base(other.as_bytes(), |path| path == base.as_bytes()), "{other} at {base:?}");
        }
    }
}
