//! Promise: a newcomer can read the sources from the top down. Rooms, the folders and files right below `src/`, import
//! only downwards, Pingora stays in two of them, and no file or folder is too large to be read in one sitting.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
};

/// The rooms that may import Pingora: the edge, and what of it anybody can have alone.
const ON_PINGORA: [&str; 2] = ["edge/", "plugin/"];
/// Fifteen files, and the one that names them.
const MOST_FILES: usize = 16;
const MOST_LINES: usize = 400;

/// What a room imports, and an import that does it.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// A file below `src/`.
struct Source {
    /// Its path there.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The file's own code: without comments, and without its tests, which stand at its end.
    fn code(&self) -> String {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.filter(|line| !line.trim_start().starts_with("//")).fold(String::new(), |code, line| code + line + "\n")
    }

    /// The names of its module, from the crate down.
    fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let names = path.iter().map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str())).collect()
    }

    /// The rooms that it names, its own perhaps among them: whatever follows the root of the crate, which is also as
    /// many `super` as its module has names.
    fn rooms(&self) -> Vec<String> {
        let code = self.code();
        let mut rooms = following(&code, "crate::");
        if let depth @ 1.. = self.module().len() {
            rooms.extend(following(&code, &"super::".repeat(depth)));
        }
        rooms
    }
}

/// The first name of every path that goes on after this prefix, or of each one in the braces after it.
fn following(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (place, _) in code.match_indices(prefix) {
        let rest = &code[place + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.push(first_name(rest));
            continue;
        };
        let (mut depth, mut is_start) = (1, true);
        for (place, sign) in list.char_indices() {
            match sign {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => is_start = true,
                _ if is_start && !sign.is_whitespace() => {
                    names.push(first_name(&list[place..]));
                    is_start = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn first_name(code: &str) -> String {
    code.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect()
}

/// Which room imports which others.
fn imports(sources: &[Source]) -> Imports {
    let rooms: Vec<_> = sources.iter().filter_map(|source| source.module().first().cloned()).collect();
    let mut imports = Imports::new();
    for source in sources {
        let Some(room) = source.module().first().cloned() else { continue };
        for other in source.rooms() {
            if other != room && rooms.contains(&other) {
                let import = format!("src/{} imports crate::{other}", source.path.display());
                imports.entry(room.clone()).or_default().entry(other).or_insert(import);
            }
        }
    }
    imports
}

/// The imports that close the shortest circle of rooms, if there is one.
fn circle(imports: &Imports) -> Option<Vec<&String>> {
    let circles = imports.keys().filter_map(|start| {
        let mut ways = VecDeque::from([(start, Vec::new())]);
        let mut seen = Vec::new();
        while let Some((room, way)) = ways.pop_front() {
            for (other, import) in imports.get(room).into_iter().flatten() {
                let way: Vec<_> = way.iter().copied().chain([import]).collect();
                if other == start {
                    return Some(way);
                }
                if !seen.contains(&other) {
                    seen.push(other);
                    ways.push_back((other, way));
                }
            }
        }
        None
    });
    circles.min_by_key(Vec::len)
}

/// Whether code names Pingora or one of its parts.
fn has_pingora(code: &str) -> bool {
    code.match_indices("pingora").any(|(place, _)| {
        let name = first_name(&code[place..]);
        code[place + name.len()..].starts_with("::")
    })
}

/// Every source of the crate but the files that hold only tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source { path: path.strip_prefix(&root).unwrap().to_owned(), text });
            }
        }
    }
    assert!(sources.len() > 100, "these are not the sources of the crate");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

#[test]
fn rooms_import_only_downwards() {
    let imports = imports(&sources());
    assert!(imports["edge"].contains_key("config"), "no imports were found");
    assert_eq!(circle(&imports), None, "these imports close a circle; move what they share below both rooms");
}

#[test]
fn only_the_edge_and_the_plugin_import_pingora() {
    let is_on_pingora = |source: &Source| ON_PINGORA.iter().any(|room| source.path.starts_with(room));
    let (edge, others): (Vec<_>, Vec<_>) = sources().into_iter().partition(is_on_pingora);
    assert!(edge.iter().any(|source| has_pingora(&source.code())), "not even they do");
    let others: Vec<_> = others.iter().filter(|source| has_pingora(&source.code())).map(|one| &one.path).collect();
    assert!(others.is_empty(), "these know Pingora, too: {others:?}");
}

#[test]
fn files_and_folders_are_read_in_one_sitting() {
    let mut files = BTreeMap::<_, usize>::new();
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "src/{} has {lines} lines, more than {MOST_LINES}", source.path.display());
        *files.entry(source.path.parent().unwrap().to_owned()).or_default() += 1;
    }
    files.retain(|_, files| *files > MOST_FILES);
    assert!(files.is_empty(), "more than {MOST_FILES} files; make rooms: {files:?}");
}

#[test]
fn a_circle_is_told_by_its_imports() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let sources = [
        source("a/mod.rs", "use crate::{\n    c::Other,\n    b::{One, Two},\n};"),
        source("b.rs", "fn f() { super::c::g() }\n#[cfg(test)]\nuse crate::a;"),
        source("c/deep/leaf.rs", "// use crate::b;\npub(in crate::c) use super::super::super::a::Any;"),
    ];
    let imports = imports(&sources);
    let circle = circle(&imports).unwrap();
    assert_eq!(circle, ["src/a/mod.rs imports crate::c", "src/c/deep/leaf.rs imports crate::a"]);
    assert_eq!(imports["b"].keys().collect::<Vec<_>>(), ["c"]);
}
