//! Sanitising of everything remote, once, where it enters.

/// The longest text of one message, in bytes of UTF-8. Said to the user before sending; a longer
/// text from a peer is refused.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The longest name of a person, in bytes of UTF-8, after sanitising.
pub const MAX_NAME_BYTES: usize = 128;
