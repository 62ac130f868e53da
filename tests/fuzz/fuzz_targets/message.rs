//! A message of a session: decoded or refused; what is decoded survives being encoded again.
#![no_main]

use entrenous::sync::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(bytes)
        && !matches!(message, Message::Unknown(_))
    {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
});
