//! From the outlines of files to typed keys: references to the environment are resolved, sites get what the top level says
//! for every site, and all faults are found.

use std::{collections::HashMap, mem, path::Path, sync::Arc};

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::{
    WHEN_EMPTY,
    bounds::whole_number,
    include::Included,
    inherit::{Inheritance, Inherited, inherit},
    keys::{EDGE, FOR_EVERY_SITE, INCLUDE, SITE},
    sources::Source,
};
use crate::config::{
    discovery::mcp_client::McpClients,
    keys::{config::EdgeKeys, site::Site},
    problem::{KeyPath, Place, Problem},
    values::nearest::unknown_key,
    yaml::{
        SITES,
        decode::{LeftOut, decode},
        environment::Resolver,
        outline::Outline,
        parse,
    },
};

/// What could be read, and everything that was wrong.
pub(super) struct Tree<'a> {
    pub resolver: Resolver<'a>,
    pub edge: Option<EdgeKeys>,
    pub sites: Vec<Site>,
    pub unsited: Option<Site>,
    /// With those of the resolver.
    pub problems: Vec<Problem>,
    pub included: Included,
    pub inheritance: Inheritance,
    left_out: HashMap<Option<Arc<Path>>, LeftOut>,
    /// By the place of the site that has them.
    tables: HashMap<Place, McpClients>,
}

impl<'a> Tree<'a> {
    pub fn new(resolver: Resolver<'a>, included: Included) -> Self {
        Tree {
            resolver,
            edge: None,
            sites: Vec::new(),
            unsited: None,
            problems: Vec::new(),
            included,
            inheritance: Inheritance::default(),
            left_out: HashMap::new(),
            tables: HashMap::new(),
        }
    }

    /// Reads the file that is loaded, which says this, and those that it includes.
    pub fn read(&mut self, file: &Path, outline: Outline) {
        let place = Place::default();
        match self.resolved(outline, &place) {
            Value::Mapping(top) if is_there(&top, SITES) || is_there(&top, INCLUDE) => self.sites(file, top),
            Value::Mapping(top) => self.one_site(top),
            other => self.edge = self.decode(&other, &place),
        }
        // What is said of a reference need not be said of the text that it still is.
        let unresolved = mem::take(&mut self.resolver.problems);
        let is_said = |problem: &Problem| {
            unresolved.iter().any(|said| (&said.file, &said.path) == (&problem.file, &problem.path))
        };
        self.problems.retain(|problem| !is_said(problem));
        self.problems.extend(unresolved);
    }

    /// Whether the value at this place, or something in it, was left out.
    pub fn is_partial(&self, place: &Place) -> bool {
        self.left_out.get(&place.file).is_some_and(|left_out| left_out.is_partial(&place.path))
    }

    /// The place in its file of a place in what was decoded.
    pub fn in_file(&self, place: Place) -> Place {
        let place = self.inheritance.written(place);
        match self.left_out.get(&place.file) {
            Some(left_out) => Place { path: left_out.path_in_file(place.path), ..place },
            None => place,
        }
    }

    /// The tree of a file with its references resolved; its tables are put aside.
    fn resolved(&mut self, Outline { mut tree, tables }: Outline, root: &Place) -> Value {
        self.tables.extend(tables.into_iter().map(|(path, table)| (root.join(&path), table)));
        self.resolver.resolve(&mut tree, root);
        tree
    }

    /// A file without `sites`: the keys of one stand among those of the process.
    fn one_site(&mut self, top: Mapping) {
        let (mut edge, mut site) = (Mapping::new(), Mapping::new());
        for (key, value) in top {
            let key = self.in_small_letters(key);
            let name = key.as_str().unwrap_or("?");
            if EDGE.contains(name) {
                edge.insert(key, value);
            } else if SITE.contains(name) && name != "name" {
                site.insert(key, value);
            } else if name != SITES && name != INCLUDE {
                self.unknown(name);
            }
        }
        let root = Place::default();
        self.edge = self.decode(&edge.into(), &root);
        let site = self.decode_site(site, &root);
        self.sites.extend(site);
    }

    /// A key of the top level, as what it is but for its capital letters, of which is said that they are wrong.
    fn in_small_letters(&mut self, key: Value) -> Value {
        let Some(name) = key.as_str() else { return key };
        let small = name.to_ascii_lowercase();
        let is_key = |name: &str| EDGE.contains(name) || SITE.contains(name) && name != "name";
        if name == small || !(is_key(&small) || small == SITES || small == INCLUDE) {
            return key;
        }
        self.unknown(name);
        Value::String(small)
    }

    /// A key of the top level that is none.
    fn unknown(&mut self, name: &str) {
        let of_both = EDGE.union(&SITE).map(String::as_str).filter(|known| *known != "name");
        let known: Vec<_> = of_both.chain([SITES, INCLUDE]).collect();
        self.problems.push(Problem::new(KeyPath::root(name), unknown_key(name, &known)));
    }

    /// A file with `sites`, its own or included ones: its top level has the keys of the process, and what holds for every
    /// site that says nothing else.
    fn sites(&mut self, file: &Path, top: Mapping) {
        let (mut edge, mut common) = (Mapping::new(), Mapping::new());
        let (mut sites, mut include) = (None, None);
        for (key, value) in top {
            let key = self.in_small_letters(key);
            let name = key.as_str().unwrap_or("?").to_owned();
            match &*name {
                SITES => sites = Some(value),
                INCLUDE => include = Some(value),
                name if FOR_EVERY_SITE.contains(&name) => {
                    if EDGE.contains(name) {
                        edge.insert(key.clone(), value.clone());
                    }
                    common.insert(key, value);
                }
                name if EDGE.contains(name) => drop(edge.insert(key, value)),
                name if SITE.contains(name) => {
                    let message =
                        "is a site's, and this file has sites; move it into the entry of sites that it is for";
                    self.problems.push(Problem::new(KeyPath::root(name), message));
                }
                name => self.unknown(name),
            }
        }
        let root = Place::default();
        self.edge = self.decode(&edge.into(), &root);
        let common = inherit(common);
        self.unsited = self.decode(&common.site_without_servers(), &root);
        self.list(sites.unwrap_or(Value::Null), &root.key(SITES), &common);
        if let Some(patterns) = include {
            self.include(file, &patterns, &root.key(INCLUDE), &common);
        }
        self.inheritance.common = common;
        // Where something was wrong with one, that has been said.
        if self.sites.is_empty() && self.problems.is_empty() && self.resolver.problems.is_empty() {
            let message = "empty; add a site, or write its keys at the top level and leave sites out";
            self.problems.push(Problem::new(root.key(SITES), message));
        }
    }

    fn list(&mut self, sites: Value, place: &Place, common: &Inherited) {
        match sites {
            Value::Null => {}
            Value::Sequence(sites) => {
                for (number, site) in sites.into_iter().enumerate() {
                    self.site(site, &place.index(number), common);
                }
            }
            _ => self.problems.push(Problem::new(place.clone(), "no list; write each site as an item: - name: …")),
        }
    }

    fn site(&mut self, site: Value, place: &Place, common: &Inherited) {
        let Value::Mapping(mut site) = site else {
            // It says what is wrong with it.
            self.decode::<Site>(&site, place);
            return;
        };
        for name in EDGE.iter().filter(|name| !SITE.contains(*name)) {
            if site.shift_remove(name.as_str()).is_some() {
                let message = "holds for the whole process; move it to the top level of the file that is loaded";
                self.problems.push(Problem::new(place.key(name), message));
            }
        }
        let own = common.add_to(&mut site);
        let before = self.problems.len();
        let decoded = self.decode_site(site, place);
        // What is wrong at the top level is said of that.
        let depth = place.path.0.len();
        let found = self.problems.split_off(before);
        let is_own = |problem: &Problem| common.is_own(&own, problem.path.0.get(depth..).unwrap_or_default());
        self.problems.extend(found.into_iter().filter(is_own));
        self.inheritance.sites.insert(place.clone(), own);
        self.sites.extend(decoded.map(|site| Site { place: place.clone(), ..site }));
    }

    /// Reads the files that these patterns mean, which are relative to the folder of this file.
    fn include(&mut self, file: &Path, patterns: &Value, place: &Place, common: &Inherited) {
        let files = self.included.find(file, patterns, place, &mut self.problems);
        for (place, path) in files {
            let Some(text) = self.included.enter(&path, &place, &mut self.problems) else { continue };
            self.included_file(&path, text, common);
            self.included.leave();
        }
    }

    /// An included file is one site, or has `sites`, and may include more.
    fn included_file(&mut self, path: &Path, text: String, common: &Inherited) {
        let root = Place { file: Some(path.into()), path: KeyPath::default() };
        let outline = match parse(&text, WHEN_EMPTY) {
            Ok(outline) => Some(outline),
            Err(problem) => {
                self.problems.push(Problem { file: root.file.clone(), ..problem });
                None
            }
        };
        self.included.sources.push(Source { file: root.file.clone(), text });
        let Some(outline) = outline else { return };
        match self.resolved(outline, &root) {
            Value::Mapping(mut top) if is_there(&top, SITES) || is_there(&top, INCLUDE) => {
                let (sites, include) = (top.shift_remove(SITES), top.shift_remove(INCLUDE));
                for key in top.keys().filter_map(Value::as_str) {
                    let message = "an included file has sites and include alone, or is one site without them; move this \
                                   into a site, or to the file that is loaded";
                    self.problems.push(Problem::new(root.key(key), message));
                }
                self.list(sites.unwrap_or(Value::Null), &root.key(SITES), common);
                if let Some(patterns) = include {
                    self.include(path, &patterns, &root.key(INCLUDE), common);
                }
            }
            site => self.site(site, &root, common),
        }
    }

    fn decode_site(&mut self, site: Mapping, place: &Place) -> Option<Site> {
        let mut site = self.decode::<Site>(&site.into(), place)?;
        if let Some(table) = self.tables.remove(place) {
            site.mcp_clients = table;
        }
        Some(site)
    }

    fn decode<T: for<'de> Deserialize<'de>>(&mut self, tree: &Value, place: &Place) -> Option<T> {
        let decoded = decode(tree, &place.path, |path| whole_number(path, &place.path));
        let of_file = |problem| Problem { file: place.file.clone(), ..problem };
        self.problems.extend(decoded.problems.into_iter().map(of_file));
        self.left_out.entry(place.file.clone()).or_default().extend(decoded.left_out);
        decoded.value
    }
}

fn is_there(top: &Mapping, key: &str) -> bool {
    top.get(key).is_some_and(|value| !value.is_null())
}
