//! The small part of CBOR (RFC 8949) that the protocol uses: deterministic writing that cannot
//! fail, and strict reading that checks every length before it believes it.

use minicbor::{Decoder, data::Type};

/// The bytes are not the CBOR that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invalid;

impl From<minicbor::decode::Error> for Invalid {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Writes definite lengths and shortest integers (RFC 8949 §4.2.1).
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The head of an item: its major type and number in 1, 2, 3, 5 or 9 bytes (§3).
    fn head(&mut self, major: u8, number: u64) -> &mut Self {
        let [.., c3, c2, c1, c0] = number.to_be_bytes();
        let major = major << 5;
        match number {
            0..24 => self.0.push(major | c0),
            24..0x100 => self.0.extend([major | 0x18, c0]),
            0x100..0x1_0000 => self.0.extend([major | 0x19, c1, c0]),
            0x1_0000..0x1_0000_0000 => self.0.extend([major | 0x1a, c3, c2, c1, c0]),
            _ => {
                self.0.push(major | 0x1b);
                self.0.extend(number.to_be_bytes());
            }
        }
        self
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        self.head(0, number)
    }

    pub(crate) fn bytes_head(&mut self, length: usize) -> &mut Self {
        self.head(2, length as u64)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes_head(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(3, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn array(&mut self, items: usize) -> &mut Self {
        self.head(4, items as u64)
    }

    pub(crate) fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(5, pairs as u64)
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.0.push(0xf6);
        self
    }
}

/// Reads what [`Writer`] writes, and items of later versions only to skip them.
pub(crate) struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    fn left(&self) -> usize {
        self.0.input().len().saturating_sub(self.0.position())
    }

    /// Everything was read.
    pub(crate) fn end(&self) -> Result<(), Invalid> {
        if self.left() == 0 { Ok(()) } else { Err(Invalid) }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, Invalid> {
        Ok(self.0.u64()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Invalid> {
        Ok(self.0.bytes()?)
    }

    pub(crate) fn bytes_of<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        self.bytes()?.try_into().map_err(|_| Invalid)
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Invalid> {
        Ok(self.0.str()?)
    }

    /// Whether a null stands next; it is read.
    pub(crate) fn null(&mut self) -> Result<bool, Invalid> {
        let null = self.0.datatype()? == Type::Null;
        if null {
            self.0.skip()?;
        }
        Ok(null)
    }

    /// Passes over any item whose lengths are definite (those of later versions must be so too),
    /// without recursion: a peer decides how deep it is.
    pub(crate) fn skip(&mut self) -> Result<(), Invalid> {
        let mut items: u64 = 1;
        while items > 0 {
            items -= 1;
            let inside = match self.0.datatype()? {
                Type::Array => self.0.array()?.ok_or(Invalid)?,
                Type::Map => {
                    let pairs = self.0.map()?.ok_or(Invalid)?;
                    pairs.checked_mul(2).ok_or(Invalid)?
                }
                Type::Tag => {
                    self.0.tag()?;
                    1
                }
                Type::ArrayIndef
                | Type::MapIndef
                | Type::BytesIndef
                | Type::StringIndef
                | Type::Break
                | Type::Unknown(_) => return Err(Invalid),
                Type::Bytes => {
                    self.0.bytes()?;
                    0
                }
                Type::String => {
                    self.0.str()?;
                    0
                }
                _ => {
                    self.0.skip()?;
                    0
                }
            };
            // Each takes a byte at least.
            items =
                items.checked_add(inside).filter(|n| *n <= self.left() as u64).ok_or(Invalid)?;
        }
        Ok(())
    }

    /// The length of an array of at most `most` items, none shorter than `least_bytes`: no more
    /// are believed than the bytes that are left could hold.
    pub(crate) fn array(&mut self, most: usize, least_bytes: usize) -> Result<usize, Invalid> {
        let length = self.0.array()?.ok_or(Invalid)?;
        let length = usize::try_from(length).map_err(|_| Invalid)?;
        let fits = length.checked_mul(least_bytes).is_some_and(|bytes| bytes <= self.left());
        if length <= most && fits { Ok(length) } else { Err(Invalid) }
    }

    /// Reads a map with ascending unsigned keys, calling `field` for each with the reader at its
    /// value. `field` says whether it knew the key; unknown values are skipped.
    pub(crate) fn map<E: From<Invalid>>(
        &mut self,
        mut field: impl FnMut(u64, &mut Self) -> Result<bool, E>,
    ) -> Result<(), E> {
        let pairs = self.0.map().map_err(Invalid::from)?.ok_or(Invalid)?;
        let mut last = None;
        // Every pair takes two bytes at least, so a false length ends at the end of the input.
        for _ in 0..pairs {
            let key = self.uint()?;
            if last.is_some_and(|last| key <= last) {
                return Err(Invalid.into());
            }
            last = Some(key);
            if !field(key, self)? {
                self.skip()?;
            }
        }
        Ok(())
    }

    /// The same for a map whose keys are texts, in the order of DAG-CBOR: the shorter first, then
    /// by their bytes.
    pub(crate) fn text_map(
        &mut self,
        mut field: impl FnMut(&str, &mut Self) -> Result<bool, Invalid>,
    ) -> Result<(), Invalid> {
        let pairs = self.0.map()?.ok_or(Invalid)?;
        let mut last: Option<&str> = None;
        for _ in 0..pairs {
            let key = self.text()?;
            if last.is_some_and(|last| (key.len(), key) <= (last.len(), last)) {
                return Err(Invalid);
            }
            last = Some(key);
            if !field(key, self)? {
                self.skip()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_the_shortest_and_read_back() {
        // RFC 8949 appendix A.
        for (number, hex) in [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (100, "1864"),
            (1000, "1903e8"),
            (1_000_000, "1a000f4240"),
            (1_000_000_000_000, "1b000000e8d4a51000"),
            (u64::MAX, "1bffffffffffffffff"),
        ] {
            let mut writer = Writer::default();
            writer.uint(number);
            assert_eq!(hex::encode(&writer.0), hex);
            assert_eq!(Reader::new(&writer.0).uint(), Ok(number));
        }
    }

    #[test]
    fn a_claimed_length_is_not_believed() {
        // An array of 1,000,000 items, none of which is there; then one within `most`.
        assert_eq!(Reader::new(&[0x9a, 0x00, 0x0f, 0x42, 0x40]).array(10, 1), Err(Invalid));
        assert_eq!(Reader::new(&[0x9a, 0x00, 0x0f, 0x42, 0x40]).array(10_000_000, 1), Err(Invalid));
        assert_eq!(
            Reader::new(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]).array(10, 2),
            Err(Invalid)
        );
        // Bytes of 4 GiB.
        assert_eq!(Reader::new(&[0x5a, 255, 255, 255, 255, 1]).bytes(), Err(Invalid));
        // A map of 2^64 - 1 pairs.
        let map = [0xbb, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1];
        assert_eq!(Reader::new(&map).map(|_, _| Ok::<_, Invalid>(false)), Err(Invalid));
    }

    #[test]
    fn indefinite_lengths_are_refused() {
        assert_eq!(Reader::new(&[0x9f, 0xff]).array(10, 0), Err(Invalid));
        assert_eq!(Reader::new(&[0x5f, 0xff]).bytes(), Err(Invalid));
        assert_eq!(Reader::new(&[0xbf, 0xff]).map(|_, _| Ok::<_, Invalid>(false)), Err(Invalid));
    }

    #[test]
    fn what_is_skipped_keeps_to_the_same_rules() {
        let skip = |bytes: &[u8]| {
            let mut r = Reader::new(bytes);
            r.skip().and_then(|()| r.end())
        };
        for good in [
            &[0x00][..],
            &[0x38, 0x63],                   // -100
            &[0x82, 0x01, 0x81, 0xf6],       // [1, [null]]
            &[0xa1, 0x61, b'a', 0x42, 1, 2], // {"a": 2 bytes}
            &[0xc1, 0x1a, 0, 0, 0, 1],       // a time
            &[0xf9, 0x3c, 0x00],             // 1.0
            &[0xf5],
            &[0xf0], // a simple value
        ] {
            assert_eq!(skip(good), Ok(()), "{good:x?}");
            assert_eq!(skip(&good[..good.len() - 1]), Err(Invalid), "{good:x?}, cut");
        }
        for bad in [
            &[0x9f, 0xff][..],
            &[0xbf, 0xff],
            &[0x5f, 0x41, 0x00, 0xff],
            &[0x7f, 0x61, b'a', 0xff],
            &[0x81, 0x9f, 0xff],       // within an array
            &[0xa1, 0x01, 0x5f, 0xff], // and a map
            &[0xc1, 0x9f, 0xff],       // and behind a tag
            &[0xff],
            &[0x61, 0xff], // no UTF-8
            &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1],
            &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1],
        ] {
            assert_eq!(skip(bad), Err(Invalid), "{bad:x?}");
        }
        // 100,000 arrays within each other.
        assert_eq!(skip(&[vec![0x81; 100_000], vec![0x00]].concat()), Ok(()));
    }

    #[test]
    fn keys_ascend() {
        for map in [&[0xa2, 1, 0, 1, 0][..], &[0xa2, 2, 0, 1, 0]] {
            assert_eq!(Reader::new(map).map(|_, _| Ok::<_, Invalid>(false)), Err(Invalid));
        }
        assert_eq!(Reader::new(&[0xa2, 1, 0, 2, 0]).map(|_, _| Ok::<_, Invalid>(false)), Ok(()));
        for map in [&b"\xa2\x61a\x00\x61a\x00"[..], b"\xa2\x62aa\x00\x61b\x00"] {
            assert_eq!(Reader::new(map).text_map(|_, _| Ok(false)), Err(Invalid));
        }
        assert_eq!(Reader::new(b"\xa2\x61b\x00\x62aa\x00").text_map(|_, _| Ok(false)), Ok(()));
    }
}
