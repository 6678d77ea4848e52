//! Where values are written, for whoever asks what decides.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::Loaded;
use crate::config::{
    problem::{KeyPath, Place},
    yaml::{lines::lines_of, text::read_text},
};

/// Where a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The path of the key in that file.
    pub key: KeyPath,
}

impl Loaded {
    /// Finds where the values at these places are written: there, or at the top level, which says it for every site.
    /// `None` for one that is nowhere, so that its default holds; and when a file cannot be read any more.
    pub fn spots(&self, places: &[Place]) -> Vec<Option<Spot>> {
        let places: Vec<Place> = places.iter().map(|place| self.inheritance.written(place.clone())).collect();
        let mut spots = vec![None; places.len()];
        let files: HashSet<_> = places.iter().map(|place| &place.file).collect();
        for of in files {
            let file: &Path = of.as_deref().unwrap_or(&self.file);
            let Ok(text) = read_text(file) else { continue };
            let own: Vec<_> = (0..places.len()).filter(|number| places[*number].file == *of).collect();
            let paths: Vec<_> = own.iter().map(|number| &places[*number].path).collect();
            for (number, line) in own.iter().zip(lines_of(&text, &paths)) {
                let key = places[*number].path.clone();
                spots[*number] = line.map(|line| Spot { file: file.to_owned(), line, key });
            }
        }
        spots
    }
}
