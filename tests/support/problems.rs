//! What the edge says of a configuration that is no good, named `f.yaml`.

use bridgehead::config::Loaded;

use super::schema;

/// A good file.
pub const GOOD: &str = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"127.0.0.1:8080\"}]\n";

/// The problems of a file, one a line, and none where it is good. The schema is held to them.
pub fn judged(text: &str) -> Vec<String> {
    match Loaded::from_text("f.yaml".as_ref(), text) {
        Ok(_) => {
            schema::takes(text);
            Vec::new()
        }
        Err(problems) => {
            let problems: Vec<_> = problems.to_string().lines().map(str::to_owned).collect();
            schema::refuses(text, &problems);
            problems
        }
    }
}

/// The problems of a faulty file, one a line.
pub fn problems(text: &str) -> Vec<String> {
    let problems = judged(text);
    assert!(!problems.is_empty(), "taken as good:\n{text}");
    problems
}

/// The one problem of a good file and this on top.
pub fn problem(more: &str) -> String {
    let mut lines = problems(&format!("{GOOD}{more}"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}
