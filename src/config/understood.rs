//! A configuration as it is understood: every default filled in, the files that it includes merged, in one form for what
//! can be written in several.

use std::path::{Path, PathBuf, absolute};

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use super::{
    keys::{
        config::Config,
        fleet::{Addresses, Server},
        listener::{ListenAddress, Listener},
        site::Site,
    },
    load::{FOR_EVERY_SITE, Loaded, folder},
    problem::{KeyPath, Place, Step},
    yaml::{SITES, TABLE, environment::Reference},
};

/// Of these a site has a part alone.
const LIMITS: &str = "limits";

impl Loaded {
    /// What it says, with every default filled in. Of MCP clients there is what is kept of them, `name` and `auth_type`.
    /// Files have absolute paths.
    pub fn understood(&self) -> Mapping {
        let mut config = self.config.clone();
        fill(&mut config, &self.file);
        let (mut top, unsited) = (mapping(&config.edge), mapping(&config.unsited));
        if let [site] = &config.sites[..]
            && *site.place() == Place::default()
        {
            top.extend(mapping(site).into_iter().filter(|(key, _)| key != LIMITS));
            without_nulls(&mut top);
            return top;
        }
        let shared = || FOR_EVERY_SITE.into_iter().filter(|key| *key != LIMITS);
        top.extend(shared().filter_map(|key| Some((key.into(), unsited.get(key)?.clone()))));
        without_nulls(&mut top);
        let sites = config.sites.iter().map(|site| {
            let mut site = mapping(site);
            without_nulls(&mut site);
            for key in shared() {
                if let (Some(Value::Mapping(common)), Some(Value::Mapping(said))) = (top.get(key), site.get_mut(key)) {
                    deny(common, said);
                }
            }
            Value::from(site)
        });
        let sites = sites.collect();
        top.insert(SITES.into(), Value::Sequence(sites));
        top
    }

    /// The same as it can be written into a file: what comes from the environment is named, not shown.
    pub fn with_references(&self) -> Mapping {
        let mut top = self.understood();
        for (key, value) in &mut top {
            match key.as_str() {
                // The table is its Bifrost's: of its values nothing is a reference.
                Some(TABLE) => {}
                Some(SITES) => {
                    let sites = value.as_sequence_mut().into_iter().flatten().filter_map(Value::as_mapping_mut);
                    let values = sites.flat_map(|site| site.iter_mut().filter(|(key, _)| key.as_str() != Some(TABLE)));
                    values.for_each(|(_, value)| escape(value));
                }
                _ => escape(value),
            }
        }
        for reference in &self.references {
            for path in self.understood_at(&reference.place) {
                if let Some(value) = find(&mut top, &path) {
                    *value = reference.instead_of(value);
                }
            }
        }
        top
    }

    /// Where it has what is written at this place: once, or in every site that takes it from the top level.
    fn understood_at(&self, place: &Place) -> Vec<KeyPath> {
        let sites = self.config.sites.iter().enumerate();
        let path = |number, below: &[Step]| {
            KeyPath(KeyPath::root(SITES).index(number).0.into_iter().chain(below.iter().cloned()).collect())
        };
        let is_common = place.file.is_none() && !place.path.is_below(SITES);
        let mut paths = if is_common { vec![place.path.clone()] } else { Vec::new() };
        for (number, site) in sites.filter(|(_, site)| *site.place() != Place::default()) {
            let own = site.place();
            if is_common {
                if self.inheritance.written(own.join(&place.path)) == *place {
                    paths.push(path(number, &place.path.0));
                }
            } else if own.file == place.file
                && let Some(below) = place.path.0.strip_prefix(&own.path.0[..])
            {
                paths.push(path(number, below));
            }
        }
        paths
    }
}

impl Reference {
    /// The reference as it stands for a value; where that is a path, behind the folder that it begins at.
    fn instead_of(&self, value: &Value) -> Value {
        let (Some(value), Some(resolved)) = (value.as_str(), self.resolved.as_str()) else {
            return self.text.as_str().into();
        };
        let folder = value.strip_suffix(resolved).filter(|folder| folder.starts_with('/')).unwrap_or_default();
        format!("{folder}{}", self.text).into()
    }
}

/// Fills in what is not said, and stands for something else than nothing.
fn fill(config: &mut Config, file: &Path) {
    for listener in &mut config.edge.listeners {
        fill_listener(listener, folder(file));
    }
    for site in config.sites.iter_mut().chain([&mut config.unsited]) {
        fill_site(site, file);
    }
}

fn fill_listener(listener: &mut Listener, folder: &Path) {
    listener.http2 = Some(listener.has_http2());
    if matches!(listener.address, ListenAddress::Unix(_)) {
        listener.mode = Some(listener.mode());
    }
    if let Some(tls) = &mut listener.tls {
        let pairs = tls.certificates.iter_mut().flat_map(|pair| [&mut pair.certificate, &mut pair.key]);
        pairs.chain(&mut tls.client_ca).for_each(|file| from_root(file, folder));
    }
}

fn fill_site(site: &mut Site, file: &Path) {
    site.profile = Some(site.profile());
    site.mcp_server_auth_mode = site.auth_mode();
    let of_site = site.place().file.clone();
    let folder = folder(of_site.as_deref().unwrap_or(file));
    for server in &mut site.servers {
        fill_server(server, folder);
    }
}

fn fill_server(server: &mut Server, folder: &Path) {
    server.addresses = Some(if server.is_one() { Addresses::One } else { Addresses::Each });
    if let Some(tls) = &mut server.tls {
        let files = [&mut tls.ca, &mut tls.certificate, &mut tls.key];
        files.into_iter().flatten().for_each(|file| from_root(file, folder));
    }
}

/// Has a path begin at the root, whatever file it will be written in.
fn from_root(file: &mut PathBuf, folder: &Path) {
    let joined = folder.join(&*file);
    *file = absolute(&joined).unwrap_or(joined);
}

fn mapping(value: &impl Serialize) -> Mapping {
    match serde_yaml::to_value(value) {
        Ok(Value::Mapping(mapping)) => mapping,
        _ => Mapping::new(),
    }
}

/// Leaves out what is nothing.
fn without_nulls(mapping: &mut Mapping) {
    mapping.retain(|_, value| !value.is_null());
    for value in mapping.values_mut() {
        match value {
            Value::Mapping(mapping) => without_nulls(mapping),
            Value::Sequence(items) => items.iter_mut().filter_map(Value::as_mapping_mut).for_each(without_nulls),
            _ => {}
        }
    }
}

/// Says that a site has nothing where the top level has something.
fn deny(common: &Mapping, said: &mut Mapping) {
    for (key, common) in common {
        match (said.get_mut(key), common) {
            (None, _) => drop(said.insert(key.clone(), Value::Null)),
            (Some(Value::Mapping(said)), Value::Mapping(common)) => deny(common, said),
            _ => {}
        }
    }
}

/// Writes texts so that they are no references.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Sequence(items) => items.iter_mut().for_each(escape),
        Value::Mapping(mapping) => mapping.values_mut().for_each(escape),
        _ => {}
    }
}

/// The value at a path, if there is one.
fn find<'a>(top: &'a mut Mapping, path: &KeyPath) -> Option<&'a mut Value> {
    let (first, below) = path.0.split_first()?;
    let Step::Key(first) = first else { return None };
    below.iter().try_fold(top.get_mut(first.as_str())?, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    })
}
