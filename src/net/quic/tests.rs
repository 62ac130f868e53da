use std::{collections::HashSet, time::Instant};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn};
use libp2p::core::{
    Transport as _,
    muxing::{StreamMuxerBox, StreamMuxerExt},
    transport::{Boxed, PortUse},
};

use super::{shared::MAX_ADOPTED, *};
use crate::net::punch::{PROBE_LEN, Tag};

type Any = Boxed<(PeerId, StreamMuxerBox)>;

/// Ours, with what it shares.
struct Ours {
    transport: Any,
    peer: PeerId,
    sockets: Sockets,
    others: mpsc::Receiver<Datagram>,
}

fn ours() -> Ours {
    let (key, sockets) = (Keypair::generate_ed25519(), Sockets::default());
    let (sender, others) = mpsc::channel(MAX_DATAGRAMS);
    let transport = Transport::new(&key, sockets.clone(), sender).unwrap();
    let transport = transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed();
    Ours { transport, peer: key.public().to_peer_id(), sockets, others }
}

fn theirs() -> (Any, PeerId) {
    let key = Keypair::generate_ed25519();
    let transport = libp2p_quic::tokio::Transport::new(libp2p_quic::Config::new(&key));
    let transport = transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed();
    (transport, key.public().to_peer_id())
}

async fn listen(transport: &mut Any, address: &str) -> Multiaddr {
    transport.listen_on(ListenerId::next(), address.parse().unwrap()).unwrap();
    loop {
        let event = poll_fn(|context| Pin::new(&mut *transport).poll(context)).await;
        if let TransportEvent::NewAddress { listen_addr, .. } = event {
            return listen_addr;
        }
    }
}

fn dialer() -> DialOpts {
    DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse }
}

/// Connects the two, and returns the dialer's and the listener's end.
async fn connect(
    dialer_side: &mut Any,
    listener_side: &mut Any,
    to: Multiaddr,
) -> ((PeerId, StreamMuxerBox), (PeerId, StreamMuxerBox), Multiaddr) {
    let dial = dialer_side.dial(to, dialer()).unwrap();
    let accept = async {
        loop {
            let event = poll_fn(|context| Pin::new(&mut *listener_side).poll(context)).await;
            if let TransportEvent::Incoming { upgrade, send_back_addr, .. } = event {
                return (upgrade.await.unwrap(), send_back_addr);
            }
        }
    };
    let (dialed, (accepted, from)) = futures::join!(dial, accept);
    (dialed.unwrap(), accepted, from)
}

/// Sends some bytes one way and back.
async fn echo(dialer: &mut StreamMuxerBox, listener: &mut StreamMuxerBox) {
    let bytes = vec![7_u8; 300_000];
    let there = async {
        let mut stream = poll_fn(|context| dialer.poll_outbound_unpin(context)).await.unwrap();
        let (mut reader, mut writer) = (&mut stream).split();
        let write = async {
            writer.write_all(&bytes).await.unwrap();
            writer.close().await.unwrap();
        };
        let mut back = Vec::new();
        let read = async { reader.read_to_end(&mut back).await.unwrap() };
        futures::join!(write, read);
        assert!(back == bytes);
    };
    let back = async {
        let mut stream = poll_fn(|context| listener.poll_inbound_unpin(context)).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
        stream.close().await.unwrap();
        stream.close().await.unwrap();
    };
    futures::join!(there, back);
}

#[tokio::test]
async fn it_speaks_with_itself_and_with_libp2p_quic_both_ways() {
    for address in ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip6/::1/udp/0/quic-v1"] {
        let (mut a, mut b, (mut c, c_peer)) = (ours(), ours(), theirs());
        let a_address = listen(&mut a.transport, address).await;
        let c_address = listen(&mut c, address).await;
        for (dialer, peer) in [(&mut b.transport, b.peer), (&mut c, c_peer)] {
            let ((seen, mut dialed), (by, mut accepted), _) =
                connect(dialer, &mut a.transport, a_address.clone()).await;
            assert_eq!((seen, by), (a.peer, peer));
            echo(&mut dialed, &mut accepted).await;
        }
        let ((seen, mut dialed), (by, mut accepted), _) =
            connect(&mut b.transport, &mut c, c_address).await;
        assert_eq!((seen, by), (c_peer, b.peer));
        echo(&mut dialed, &mut accepted).await;
    }
}

/// A probe that begins with this.
fn probe(tag: Tag) -> [u8; PROBE_LEN] {
    let mut probe = [0; PROBE_LEN];
    probe[..tag.len()].copy_from_slice(&tag);
    probe
}

#[tokio::test]
async fn probes_that_are_expected_are_handed_out_and_disturb_nothing() {
    const EXPECTED: Tag = [0x3f, 1, 2, 3];
    let (mut a, mut b) = (ours(), ours());
    a.sockets.expect([EXPECTED].into());
    let address = listen(&mut a.transport, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let to = socket_address(&address).unwrap();
    let ((_, mut dialed), (_, mut accepted), _) =
        connect(&mut b.transport, &mut a.transport, address).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = socket.local_addr().unwrap();
    socket.send_to(&probe(EXPECTED), to).unwrap();
    let first = a.others.recv().await.unwrap();
    assert_eq!((first.bytes, first.from), (probe(EXPECTED), from));
    // An answer leaves from the port that QUIC listens on.
    a.sockets.listening()[0].send_to(b"back", from).unwrap();
    let mut answer = [0; 8];
    let (length, answerer) = socket.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..length], answerer), (&b"back"[..], to));
    assert_eq!(a.sockets.listening().len(), 1);

    // What is none, and far more of the others than may wait.
    socket.send_to(&probe(EXPECTED)[1..], to).unwrap();
    socket.send_to(&[&probe(EXPECTED)[..], &[0]].concat(), to).unwrap();
    for _ in 0..20 * MAX_DATAGRAMS {
        socket.send_to(&probe([0x3f, 1, 2, 4]), to).unwrap();
        socket.send_to(&probe(EXPECTED), to).unwrap();
    }
    echo(&mut dialed, &mut accepted).await;
    let mut waiting = 0;
    while let Ok(datagram) = a.others.try_recv() {
        assert_eq!(datagram.bytes, probe(EXPECTED));
        waiting += 1;
    }
    assert!((1..=MAX_DATAGRAMS).contains(&waiting), "{waiting}");
    a.sockets.expect(HashSet::new());
    socket.send_to(&probe(EXPECTED), to).unwrap();
    echo(&mut dialed, &mut accepted).await;
    assert!(a.others.try_recv().is_err(), "it is expected no more");
}

#[tokio::test]
async fn datagrams_that_came_in_one_buffer_are_told_apart() {
    let (sender, mut others) = mpsc::channel(MAX_DATAGRAMS);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let inner = TokioRuntime.wrap_udp_socket(socket).unwrap();
    let sockets = Sockets::default();
    sockets.expect([*b"\x01bbb", *b"\x02ddd"].into());
    let socket = SharedSocket::new(inner, sockets, sender);
    let [one, two] = [b"\x01bbb", b"\x02ddd"].map(|tag| probe(*tag));
    let [quic, more] = [[0x40; PROBE_LEN], [0xc0; PROBE_LEN]];
    let mut buffer = [&quic[..], &one, &more[..], &two, &quic[..7]].concat();
    let (len, stride) = (buffer.len(), PROBE_LEN);
    let mut meta = quinn::udp::RecvMeta { len, stride, ..Default::default() };
    socket.sort(&mut buffer, &mut meta);
    assert_eq!(buffer[..meta.len], [&quic[..], &more[..], &quic[..7]].concat());
    assert_eq!(others.try_recv().unwrap().bytes, one);
    assert_eq!(others.try_recv().unwrap().bytes, two);
    let mut buffer = *b"\x00";
    let mut meta = quinn::udp::RecvMeta { len: 1, stride: 0, ..Default::default() };
    socket.sort(&mut buffer, &mut meta);
    assert_eq!(meta.len, 0);
}

#[tokio::test]
async fn a_dial_leaves_from_the_listener_or_an_adopted_socket() {
    let (mut a, mut b) = (ours(), ours());
    let a_address = listen(&mut a.transport, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let b_address = listen(&mut b.transport, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let (.., from) = connect(&mut b.transport, &mut a.transport, a_address.clone()).await;
    assert_eq!(from, b_address);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap();
    b.sockets.adopt(socket, socket_address(&a_address).unwrap());
    let ((_, mut dialed), (_, mut accepted), from) =
        connect(&mut b.transport, &mut a.transport, a_address.clone()).await;
    assert_eq!(from, multiaddress(port));
    echo(&mut dialed, &mut accepted).await;
    let (.., from) = connect(&mut b.transport, &mut a.transport, a_address).await;
    assert_eq!(from, b_address, "it is used once");
}

#[test]
fn adopted_sockets_are_bounded() {
    let sockets = Sockets::default();
    for port in 0..2 * u16::try_from(MAX_ADOPTED).unwrap() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        sockets.adopt(socket, SocketAddr::from(([192, 0, 2, 1], port)));
    }
    assert_eq!(sockets.with(|shared| shared.adopted.len()), MAX_ADOPTED);
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_ends() {
    let mut a = ours();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = multiaddress(silent.local_addr().unwrap());
    let began = Instant::now();
    let error = a.transport.dial(to, dialer()).unwrap().await.err().unwrap();
    assert!(error.to_string().contains("too long"), "{error}");
    assert!(began.elapsed() < 2 * HANDSHAKE_TIMEOUT);
}

/// First packets of so many dials, none of which gets an answer.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for _ in 0..count {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = multiaddress(silent.local_addr().unwrap());
        let mut a = ours();
        let dial = tokio::spawn(a.transport.dial(to, dialer()).unwrap());
        let mut bytes = vec![0; 2000];
        let length = silent.recv(&mut bytes).await.unwrap();
        packets.push(bytes[..length].to_vec());
        dial.abort();
    }
    packets
}

#[tokio::test]
async fn whoever_does_not_show_that_he_is_there_takes_few_places() {
    let surplus = 12;
    let packets = first_packets(MAX_UNVALIDATED + surplus).await;
    let mut a = ours();
    let address = listen(&mut a.transport, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    // Whose address is on these packets hears of it, and never asked for it.
    let victim = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for packet in &packets {
        victim.send_to(packet, socket_address(&address).unwrap()).await.unwrap();
    }
    let (mut begun, mut retries) = (Vec::new(), 0);
    let mut bytes = [0; 2000];
    let until = tokio::time::sleep(HANDSHAKE_TIMEOUT / 2);
    tokio::pin!(until);
    while retries < surplus {
        tokio::select! {
            event = poll_fn(|context| Pin::new(&mut a.transport).poll(context)) => {
                if let TransportEvent::Incoming { upgrade, .. } = event {
                    begun.push(tokio::spawn(upgrade));
                }
            }
            // The type of a long header (RFC 9000, section 17.2): Retry.
            _ = victim.recv(&mut bytes) => retries += usize::from(bytes[0] & 0xf0 == 0xf0),
            () = &mut until => break,
        }
    }
    assert_eq!((begun.len(), retries), (MAX_UNVALIDATED, surplus));

    // An honest one is taken all the same.
    let (mut b, peer) = (ours(), a.peer);
    let dial = b.transport.dial(address, dialer()).unwrap();
    let accept = async {
        loop {
            let event = poll_fn(|context| Pin::new(&mut a.transport).poll(context)).await;
            if let TransportEvent::Incoming { upgrade, .. } = event {
                return upgrade.await.unwrap();
            }
        }
    };
    let (dialed, _) = futures::join!(dial, accept);
    assert_eq!(dialed.unwrap().0, peer);
}

#[tokio::test]
async fn a_removed_listener_is_closed_and_its_port_free() {
    let mut a = ours();
    let id = ListenerId::next();
    a.transport.listen_on(id, "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()).unwrap();
    assert_eq!(a.sockets.listening().len(), 1);
    assert!(a.transport.remove_listener(id));
    loop {
        let event = poll_fn(|context| Pin::new(&mut a.transport).poll(context)).await;
        if let TransportEvent::ListenerClosed { listener_id, reason } = event {
            assert_eq!(listener_id, id);
            reason.unwrap();
            break;
        }
    }
    assert!(a.sockets.listening().is_empty());
}

#[test]
fn only_quic_addresses_with_an_ip_are_understood() {
    for good in ["/ip4/1.2.3.4/udp/5/quic-v1", "/ip6/::1/udp/5/quic-v1"] {
        let address = good.parse().unwrap();
        assert_eq!(multiaddress(socket_address(&address).unwrap()), address);
        let with_peer: Multiaddr = format!("{good}/p2p/{}", PeerId::random()).parse().unwrap();
        assert_eq!(socket_address(&with_peer), socket_address(&address));
    }
    for bad in ["/ip4/1.2.3.4/udp/5", "/ip4/1.2.3.4/tcp/5", "/dns4/a.b/udp/5/quic-v1", "/memory/7"]
    {
        assert_eq!(socket_address(&bad.parse().unwrap()), None, "{bad}");
    }
}
