//! Which key does what, as data: one table, from which the help screen, the README and the manual
//! are made, and over which a user's `config.toml` may write.

use std::collections::HashMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    commands::nearest,
    config::{Config, ConfigError},
};

mod table;

pub use table::BINDINGS;

/// What the keyboard is for at the moment. A mode that does not know a key asks the next one of
/// [`Mode::chain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Everywhere.
    Global,
    /// Wherever text is typed.
    Edit,
    /// Writing a message: the mode to come back to.
    Compose,
    /// An entry of the conversation is selected.
    Select,
    /// A window lies over the conversation.
    Window,
    /// The window with a new invite.
    Invite,
    /// The window with the open invites.
    Invites,
    /// The window about a contact.
    Contact,
    /// The window with the files on their way.
    Transfers,
    /// The window that chooses a file.
    Picker,
    /// A question with yes or no.
    Confirm,
}

impl Mode {
    /// All modes, in the order of the help screen.
    pub const ALL: [Self; 11] = [
        Self::Compose,
        Self::Select,
        Self::Edit,
        Self::Window,
        Self::Invite,
        Self::Invites,
        Self::Contact,
        Self::Transfers,
        Self::Picker,
        Self::Confirm,
        Self::Global,
    ];

    /// The mode's name in `config.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Edit => "edit",
            Self::Compose => "compose",
            Self::Select => "select",
            Self::Window => "window",
            Self::Invite => "invite",
            Self::Invites => "invites",
            Self::Contact => "contact",
            Self::Transfers => "transfers",
            Self::Picker => "picker",
            Self::Confirm => "confirm",
        }
    }

    /// The mode's heading in the help screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Edit => "Wherever text is typed",
            Self::Compose => "Writing a message",
            Self::Select => "A selected message",
            Self::Window => "Any window",
            Self::Invite => "The window with a new invite",
            Self::Invites => "The window with the open invites",
            Self::Contact => "The window about a contact",
            Self::Transfers => "The window with the files on their way",
            Self::Picker => "The window that chooses a file",
            Self::Confirm => "A question",
        }
    }

    /// The modes that are asked about a key, in this order.
    pub fn chain(self) -> &'static [Self] {
        match self {
            Self::Global => &[Self::Global],
            Self::Edit => &[Self::Edit, Self::Global],
            Self::Compose => &[Self::Compose, Self::Edit, Self::Global],
            Self::Select => &[Self::Select, Self::Global],
            Self::Window => &[Self::Window, Self::Edit, Self::Global],
            Self::Invite => &[Self::Invite, Self::Window, Self::Global],
            Self::Invites => &[Self::Invites, Self::Window, Self::Global],
            Self::Contact => &[Self::Contact, Self::Window, Self::Global],
            Self::Transfers => &[Self::Transfers, Self::Window, Self::Global],
            Self::Picker => &[Self::Picker, Self::Window, Self::Edit, Self::Global],
            Self::Confirm => &[Self::Confirm, Self::Global],
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each action is described by its row of `BINDINGS`")]
pub enum Action {
    Quit,
    Suspend,
    Redraw,
    Help,
    CharBack,
    CharForward,
    WordBack,
    WordForward,
    LineStart,
    LineEnd,
    DeleteBack,
    DeleteForward,
    DeleteWordBack,
    DeleteWordForward,
    DeleteToStart,
    DeleteToEnd,
    Yank,
    Undo,
    Send,
    Newline,
    Complete,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Select,
    Cancel,
    Next,
    Previous,
    Switch,
    /// The conversation with this number, from 1.
    Conversation(u8),
    Search,
    Invite,
    AddInvite,
    Contact,
    Reply,
    Edit,
    Delete,
    React,
    Details,
    Back,
    Close,
    Accept,
    NextField,
    PreviousField,
    ShowText,
    ListInvites,
    Revoke,
    Verify,
    Rename,
    Remove,
    PlayVoice,
    SendFile,
    Transfers,
    FetchFile,
    StopFile,
    CancelFile,
    OpenFile,
    RevealFile,
    ShowPicture,
    Parent,
    Yes,
    No,
}

/// A row of the table: keys that do something in a mode.
#[derive(Debug)]
pub struct Binding {
    /// Where.
    pub mode: Mode,
    /// What is done.
    pub action: Action,
    /// The action's name in `config.toml`; unique within the mode.
    pub name: &'static str,
    /// The built-in keys.
    pub keys: &'static [&'static str],
    /// What it does, for people: no capital, no full stop.
    pub doc: &'static str,
}

/// A key with its modifiers, in the one form that compares equal for what terminals report
/// differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(KeyCode, KeyModifiers);

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self::normal(event.code, event.modifiers)
    }
}

impl Key {
    fn normal(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers =
            modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            // The letter says already whether shift was held.
            KeyCode::Char(letter) => {
                modifiers -= KeyModifiers::SHIFT;
                if modifiers.contains(KeyModifiers::CONTROL) {
                    KeyCode::Char(letter.to_ascii_lowercase())
                } else {
                    KeyCode::Char(letter)
                }
            }
            KeyCode::BackTab => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::BackTab
            }
            KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::BackTab
            }
            other => other,
        };
        Self(code, modifiers)
    }

    /// Reads a key's name, such as `ctrl-a`, `alt-enter`, `f1`, `pageup`, `A`. None if it is not
    /// one.
    pub fn parse(name: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = name;
        loop {
            let (modifier, after) = match rest.split_once('-') {
                Some((word, after)) if !after.is_empty() => {
                    match word.to_ascii_lowercase().as_str() {
                        "ctrl" => (KeyModifiers::CONTROL, after),
                        "alt" => (KeyModifiers::ALT, after),
                        "shift" => (KeyModifiers::SHIFT, after),
                        _ => return None,
                    }
                }
                _ => break,
            };
            if modifiers.contains(modifier) {
                return None;
            }
            modifiers |= modifier;
            rest = after;
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) if !letter.is_control() => KeyCode::Char(letter),
            _ => match rest.to_ascii_lowercase().as_str() {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "space" => KeyCode::Char(' '),
                "backspace" => KeyCode::Backspace,
                "delete" => KeyCode::Delete,
                "insert" => KeyCode::Insert,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "pageup" => KeyCode::PageUp,
                "pagedown" => KeyCode::PageDown,
                function => {
                    let number: u8 = function.strip_prefix('f')?.parse().ok()?;
                    (1..=12).contains(&number).then_some(KeyCode::F(number))?
                }
            },
        };
        Some(Self::normal(code, modifiers))
    }

    /// The letter that this key types, if it types one.
    pub fn letter(self) -> Option<char> {
        match self {
            Self(KeyCode::Char(letter), modifiers)
                if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
            {
                Some(letter)
            }
            _ => None,
        }
    }
}

/// The keys in force: the table, overridden by `config.toml`.
#[derive(Debug, Clone)]
pub struct Keymap {
    actions: HashMap<(Mode, Key), Action>,
}

impl Keymap {
    /// The built-in keys with the user's changes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the mode, key or action that is not known.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut actions = HashMap::new();
        for binding in BINDINGS {
            for key in binding.keys.iter().filter_map(|name| Key::parse(name)) {
                actions.insert((binding.mode, key), binding.action);
            }
        }
        for (mode_name, keys) in &config.keys {
            let mode = Mode::ALL.into_iter().find(|mode| mode.name() == mode_name);
            let mode = mode.ok_or_else(|| {
                let names: Vec<_> = Mode::ALL.into_iter().map(Mode::name).collect();
                ConfigError::Mode(mode_name.clone(), names.join(", "))
            })?;
            for (key_name, action) in keys {
                let key = Key::parse(key_name).ok_or_else(|| ConfigError::Key(key_name.clone()))?;
                if action == "none" {
                    actions.remove(&(mode, key));
                    continue;
                }
                let known = || BINDINGS.iter().filter(|row| mode.chain().contains(&row.mode));
                let row =
                    known().find(|row| row.name == action).ok_or_else(|| ConfigError::Action {
                        mode: mode_name.clone(),
                        action: action.clone(),
                        nearest: nearest(action, known().map(|row| row.name)).map(str::to_owned),
                    })?;
                actions.insert((mode, key), row.action);
            }
        }
        Ok(Self { actions })
    }

    /// What a key does in a mode, or none.
    pub fn action(&self, mode: Mode, key: Key) -> Option<Action> {
        mode.chain().iter().find_map(|&mode| self.actions.get(&(mode, key)).copied())
    }
}

/// The table as Markdown, one section for each mode: for the README and the manual.
pub fn markdown() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for mode in Mode::ALL {
        _ = write!(text, "### {} (`{}`)\n\n", mode.title(), mode.name());
        text.push_str("| keys | action | what it does |\n|---|---|---|\n");
        for row in BINDINGS.iter().filter(|row| row.mode == mode) {
            let keys: Vec<_> = row.keys.iter().map(|key| format!("`{key}`")).collect();
            _ = writeln!(text, "| {} | `{}` | {} |", keys.join(", "), row.name, row.doc);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_can_be_used() {
        let mut names = std::collections::HashSet::new();
        let mut keys = std::collections::HashSet::new();
        for row in BINDINGS {
            assert!(names.insert((row.mode, row.name)), "twice: {}", row.name);
            assert!(!row.doc.ends_with('.') && !row.keys.is_empty(), "{}", row.name);
            for name in row.keys {
                let key = Key::parse(name).unwrap_or_else(|| panic!("not a key: {name}"));
                assert!(keys.insert((row.mode, key)), "{name} has two meanings");
            }
        }
    }

    #[test]
    fn the_same_key_compares_equal_however_it_is_reported() {
        let shifted = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT);
        assert_eq!(Key::from(shifted), Key::parse("A").unwrap());
        let upper = KeyEvent::new(KeyCode::Char('W'), KeyModifiers::CONTROL | KeyModifiers::SHIFT);
        assert_eq!(Key::from(upper), Key::parse("ctrl-w").unwrap());
        let back = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT);
        assert_eq!(Key::from(back), Key::parse("shift-tab").unwrap());
    }

    #[test]
    fn names_that_are_no_keys() {
        for name in ["", "ctrl", "ctrl-", "super-a", "f0", "f13", "ctrl-ctrl-a", "a-b", "page"] {
            assert_eq!(Key::parse(name), None, "{name}");
        }
        assert!(Key::parse("-").is_some() && Key::parse("ctrl--").is_some());
    }

    fn config(mode: &str, key: &str, action: &str) -> Config {
        toml::from_str(&format!("[keys.{mode}]\n\"{key}\" = \"{action}\"")).unwrap()
    }

    #[test]
    fn a_user_may_add_replace_and_take_away_keys() {
        let keymap = Keymap::new(&config("compose", "ctrl-o", "help")).unwrap();
        assert_eq!(keymap.action(Mode::Compose, Key::parse("ctrl-o").unwrap()), Some(Action::Help));
        let keymap = Keymap::new(&config("compose", "enter", "newline")).unwrap();
        assert_eq!(
            keymap.action(Mode::Compose, Key::parse("enter").unwrap()),
            Some(Action::Newline)
        );
        let keymap = Keymap::new(&config("compose", "pageup", "none")).unwrap();
        assert_eq!(keymap.action(Mode::Compose, Key::parse("pageup").unwrap()), None);
    }

    #[test]
    fn mistakes_in_the_keys_are_named() {
        let text = Keymap::new(&config("composing", "a", "send")).unwrap_err().to_string();
        assert!(text.contains("composing") && text.contains("compose, select"), "{text}");
        let text = Keymap::new(&config("compose", "hyper-a", "send")).unwrap_err().to_string();
        assert!(text.contains("hyper-a"), "{text}");
        let text = Keymap::new(&config("compose", "f5", "sned")).unwrap_err().to_string();
        assert!(text.contains("did you mean `send`"), "{text}");
        let text = Keymap::new(&config("select", "f5", "zzzzzzzz")).unwrap_err().to_string();
        assert!(text.contains("/help"), "{text}");
    }

    #[test]
    fn a_mode_falls_back_to_the_next() {
        let keymap = Keymap::new(&Config::default()).unwrap();
        let key = |name| Key::parse(name).unwrap();
        assert_eq!(keymap.action(Mode::Compose, key("ctrl-a")), Some(Action::LineStart));
        assert_eq!(keymap.action(Mode::Select, key("ctrl-a")), None);
        assert_eq!(keymap.action(Mode::Select, key("f1")), Some(Action::Help));
        assert_eq!(keymap.action(Mode::Compose, key("x")), None);
    }
}
