//! A filter on a socket, so that a flood of what is nobody's and does not look like QUIC ends in the
//! system: to be woken for a packet and to read it, only to drop it, costs many times what the
//! filter does. Linux alone has one that needs no rights.

use std::{collections::HashSet, io, net::UdpSocket};

use socket2::{SockFilter, SockRef};

use crate::net::punch::Tag;

/// With more tags than these everything arrives: each is one instruction, and one jump must pass
/// over all of them, which is over 255 at most.
const MAX_TAGS: u8 = 250;

/// The payload's place: after the header, with which the system begins to count (8 bytes, RFC 768).
const PAYLOAD: u32 = 8;

// Instructions of classic BPF, as <linux/filter.h> numbers them. Load a byte, or four in network
// order; where the packet ends before them, it does not arrive.
const LOAD_BYTE: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
// Compare, and if it is so pass over some instructions.
const IF_ANY_BIT: u16 = 0x45;
const IF_EQUAL: u16 = 0x15;
// So many bytes of the packet arrive.
const RETURN: u16 = 0x06;

/// From now on nothing arrives at this socket but QUIC and what begins with one of these tags. Of
/// packets that the system joined (GRO, `udp(7)`) the first decides: one who sends packets in
/// another's name can have some of that one's go by as well, as on any way that loses some.
///
/// # Errors
///
/// The system's; then everything arrives.
pub(super) fn attach(socket: &UdpSocket, tags: &HashSet<Tag>) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.attach_filter(&program(tags)).inspect_err(|_| {
        // What was attached before would keep out what is expected now.
        let _ = socket.detach_filter();
    })
}

fn program(tags: &HashSet<Tag>) -> Vec<SockFilter> {
    let arrives = SockFilter::new(RETURN, 0, 0, u32::MAX);
    let Some(count) = u8::try_from(tags.len()).ok().filter(|count| *count <= MAX_TAGS) else {
        return vec![arrives];
    };
    let mut program = vec![
        SockFilter::new(LOAD_BYTE, 0, 0, PAYLOAD),
        SockFilter::new(IF_ANY_BIT, count + 2, 0, 0xc0),
        SockFilter::new(LOAD_WORD, 0, 0, PAYLOAD),
    ];
    let after = (1..=count).rev();
    program.extend(
        after
            .zip(tags)
            .map(|(after, tag)| SockFilter::new(IF_EQUAL, after, 0, u32::from_be_bytes(*tag))),
    );
    program.extend([SockFilter::new(RETURN, 0, 0, 0), arrives]);
    program
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// So many are sent before they are read: they wait in the socket's buffer.
    const AT_ONCE: usize = 64;

    /// Which of these arrive.
    fn arriving<'a>(local: &str, tags: &HashSet<Tag>, datagrams: &[&'a [u8]]) -> Vec<&'a [u8]> {
        const LAST: &[u8] = b"\xffthe last";
        let [from, to] = [local, local].map(|local| UdpSocket::bind(local).unwrap());
        attach(&to, tags).unwrap();
        to.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut buffer, mut all) = ([0; 64], Vec::new());
        for some in datagrams.chunks(AT_ONCE) {
            for datagram in some.iter().chain([&LAST]) {
                from.send_to(datagram, to.local_addr().unwrap()).unwrap();
            }
            all.extend(std::iter::from_fn(|| {
                let length = to.recv(&mut buffer).unwrap();
                let sent = some.iter().find(|sent| **sent == &buffer[..length]).copied();
                assert!(sent.is_some() || buffer[..length] == *LAST);
                sent
            }));
        }
        all
    }

    #[test]
    fn quic_and_what_is_expected_arrive_and_nothing_else() {
        let all: [&[u8]; 9] = [
            b"\x40 short header",
            b"\xc0 long header",
            b"\x80",
            b"\x01tag and more",
            b"\x3fTAG",
            b"\x01taf and more",
            b"\x01ta",
            b"",
            b" \x01tag",
        ];
        for local in ["127.0.0.1:0", "[::1]:0"] {
            assert_eq!(arriving(local, &[*b"\x01tag", *b"\x3fTAG"].into(), &all), all[..5]);
            assert_eq!(arriving(local, &HashSet::new(), &all), all[..3]);
        }
    }

    #[test]
    fn so_many_tags_are_told_apart_and_with_more_all_arrive() {
        let tag = |number: u16| {
            let [high, low] = number.to_be_bytes();
            [0, high, low, 0]
        };
        for (count, strange) in [(MAX_TAGS.into(), false), (u16::from(MAX_TAGS) + 1, true)] {
            let tags: Vec<_> = (1..=count).map(tag).collect();
            let all: Vec<_> = tags.iter().map(Tag::as_slice).collect();
            let set = tags.iter().copied().collect();
            assert_eq!(arriving("127.0.0.1:0", &set, &all), all);
            assert_eq!(!arriving("127.0.0.1:0", &set, &[&tag(0)]).is_empty(), strange);
        }
    }
}
