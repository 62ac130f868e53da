//! Lines of bounded length from a stream of bytes.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line: room for a text of 64 KiB with every byte escaped (`\u001b`), and more.
pub const MAX_LINE: usize = 1024 * 1024;

/// A line of input, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line to parse.
    Text(String),
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line over [`MAX_LINE`]; it was skipped.
    TooLong,
}

/// Reads lines; at most [`MAX_LINE`] bytes are held.
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of this input.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new(), too_long: false }
    }

    /// The next line that is not blank, or none at the end of input. A last line without a
    /// newline counts. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.input.fill_buf().await?;
            let ended = bytes.is_empty();
            let newline = bytes.iter().position(|byte| *byte == b'\n');
            let part = newline.map_or(bytes, |at| &bytes[..at]);
            if self.line.len() + part.len() > MAX_LINE {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(newline.is_some());
            self.input.consume(used);
            if newline.is_some() || ended {
                let line = std::mem::take(&mut self.line);
                if std::mem::take(&mut self.too_long) {
                    return Ok(Some(Line::TooLong));
                }
                if !line.trim_ascii().is_empty() {
                    let text = String::from_utf8(line);
                    return Ok(Some(text.map_or(Line::NotUtf8, Line::Text)));
                }
                if ended {
                    return Ok(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines(input: &[u8], buffer: usize) -> Vec<Line> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, input));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[tokio::test]
    async fn lines_come_whole_whatever_the_reads() {
        for buffer in [1, 2, 3, 100] {
            let all = lines(b"one\n\n  \ntwo\r\n\xff\nthree", buffer).await;
            assert_eq!(all, [text("one"), text("two\r"), Line::NotUtf8, text("three")]);
        }
        assert!(lines(b"", 8).await.is_empty());
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_skipped_and_the_next_one_read() {
        let mut input = vec![b'x'; MAX_LINE];
        input.extend_from_slice(b"\n");
        input.extend(vec![b'y'; MAX_LINE + 1]);
        input.extend_from_slice(b"\nnext\n");
        let all = lines(&input, 8192).await;
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], text(&"x".repeat(MAX_LINE)));
        assert_eq!(all[1..], [Line::TooLong, text("next")]);
    }
}
