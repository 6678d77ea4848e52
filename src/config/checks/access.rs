//! The checks of the rules of access, next to each other.

use crate::config::{
    keys::site::Site,
    problem::{Problem, unique},
};

pub(super) fn problems(site: &Site, problems: &mut Vec<Problem>) {
    let list = site.place.key("access");
    unique(site.access.iter().map(|rule| rule.path.to_lower_case()).enumerate(), |place, first| {
        let path = |place| list.index(place).key("path");
        problems.push(Problem::repeated(path(place), path(first), "the same path again; put both in one"));
    });
    for (place, rule) in site.access.iter().enumerate() {
        let path = rule.path.as_str();
        let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        if path.contains(['%', ';', '\\']) || path.contains("//") || has_dots {
            let message =
                "a path that may be read in several ways; write the one that is meant, without %, ;, \\, //, . and ..";
            problems.push(Problem::new(list.index(place).key("path"), message));
        }
        if rule.allow.is_empty() && rule.deny.is_empty() {
            let message = "allows and denies nobody; add allow or deny, or remove it";
            problems.push(Problem::new(list.index(place), message));
        }
    }
}
