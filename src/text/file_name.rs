//! Names of files from elsewhere: what remains can be a file in one directory on every system, is
//! not hidden, and is no option to any program.

use unicode_segmentation::UnicodeSegmentation;

use super::{one_line, scan};

/// The longest name of a file, in bytes of UTF-8, after sanitising: file systems take 255, and a
/// number may be added to it.
pub const MAX_FILE_NAME_BYTES: usize = 200;

/// The longest extension that is kept when a name is cut, in bytes with its dot.
const MAX_EXTENSION_BYTES: usize = 20;

/// The name of a file: one line, at most [`MAX_FILE_NAME_BYTES`] (cut before the extension),
/// without separators of paths and what Windows refuses ([naming files]), not beginning with a dot
/// or a hyphen, and never empty.
///
/// [naming files]: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
pub fn file_name(text: &str) -> String {
    let refused = |c| matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let name = one_line(text, MAX_FILE_NAME_BYTES * 4).replace(refused, "_");
    let name = name.trim_end_matches(['.', ' ']).trim_start();
    let mut name = match name.strip_prefix(['.', '-']) {
        Some(rest) => format!("_{rest}"),
        None => name.to_owned(),
    };
    if !name.chars().any(|c| scan::is_visible(c) && c != '_') {
        return "file".to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    shorten(name)
}

/// Whether Windows takes a name for a device, whatever extension it has.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        matches!(number.chars().collect::<Vec<_>>()[..], ['0'..='9' | '¹' | '²' | '³'])
    })
}

fn shorten(name: String) -> String {
    if name.len() <= MAX_FILE_NAME_BYTES {
        return name;
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() > MAX_EXTENSION_BYTES { "" } else { extension };
    let stem = &name[..name.len() - extension.len()];
    let mut end = 0;
    for (at, grapheme) in stem.grapheme_indices(true) {
        if at + grapheme.len() + extension.len() > MAX_FILE_NAME_BYTES {
            break;
        }
        end = at + grapheme.len();
    }
    format!("{}{extension}", stem[..end].trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_become_harmless_ones() {
        for (bad, good) in [
            ("../../.ssh/authorized_keys", "_._.._.ssh_authorized_keys"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\Windows\\system32", "C__Windows_system32"),
            ("\\\\server\\share", "__server_share"),
            ("a\0b.txt", "ab.txt"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1 .log", "_com1 .log"),
            ("lpt²", "_lpt²"),
            ("-rf", "_rf"),
            (".bashrc", "_bashrc"),
            ("...", "file"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("///", "file"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("two\nlines.txt", "two lines.txt"),
            ("\u{1b}]52;c;x\u{7}.txt", "]52;c;x.txt"),
            ("trailing. . .", "trailing"),
            ("name:stream", "name_stream"),
            ("console.txt", "console.txt"),
            ("com10", "com10"),
            ("été 日本 👨‍👩‍👧.png", "été 日本 👨‍👩‍👧.png"),
        ] {
            assert_eq!(file_name(bad), good, "{bad:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_what_is_good_stays() {
        let long = file_name(&format!("{}.tar.gz", "ä".repeat(300)));
        assert!(long.len() <= MAX_FILE_NAME_BYTES && long.ends_with("ä.gz"), "{long}");
        let odd = file_name(&format!("a.{}", "x".repeat(300)));
        assert_eq!(odd.len(), MAX_FILE_NAME_BYTES);
        for name in [long, odd, "con".to_owned(), "..a/b".to_owned(), "x. ".repeat(200)] {
            let once = file_name(&name);
            assert_eq!(file_name(&once), once);
        }
    }
}
