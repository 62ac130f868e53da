//! What a user may set for the screen in `config.toml`, checked before it opens.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The table `screen` of `config.toml`. Every field may be left out.
///
/// ```toml
/// [screen]
/// bell = false
/// theme = "mono"
/// pictures = "half-blocks"
///
/// [screen.keys.compose]
/// "ctrl-o" = "switch"
/// "alt-x" = "none"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Ring the terminal's bell for a message that comes while the terminal has no focus.
    pub bell: bool,
    /// The colours; chosen from the environment unless given.
    pub theme: Option<ThemeName>,
    /// How pictures are shown; the terminal is asked unless given.
    pub pictures: Option<Pictures>,
    /// Keys that differ from the built-in ones: mode → key → action (see `/help`); the action
    /// `none` takes a key away.
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { bell: true, theme: None, pictures: None, keys: BTreeMap::new() }
    }
}

/// A set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeName {
    /// No colours; bold, dim, underlined and reversed text only.
    Mono,
    /// The terminal's own 16 colours.
    Ansi,
    /// 24-bit colours.
    TrueColor,
}

/// How pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pictures {
    /// Two pixels a cell, in every terminal with colours.
    HalfBlocks,
    /// Kitty's protocol.
    Kitty,
    /// Sixel.
    Sixel,
    /// `iTerm2`'s protocol.
    Iterm2,
}

/// Why a configuration cannot be used. The text is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A table under `screen.keys` that is no mode.
    #[error("config.toml: `screen.keys.{0}` is no mode; the modes are {1}.")]
    Mode(String, String),
    /// The name of a key that cannot be understood.
    #[error("config.toml: `{0}` is no key; keys look like \"ctrl-o\", \"alt-enter\", \"f5\".")]
    Key(String),
    /// An action that the mode does not know.
    #[error("config.toml: the mode `{mode}` has no action `{action}`{}", nearest_sentence(.nearest.as_deref()))]
    Action {
        /// The mode.
        mode: String,
        /// The unknown action.
        action: String,
        /// The most similar action that there is.
        nearest: Option<String>,
    },
}

fn nearest_sentence(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => "; `/help` lists them.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn an_empty_table_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
        assert!(Config::default().bell);
    }

    #[test]
    fn settings_are_read() {
        let config = parse(
            "bell = false\ntheme = \"true-color\"\npictures = \"half-blocks\"\n[keys.compose]\n\"ctrl-o\" = \"switch\"\n",
        )
        .unwrap();
        assert!(!config.bell);
        assert_eq!(config.theme, Some(ThemeName::TrueColor));
        assert_eq!(config.pictures, Some(Pictures::HalfBlocks));
        assert_eq!(config.keys["compose"]["ctrl-o"], "switch");
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let text = parse("bell = true\n\ncolour = 3\n").unwrap_err().to_string();
        assert!(text.contains("line 3") && text.contains("colour"), "{text}");
    }

    #[test]
    fn wrong_kinds_and_unknown_themes_are_refused() {
        for text in
            ["bell = 3", "theme = \"pink\"", "pictures = \"oil\"", "keys = 1", "keys.compose = 4"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
