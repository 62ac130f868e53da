//! Voice notes: how long one is and how loud, which travels with its offer. The note itself is an
//! ordinary file: Ogg Opus (RFC 7845), which any player plays.

use serde::{Deserialize, Serialize};

#[cfg(feature = "voice")]
pub mod codec;
#[cfg_attr(not(feature = "voice"), path = "voice/absent.rs")]
pub mod device;

/// The media type of a voice note.
pub const MEDIA_TYPE: &str = "audio/ogg";

/// The longest voice note, in milliseconds.
pub const MAX_MILLIS: u32 = 10 * 60 * 1000;

/// The most parts of its time of which it is said how loud they are.
pub const MAX_LEVELS: usize = 64;

/// How long a voice note is, and how loud over its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Said")]
pub struct Voice {
    millis: u32,
    levels: Vec<u8>,
}

/// The same, as somebody else says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    millis: u32,
    levels: Vec<u8>,
}

impl Voice {
    /// A voice note of so many milliseconds, at most [`MAX_MILLIS`] and not 0. Its levels, at least
    /// one and at most [`MAX_LEVELS`], are the loudest sample of each of as many equal parts of its
    /// time; 255 is the loudest that there is. None if it is not so.
    pub fn new(millis: u32, levels: Vec<u8>) -> Option<Self> {
        let is_one = (1..=MAX_MILLIS).contains(&millis) && (1..=MAX_LEVELS).contains(&levels.len());
        is_one.then_some(Self { millis, levels })
    }

    /// How long it is, in milliseconds.
    pub fn millis(&self) -> u32 {
        self.millis
    }

    /// How loud each part of its time is.
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// Levels of so many parts at most, relative to the loudest of all, which becomes 255.
    pub fn shape(&self, parts: usize) -> Vec<u8> {
        let loudest = u16::from(self.levels.iter().copied().max().unwrap_or(0)).max(1);
        let relative = |level: u8| u8::try_from(u16::from(level) * 255 / loudest).unwrap_or(255);
        squeezed(&self.levels, parts).into_iter().map(relative).collect()
    }
}

impl TryFrom<Said> for Voice {
    type Error = &'static str;

    fn try_from(said: Said) -> Result<Self, Self::Error> {
        Self::new(said.millis, said.levels).ok_or("this is no voice note")
    }
}

/// The loudest of each of so many equal parts; all of them if there are no more.
pub fn squeezed(levels: &[u8], parts: usize) -> Vec<u8> {
    let parts = parts.min(levels.len());
    let at = |part: usize| part * levels.len() / parts;
    let loudest = |part| levels.get(at(part)..at(part + 1)).and_then(|l| l.iter().max().copied());
    (0..parts).filter_map(loudest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_voice_note_is_none() {
        assert!(Voice::new(1, vec![0]).is_some());
        assert!(Voice::new(MAX_MILLIS, vec![255; MAX_LEVELS]).is_some());
        assert_eq!(Voice::new(0, vec![0]), None);
        assert_eq!(Voice::new(MAX_MILLIS + 1, vec![0]), None);
        assert_eq!(Voice::new(1000, vec![]), None);
        assert_eq!(Voice::new(1000, vec![0; MAX_LEVELS + 1]), None);
        let json = |text| serde_json::from_str::<Voice>(text).ok();
        assert_eq!(json(r#"{"millis":5,"levels":[1,2]}"#), Voice::new(5, vec![1, 2]));
        for wrong in [
            r#"{"millis":0,"levels":[1]}"#,
            r#"{"millis":5,"levels":[]}"#,
            r#"{"millis":5,"levels":[256]}"#,
            r#"{"millis":5,"levels":[1],"text":""}"#,
            r#"{"millis":5}"#,
        ] {
            assert_eq!(json(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn fewer_parts_keep_what_is_loud() {
        assert_eq!(squeezed(&[1, 9, 2, 3, 8, 1], 3), [9, 3, 8]);
        assert_eq!(squeezed(&[1, 2, 3, 4, 5], 2), [2, 5]);
        assert_eq!(squeezed(&[1, 2], 5), [1, 2]);
        assert!(squeezed(&[], 5).is_empty() && squeezed(&[1], 0).is_empty());
        let voice = Voice::new(1000, vec![10, 20, 5]).unwrap();
        assert_eq!(voice.shape(9), [127, 255, 63]);
        assert_eq!(Voice::new(1000, vec![0; 4]).unwrap().shape(2), [0, 0]);
    }
}
