//! What makes a router of each kind: rules for nftables.

use std::fmt::Write as _;

use super::Nat;

/// The rules of one router: `lan0` is inside, `wan0` outside.
pub fn ruleset(nat: Nat, outside: &str) -> String {
    let (mut sets, mut before, mut after, mut forward) =
        (String::new(), String::new(), String::new(), String::new());
    match nat {
        Nat::Symmetric | Nat::SymmetricIpv6 => {
            after.push_str("oifname wan0 masquerade fully-random\n");
        }
        Nat::Counting | Nat::OtherPorts => {
            // A table of ports, as nft can't add to one; as long as an ordinary user may send
            // to the kernel at once.
            let (choose, first) = if nat == Nat::Counting {
                ("numgen inc mod 4000", 40_000)
            } else {
                ("jhash ip saddr . udp sport mod 4000 seed 0x5eed", 20_000)
            };
            let mut ports = String::new();
            for n in 0..4000 {
                let _ = write!(ports, "{n} : {}, ", first + n);
            }
            let _ = writeln!(
                after,
                "oifname wan0 meta l4proto udp snat ip to {outside} : {choose} map {{ {ports} }}"
            );
            after.push_str("oifname wan0 masquerade\n");
        }
        Nat::Firewall => {}
        _ => after.push_str("oifname wan0 masquerade\n"),
    }
    if matches!(nat, Nat::FullCone | Nat::Restricted) {
        // What an inside port has sent to may come back in.
        sets.push_str(
            "map inside { type inet_service : ipv4_addr; flags dynamic,timeout; timeout 120s; \
             size 65535; }\n\
             set allowed { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s; \
             size 65535; }\n",
        );
        forward.push_str(
            "iifname lan0 oifname wan0 meta l4proto udp update @inside { udp sport : ip saddr }\n\
             iifname lan0 oifname wan0 meta l4proto udp update @allowed { ip daddr . udp sport }\n\
             ct status dnat accept\n",
        );
        let only = if nat == Nat::Restricted { "ip saddr . udp dport @allowed" } else { "" };
        let _ = writeln!(
            before,
            "iifname != lan0 ip daddr {outside} meta l4proto udp {only} dnat ip to udp dport map @inside"
        );
    }
    let udp = if nat == Nat::UdpBlocked { "meta l4proto udp drop" } else { "" };
    let rest = match nat {
        Nat::OpenInput => "accept",
        Nat::Rejecting => "meta l4proto tcp reject with tcp reset\nreject",
        _ => "drop",
    };
    let translation = if nat == Nat::Firewall {
        String::new()
    } else {
        format!(
            "chain before {{\ntype nat hook prerouting priority dstnat;\n{before}\n}}\n\
             chain after {{\ntype nat hook postrouting priority srcnat;\n{after}\n}}"
        )
    };
    format!(
        "table ip nat {{\n{sets}\n\
         chain loss {{\ntype filter hook forward priority -50;\n}}\n\
         {translation}\n\
         chain input {{\ntype filter hook input priority 0; policy accept;\n\
         iifname != wan0 accept\nct state established,related accept\nip protocol icmp accept\n\
         {rest}\n}}\n\
         chain forward {{\ntype filter hook forward priority 0; policy drop;\n\
         {udp}\n{forward}\nct state established,related accept\niifname lan0 accept\ndrop\n}}\n}}"
    )
}

/// What a full-cone router needs beyond its rules to turn packets round.
pub fn hairpin(outside: &str) -> String {
    format!(
        "add rule ip nat before iifname lan0 ip daddr {outside} meta l4proto udp \
         dnat ip to udp dport map @inside\n\
         add rule ip nat after oifname lan0 ct status dnat ip saddr 10.0.0.0/8 snat ip to {outside}"
    )
}

/// A stateful firewall for IPv6.
pub fn ruleset_ipv6() -> &'static str {
    "table ip6 firewall {\n\
     chain input {\ntype filter hook input priority 0; policy drop;\n\
     iifname != wan0 accept\nct state established,related accept\n\
     meta l4proto ipv6-icmp accept\n}\n\
     chain forward {\ntype filter hook forward priority 0; policy drop;\n\
     ct state established,related accept\niifname lan0 accept\n\
     meta l4proto ipv6-icmp accept\n}\n}"
}
