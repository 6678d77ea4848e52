//! The project's documents, as a reader of Markdown sees them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::in_time::Printed;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The text of the file at this path from the root.
pub fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// A Markdown file of the project.
pub struct Page {
    /// Its path from the root.
    pub path: PathBuf,
    pub text: String,
}

impl Page {
    /// Reads the page at this path from the root.
    pub fn at(path: &str) -> Self {
        Page { path: path.into(), text: text_of(path) }
    }

    /// Every page that is in the repository, or will be.
    pub fn all() -> Vec<Self> {
        let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"];
        let listed = Command::new("git").args(arguments).current_dir(ROOT).printed().unwrap();
        assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
        let listed = String::from_utf8(listed.stdout).unwrap();
        let there = listed.split_terminator('\0').filter(|path| Path::new(ROOT).join(path).exists());
        let pages: Vec<_> = there.map(Page::at).collect();
        assert!(pages.len() > 10, "these are not the project's pages");
        pages
    }

    /// What an operator reads: the first page, and those of the configuration.
    pub fn of_operators() -> Vec<Self> {
        let all = Page::all().into_iter();
        all.filter(|page| page.path == Path::new("README.md") || page.path.starts_with("conf")).collect()
    }

    /// The blocks between fences, with what stands behind the first fence.
    pub fn blocks(&self) -> Vec<(&str, &str)> {
        let parts = self.text.split("\n```").skip(1).step_by(2);
        parts.map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
    }

    /// The text without what is between fences or backticks.
    fn prose(&self) -> String {
        let without = |text: &str, sign: &str| text.split(sign).step_by(2).collect::<Vec<_>>().join(" ");
        // A backtick itself is between two of them.
        without(&without(&without(&self.text, "\n```"), "``"), "`")
    }

    /// What stands between backticks, and the lines between fences.
    pub fn code(&self) -> Vec<&str> {
        let blocks = self.blocks().into_iter().flat_map(|(_, block)| block.lines());
        let prose = self.text.split("\n```").step_by(2).flat_map(|text| text.split("``").step_by(2));
        prose.flat_map(|text| text.split('`').skip(1).step_by(2)).chain(blocks).collect()
    }

    /// The anchors of its headings, as GitHub and GitLab make them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let prose: String = self.text.split("\n```").step_by(2).collect();
        for heading in prose.lines().filter(|line| line.starts_with('#')) {
            let heading = heading.trim_start_matches('#').trim();
            // Of a link only its text counts.
            let mut text = String::new();
            for (place, part) in heading.split("](").enumerate() {
                let part = if place == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
                text += &part.replace('[', "");
            }
            let kept = |letter: char| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ => letter.is_alphanumeric().then_some(letter),
            };
            let slug: String = text.to_lowercase().chars().filter_map(kept).collect();
            assert!(anchors.insert(slug), "{}: two headings have one anchor: {heading}", self.path.display());
        }
        anchors
    }

    /// Where its links lead, outside of other sites.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let links = prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        links.filter(|link| !link.starts_with("https://")).collect()
    }
}
