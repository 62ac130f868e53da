//! One stream through a libp2p transport.

use std::{pin::Pin, time::Instant};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxerBox, StreamMuxerExt},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
    },
    identity::Keypair,
};

/// What is written and read at a time, in bytes.
pub const CHUNK: usize = 64 * 1024;

/// Any transport.
pub type Any = Boxed<(PeerId, StreamMuxerBox)>;

/// libp2p-quic.
pub fn theirs() -> Any {
    let config = libp2p_quic::Config::new(&Keypair::generate_ed25519());
    let transport = libp2p_quic::tokio::Transport::new(config);
    transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed()
}

/// The other end of [`send`]: listens there, tells where exactly, and yields how many bytes came,
/// and what holds the connection.
pub async fn receive(
    mut listener: Any,
    at: Multiaddr,
    tell: impl FnOnce(Multiaddr),
) -> (usize, impl Send) {
    listener.listen_on(ListenerId::next(), at).unwrap();
    let mut tell = Some(tell);
    let upgrade = loop {
        let event = poll_fn(|context| Pin::new(&mut listener).poll(context)).await;
        if let TransportEvent::Incoming { upgrade, .. } = event {
            break upgrade;
        }
        if let (TransportEvent::NewAddress { listen_addr, .. }, Some(tell)) = (event, tell.take()) {
            tell(listen_addr);
        }
    };
    let (_, mut muxer) = upgrade.await.unwrap();
    let mut stream = poll_fn(|context| muxer.poll_inbound_unpin(context)).await.unwrap();
    let (mut buffer, mut all) = (vec![0; CHUNK], 0);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        all += read;
    }
    stream.write_all(b"!").await.unwrap();
    stream.close().await.unwrap();
    (all, (stream, muxer, listener))
}

/// Megabytes (10^6 bytes) a second to that address, until the other end says that all is there.
pub async fn send(mut dialer: Any, address: Multiaddr, bytes: usize) -> f64 {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let (_, mut muxer) = dialer.dial(address, options).unwrap().await.unwrap();
    let mut stream = poll_fn(|context| muxer.poll_outbound_unpin(context)).await.unwrap();
    let (chunk, began) = (vec![7; CHUNK], Instant::now());
    for _ in 0..bytes / CHUNK {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.close().await.unwrap();
    stream.read_exact(&mut [0]).await.unwrap();
    let rate = bytes as f64 / began.elapsed().as_secs_f64() / 1e6;
    poll_fn(|context| muxer.poll_close_unpin(context)).await.unwrap();
    rate
}

/// Megabytes a second through one stream over loopback.
pub async fn through(listener: Any, dialer: Any, bytes: usize) -> f64 {
    let (tell, told) = tokio::sync::oneshot::channel();
    let any = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
    let receiver = tokio::spawn(receive(listener, any, |address| tell.send(address).unwrap()));
    let rate = send(dialer, told.await.unwrap(), bytes).await;
    assert_eq!(receiver.await.unwrap().0, bytes);
    rate
}
