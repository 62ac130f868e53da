//! Two replicas under everything that may happen to them: any order, loss, duplication, cuts,
//! restarts, and restoring one of them from an older copy. Whatever happened, once they can
//! exchange until quiet they show the same conversation, and nothing acknowledged is lost. And the
//! messages by which they do.

mod lives;
mod locating;
mod message;
mod page;
mod replica;
mod resend;
