//! From the text of a file to a checked configuration, or to everything that is wrong with it.

mod bounds;
mod decode;
mod fault;
pub(super) mod json_schema;
mod lines;
pub(super) mod text;

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::config::{
    checks::{self, fixed::Fixed},
    files::contents::{self, Contents},
    keys::config::Config,
    problem::{KeyPath, Problem, Problems},
};

/// A configuration that has passed every check.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file as the operator named it.
    pub file: PathBuf,
    /// What it says.
    pub config: Config,
    /// What the operator should know about it.
    pub warnings: Vec<Problem>,
    /// What the operator may want to know, and need not act on.
    pub notes: Vec<Problem>,
    /// What the file held, and the files of servers that it names.
    pub contents: Contents,
    /// The files of servers that it names.
    pub named: Vec<PathBuf>,
}

impl Loaded {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file; one problem when it cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, Problems> {
        Self::from_text(file, &text::read(file)?)
    }

    /// Checks the text of a file for an edge that runs already.
    ///
    /// # Errors
    /// Every problem of the text; if there is none, every key that a running edge cannot change.
    pub fn for_running(file: &Path, text: &str, fixed: &Fixed) -> Result<Self, Problems> {
        let loaded = Self::from_text(file, text)?;
        let problems = fixed.problems(&loaded.config);
        if problems.is_empty() { Ok(loaded) } else { Err(located(file, text, problems)) }
    }

    /// Checks the text of a file; `file` only names it.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(line) = too_deep(text) {
            let message = "nested deeper than any configuration; look for a bracket that is never closed";
            return Err(Problems::new(file, vec![Problem { line: Some(line), ..Problem::of_file(message) }]));
        }
        // A good file is decoded straight from its text; only a bad one is looked at a second time.
        let mut config: Config = serde_yaml::from_str(text).map_err(|fault| diagnose(file, text, &fault))?;
        let problems = judge(&mut config, file);
        if !problems.is_empty() {
            return Err(located(file, text, problems));
        }
        let (mut warnings, mut notes) = (checks::warnings(&config), checks::notes(&config));
        for remarks in [&mut warnings, &mut notes] {
            lines::locate(text, remarks);
        }
        let contents = Contents::of(text, &config);
        let named = contents::named(&config, folder(file));
        Ok(Loaded { file: file.to_owned(), config, warnings, notes, contents, named })
    }
}

/// Everything that is wrong with a configuration that decoded. Reads the files that it names.
fn judge(config: &mut Config, file: &Path) -> Vec<Problem> {
    let mut problems = checks::problems(config);
    let folder = folder(file);
    for (place, server) in config.servers.iter_mut().enumerate() {
        if let Some(tls) = &mut server.tls {
            problems.extend(tls.read(folder, &KeyPath::root("servers").index(place).key("tls")));
        }
    }
    for (place, listener) in config.listeners.iter_mut().enumerate() {
        let has_http2 = listener.has_http2();
        if let Some(tls) = &mut listener.tls {
            problems.extend(tls.check(folder, has_http2, &KeyPath::root("listeners").index(place).key("tls")));
        }
    }
    problems.extend(config.access_log.as_mut().and_then(|log| log.locate(folder)));
    problems
}

/// Where the relative paths of a file start.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// All problems of a text that did not decode.
fn diagnose(file: &Path, text: &str, fault: &serde_yaml::Error) -> Problems {
    let tree: Value = match serde_yaml::from_str(text) {
        Ok(Value::Null) => {
            let message = "the file is empty; start from the conf/proxy.yaml that is shipped";
            return Problems::new(file, vec![Problem::of_file(message)]);
        }
        Ok(tree) => tree,
        Err(syntax) => {
            let problem = lines::first_repeated_key(text).unwrap_or_else(|| syntax_problem(&syntax));
            return Problems::new(file, vec![problem]);
        }
    };
    let mut decoded = decode::decode::<Config>(&tree);
    let mut problems = Vec::new();
    if let Some(mut config) = decoded.value.take() {
        let checked = judge(&mut config, file).into_iter().map(|problem| Problem {
            path: decoded.path_in_file(problem.path),
            first: problem.first.map(|first| decoded.path_in_file(first)),
            ..problem
        });
        // A value of which parts were left out cannot be judged as a whole.
        problems.extend(checked.filter(|problem| !decoded.is_partial(&problem.path)));
    }
    problems.extend(decoded.problems);
    if problems.is_empty() {
        problems.push(syntax_problem(fault));
    }
    located(file, text, problems)
}

/// The line on which the text is nested so deep that libyaml would take minutes to refuse it. A file
/// without so many open brackets cannot be; one that has them, perhaps in its texts, is looked at closely
/// up to there.
fn too_deep(text: &str) -> Option<usize> {
    // serde_yaml itself goes no deeper than 128.
    const DEEPEST: usize = 200;
    let mut open = 0_usize;
    let suspect = text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        // Twice, so that the nesting is there to be seen before the text is cut off.
        open > 2 * DEEPEST
    })?;
    let before = &text[..suspect];
    // Lists that open one right after the other are too much for the parser that finds lines, too.
    if before.ends_with(&"[".repeat(DEEPEST)) {
        return Some(before.lines().count());
    }
    lines::first_deeper_than(before, DEEPEST)
}

fn syntax_problem(fault: &serde_yaml::Error) -> Problem {
    Problem {
        line: fault.location().map(|place| place.line()),
        ..Problem::of_file(format!("not valid YAML: {fault}; look at the indentation, quotes and brackets there"))
    }
}

fn located(file: &Path, text: &str, mut problems: Vec<Problem>) -> Problems {
    lines::locate(text, &mut problems);
    Problems::new(file, problems)
}
