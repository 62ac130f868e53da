//! How fast one stream is over loopback: our QUIC transport, libp2p-quic, and quinn alone, each
//! in turn and in one run, so that they are comparable. Prints megabytes a second of each round,
//! the medians and the ratios.
//!
//! `cargo bench --bench quic -- [MIB]`, 256 unless given.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

#[path = "support/streams.rs"]
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use entrenous::net::quic;
use libp2p::{Transport, core::muxing::StreamMuxerBox, identity::Keypair};

use streams::{Any, CHUNK, theirs, through};

const ROUNDS: usize = 5;
fn ours() -> Any {
    let (others, _) = tokio::sync::mpsc::channel(1);
    let key = Keypair::generate_ed25519();
    let transport = quic::Transport::new(&key, quic::Sockets::default(), others).unwrap();
    transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed()
}

/// The same through quinn alone, with its own defaults and rustls's.
async fn through_quinn(bytes: usize) -> f64 {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server =
        quinn::ServerConfig::with_single_cert(vec![certificate.clone()], key.into()).unwrap();
    let listener = quinn::Endpoint::server(server, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = quinn::ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let dialer = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let receiver = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.accept_bi().await.unwrap();
        let (mut buffer, mut all) = (vec![0; CHUNK], 0);
        while let Some(read) = receive.read(&mut buffer).await.unwrap() {
            all += read;
        }
        send.write_all(b"!").await.unwrap();
        send.finish().unwrap();
        connection.closed().await;
        all
    });
    let connection = dialer.connect_with(client, address, "localhost").unwrap().await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let (chunk, began) = (vec![7; CHUNK], Instant::now());
    for _ in 0..bytes / CHUNK {
        send.write_all(&chunk).await.unwrap();
    }
    send.finish().unwrap();
    receive.read_exact(&mut [0]).await.unwrap();
    let rate = bytes as f64 / began.elapsed().as_secs_f64() / 1e6;
    connection.close(0_u32.into(), &[]);
    assert_eq!(receiver.await.unwrap(), bytes);
    rate
}

#[tokio::main]
async fn main() {
    // `cargo test` runs benches too; only `cargo bench` passes this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mib = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(256_usize);
    let bytes = mib * 1024 * 1024;
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(through(ours(), ours(), bytes).await);
        rates[1].push(through(theirs(), theirs(), bytes).await);
        rates[2].push(through_quinn(bytes).await);
    }
    let median = |rates: &mut Vec<f64>| {
        let all: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        println!("  {}", all.join(" "));
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    println!("{mib} MiB through one stream, MB/s:");
    let [ours, theirs, quinn] = rates.each_mut().map(median);
    println!("ours {ours:.0}, libp2p-quic {theirs:.0}, quinn {quinn:.0}");
    println!("ours / libp2p-quic {:.2}, ours / quinn {:.2}", ours / theirs, ours / quinn);
}
