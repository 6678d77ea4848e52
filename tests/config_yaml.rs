//! A file that is no YAML, or a hostile one, is refused in a few lines; odd but good YAML is taken.

use bridgehead::config::Loaded;

use crate::support::problems::{GOOD, problems};

#[test]
fn what_is_no_yaml_is_one_line_with_its_place() {
    for text in [
        "listeners: [",
        "a: b: c",
        "\tlisteners: []",
        "listeners: \"x",
        "a: &x [*x]\nb: *y",
        "a: 1\na: 2",
        "--- 1\n--- 2",
        "&a [*a]",
        "{",
        "a: !!binary \u{1}",
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        assert!(found[0].starts_with("f.yaml") && found[0].contains("YAML"), "{found:?}");
    }
}

#[test]
fn brackets_in_texts_and_comments_are_no_nesting() {
    let block = |number| format!("- name: c{number}\n  connection_type: inprocess\n  state: a[ # {{\n");
    let json =
        |number| format!("{{\"name\": \"c{number}\", \"connection_type\": \"inprocess\", \"state\": \"[{{\\\"[\"}}");
    let clients = [
        format!("\n{}", (0..2000).map(block).collect::<Vec<_>>().concat()),
        format!(" [{}]\n", (0..2000).map(json).collect::<Vec<_>>().join(",\n")),
    ];
    for clients in clients {
        let loaded = Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}mcp_clients:{clients}"));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.config.sites[0].mcp_clients.len(), 2000);
    }
}

#[test]
fn two_documents_in_a_file_are_not_a_repeated_key() {
    let found = problems(&format!("{GOOD}---\n{GOOD}"));
    assert!(found[0].contains("more than one document"), "{found:?}");
}

#[test]
fn a_key_that_is_there_twice_is_named() {
    let found = problems("a: 1\nservers:\n- {address: x, b: 1,\n   address: y}\n");
    assert_eq!(
        found,
        ["f.yaml:4: servers[0].address: not valid YAML: the key is here for the second time; remove one"]
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert!(Loaded::from_text("f.yaml".as_ref(), &text).is_ok());
}

#[test]
fn an_empty_file_or_one_of_another_kind_says_so() {
    for text in ["", "\n\n", "# only a comment\n", "---\n", "null"] {
        assert_eq!(
            problems(text),
            ["f.yaml: the file is empty; start from the conf/proxy.yaml that is shipped"],
            "{text:?}"
        );
    }
    for text in ["[]", "7", "text"] {
        let found = problems(text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("write"), "{found:?}");
    }
}

#[test]
fn a_hostile_file_neither_hangs_nor_reaches_the_terminal() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    assert!(!problems(bomb).is_empty());
    for deep in ["[", "{a: ", "- "] {
        let found = problems(&format!("x: {}", deep.repeat(100_000)));
        assert!(found.len() == 1 && found[0].len() < 300, "{found:?}");
    }
    let escape = problems(&format!("{GOOD}\"\\e[31mred\": 1\n"));
    assert!(escape.iter().all(|line| !line.contains('\u{1b}')), "{escape:?}");
    let many: Vec<_> = (0..5000).map(|number| format!("- {{name: same, number: {number}}}\n")).collect();
    let found = problems(&format!("{GOOD}mcp_clients:\n{}", many.concat()));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "f.yaml: and at least 4899 more problems");
}
