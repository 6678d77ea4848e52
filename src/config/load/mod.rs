//! From the text of a file to a checked configuration, or to everything that is wrong with it.

mod bounds;
mod include;
mod inherit;
pub(super) mod json_schema;
mod keys;
mod sources;
pub(super) mod spots;
mod tree;

use std::{
    collections::HashSet,
    env, mem,
    path::{Path, PathBuf},
    time::SystemTime,
};

pub(super) use self::keys::FOR_EVERY_SITE;
use self::{include::Included, inherit::Inheritance, sources::Source, tree::Tree};
use crate::config::{
    checks::{self, certificates, fixed::Fixed},
    files::contents::{self, Contents},
    keys::{
        config::{Config, EdgeKeys},
        site::{Site, SiteLimits},
    },
    problem::{Place, Problem, Problems},
    yaml::{
        environment::{Reference, Resolver},
        lines, parse, text,
    },
};

/// A configuration that has passed every check.
///
/// ```
/// let config = bridgehead::config::Loaded::from_text(
///     "conf/proxy.yaml".as_ref(),
///     "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{adress: \"127.0.0.1:8080\"}]\n",
/// );
/// let problems = config.unwrap_err().to_string();
/// assert!(problems.contains("conf/proxy.yaml:2: servers[0].adress: unknown key; did you mean \"address\"?"));
/// ```
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file as the operator named it.
    pub file: PathBuf,
    /// What it says.
    pub config: Config,
    /// What the operator should know about it.
    pub warnings: Vec<Problem>,
    /// So many of them, the last ones, are of the moment: of certificates that have expired, or do so soon.
    momentary: usize,
    /// What the operator may want to know, and need not act on.
    pub notes: Vec<Problem>,
    /// What the file held, and the files that it names.
    pub contents: Contents,
    /// The files that it includes, the folders where it looks for them, and the files of servers that it names.
    pub named: Vec<PathBuf>,
    /// The names whose values it takes from the environment.
    pub environment: Vec<String>,
    /// Where it does, and how that is written.
    pub(in crate::config) references: Vec<Reference>,
    pub(in crate::config) inheritance: Inheritance,
}

/// What to do about an empty file.
const WHEN_EMPTY: &str = "start from the conf/proxy.yaml that is shipped";

/// What was read, before it is judged.
struct Read {
    config: Config,
    sources: Vec<Source>,
    inheritance: Inheritance,
    watched: Vec<PathBuf>,
    environment: Vec<String>,
    references: Vec<Reference>,
}

impl Loaded {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file and of those that it includes; one problem when it cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, Problems> {
        Self::from_text(file, &text::read(file)?)
    }

    /// The warnings that are so for as long as the configuration is the same.
    pub fn lasting_warnings(&self) -> &[Problem] {
        self.warnings.split_at(self.warnings.len().saturating_sub(self.momentary)).0
    }

    /// The warnings of certificates, which time brings and new files end.
    pub fn certificate_warnings(&self) -> &[Problem] {
        self.warnings.split_at(self.warnings.len().saturating_sub(self.momentary)).1
    }

    /// Checks the text of a file for an edge that runs already.
    ///
    /// # Errors
    /// Every problem of the text; if there is none, every key that a running edge cannot change.
    pub fn for_running(file: &Path, text: &str, fixed: &Fixed) -> Result<Self, Problems> {
        let loaded = Self::from_text(file, text)?;
        let mut problems = fixed.problems(&loaded.config.edge);
        if problems.is_empty() {
            return Ok(loaded);
        }
        lines::locate(text, &mut problems.iter_mut().collect::<Vec<_>>());
        Err(Problems::new(file, problems))
    }

    /// Checks the text of a file; `file` names it, and what it includes is found beside it.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Problems> {
        Self::with_included(file, text, None)
    }

    /// The same, as if one of the files that it includes said something else than it does.
    ///
    /// # Errors
    /// Every problem of the texts.
    pub fn with_included(file: &Path, text: &str, instead: Option<(&Path, &str)>) -> Result<Self, Problems> {
        let text = text::without_mark(text);
        let Read { config, sources, inheritance, watched, environment, references } = read(file, text, instead)?;
        let (mut warnings, mut notes) = (checks::warnings(&config), checks::notes(&config));
        let mut momentary = certificates::warnings(&config, SystemTime::now());
        for remarks in [&mut warnings, &mut momentary, &mut notes] {
            once_each(remarks, |place| inheritance.written(place));
            sources::locate(&sources, remarks);
        }
        let texts: Vec<_> = sources.iter().map(|source| &*source.text).collect();
        let contents = Contents::of(&texts, &config);
        let named = watched.into_iter().chain(contents::named(&config, file)).collect();
        let certificates = momentary.len();
        warnings.append(&mut momentary);
        Ok(Loaded {
            file: file.to_owned(),
            config,
            warnings,
            momentary: certificates,
            notes,
            contents,
            named,
            environment,
            references,
            inheritance,
        })
    }
}

/// Reads and judges a text.
fn read(file: &Path, text: &str, instead: Option<(&Path, &str)>) -> Result<Read, Problems> {
    let outline = parse(text, WHEN_EMPTY).map_err(|problem| Problems::new(file, vec![problem]))?;
    let mut tree = Tree::new(Resolver::new(&|name| env::var(name).ok()), Included::of(file, instead));
    tree.read(file, outline);
    let mut problems = mem::take(&mut tree.problems);
    let mut config = config_of(&mut tree);
    if let Some(config) = &mut config {
        let mut checked = judge(config, file);
        once_each(&mut checked, |place| tree.in_file(place));
        // A value of which parts were left out cannot be judged as a whole.
        let is_whole =
            |problem: &Problem| !tree.is_partial(&Place { file: problem.file.clone(), path: problem.path.clone() });
        problems.extend(checked.into_iter().filter(is_whole));
    }
    let Tree { resolver: Resolver { names, references, .. }, included, inheritance, .. } = tree;
    let mut sources = vec![Source { file: None, text: text.to_owned() }];
    sources.extend(included.sources);
    match config {
        Some(config) if problems.is_empty() => {
            let environment = names.into_iter().collect();
            Ok(Read { config, sources, inheritance, watched: included.watched, environment, references })
        }
        _ => Err(located(file, &sources, problems)),
    }
}

/// The whole configuration of a file that is one site.
fn one_site(edge: EdgeKeys, mut site: Site) -> Config {
    site.cors = edge.cors.clone();
    site.limits = SiteLimits { request_body: edge.limits.request_body };
    // A large table is not copied.
    let table = mem::take(&mut site.mcp_clients);
    let unsited = Site { servers: Vec::new(), public_urls: Vec::new(), ..site.clone() };
    site.mcp_clients = table;
    Config { edge, sites: vec![site], unsited }
}

/// The configuration, as far as it could be read.
fn config_of(tree: &mut Tree<'_>) -> Option<Config> {
    let edge = tree.edge.take()?;
    let mut sites = mem::take(&mut tree.sites);
    match (tree.unsited.take(), sites.len()) {
        (Some(unsited), _) => Some(Config { edge, sites, unsited }),
        (None, 1) => Some(one_site(edge, sites.remove(0))),
        (None, _) => None,
    }
}

/// Everything that is wrong with a configuration that decoded. Reads the files that it names.
fn judge(config: &mut Config, file: &Path) -> Vec<Problem> {
    let mut problems = checks::problems(config);
    for site in &mut config.sites {
        let folder = folder(site.place.file.as_deref().unwrap_or(file));
        for (number, server) in site.servers.iter_mut().enumerate() {
            if let Some(tls) = &mut server.tls {
                problems.extend(tls.read(folder, &site.place.key("servers").index(number).key("tls")));
            }
        }
    }
    let edge = &mut config.edge;
    for (number, listener) in edge.listeners.iter_mut().enumerate() {
        let has_http2 = listener.has_http2();
        if let Some(tls) = &mut listener.tls {
            let place = Place::root("listeners").index(number).key("tls");
            problems.extend(tls.check(folder(file), has_http2, &place.path));
        }
    }
    problems.extend(edge.access_log.as_mut().and_then(|log| log.locate(folder(file))));
    problems
}

/// Says of each problem where its value is written; what is so of several sites is said once.
fn once_each(problems: &mut Vec<Problem>, written: impl Fn(Place) -> Place) {
    let mut said = HashSet::new();
    problems.retain_mut(|problem| {
        let place = Place { file: problem.file.take(), path: mem::take(&mut problem.path) };
        Place { file: problem.file, path: problem.path } = written(place);
        problem.first = problem.first.take().map(&written);
        said.insert((problem.file.clone(), problem.path.clone(), problem.message.clone()))
    });
}

/// Where the relative paths of a file start.
pub(in crate::config) fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn located(file: &Path, sources: &[Source], mut problems: Vec<Problem>) -> Problems {
    sources::locate(sources, &mut problems);
    Problems::new(file, problems)
}
