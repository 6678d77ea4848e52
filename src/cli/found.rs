//! Which configuration file is meant.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Names the file where the command line does not.
const VARIABLE: &str = "BRIDGEHEAD_CONFIG";

/// Where it is looked for otherwise: in the folder of a checkout, and where a package puts it.
const PLACES: [&str; 2] = ["conf/proxy.yaml", "/etc/bridgehead/proxy.yaml"];

/// The file that was named, or the first one that is there. What nobody named and is nowhere is missing in the first
/// place.
pub(super) fn configuration(named: Option<PathBuf>) -> PathBuf {
    let of_environment = || env::var_os(VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from);
    named.or_else(of_environment).unwrap_or_else(|| {
        let found = PLACES.iter().find(|place| Path::new(place).is_file());
        found.unwrap_or(&PLACES[0]).into()
    })
}
