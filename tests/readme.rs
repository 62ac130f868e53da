//! The README's lists are those of the program.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use clap::CommandFactory;
use entrenous::cli::Arguments;

/// The subcommands and global options, as Markdown.
fn options() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut text = "| command | what it does |\n|---|---|\n".to_owned();
    _ = writeln!(text, "| `entrenous` | open the screen |");
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let doc = sub.get_about().unwrap_or_default().to_string();
        _ = writeln!(text, "| `entrenous {}` | {} |", sub.get_name(), lower(&doc));
    }
    text.push_str("\n| option | what it does |\n|---|---|\n");
    for option in command.get_opts().chain(
        command.get_arguments().filter(|a| !a.is_positional() && !a.get_action().takes_values()),
    ) {
        let Some(long) = option.get_long() else { continue };
        let value = option
            .get_value_names()
            .filter(|_| option.get_action().takes_values())
            .map(|names| {
                let with_equals = option.is_require_equals_set();
                if with_equals { format!("[={}]", names[0]) } else { format!(" {}", names[0]) }
            })
            .unwrap_or_default();
        let mut doc = lower(&option.get_help().unwrap_or_default().to_string());
        let values = option.get_possible_values();
        if option.get_action().takes_values() && !values.is_empty() {
            let names: Vec<_> =
                values.iter().map(|value| format!("`{}`", value.get_name())).collect();
            doc = format!("{doc} ({})", names.join(", "));
        }
        _ = writeln!(text, "| `--{long}{value}` | {doc} |");
    }
    text
}

/// Without the capital at the beginning.
fn lower(doc: &str) -> String {
    let mut characters = doc.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect::<String>()
    })
}

/// The same headings one level lower, to stand below one of the README's.
fn help() -> String {
    let help = entrenous::tui::help_markdown();
    let lines = help.lines().map(|line| {
        let deeper = if line.starts_with("##") { "#" } else { "" };
        format!("{deeper}{line}\n")
    });
    lines.collect()
}

/// The README with this list in its place.
fn with(readme: &str, name: &str, list: &str) -> String {
    let (before, rest) = readme.split_once(&format!("<!-- {name}:")).unwrap();
    let (comment, rest) = rest.split_once("-->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}<!-- {name}:{comment}-->\n\n{}\n\n<!-- end -->{after}", list.trim())
}

#[test]
fn lists_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let expected = with(&with(&readme, "options", &options()), "help", &help());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(readme == expected, "say UPDATE_README=1 cargo test --test readme");
}

#[test]
fn what_the_readme_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for name in ["src/", "assets/", "LICENSE", "CHANGELOG.md", ".ci/"] {
        for (at, _) in readme.match_indices(name) {
            let path = readme[at..].split(['`', ')', ' ', '\n']).next().unwrap();
            assert!(root.join(path).exists(), "{path} is named, but not there");
        }
    }
}
