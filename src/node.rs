//! The networking task: owns the store, the network and the sessions.

pub mod api;
