//! The colours, by role: the only module that names one.

use std::env;

use ratatui::style::{Color, Modifier, Style};

use super::{config::ThemeName, picture::Pixel};
use crate::node::api::ContactState;

/// Styles for what things are, so that no widget chooses a colour. Backgrounds stay the
/// terminal's own: it looks right on dark and on light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    name: ThemeName,
}

/// What the environment says about colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColourEnvironment {
    /// `NO_COLOR` (<https://no-color.org>): present and not empty means none.
    pub no_color: Option<String>,
    /// `COLORTERM`: `truecolor` or `24bit` promise 24-bit colours.
    pub colorterm: Option<String>,
    /// `TERM`.
    pub term: Option<String>,
}

impl ColourEnvironment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let get = |name| env::var(name).ok();
        Self { no_color: get("NO_COLOR"), colorterm: get("COLORTERM"), term: get("TERM") }
    }
}

impl Theme {
    /// The theme of this name.
    pub fn named(name: ThemeName) -> Self {
        Self { name }
    }

    /// The user's choice, or what the environment allows. `NO_COLOR` outdoes both.
    pub fn choose(chosen: Option<ThemeName>, environment: &ColourEnvironment) -> Self {
        if environment.no_color.as_ref().is_some_and(|value| !value.is_empty()) {
            return Self::named(ThemeName::Mono);
        }
        if let Some(name) = chosen {
            return Self::named(name);
        }
        let term = environment.term.as_deref().unwrap_or_default();
        let name = match environment.colorterm.as_deref() {
            _ if term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") => {
                ThemeName::Mono
            }
            Some("truecolor" | "24bit") => ThemeName::TrueColor,
            _ if term.ends_with("-direct") => ThemeName::TrueColor,
            _ => ThemeName::Ansi,
        };
        Self::named(name)
    }

    /// A role's style: a 24-bit colour, one of the 16, and what marks it without colours.
    fn role(self, rgb: u32, ansi: Color, mono: Modifier) -> Style {
        match self.name {
            ThemeName::Mono => Style::new().add_modifier(mono),
            ThemeName::Ansi => Style::new().fg(ansi),
            ThemeName::TrueColor => Style::new().fg(Color::from_u32(rgb)),
        }
    }

    /// Ordinary text.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Text that may be overlooked: times, hints, rules.
    pub fn dim(self) -> Style {
        self.role(0x80_86_8f, Color::DarkGray, Modifier::DIM)
    }

    /// Lines between things.
    pub fn rule(self) -> Style {
        self.role(0x5c_63_70, Color::DarkGray, Modifier::DIM)
    }

    /// What has the focus: the prompt, the bar beside the selected message.
    pub fn accent(self) -> Style {
        self.role(0x5f_9f_e0, Color::Blue, Modifier::BOLD)
    }

    /// Headings.
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The own name above own messages.
    pub fn own_name(self) -> Style {
        self.role(0x3f_a7_96, Color::Cyan, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// Somebody else's name above their messages.
    pub fn other_name(self) -> Style {
        self.role(0xd0_8a_48, Color::Yellow, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// The sign of presence. The word beside it says the same.
    pub fn presence(self, state: ContactState) -> Style {
        match state {
            ContactState::Online => self.role(0x56_a8_4f, Color::Green, Modifier::BOLD),
            ContactState::Connecting => self.role(0xc9_9a_2e, Color::Yellow, Modifier::empty()),
            ContactState::Offline => self.dim(),
        }
    }

    /// Unread messages: their number, and the line above the first of them.
    pub fn unread(self) -> Style {
        self.role(0xd9_6b_6b, Color::Red, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// The selected row of a list.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The text of the selected message.
    pub fn selected_entry(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// A quoted message above its reply.
    pub fn quote(self) -> Style {
        self.dim().add_modifier(Modifier::ITALIC)
    }

    /// What stands for a text that is not there: deleted, or not understood.
    pub fn placeholder(self) -> Style {
        self.dim().add_modifier(Modifier::ITALIC)
    }

    /// The mark of an entry that has not arrived yet.
    pub fn queued(self) -> Style {
        self.role(0xc9_9a_2e, Color::Yellow, Modifier::empty())
    }

    /// The mark of an entry that has arrived.
    pub fn delivered(self) -> Style {
        self.dim()
    }

    /// The mark of an entry that was read.
    pub fn read(self) -> Style {
        self.role(0x56_a8_4f, Color::Green, Modifier::empty())
    }

    /// The name of a file.
    pub fn file_name(self) -> Style {
        self.role(0x5f_9f_e0, Color::Blue, Modifier::UNDERLINED)
    }

    /// How far a file is here.
    pub fn file_state(self) -> Style {
        self.dim()
    }

    /// The full part of a gauge.
    pub fn gauge(self) -> Style {
        self.accent()
    }

    /// A key or command named in a text.
    pub fn key(self) -> Style {
        self.role(0x5f_9f_e0, Color::Blue, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// Good news.
    pub fn good(self) -> Style {
        self.role(0x56_a8_4f, Color::Green, Modifier::empty())
    }

    /// Something to be careful about.
    pub fn warning(self) -> Style {
        self.role(0xc9_9a_2e, Color::Yellow, Modifier::BOLD)
    }

    /// Something that did not work.
    pub fn error(self) -> Style {
        self.role(0xd9_6b_6b, Color::Red, Modifier::BOLD)
    }

    /// The words that a search found.
    pub fn matched(self) -> Style {
        self.role(0xc9_9a_2e, Color::Yellow, Modifier::UNDERLINED).add_modifier(Modifier::BOLD)
    }

    /// A field to type into.
    pub fn field(self) -> Style {
        Style::new().add_modifier(Modifier::UNDERLINED)
    }

    /// The border of a window.
    pub fn border(self) -> Style {
        self.accent()
    }

    /// A pixel of a picture. Where only the 256 colours of xterm can be counted on, the nearest of
    /// its cube or its greys; without colours, none.
    fn pixel(self, [red, green, blue]: [u8; 3]) -> Option<Color> {
        match self.name {
            ThemeName::Mono => None,
            ThemeName::TrueColor => Some(Color::Rgb(red, green, blue)),
            ThemeName::Ansi => Some(Color::Indexed(nearest_of_256([red, green, blue]))),
        }
    }

    /// A cell of a picture in half blocks: its sign and its style, from its upper and lower pixel.
    /// None in a theme without colours.
    pub fn half_block(self, upper: Pixel, lower: Pixel) -> Option<(&'static str, Style)> {
        let colour = |pixel: [u8; 3]| self.pixel(pixel);
        Some(match (upper, lower) {
            (None, None) => (" ", Style::new()),
            (Some(upper), None) => ("▀", Style::new().fg(colour(upper)?)),
            (None, Some(lower)) => ("▄", Style::new().fg(colour(lower)?)),
            (Some(upper), Some(lower)) => ("▀", Style::new().fg(colour(upper)?).bg(colour(lower)?)),
        })
    }

    /// Whether pictures can be shown.
    pub fn has_colours(self) -> bool {
        self.name != ThemeName::Mono
    }

    /// A QR code: black on white in every theme. It is a picture, not decoration: many cameras
    /// do not read an inverted one, and the terminal's own colours may be inverted.
    pub fn qr(self) -> Style {
        Style::new().fg(Color::Black).bg(Color::White)
    }
}

/// The nearest of xterm's 256 colours: a cube of 6 steps a side from 16 on, 24 greys from 232 on.
fn nearest_of_256(pixel: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let far = |colour: [u8; 3]| {
        let parts = pixel.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2));
        parts.sum::<u32>()
    };
    let step = |value: u8| (0..6_u8).min_by_key(|&at| STEPS[usize::from(at)].abs_diff(value));
    let [red, green, blue] = pixel.map(|value| step(value).unwrap_or(0));
    let of_cube = [red, green, blue].map(|at| STEPS[usize::from(at)]);
    let grey = (0..24_u8).min_by_key(|&at| far([8 + 10 * at; 3])).unwrap_or(0);
    if far([8 + 10 * grey; 3]) < far(of_cube) {
        232 + grey
    } else {
        16 + 36 * red + 6 * green + blue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(no_color: &str, colorterm: &str, term: &str) -> ColourEnvironment {
        let some = |text: &str| Some(text.to_owned());
        ColourEnvironment { no_color: some(no_color), colorterm: some(colorterm), term: some(term) }
    }

    #[test]
    fn the_environment_decides() {
        let choose = |no, color, term| Theme::choose(None, &environment(no, color, term)).name;
        assert_eq!(choose("1", "truecolor", "xterm-256color"), ThemeName::Mono);
        assert_eq!(choose("", "truecolor", "xterm"), ThemeName::TrueColor);
        assert_eq!(choose("", "24bit", "screen"), ThemeName::TrueColor);
        assert_eq!(choose("", "", "xterm-direct"), ThemeName::TrueColor);
        assert_eq!(choose("", "", "xterm-256color"), ThemeName::Ansi);
        assert_eq!(choose("", "", "vt100"), ThemeName::Mono);
        assert_eq!(choose("", "truecolor", "dumb"), ThemeName::Mono);
        assert_eq!(Theme::choose(None, &ColourEnvironment::default()).name, ThemeName::Ansi);
    }

    #[test]
    fn pixels_become_the_nearest_colour_that_there_is() {
        assert_eq!(nearest_of_256([0, 0, 0]), 16);
        assert_eq!(nearest_of_256([255, 255, 255]), 231);
        assert_eq!(nearest_of_256([250, 10, 0]), 196);
        assert_eq!(nearest_of_256([128, 128, 128]), 244);
        let cell = |name, upper, lower| Theme::named(name).half_block(upper, lower);
        let (red, blue) = (Some([255, 0, 0]), Some([0, 0, 255]));
        let both = Style::new().fg(Color::Indexed(196)).bg(Color::Indexed(21));
        assert_eq!(cell(ThemeName::Ansi, red, blue), Some(("▀", both)));
        let lower = Style::new().fg(Color::Rgb(0, 0, 255));
        assert_eq!(cell(ThemeName::TrueColor, None, blue), Some(("▄", lower)));
        assert_eq!(cell(ThemeName::Mono, red, blue), None);
    }

    #[test]
    fn no_color_outdoes_the_configuration() {
        let theme = Theme::choose(Some(ThemeName::TrueColor), &environment("1", "", "xterm"));
        assert_eq!(theme.name, ThemeName::Mono);
    }

    #[test]
    fn without_colours_no_role_but_the_qr_code_has_one() {
        let theme = Theme::named(ThemeName::Mono);
        let roles = [
            theme.text(),
            theme.dim(),
            theme.rule(),
            theme.accent(),
            theme.title(),
            theme.own_name(),
            theme.other_name(),
            theme.presence(ContactState::Online),
            theme.presence(ContactState::Connecting),
            theme.unread(),
            theme.selected(),
            theme.quote(),
            theme.queued(),
            theme.read(),
            theme.error(),
            theme.matched(),
            theme.field(),
        ];
        for style in roles {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
