//! The files that `include` means: found by patterns, each read once.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use super::sources::Source;
use crate::config::{
    problem::{Place, Problem},
    yaml::text::read_text,
};

/// The files that were included.
#[derive(Default)]
pub(super) struct Included {
    pub sources: Vec<Source>,
    /// The files, and the folders that were looked into: a change of one may be one of the configuration.
    pub watched: Vec<PathBuf>,
    seen: HashSet<PathBuf>,
    /// Those that are being read, the outermost first.
    open: Vec<PathBuf>,
    /// One of them, and what it is taken to say.
    instead: Option<(PathBuf, String)>,
}

const WILD: [char; 3] = ['*', '?', '['];

impl Included {
    /// Begins with the file that is loaded, which no file may include.
    pub fn of(file: &Path, instead: Option<(&Path, &str)>) -> Self {
        let file = identity(file);
        let instead = instead.map(|(file, text)| (identity(file), text.to_owned()));
        Included { seen: HashSet::from([file.clone()]), open: vec![file], instead, ..Self::default() }
    }

    /// The files that these patterns mean, in the order of the patterns and then of their names.
    pub fn find(
        &mut self,
        file: &Path,
        patterns: &Value,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> Vec<(Place, PathBuf)> {
        let Value::Sequence(patterns) = patterns else {
            let message = "no list; write for example include: [\"sites/*.yaml\"]";
            problems.push(Problem::new(place.clone(), message));
            return Vec::new();
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut found = Vec::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let place = place.index(number);
            match pattern.as_str().map(|pattern| self.matching(&folder.join(pattern))) {
                Some(Ok(files)) => found.extend(files.into_iter().map(|file| (place.clone(), file))),
                Some(Err(message)) => problems.push(Problem::new(place, message)),
                None => problems.push(Problem::new(place, "no pattern; write for example \"sites/*.yaml\"")),
            }
        }
        found
    }

    fn matching(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let Some(text) = pattern.to_str() else { return Err("not UTF-8; name the files otherwise".to_owned()) };
        let no_pattern = |fault: glob::PatternError| format!("no pattern that can be read: {}; mend it", fault.msg);
        // What may be added later is added to a folder; one of those may itself be added.
        let folders = pattern.ancestors().skip(1).take_while(|folder| folder.components().next().is_some());
        for folder in folders {
            let Some(folder) = folder.to_str() else { break };
            if !folder.contains(WILD) {
                self.watched.push(folder.into());
                break;
            }
            self.watched.extend(glob::glob(folder).map_err(no_pattern)?.flatten().filter(|path| path.is_dir()));
        }
        let mut files = Vec::new();
        for found in glob::glob(text).map_err(no_pattern)? {
            let path = found.map_err(|fault| format!("cannot be looked for: {fault}"))?;
            if !path.is_dir() {
                files.push(path);
            }
        }
        if files.is_empty() {
            let wild = text.contains(WILD);
            return Err(if wild { "matches no file" } else { "there is no such file" }.to_owned()
                + "; mend the path, which begins at the folder of this file, or remove it");
        }
        Ok(files)
    }

    /// Begins to read a file; `None` when it cannot be.
    pub fn enter(&mut self, file: &Path, place: &Place, problems: &mut Vec<Problem>) -> Option<String> {
        let identity = identity(file);
        if self.open.contains(&identity) {
            let message = format!("{} would include itself, without an end; remove one of the two", file.display());
            problems.push(Problem::new(place.clone(), message));
            return None;
        }
        if !self.seen.insert(identity.clone()) {
            let message = format!("{} is included already; remove it here or there", file.display());
            problems.push(Problem::new(place.clone(), message));
            return None;
        }
        self.watched.push(file.to_owned());
        let is_regular = fs::metadata(file).is_ok_and(|file| file.is_file());
        let text = match self.instead.take_if(|(instead, _)| *instead == identity) {
            Some((_, text)) => Ok(text),
            None if is_regular => read_text(file),
            None => Err("no regular file; name another one".to_owned()),
        };
        match text {
            Ok(text) => {
                self.open.push(identity);
                Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
            }
            Err(message) => {
                problems.push(Problem { file: Some(file.into()), ..Problem::of_file(message) });
                None
            }
        }
    }

    /// The file that was begun last is read.
    pub fn leave(&mut self) {
        self.open.pop();
    }
}

/// One file has one, whatever links lead to it.
fn identity(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}
