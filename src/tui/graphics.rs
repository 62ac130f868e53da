//! Which protocol for pictures the terminal knows: it is asked at the start, and answers among the
//! keys, or never.
//!
//! Nothing waits for the answers. They are told from what somebody types by their form, so no key
//! is lost, and a terminal that stays silent shows pictures in half blocks. What is asked:
//!
//! - its name (XTVERSION): some are known to have a protocol;
//! - whether it takes a picture in [kitty's protocol], compressed. Those that do show it by
//!   placeholders in the text, which tmux passes on as any text.
//!
//! Not its attributes (DA1), which would say whether it knows sixel: crossterm keeps that answer to
//! itself.
//!
//! [kitty's protocol]: https://sw.kovidgoyal.net/kitty/graphics-protocol/

use std::env;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::config::Pictures;
use crate::node::api::UnixMillis;

/// Terminals that show pictures as iTerm2 does. `WezTerm` and Konsole take kitty's as well, but not
/// by placeholders.
const LIKE_ITERM2: [&str; 4] = ["iTerm2", "WezTerm", "Konsole", "mintty"];

/// The first kitty that knows placeholders. Older ones take pictures, but show the placeholders.
const KITTY_WITH_PLACEHOLDERS: (u32, u32) = (0, 28);

/// Terminals that always know sixel, and nothing better.
const WITH_SIXEL: [&str; 3] = ["foot", "contour", "mlterm"];

/// How long answers are looked for among the keys, in milliseconds: longer than any way to a
/// terminal and back.
const LISTENING: UnixMillis = 10_000;

/// How long keys are held that may begin an answer, in milliseconds: the rest comes with them, but
/// over a network it may be cut.
const HOLDING: UnixMillis = 500;

/// The longest answer, in characters.
const LONGEST: usize = 100;

/// What begins an answer, after ESC: the name (a DCS), and about kitty's protocol (an APC).
const NAME: &str = "P>|";
const KITTY: &str = "_Gi=31;";

/// The name is asked for first: it outdoes the other. The picture is a black pixel.
const ASK_NAME: &str = "\x1b[>q";
const ASK_KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24,o=z;eJxjYGAAAAADAAE=\x1b\\";

/// A protocol for pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Kitty's, by placeholders.
    Kitty,
    /// Sixel, of DEC's VT340.
    Sixel,
    /// `iTerm2`'s, which is a file within OSC 1337.
    Iterm2,
}

/// How a terminal is to be given pictures that are more than half blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graphics {
    /// The protocol.
    pub protocol: Protocol,
    /// The width and height of a cell, in pixels; never 0.
    pub cell: (u16, u16),
    /// Within tmux, which has to be told to pass them on.
    pub tmux: bool,
}

/// What the environment says about the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `TMUX` is set, or `TERM` is tmux's.
    pub tmux: bool,
    /// It does not understand the questions (`TERM`), or is known not to do as it answers.
    pub is_not_asked: bool,
}

impl Surroundings {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let term = env::var("TERM").unwrap_or_default();
        let tmux = is_set("TMUX") || term.starts_with("tmux");
        // tmux answers for its own name only, so these could not be told from kitty there.
        let no_placeholders = tmux && (is_set("WEZTERM_EXECUTABLE") || is_set("KONSOLE_VERSION"));
        let is_not_asked = no_placeholders || term == "dumb" || term == "linux";
        Self { tmux, is_not_asked }
    }
}

/// The questions, and the answers among the keys.
#[derive(Debug, Default)]
pub struct Answers {
    question: Option<String>,
    until: UnixMillis,
    name: String,
    is_kitty: bool,
    chosen: Option<Protocol>,
    tmux: bool,
    /// Keys that may be the beginning of an answer, and when they are let go.
    held: Vec<KeyEvent>,
    release: UnixMillis,
}

impl Answers {
    /// What is to be asked, unless the user chose already.
    pub fn new(chosen: Option<Pictures>, surroundings: &Surroundings, now: UnixMillis) -> Self {
        let tmux = surroundings.tmux;
        let question = match (chosen, tmux) {
            (Some(_), _) => None,
            _ if surroundings.is_not_asked => None,
            // tmux drops this unless the user has it pass such things on (`allow-passthrough`).
            (None, true) => Some(passed_on(ASK_KITTY)),
            (None, false) => Some(format!("{ASK_NAME}{ASK_KITTY}")),
        };
        let chosen = match chosen {
            None | Some(Pictures::HalfBlocks) => None,
            Some(Pictures::Kitty) => Some(Protocol::Kitty),
            Some(Pictures::Sixel) => Some(Protocol::Sixel),
            Some(Pictures::Iterm2) => Some(Protocol::Iterm2),
        };
        let until = if question.is_some() { now + LISTENING } else { 0 };
        Self { question, until, chosen, tmux, ..Self::default() }
    }

    /// What is to be written to the terminal, once.
    pub fn poll_question(&mut self) -> Option<String> {
        self.question.take()
    }

    /// What is known by now, for cells of this size in pixels.
    pub fn graphics(&self, cell: Option<(u16, u16)>) -> Option<Graphics> {
        let is_one_of = |names: &[&str]| names.iter().any(|name| self.name.starts_with(name));
        let asked = || match self {
            _ if is_one_of(&LIKE_ITERM2) => Some(Protocol::Iterm2),
            _ if is_old_kitty(&self.name) => None,
            // The first to take pictures had no placeholders, and no name either.
            Self { is_kitty: true, .. } if self.tmux || !self.name.is_empty() => {
                Some(Protocol::Kitty)
            }
            _ if is_one_of(&WITH_SIXEL) => Some(Protocol::Sixel),
            _ => None,
        };
        let protocol = self.chosen.or_else(asked)?;
        let cell = cell.filter(|&(width, height)| width > 0 && height > 0)?;
        Some(Graphics { protocol, cell, tmux: self.tmux })
    }

    /// Takes a key, and gives those that somebody typed, in their order.
    pub fn handle_key(&mut self, key: KeyEvent, now: UnixMillis) -> Vec<KeyEvent> {
        if now >= self.until && self.held.is_empty() {
            return vec![key];
        }
        let with_alt = key.modifiers.contains(KeyModifiers::ALT);
        let begins = with_alt && matches!(key.code, KeyCode::Char('_' | 'P'));
        if begins {
            let typed = std::mem::replace(&mut self.held, vec![key]);
            self.release = now + HOLDING;
            return typed;
        }
        if self.held.is_empty() {
            return vec![key];
        }
        if with_alt && key.code == KeyCode::Char('\\') && self.understand() {
            self.held.clear();
            return Vec::new();
        }
        self.held.push(key);
        if self.may_be_one() { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is needed.
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        (!self.held.is_empty()).then_some(self.release)
    }

    /// Gives the keys that were held and are no answer.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Vec<KeyEvent> {
        if now < self.release { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    /// What is held, as the terminal wrote it after ESC. Up to the first key that is no character.
    fn text(&self) -> String {
        let character = |(at, key): (usize, &KeyEvent)| match key.code {
            KeyCode::Char(c) if at == 0 => Some(c),
            KeyCode::Char(c) if (key.modifiers - KeyModifiers::SHIFT).is_empty() => Some(c),
            _ => None,
        };
        self.held.iter().enumerate().map_while(character).collect()
    }

    fn may_be_one(&self) -> bool {
        let text = self.text();
        let fits = |form: &str| text.starts_with(form) || form.starts_with(&text);
        let length = self.held.len();
        text.chars().count() == length && length <= LONGEST && (fits(NAME) || fits(KITTY))
    }

    /// Whether what is held is an answer.
    fn understand(&mut self) -> bool {
        let text = self.text();
        if let Some(name) = text.strip_prefix(NAME) {
            name.clone_into(&mut self.name);
        } else if let Some(answer) = text.strip_prefix(KITTY) {
            self.is_kitty = answer == "OK";
        } else {
            return false;
        }
        true
    }
}

/// Whether this is the name of a kitty without placeholders, such as `kitty(0.26.5)`.
fn is_old_kitty(name: &str) -> bool {
    name.strip_prefix("kitty(").is_some_and(|version| {
        let mut numbers = version.split(['.', ')']).map_while(|number| number.parse().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version < KITTY_WITH_PLACEHOLDERS
    })
}

/// A sequence for the terminal around tmux: within a DCS of tmux's, each ESC twice.
fn passed_on(sequence: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Option<(u16, u16)> = Some((10, 20));

    /// Keys as crossterm makes them of what a terminal writes.
    fn keys(written: &str) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        let mut characters = written.chars();
        while let Some(c) = characters.next() {
            let (c, modifiers) = match c {
                '\x1b' => (characters.next().unwrap(), KeyModifiers::ALT),
                c => (c, KeyModifiers::NONE),
            };
            let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            keys.push(KeyEvent::new(KeyCode::Char(c), modifiers | shift));
        }
        keys
    }

    fn asked(tmux: bool) -> Answers {
        let surroundings = Surroundings { tmux, ..Surroundings::default() };
        let mut answers = Answers::new(None, &surroundings, 0);
        assert!(answers.poll_question().is_some() && answers.poll_question().is_none());
        answers
    }

    /// What was typed, of what came at this time.
    fn typed(answers: &mut Answers, written: &str, now: UnixMillis) -> Vec<KeyEvent> {
        keys(written).into_iter().flat_map(|key| answers.handle_key(key, now)).collect()
    }

    fn protocol(written: &str) -> Option<Protocol> {
        let mut answers = asked(false);
        assert_eq!(typed(&mut answers, written, 5), [], "{written:?}");
        answers.graphics(CELL).map(|graphics| graphics.protocol)
    }

    #[test]
    fn terminals_are_known_by_their_answers() {
        let kitty = "\x1b_Gi=31;OK\x1b\\";
        assert_eq!(protocol(kitty), None, "older than names");
        assert_eq!(protocol(&format!("\x1bP>|ghostty 1.2\x1b\\{kitty}")), Some(Protocol::Kitty));
        assert_eq!(protocol("\x1bP>|kitty(0.42)\x1b\\\x1b_Gi=31;EINVAL:no\x1b\\"), None);
        for (version, shows) in
            [("0.26.5", false), ("0.28", true), ("0.28.0", true), ("0.42.1", true), ("1.0.0", true)]
        {
            let shown = protocol(&format!("\x1bP>|kitty({version})\x1b\\{kitty}"));
            assert_eq!(shown, shows.then_some(Protocol::Kitty), "{version}");
        }
        // This one answers as kitty does, and has no placeholders.
        let wezterm = format!("\x1bP>|WezTerm 20240203\x1b\\{kitty}");
        assert_eq!(protocol(&wezterm), Some(Protocol::Iterm2));
        assert_eq!(protocol("\x1bP>|iTerm2 3.5.4\x1b\\"), Some(Protocol::Iterm2));
        assert_eq!(protocol("\x1bP>|foot(1.16.2)\x1b\\"), Some(Protocol::Sixel));
        assert_eq!(protocol("\x1bP>|tmux 3.4\x1b\\"), None);
        assert_eq!(protocol(""), None);
    }

    #[test]
    fn without_the_size_of_a_cell_there_is_nothing_but_half_blocks() {
        let mut answers = asked(false);
        typed(&mut answers, "\x1bP>|kitty(0.42.1)\x1b\\\x1b_Gi=31;OK\x1b\\", 0);
        assert_eq!(answers.graphics(None), None);
        assert_eq!(answers.graphics(Some((0, 20))), None);
        assert_eq!(answers.graphics(CELL).unwrap().cell, (10, 20));
    }

    #[test]
    fn within_tmux_the_terminal_around_it_is_asked() {
        let surroundings = Surroundings { tmux: true, is_not_asked: false };
        let mut answers = Answers::new(None, &surroundings, 0);
        let question = answers.poll_question().unwrap();
        assert!(question.starts_with("\x1bPtmux;\x1b\x1b_Gi=31,"), "{question:?}");
        assert!(question.ends_with("\x1b\x1b\\\x1b\\"), "{question:?}");
        typed(&mut answers, "\x1b_Gi=31;OK\x1b\\", 0);
        assert!(answers.graphics(CELL).unwrap().tmux);
    }

    #[test]
    fn what_somebody_types_comes_through_in_its_order() {
        for written in [
            "hello",
            "\x1b_ x",
            "\x1b_Gi=32;OK\x1b\\",
            "\x1bP>>|",
            "\x1bPx\x1b\\",
            "\x1b\\",
            "\x1b_\x1bx",
            "\x1b_Gi=31;\x1bx",
        ] {
            assert_eq!(typed(&mut asked(false), written, 0), keys(written), "{written:?}");
        }
        // Before, between and after answers; one of them broken off by the next.
        let mut answers = asked(false);
        let all = "a\x1bP>|foot\x1b\\b\x1b_Gi=3\x1b_Gi=31;OK\x1b\\c";
        assert_eq!(typed(&mut answers, all, 0), keys("ab\x1b_Gi=3c"));
        assert!(answers.is_kitty && answers.name == "foot");
        // One without an end is no answer.
        let endless = format!("\x1bP>|{}", "x".repeat(LONGEST));
        assert_eq!(typed(&mut asked(false), &endless, 0).len(), endless.len() - 1);
    }

    #[test]
    fn keys_are_held_for_a_moment_only() {
        let mut answers = asked(false);
        assert_eq!(answers.poll_timeout(), None);
        assert_eq!(typed(&mut answers, "\x1b_", 7), []);
        assert_eq!(answers.poll_timeout(), Some(7 + HOLDING));
        assert_eq!(answers.handle_timeout(6 + HOLDING), []);
        assert_eq!(answers.handle_timeout(7 + HOLDING), keys("\x1b_"));
        assert_eq!(answers.poll_timeout(), None);
        // After a while nothing is held at all.
        assert_eq!(typed(&mut answers, "\x1b_", LISTENING), keys("\x1b_"));
    }

    #[test]
    fn who_chooses_is_not_asked() {
        let surroundings = Surroundings::default();
        for (chosen, protocol) in [
            (Pictures::HalfBlocks, None),
            (Pictures::Kitty, Some(Protocol::Kitty)),
            (Pictures::Sixel, Some(Protocol::Sixel)),
            (Pictures::Iterm2, Some(Protocol::Iterm2)),
        ] {
            let mut answers = Answers::new(Some(chosen), &surroundings, 0);
            assert_eq!(answers.poll_question(), None);
            assert_eq!(answers.graphics(CELL).map(|graphics| graphics.protocol), protocol);
            assert_eq!(typed(&mut answers, "\x1b_", 0), keys("\x1b_"));
        }
        let surroundings = Surroundings { tmux: false, is_not_asked: true };
        assert_eq!(Answers::new(None, &surroundings, 0).poll_question(), None);
    }
}
