//! What is wrong with a configuration, where, and how to mend it.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One step on the way to a value: a key of a mapping or a place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// A place in a list, counted from 0.
    Index(usize),
}

/// Where a value stands in the file, written `servers[1].address`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(pub(super) Vec<Step>);

/// Where a value stands: its path, and the file if it is an included one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file; `None` for the one that was loaded.
    pub file: Option<Arc<Path>>,
    /// The path in it.
    pub path: KeyPath,
}

/// One thing that is wrong, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file that it is in, if that is an included one.
    pub file: Option<Arc<Path>>,
    /// The value that is wrong; the root when it is the whole file.
    pub path: KeyPath,
    /// The line of that value, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and how to mend it. Never holds a secret of the file.
    pub message: String,
    /// The earlier value that this one collides with.
    pub first: Option<Place>,
}

/// Everything that is wrong with one file. Never empty.
#[non_exhaustive]
pub struct Problems {
    /// The file as the operator named it.
    pub file: PathBuf,
    /// The problems in the order of the file, at most [`Problems::MOST`].
    pub list: Vec<Problem>,
    /// How many more were found than the list shows.
    pub more: usize,
}

impl KeyPath {
    /// The path to a top-level key.
    pub fn root(key: &str) -> Self {
        KeyPath(vec![Step::Key(key.to_owned())])
    }

    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.and(Step::Key(key.to_owned()))
    }

    /// This path and one place of a list more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.and(Step::Index(index))
    }

    /// This path and another one below it.
    #[must_use]
    pub fn join(&self, below: &KeyPath) -> Self {
        below.0.iter().fold(self.clone(), |path, step| path.and(step.clone()))
    }

    /// The steps to it.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it ends with this key.
    pub(super) fn ends_with(&self, key: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(last)) if last == key)
    }

    /// Whether it begins with this key.
    pub fn is_below(&self, key: &str) -> bool {
        matches!(self.0.first(), Some(Step::Key(first)) if first == key)
    }

    pub(super) fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }
}

impl Place {
    /// The place of a top-level key of the file that was loaded.
    pub(super) fn root(key: &str) -> Self {
        KeyPath::root(key).into()
    }

    /// The place of a key below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Place { path: self.path.key(key), ..self.clone() }
    }

    /// The place of an item of the list that is here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Place { path: self.path.index(index), ..self.clone() }
    }

    /// The place of what has this path below this one.
    #[must_use]
    pub fn join(&self, below: &KeyPath) -> Self {
        Place { path: self.path.join(below), ..self.clone() }
    }
}

impl From<KeyPath> for Place {
    fn from(path: KeyPath) -> Self {
        Place { file: None, path }
    }
}

impl Problem {
    /// A problem whose line is not known yet.
    pub fn new(place: impl Into<Place>, message: impl Into<String>) -> Self {
        let Place { file, path } = place.into();
        Problem { file, path, line: None, message: message.into(), first: None }
    }

    /// A value that is there twice: where, and where first.
    pub fn repeated(place: impl Into<Place>, first: impl Into<Place>, message: impl Into<String>) -> Self {
        Problem { first: Some(first.into()), ..Problem::new(place, message) }
    }

    /// A problem with the file as a whole.
    pub fn of_file(message: impl Into<String>) -> Self {
        Problem::new(Place::default(), message)
    }

    /// The problem as one line, with the file it is in: this one, unless it is an included one.
    pub fn in_file(&self, file: &Path) -> String {
        let file = self.file.as_deref().unwrap_or(file);
        // Control characters of a hostile file must not reach a terminal.
        let message = self.message.replace(char::is_control, " ");
        let first = self.first.as_ref().map(|first| match &first.file {
            Some(other) if other.as_ref() != file => format!(" (first: {}: {})", other.display(), first.path),
            _ => format!(" (first: {})", first.path),
        });
        let first = first.unwrap_or_default();
        let place = match (self.line, self.path.0.is_empty()) {
            (Some(line), _) => format!("{}:{line}", file.display()),
            (None, _) => file.display().to_string(),
        };
        if self.path.0.is_empty() {
            format!("{place}: {message}{first}")
        } else {
            format!("{place}: {}: {message}{first}", self.path)
        }
    }
}

impl Problems {
    /// More problems than this are counted, not shown.
    pub const MOST: usize = 100;

    /// A problem with the file as a whole.
    pub(crate) fn of_file(file: &Path, message: &str) -> Self {
        Self::new(file, vec![Problem::of_file(message)])
    }

    pub(crate) fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        let more = list.len().saturating_sub(Self::MOST);
        list.truncate(Self::MOST);
        Problems { file: file.to_owned(), list, more }
    }
}

/// Calls `report` with the place of each value that was there before, and the place of the first.
pub(super) fn unique<T: Hash + Eq>(values: impl Iterator<Item = (usize, T)>, mut report: impl FnMut(usize, usize)) {
    let mut seen = HashMap::new();
    for (place, value) in values {
        if let Some(first) = seen.get(&value) {
            report(place, *first);
        } else {
            seen.insert(value, place);
        }
    }
}

// === impl Display ===

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let dot = if place == 0 { "" } else { "." };
                    write!(f, "{dot}{}", key.replace(char::is_control, " "))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    /// Without the file: its line, its key, and what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message.replace(char::is_control, " "))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.list.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            f.write_str(&problem.in_file(&self.file))?;
        }
        if self.more > 0 {
            write!(f, "\n{}: and at least {} more problems", self.file.display(), self.more)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problems {
    /// As people read it: it is what a `main` prints that ends with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}
