//! The slash commands, as data: one table, from which parsing, completion, the help screen, the
//! README and the manual are made.

/// What a command does; its row of [`COMMANDS`] says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each command is described by its row of `COMMANDS`")]
pub enum Verb {
    Invite,
    Invites,
    Add,
    Open,
    Contact,
    Verify,
    Unverify,
    Rename,
    Remove,
    Name,
    Whoami,
    Reply,
    Edit,
    Delete,
    React,
    Details,
    Forward,
    Send,
    Voice,
    Get,
    Stop,
    Cancel,
    Transfers,
    Search,
    Network,
    Why,
    Help,
    Quit,
}

/// What Tab offers for a command's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completer {
    /// Nothing.
    None,
    /// Names of contacts.
    Contacts,
    /// Names of conversations.
    Conversations,
    /// Other commands.
    Commands,
    /// Own files and directories.
    Paths,
}

/// Whether a command takes an argument: the rest of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// None.
    None,
    /// One that may be left out, and what it is called.
    Optional(&'static str),
    /// One that must be there, and what it is called.
    Required(&'static str),
}

/// A row of the table.
#[derive(Debug)]
pub struct Command {
    /// What it does, for the program.
    pub verb: Verb,
    /// Its name, without the slash.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// What follows the name.
    pub argument: Argument,
    /// What Tab offers there.
    pub completer: Completer,
    /// What it does, for people: no capital, no full stop.
    pub doc: &'static str,
}

const fn row(
    verb: Verb,
    name: &'static str,
    aliases: &'static [&'static str],
    argument: Argument,
    completer: Completer,
    doc: &'static str,
) -> Command {
    Command { verb, name, aliases, argument, completer, doc }
}

use Argument::{None as Nothing, Optional, Required};

/// Every command of the program.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row(Verb::Invite, "invite", &[], Optional("DAYS"), Completer::None, "make an invite for one friend, good for 7 days unless given"),
    row(Verb::Invites, "invites", &[], Nothing, Completer::None, "list the open invites, and withdraw them"),
    row(Verb::Add, "add", &["accept"], Optional("INVITE"), Completer::None, "enter a friend's invite"),
    row(Verb::Open, "open", &["switch", "go"], Optional("NAME"), Completer::Conversations, "go to a conversation"),
    row(Verb::Contact, "contact", &["who"], Optional("NAME"), Completer::Contacts, "about a contact: presence, safety number"),
    row(Verb::Verify, "verify", &[], Optional("NAME"), Completer::Contacts, "note that you compared the safety number and it is the same"),
    row(Verb::Unverify, "unverify", &[], Optional("NAME"), Completer::Contacts, "take that back"),
    row(Verb::Rename, "rename", &[], Optional("NAME"), Completer::None, "call this contact by another name; without one, by their own again"),
    row(Verb::Remove, "remove", &[], Optional("NAME"), Completer::Contacts, "remove a contact; asks first"),
    row(Verb::Name, "name", &["nick"], Required("NAME"), Completer::None, "change your own name, as your contacts see it"),
    row(Verb::Whoami, "whoami", &[], Nothing, Completer::None, "your name and identity"),
    row(Verb::Reply, "reply", &["r"], Optional("TEXT"), Completer::None, "reply to the selected, or else the last, message of the others"),
    row(Verb::Edit, "edit", &["e"], Nothing, Completer::None, "edit the selected, or else your last, message"),
    row(Verb::Delete, "delete", &[], Nothing, Completer::None, "delete the selected, or else your last, message for everybody; asks first"),
    row(Verb::React, "react", &["+"], Optional("EMOJI"), Completer::None, "react to the selected, or else the last, message of the others"),
    row(Verb::Details, "details", &[], Nothing, Completer::None, "about the selected, or else the last, message: when, and how far it has come"),
    row(Verb::Forward, "forward", &["fwd"], Required("NAME"), Completer::Conversations, "pass the selected, or else the last, text or file that is here on to another conversation"),
    row(Verb::Send, "send", &["file", "attach"], Optional("PATH"), Completer::Paths, "send a file; without a path, choose one"),
    row(Verb::Voice, "voice", &["record"], Nothing, Completer::None, "record a voice note; Enter sends it, Esc drops it"),
    row(Verb::Get, "get", &["fetch"], Optional("PATH"), Completer::Paths, "fetch the selected, or else the last, file that is offered; to a directory or a name of yours"),
    row(Verb::Stop, "stop", &[], Nothing, Completer::None, "stop fetching a file; /get goes on with it"),
    row(Verb::Cancel, "cancel", &[], Nothing, Completer::None, "stop fetching a file, and forget what has come of it"),
    row(Verb::Transfers, "transfers", &["files"], Nothing, Completer::None, "the files on their way"),
    row(Verb::Search, "search", &["find"], Optional("WORDS"), Completer::None, "search the messages"),
    row(Verb::Network, "network", &["net"], Nothing, Completer::None, "the state of the network"),
    row(Verb::Why, "why", &[], Optional("NAME"), Completer::Contacts, "why a contact is, or is not, connected, and what would help"),
    row(Verb::Help, "help", &["?", "keys"], Optional("COMMAND"), Completer::Commands, "commands and keys"),
    row(Verb::Quit, "quit", &["q", "exit"], Nothing, Completer::None, "leave entrenous"),
];

impl Command {
    /// The command of this name or alias.
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = name.to_lowercase();
        COMMANDS.iter().find(|row| row.name == name || row.aliases.contains(&name.as_str()))
    }

    /// `/open [NAME]`
    pub fn usage(&self) -> String {
        match self.argument {
            Argument::None => format!("/{}", self.name),
            Argument::Optional(what) => format!("/{} [{what}]", self.name),
            Argument::Required(what) => format!("/{} {what}", self.name),
        }
    }

    /// `/open [NAME]: go to a conversation.`
    pub fn sentence(&self) -> String {
        format!("{}: {}.", self.usage(), self.doc)
    }
}

/// What the composer's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A message.
    Text(String),
    /// A command and its argument, empty if there is none.
    Command(Verb, String),
    /// Meant as a command, but it is none: a sentence for people.
    Wrong(String),
}

/// Reads what was typed. A first slash means a command, two mean a text that begins with one.
pub fn parse(typed: &str) -> Input {
    let Some(line) = typed.strip_prefix('/') else {
        return Input::Text(typed.to_owned());
    };
    if line.starts_with('/') {
        return Input::Text(line.to_owned());
    }
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    let Some(command) = Command::find(name) else {
        let names = COMMANDS.iter().flat_map(|row| std::iter::once(&row.name).chain(row.aliases));
        let hint = match nearest(name, names.copied()) {
            Some(nearest) => format!("did you mean /{nearest}?"),
            None => "/help lists the commands.".to_owned(),
        };
        return Input::Wrong(format!(
            "There is no command /{name}: {hint} Two slashes send a text that begins with one."
        ));
    };
    match command.argument {
        Argument::None if !argument.is_empty() => {
            Input::Wrong(format!("/{} takes nothing after it.", command.name))
        }
        Argument::Required(what) if argument.is_empty() => Input::Wrong(format!(
            "/{} needs a {}: {}",
            command.name,
            what.to_lowercase(),
            command.usage()
        )),
        _ => Input::Command(command.verb, argument.to_owned()),
    }
}

/// What may become of a command while it is typed: what it is for, or else the names that begin so.
pub fn hint(line: &str) -> Option<String> {
    let rest = line.strip_prefix('/')?;
    let name = rest.split_once(char::is_whitespace).map_or(rest, |(name, _)| name);
    if let Some(command) = Command::find(name) {
        return Some(command.sentence());
    }
    let typed = rest.to_lowercase();
    let fitting: Vec<_> = COMMANDS.iter().filter(|row| row.name.starts_with(&typed)).collect();
    match fitting.as_slice() {
        [] => None,
        [one] => Some(one.sentence()),
        several => Some(several.iter().map(|row| row.name).collect::<Vec<_>>().join("  ")),
    }
}

/// What Tab can make of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// Nothing fits.
    Nothing,
    /// The whole line, completed.
    Line(String),
    /// The line as far as all fitting words agree, and those words.
    Several(String, Vec<String>),
}

/// Completes a line: a command's name, or its argument out of `contacts` and `conversations`.
pub fn complete(line: &str, contacts: &[&str], conversations: &[&str]) -> Completion {
    let Some(rest) = line.strip_prefix('/') else { return Completion::Nothing };
    let (prefix, typed, words): (String, &str, Vec<&str>) =
        if let Some((name, argument)) = rest.split_once(' ') {
            let Some(command) = Command::find(name) else { return Completion::Nothing };
            let words = match command.completer {
                // Paths are on the disk: see `path_argument`.
                Completer::None | Completer::Paths => return Completion::Nothing,
                Completer::Contacts => contacts.to_vec(),
                Completer::Conversations => conversations.to_vec(),
                Completer::Commands => COMMANDS.iter().map(|row| row.name).collect(),
            };
            (format!("/{name} "), argument.trim_start(), words)
        } else {
            ("/".to_owned(), rest, COMMANDS.iter().map(|row| row.name).collect())
        };
    let lower = typed.to_lowercase();
    let fitting: Vec<&str> =
        words.into_iter().filter(|word| word.to_lowercase().starts_with(&lower)).collect();
    match fitting.as_slice() {
        [] => Completion::Nothing,
        [one] => {
            // A name without arguments is complete; others wait for one.
            let takes_argument =
                prefix == "/" && Command::find(one).is_some_and(|row| row.argument != Nothing);
            Completion::Line(format!("{prefix}{one}{}", if takes_argument { " " } else { "" }))
        }
        [first, others @ ..] => {
            let agreed = others.iter().fold(first.chars().count(), |agreed, word| {
                let same = first.chars().zip(word.chars());
                same.take_while(|(a, b)| a.to_lowercase().eq(b.to_lowercase())).count().min(agreed)
            });
            let common: String = first.chars().take(agreed).collect();
            let common = if common.is_empty() { typed.to_owned() } else { common };
            Completion::Several(
                format!("{prefix}{common}"),
                fitting.iter().map(|&word| word.to_owned()).collect(),
            )
        }
    }
}

/// The argument of a line whose command takes a path, and the line before it.
pub fn path_argument(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix('/')?.split_once(' ')?;
    let argument = rest.trim_start();
    let is_path = Command::find(name)?.completer == Completer::Paths;
    let before = line.get(..line.len() - argument.len())?;
    is_path.then_some((before, argument))
}

/// The most similar of some names, if one is similar at all: at most two letters, and less than
/// half of them, typed wrong, left out, added or swapped.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(32).collect();
    names
        .filter(|name| name.len() > 1)
        .map(|name| (distance(&typed, &name.chars().collect::<Vec<_>>()), name))
        .filter(|&(distance, name)| distance <= 2 && 2 * distance < name.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// The edit distance of Damerau and Levenshtein (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut table: Vec<usize> = vec![0; (a.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[at(i, j)] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (table[at(i - 1, j)] + 1)
                    .min(table[at(i, j - 1)] + 1)
                    .min(table[at(i - 1, j - 1)] + same);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[at(i - 2, j - 2)] + 1);
                }
                least
            };
        }
    }
    table[at(a.len(), b.len())]
}

/// The table as Markdown: for the README and the manual.
pub fn markdown() -> String {
    use std::fmt::Write as _;
    let mut text = "| command | also | what it does |\n|---|---|---|\n".to_owned();
    for row in COMMANDS {
        let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("`/{alias}`")).collect();
        _ = writeln!(text, "| `{}` | {} | {} |", row.usage(), aliases.join(", "), row.doc);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_command() {
        let mut names = std::collections::HashSet::new();
        for row in COMMANDS {
            assert!(!row.doc.ends_with('.'));
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(names.insert(*name), "{name} twice");
                assert_eq!(Command::find(name).unwrap().verb, row.verb);
            }
        }
    }

    #[test]
    fn texts_and_commands_are_told_apart() {
        assert_eq!(parse("hello /invite"), Input::Text("hello /invite".into()));
        assert_eq!(parse("//etc/passwd"), Input::Text("/etc/passwd".into()));
        assert_eq!(parse("/invite"), Input::Command(Verb::Invite, String::new()));
        assert_eq!(parse("/INVITE 3 "), Input::Command(Verb::Invite, "3".into()));
        assert_eq!(parse("/open Jean  Dupont"), Input::Command(Verb::Open, "Jean  Dupont".into()));
        assert_eq!(parse("/reply a\nb"), Input::Command(Verb::Reply, "a\nb".into()));
    }

    #[test]
    fn what_is_no_command_is_a_sentence() {
        let wrong = |typed| match parse(typed) {
            Input::Wrong(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(wrong("/invtie").contains("did you mean /invite?"));
        assert!(wrong("/qiut").contains("did you mean /quit?"));
        assert!(wrong("/serach").contains("did you mean /search?"));
        assert!(wrong("/xyzzy").contains("/help"));
        assert!(wrong("/foo").contains("/help lists"), "not /who");
        assert!(wrong("/").contains("/help"));
        assert!(wrong("/ invite").contains("/help"));
        assert!(wrong("/quit now").contains("nothing after it"));
        assert!(wrong("/name").contains("/name NAME"));
        assert!(wrong("/name   ").contains("needs a name"));
        assert!(wrong(&format!("/{}", "x".repeat(10_000))).contains("/help"));
    }

    #[test]
    fn which_lines_have_a_path() {
        assert_eq!(path_argument("/send ~/a b"), Some(("/send ", "~/a b")));
        assert_eq!(path_argument("/fetch  x"), Some(("/fetch  ", "x")));
        assert_eq!(path_argument("/get "), Some(("/get ", "")));
        for line in ["/send", "send a", "/open a", "/zzz a", "//send a", ""] {
            assert_eq!(path_argument(line), None, "{line}");
        }
    }

    #[test]
    fn a_command_is_hinted_at_while_it_is_typed() {
        assert!(hint("/").is_some_and(|words| words.starts_with("invite  ")));
        assert_eq!(hint("/inv").as_deref(), Some("invite  invites"));
        let open = Some("/open [NAME]: go to a conversation.".to_owned());
        for line in ["/op", "/OPEN", "/go", "/open Be", "/go\tBe"] {
            assert_eq!(hint(line), open, "{line}");
        }
        // What Enter does comes before what the name could still become.
        assert!(hint("/who").is_some_and(|sentence| sentence.starts_with("/contact ")));
        assert!(hint("/invite").is_some_and(|sentence| sentence.starts_with("/invite ")));
        for line in ["", "open", "//open", "/xyzzy", "/xyzzy a"] {
            assert_eq!(hint(line), None, "{line}");
        }
    }

    #[test]
    fn tab_completes() {
        let complete = |line| complete(line, &["Ann", "Bert"], &["Ann", "Anna Lee", "Bert"]);
        assert_eq!(complete("/ver"), Completion::Line("/verify ".into()));
        assert_eq!(complete("/qu"), Completion::Line("/quit".into()));
        assert_eq!(complete("/open b"), Completion::Line("/open Bert".into()));
        assert_eq!(complete("/contact an"), Completion::Line("/contact Ann".into()));
        assert_eq!(complete("/go anna "), Completion::Line("/go Anna Lee".into()));
        assert_eq!(
            complete("/open a"),
            Completion::Several("/open Ann".into(), vec!["Ann".into(), "Anna Lee".into()])
        );
        assert_eq!(complete("/help verif"), Completion::Line("/help verify".into()));
        for line in ["hello", "", "/zzz", "/zzz a", "/open zzz", "/search a", "/send a"] {
            assert_eq!(complete(line), Completion::Nothing, "{line}");
        }
        assert!(
            matches!(complete("/"), Completion::Several(line, words) if line == "/" && words.len() == COMMANDS.len())
        );
    }
}
