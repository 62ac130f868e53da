//! The help screen, the README's and the manual's lists: made from the tables.

use super::{
    commands::{self, COMMANDS, Command},
    keymap::{self, BINDINGS, Mode},
    wrap,
};

/// A row of the help screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpRow {
    /// A heading.
    Heading(String),
    /// A command or some keys, and what they do.
    Entry(String, String),
    /// Nothing.
    Blank,
}

/// The columns of a help screen this wide: where the right one begins, and its width.
pub fn columns(width: usize) -> (usize, usize) {
    let left = if width >= 70 { 28 } else { 18 };
    (left, width.saturating_sub(left))
}

/// The help screen in a space this wide: what does not fit on a row goes on on the next.
pub fn wrapped(width: usize) -> Vec<HelpRow> {
    let (_, cells) = columns(width);
    let mut lines = Vec::new();
    for row in rows() {
        let HelpRow::Entry(keys, doc) = row else {
            lines.push(row);
            continue;
        };
        let mut keys = Some(keys);
        for part in wrap::rows(&doc, cells) {
            let part = doc.get(part).unwrap_or_default().to_owned();
            lines.push(HelpRow::Entry(keys.take().unwrap_or_default(), part));
        }
    }
    lines
}

fn rows() -> Vec<HelpRow> {
    let mut rows = vec![HelpRow::Heading("Commands".to_owned())];
    rows.extend(COMMANDS.iter().map(|row| HelpRow::Entry(usage(row), row.doc.to_owned())));
    rows.push(HelpRow::Entry(
        "//text".to_owned(),
        "send a text that begins with a slash".to_owned(),
    ));
    for mode in Mode::ALL {
        rows.push(HelpRow::Blank);
        rows.push(HelpRow::Heading(format!("Keys: {}", mode.title())));
        let bindings = BINDINGS.iter().filter(|row| row.mode == mode);
        rows.extend(bindings.map(|row| HelpRow::Entry(row.keys.join(", "), row.doc.to_owned())));
    }
    rows
}

fn usage(command: &Command) -> String {
    let aliases = command.aliases.iter().map(|alias| format!(", /{alias}"));
    command.usage() + &aliases.collect::<String>()
}

/// All commands and all keys as Markdown, for the README and the manual.
pub fn markdown() -> String {
    format!("## Commands\n\n{}\n## Keys\n\n{}", commands::markdown(), keymap::markdown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_out() {
        let (rows, markdown) = (rows(), markdown());
        for command in COMMANDS {
            let usage = usage(command);
            assert!(rows.contains(&HelpRow::Entry(usage, command.doc.to_owned())));
            assert!(markdown.contains(&command.usage()) && markdown.contains(command.doc));
        }
        for binding in BINDINGS {
            assert!(
                rows.contains(&HelpRow::Entry(binding.keys.join(", "), binding.doc.to_owned()))
            );
            assert!(markdown.contains(binding.doc), "{}", binding.name);
        }
    }
}
