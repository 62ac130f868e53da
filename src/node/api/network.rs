//! The state of the network.

use serde::{Deserialize, Serialize};

/// The state of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// This start's throwaway libp2p key.
    pub peer_id: String,
    /// Addresses listened on.
    pub listen: Vec<String>,
    /// Addresses that others were seen to reach.
    pub external: Vec<String>,
    /// Addresses at which the router lets everybody in.
    pub mapped: Vec<String>,
    /// What is known of the NAT.
    pub nat: Nat,
    /// What is known of the DHT.
    pub dht: Dht,
    /// Links that stand.
    pub links: u32,
    /// Bytes received since the start.
    pub bytes_in: u64,
    /// Bytes sent since the start.
    pub bytes_out: u64,
    /// What the network may be used for.
    pub scope: Scope,
}

/// What is known of the NAT; `"unknown"` until it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nat {
    /// How it maps.
    pub mapping: String,
    /// Whom it was seen to let in: `endpoint-independent`: somebody to whom nothing was sent;
    /// `address-dependent`: from an address that something was sent to, another port. Else
    /// `unknown`: how strict it is nobody can see who is alone.
    pub filtering: String,
    /// By what the router maps ports: `PCP`, `NAT-PMP`, `UPnP` or `none`; `behind another NAT`:
    /// that would be of no use; `not asked`: there is no need, or only the local network is used.
    pub port_mapping: String,
}

impl Default for Nat {
    fn default() -> Self {
        let unknown = || "unknown".to_owned();
        Self { mapping: unknown(), filtering: unknown(), port_mapping: unknown() }
    }
}

/// How many nodes of each DHT are linked, and whether this program is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Dht {
    /// The project's own.
    pub own: u32,
    /// The public one.
    pub public: u32,
    /// Whether this program serves the own one.
    pub serves: bool,
}

/// What the network may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Nothing: no socket is opened.
    Offline,
    /// Private, link-local and loopback addresses.
    LanOnly,
    /// Everything.
    #[default]
    Everywhere,
}
