//! A node that lies about other nodes: it takes whatever it is given, has nothing, and when it is
//! asked who is closer it makes them up, others each time, or names nobody but those who lie too.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    kad::{KBucketKey, RecordKey},
    request_response::{self, ProtocolSupport},
};
use prost::Message as _;

/// As many are named in an answer as is the custom.
const NAMED: usize = 20;

/// Of so many made up for a question, those closest to what is asked for are named.
const MADE_UP: usize = 256;

/// Those made up are in here, at addresses that many could have.
pub const NOWHERE: &str = "45.0.0.0/8";

/// `PUT_VALUE` of the protocol.
const PUT_VALUE: i32 = 0;

/// <https://github.com/libp2p/specs/blob/master/kad-dht/README.md#rpc-messages>
#[derive(Clone, prost::Message)]
pub struct Message {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    record: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    closer: Vec<Peer>,
}

#[derive(Clone, prost::Message)]
struct Peer {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addresses: Vec<Vec<u8>>,
}

pub type Behaviour = request_response::Behaviour<Codec>;

pub fn behaviour(protocol: StreamProtocol) -> Behaviour {
    let config = request_response::Config::default();
    Behaviour::with_codec(Codec, [(protocol, ProtocolSupport::Inbound)], config)
}

/// What is answered by one of these.
pub fn answer(question: &Message, liars: &[(PeerId, Multiaddr)], invents: bool) -> Message {
    if question.kind == PUT_VALUE {
        return question.clone();
    }
    let wanted = KBucketKey::new(RecordKey::new(&question.key));
    let mut named: Vec<(PeerId, Multiaddr)> = if invents {
        (0..MADE_UP).map(|_| (PeerId::random(), anywhere())).collect()
    } else {
        liars.to_vec()
    };
    named.sort_by_key(|(peer, _)| wanted.distance(&KBucketKey::from(*peer)));
    named.truncate(NAMED);
    let closer = named
        .into_iter()
        .map(|(peer, address)| Peer { id: peer.to_bytes(), addresses: vec![address.to_vec()] });
    Message {
        kind: question.kind,
        key: question.key.clone(),
        record: None,
        closer: closer.collect(),
    }
}

fn anywhere() -> Multiaddr {
    let [a, b, c]: [u8; 3] = rand::random();
    format!("/ip4/45.{a}.{b}.{c}/udp/4001/quic-v1").parse().unwrap()
}

/// One message each way, each after its length.
#[derive(Debug, Clone)]
pub struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Message;
    type Response = Message;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Message>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut length = 0;
        for shift in [0, 7, 14] {
            let mut byte = [0];
            io.read_exact(&mut byte).await?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut bytes = vec![0; length];
        io.read_exact(&mut bytes).await?;
        Message::decode(&*bytes).map_err(io::Error::other)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Message>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Message,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Message,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&answer.encode_length_delimited_to_vec()).await
    }
}
