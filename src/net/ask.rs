//! Asking one node of the public DHT what it stores. libp2p's own look-ups only ask their way to
//! the nodes that are closest, anew each time, which costs a connection with each of them; where
//! these are known already, two or three are asked at the cost of a packet.
//!
//! The message: <https://github.com/libp2p/specs/blob/master/kad-dht/README.md#rpc-messages>

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};
use prost::Message as _;

use super::dht::{Dht, MAX_PACKET};

/// How long an answer may take once there is a connection; a dial ends by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The behaviour: asks, and answers nothing.
pub type Behaviour = request_response::Behaviour<Codec>;

/// What happened.
pub type Event = request_response::Event<Vec<u8>, Option<Vec<u8>>>;

/// Asks with a DHT's key; what is answered is the record's value there, if there is one.
pub fn behaviour() -> Behaviour {
    let protocol = (Dht::Public.protocol(), ProtocolSupport::Outbound);
    let config = request_response::Config::default().with_request_timeout(PATIENCE);
    Behaviour::with_codec(Codec, [protocol], config)
}

/// Type of the message that asks for a record, `GET_VALUE`.
const GET_VALUE: i32 = 1;

/// The message, as far as it is used here.
#[derive(prost::Message)]
struct Message {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    record: Option<Record>,
}

/// A record in it.
#[derive(prost::Message)]
struct Record {
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// One message each way, each after its length.
#[derive(Debug, Clone)]
pub struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Option<Vec<u8>>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Option<Vec<u8>>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = vec![0; read_length(io).await?];
        io.read_exact(&mut bytes).await?;
        let message = Message::decode(&*bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(message.record.map(|record| record.value))
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        key: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let message = Message { kind: GET_VALUE, key, record: None };
        io.write_all(&message.encode_length_delimited_to_vec()).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Option<Vec<u8>>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The length that a message begins with: a varint, of no more than [`MAX_PACKET`].
async fn read_length(io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return if length <= MAX_PACKET { Ok(length) } else { Err(too_long()) };
        }
    }
    Err(too_long())
}

fn too_long() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use libp2p::request_response::Codec as _;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let protocol = Dht::Public.protocol();
        block_on(Codec.read_response(&protocol, &mut Cursor::new(bytes)))
    }

    #[test]
    fn a_question_is_as_the_specification_has_it() {
        let mut bytes = Vec::new();
        let protocol = Dht::Public.protocol();
        block_on(Codec.write_request(&protocol, &mut bytes, b"key".to_vec())).unwrap();
        assert_eq!(bytes, b"\x07\x08\x01\x12\x03key");
    }

    #[test]
    fn an_answer_is_read_and_anything_else_is_an_error() {
        // GET_VALUE, a record of a key, a value and a time, and a node that is closer.
        let answer = b"\x19\x08\x01\x1a\x0f\x0a\x01k\x12\x05value\x2a\x03now\x42\x04\x0a\x02id";
        assert_eq!(read(answer).unwrap().unwrap(), b"value");
        assert_eq!(read(b"\x02\x08\x01").unwrap(), None);
        for length in 0..answer.len() {
            assert!(read(&answer[..length]).is_err(), "{length} bytes");
        }
        assert!(read(b"\x03\x1a\x09\x0a").is_err(), "a record longer than the message");
        assert_eq!(read(b"\xff\xff\x7f").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&[0xff; 20]).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
