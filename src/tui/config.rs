//! What a user may set in `config.toml`, checked before the screen opens.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The contents of `config.toml` in the profile's directory. Every field may be left out.
///
/// ```toml
/// bell = false
/// theme = "mono"
///
/// [keys.compose]
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
    /// Keys that differ from the built-in ones: mode → key → action (see `/help`); the action
    /// `none` takes a key away.
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { bell: true, theme: None, keys: BTreeMap::new() }
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

/// Why a configuration cannot be used. The text is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown setting, or a value of the wrong kind.
    #[error("config.toml cannot be used: {0}. Correct or remove that line and start again.")]
    Syntax(String),
    /// A table under `keys` that is no mode.
    #[error("config.toml: `keys.{0}` is no mode; the modes are {1}.")]
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

impl Config {
    /// Reads the text of a `config.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Syntax`] with the line and what is wrong there. The keys are checked by
    /// [`Keymap::new`](super::keymap::Keymap::new).
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().trim().replace('\n', ", ");
            ConfigError::Syntax(format!("line {line}: {message}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        assert!(Config::default().bell);
    }

    #[test]
    fn settings_are_read() {
        let config = Config::parse(
            "bell = false\ntheme = \"true-color\"\n[keys.compose]\n\"ctrl-o\" = \"switch\"\n",
        )
        .unwrap();
        assert!(!config.bell);
        assert_eq!(config.theme, Some(ThemeName::TrueColor));
        assert_eq!(config.keys["compose"]["ctrl-o"], "switch");
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let text = Config::parse("bell = true\n\ncolour = 3\n").unwrap_err().to_string();
        assert!(text.contains("line 3") && text.contains("colour"), "{text}");
    }

    #[test]
    fn wrong_kinds_unknown_themes_and_broken_toml_are_refused() {
        for text in ["bell = 3", "theme = \"pink\"", "keys = 1", "keys.compose = 4", "[keys"] {
            let error = Config::parse(text).unwrap_err();
            assert!(matches!(error, ConfigError::Syntax(_)), "{text}");
            assert!(error.to_string().contains("line 1"), "{error}");
        }
    }
}
