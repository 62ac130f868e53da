//! Strangers: they cost a bounded amount of memory, no disk, and nobody's chat.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use entrenous::session::Session;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Victim,
    attacker::{Person, Talk, Wire},
    support::{PATIENCE, fetch::MIB, measured_or},
};

fn noise(rng: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_a_link_ends_it_without_a_word() {
    let mut victim = Victim::new();
    let mut rng = StdRng::seed_from_u64(1);
    let [quic, tcp] = victim.addresses();
    let mut cases: Vec<Vec<u8>> =
        [1, 31, 32, 33, 64, 4096, 100_000, 1 << 20].map(|length| noise(&mut rng, length)).to_vec();
    // The greatest length that a prefix of any width could say.
    cases.push(vec![0xff; 4096]);
    cases.push(vec![0; 4096]);
    for (number, bytes) in cases.iter().enumerate() {
        let address = if number % 2 == 0 { &quic } else { &tcp };
        let Some(mut wire) = Wire::open(address).await else { panic!("no link {number}") };
        wire.write(bytes).await;
        let told = wire.read_to_end().await;
        assert!(told.len() <= 4096, "case {number}: {} bytes told", told.len());
    }
    victim.is_unharmed(48 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hail_by_nobody_is_answered_like_any_other_and_learns_nothing() {
    let mut victim = Victim::new();
    let [quic, _] = victim.addresses();
    let person = Person::new();
    for _ in 0..5 {
        let mut talk = Talk::begin(&quic, person.as_stranger()).await;
        assert!(talk.established().await.is_none());
    }
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_and_bent_handshakes_end_in_silence() {
    let mut victim = Victim::new();
    let [quic, _] = victim.addresses();
    let person = Person::new();
    let mut rng = StdRng::seed_from_u64(2);
    for case in 0..12 {
        let Some(mut wire) = Wire::open(&quic).await else { panic!("no link {case}") };
        let rng_of_session = rand::make_rng::<rand::rngs::StdRng>();
        let now = Instant::now();
        let mut session = Session::dial(person.as_stranger(), wire.ids(), now, rng_of_session);
        // What an honest program would say first, cut short or with a byte bent.
        let mut first = session.poll_transmit().unwrap();
        if case % 2 == 0 {
            first.truncate(rng.random_range(0..first.len()));
        } else {
            let at = rng.random_range(0..first.len());
            first[at] ^= 1 << rng.random_range(0..8_u8);
        }
        wire.write(&first).await;
        // Then its end, or nothing at all: the victim has a deadline of its own.
        if case % 3 == 0 {
            let _ = futures::AsyncWriteExt::close(&mut wire.link.stream).await;
        }
        let told = wire.read_to_end().await;
        assert!(told.len() <= 4096, "case {case}: {} bytes told", told.len());
    }
    victim.is_unharmed(32 * MIB);
}

#[test]
fn who_connects_and_says_nothing_keeps_nobody_out() {
    let mut victim = Victim::new();
    let [_, tcp] = victim.addresses();
    let port = tcp.rsplit('/').next().unwrap().parse::<u16>().unwrap();
    // They hold on as long as they may, and come again; now and then one says a byte.
    let mut held: Vec<TcpStream> = Vec::new();
    for number in 0..300 {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            if number % 3 == 0 {
                let _ = stream.write_all(b"\x13");
            }
            held.push(stream);
        }
    }
    victim.is_unharmed(48 * MIB);
    // The friend, gone and back, gets in among them.
    let began = Instant::now();
    victim.friend.kill();
    victim.friend = victim.profiles.1.start();
    let of_victim = crate::support::profile::id(&victim.process);
    crate::support::profile::wait_online(&victim.friend, &of_victim);
    println!("back among 300 silent ones after {:?}", began.elapsed());
    victim.is_unharmed(48 * MIB);
    drop(held);
}

#[test]
fn ten_thousand_connections_are_borne() {
    let mut victim = Victim::new();
    let [_, tcp] = victim.addresses();
    let port = tcp.rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let count = measured_or(10_000, 2_000);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut rng = StdRng::seed_from_u64(3);
    let (mut made, mut last) = (0, Vec::new());
    for number in 0..count {
        if Instant::now() > deadline {
            break;
        }
        let address = ([127, 0, 0, 1], port).into();
        let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { continue };
        made += 1;
        match number % 4 {
            // Says what a multistream dialer would, and goes on with garbage.
            0 => {
                let _ = stream.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n");
                let _ = stream.write_all(&noise(&mut rng, 200));
            }
            1 => drop(stream.write_all(&noise(&mut rng, 1000))),
            2 => drop(stream.write_all(b"GET / HTTP/1.1\r\n\r\n")),
            _ => {}
        }
        // A hundred stand at any time.
        last.push(stream);
        if last.len() > 100 {
            last.remove(0);
        }
    }
    assert!(made > count / 2, "only {made} connections could be made");
    println!("{made} connections made");
    victim.is_unharmed(64 * MIB);
}

#[test]
fn datagrams_of_garbage_are_borne() {
    let mut victim = Victim::new();
    let port = victim.profiles.0.port().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    for number in 0..10_000_usize {
        let mut bytes = noise(&mut rng, [1, 20, 300, 1200, 1450][number % 5]);
        if number % 2 == 0 {
            // The first byte and version of a QUIC v1 Initial packet.
            bytes.splice(..bytes.len().min(5), [0xc3, 0, 0, 0, 1]);
        }
        socket.send_to(&bytes, ("127.0.0.1", port)).unwrap();
    }
    victim.is_unharmed(64 * MIB);
}

#[test]
fn a_stranger_s_connection_is_closed_in_the_end() {
    let victim = Victim::new();
    let [_, tcp] = victim.addresses();
    let port = tcp.rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut told = Vec::new();
    // At most the protocol's own greeting, then the end; a time-out is an error here.
    stream.read_to_end(&mut told).unwrap_or_else(|error| {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        0
    });
    assert!(told.len() < 100, "{told:?}");
}
