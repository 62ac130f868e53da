//! Paths as people type them, and as terminals paste a file that was dropped on them. No disk is
//! looked at.

use std::path::{Component, PathBuf};

use super::wrap;

/// The longest pasted text that may be a path, in bytes: the longest path of Linux, each byte as
/// `%20`.
const MAX_PASTED: usize = 3 * 4096;

/// What typed paths are relative to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// What `~` means, if the user has a home.
    pub home: Option<PathBuf>,
    /// Where the program was started; absolute.
    pub working: PathBuf,
}

impl Places {
    /// Those of this process.
    pub fn read() -> Self {
        let home = directories::BaseDirs::new().map(|base| base.home_dir().to_owned());
        // The working directory may be deleted.
        let working = std::env::current_dir().ok().or_else(|| home.clone());
        Self { home, working: working.unwrap_or_else(|| PathBuf::from("/")) }
    }

    /// The path that a typed text means: `~` is the home, quotes around it are left out, and it is
    /// absolute.
    pub fn resolve(&self, typed: &str) -> PathBuf {
        let typed = typed.trim();
        let quoted = ['\'', '"'].into_iter().find_map(|quote| {
            typed.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.is_empty())
        });
        let typed = quoted.unwrap_or(typed);
        let path = match (typed.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => typed
                .strip_prefix("file://")
                .and_then(decode)
                .map_or_else(|| self.working.join(typed), PathBuf::from),
        };
        // As a shell's `cd`: the directory above is the one that was written before it.
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => _ = plain.pop(),
                part => plain.push(part),
            }
        }
        plain
    }

    /// A path as it is shown: `~/Downloads/photo.png`.
    pub fn shown(&self, path: &str) -> String {
        let home = self.home.as_ref().and_then(|home| home.to_str()).filter(|home| *home != "/");
        match home.and_then(|home| path.strip_prefix(home)) {
            Some("") => "~".to_owned(),
            Some(rest) if rest.starts_with('/') => format!("~{rest}"),
            _ => path.to_owned(),
        }
    }
}

/// A path in at most `cells` cells: its end says most.
pub fn short(path: &str, cells: usize) -> String {
    use unicode_segmentation::UnicodeSegmentation as _;
    if wrap::width(path) <= cells {
        return path.to_owned();
    }
    let mut start = path.len();
    for (at, _) in path.grapheme_indices(true).rev() {
        if wrap::width(path.get(at..).unwrap_or_default()) + 1 > cells {
            break;
        }
        start = at;
    }
    wrap::truncate(&format!("…{}", path.get(start..).unwrap_or_default()), cells)
}

/// A typed path, up to the name that is being typed, and that name's beginning.
pub fn split(typed: &str) -> (&str, &str) {
    match typed.rfind('/') {
        Some(at) => typed.split_at(at + 1),
        None if typed == "~" => ("~", ""),
        None => ("", typed),
    }
}

/// The paths that a pasted text may be, if it can be one: as it stands, with the quoting of a
/// shell taken away, as a `file:` URL. All of them are absolute.
pub fn pasted(text: &str) -> Vec<PathBuf> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_PASTED || text.contains(['\n', '\r', '\0']) {
        return Vec::new();
    }
    let mut paths: Vec<String> = Vec::new();
    if let Some(url) = text.strip_prefix("file://") {
        paths.extend(decode(url));
    } else if text.starts_with('/') {
        paths.push(text.to_owned());
    }
    paths.extend(unquote(text));
    let mut paths: Vec<PathBuf> =
        paths.into_iter().map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    paths.dedup();
    paths
}

/// The path of a `file:` URL without its scheme and `//` (RFC 8089): no host, or this one.
fn decode(url: &str) -> Option<String> {
    let path = url.strip_prefix("localhost").unwrap_or(url);
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

/// One word of a shell without its quoting (POSIX, XCU 2.2). None if it is no word, or several.
fn unquote(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.push(letters.next()?),
            '\'' => loop {
                match letters.next()? {
                    '\'' => break,
                    letter => word.push(letter),
                }
            },
            '"' => loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => match letters.next()? {
                        escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                        other => word.extend(['\\', other]),
                    },
                    letter => word.push(letter),
                }
            },
            letter if letter.is_whitespace() => return None,
            letter => word.push(letter),
        }
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places { home: Some("/home/me".into()), working: "/desk".into() }
    }

    #[test]
    fn typed_paths_become_absolute() {
        for (typed, path) in [
            ("~", "/home/me"),
            ("~/a b.png", "/home/me/a b.png"),
            ("~//a", "/home/me/a"),
            ("~bob/a", "/desk/~bob/a"),
            ("a.png", "/desk/a.png"),
            ("./a.png", "/desk/a.png"),
            ("../a.png", "/a.png"),
            ("../../../a/b/..", "/a"),
            ("/etc/./hosts", "/etc/hosts"),
            ("'/tmp/a b'", "/tmp/a b"),
            ("\"a b\"", "/desk/a b"),
            ("'", "/desk/'"),
            ("file:///tmp/a%20b", "/tmp/a b"),
            ("file://elsewhere/a", "/desk/file:/elsewhere/a"),
        ] {
            assert_eq!(places().resolve(typed), PathBuf::from(path), "{typed}");
        }
        assert_eq!(Places { home: None, ..places() }.resolve("~/a"), PathBuf::from("/desk/~/a"));
    }

    #[test]
    fn the_home_is_shown_short() {
        for (path, shown) in [
            ("/home/me/a", "~/a"),
            ("/home/me", "~"),
            ("/home/mean/a", "/home/mean/a"),
            ("/tmp/home/me", "/tmp/home/me"),
        ] {
            assert_eq!(places().shown(path), shown);
        }
        assert_eq!(Places { home: Some("/".into()), ..places() }.shown("/a"), "/a");
    }

    #[test]
    fn a_short_path_keeps_its_end() {
        assert_eq!(short("/home/me/photo.png", 18), "/home/me/photo.png");
        assert_eq!(short("/home/me/photo.png", 10), "…photo.png");
        for cells in 0..30 {
            assert!(wrap::width(&short("/日本語/👨‍👩‍👧‍👦/写真.png", cells)) <= cells);
        }
    }

    #[test]
    fn a_path_that_is_being_typed_is_split_at_its_last_slash() {
        assert_eq!(split("~/Pi"), ("~/", "Pi"));
        assert_eq!(split("/"), ("/", ""));
        assert_eq!(split("Pi"), ("", "Pi"));
        assert_eq!(split("~"), ("~", ""));
        assert_eq!(split(""), ("", ""));
    }

    #[test]
    fn what_terminals_paste_for_a_dropped_file() {
        let one = |text: &str| {
            pasted(text).iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(one("/tmp/a.png"), ["/tmp/a.png"]);
        assert_eq!(one(" /tmp/a.png \n"), ["/tmp/a.png"]);
        assert_eq!(one("'/tmp/a b.png'"), ["/tmp/a b.png"]);
        assert_eq!(one(r"'/tmp/it'\''s.png'"), ["/tmp/it's.png"]);
        assert_eq!(one(r#""/tmp/a \"b\".png""#), [r#"/tmp/a "b".png"#]);
        // As it stands, or as a shell would read it.
        assert_eq!(one(r"/tmp/a\ b.png"), [r"/tmp/a\ b.png", "/tmp/a b.png"]);
        assert_eq!(one("/tmp/a b.png"), ["/tmp/a b.png"]);
        assert_eq!(one("file:///tmp/a%20b%C3%A9.png"), ["/tmp/a bé.png"]);
        assert_eq!(one("file://localhost/tmp/a"), ["/tmp/a"]);
    }

    #[test]
    fn what_is_no_path() {
        for text in [
            "",
            "hello",
            "see /tmp/a.png",
            "/tmp/a\n/tmp/b",
            "/tmp/\0a",
            "'/tmp/a",
            "file://elsewhere/tmp/a",
            "file:///tmp/%zz",
            "file:///tmp/%f",
            "file:///tmp/%ff",
            "file:///tmp/%00",
            "~/a",
            "a.png",
            "'a.png'",
            "\\",
        ] {
            assert_eq!(pasted(text), Vec::<PathBuf>::new(), "{text:?}");
        }
        assert_eq!(pasted(&format!("/{}", "x".repeat(MAX_PASTED))), Vec::<PathBuf>::new());
    }
}
