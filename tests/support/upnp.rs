//! A router that maps ports when it is asked: `miniupnpd` beside the NAT of a site.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

use super::{
    lab::{output, run, wait_for},
    nat::Internet,
};

/// What the router may be asked by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Upnp,
    /// And by PCP not even to be told that it speaks another version.
    NatPmp,
    /// And NAT-PMP, which is its predecessor at the same port.
    Pcp,
    /// By PCP, but to open its firewall for IPv6 alone: over IPv4 it is deaf.
    Pinhole,
    /// The same by UPnP, and by PCP it is deaf too.
    UpnpPinhole,
}

impl Asked {
    fn is_upnp(self) -> bool {
        matches!(self, Self::Upnp | Self::UpnpPinhole)
    }

    fn is_pinhole(self) -> bool {
        matches!(self, Self::Pinhole | Self::UpnpPinhole)
    }
}

/// Whether there can be one here, or why not.
pub fn can_map() -> Result<(), String> {
    let found = output(Command::new("miniupnpd").arg("--version"));
    found.map(drop).map_err(|_| "`miniupnpd` is missing (package miniupnpd-nftables)".to_owned())
}

/// A daemon, until it is dropped.
pub struct PortMapper {
    router: String,
    outside: String,
    asked: Asked,
    daemon: Option<Child>,
    directory: tempfile::TempDir,
}

impl PortMapper {
    /// On the router of this site, which gets a second address: the daemon takes the others, which
    /// are meant for documentation, for ones that nobody can reach.
    pub fn new(internet: &Internet, site: usize, asked: Asked) -> Self {
        let mapper = Self::claiming(internet, site, asked);
        let Self { router, outside, .. } = &mapper;
        let others = internet.sites.iter().filter_map(|site| site.routers.last());
        let others = others.filter(|other| *other != router).map(|other| (other, "wan0"));
        let public = internet.public.iter().map(|public| (&public.namespace, "eth0"));
        for (other, interface) in others.chain(public) {
            run(&format!("ip -n {other} route add {outside}/32 dev {interface}"));
        }
        run(&format!(
            "ip netns exec {router} nft insert rule ip nat after \
             oifname wan0 snat to {outside} fully-random"
        ));
        mapper
    }

    /// The same, but the router is not seen at the address that it claims: another stands before it.
    pub fn claiming(internet: &Internet, site: usize, asked: Asked) -> Self {
        let router = internet.sites[site].routers[0].clone();
        let outside = format!("203.0.{}.1", 114 + site);
        run(&format!("ip -n {router} addr add {outside}/32 dev wan0"));
        run(&format!(
            "ip netns exec {router} nft -f - <<'END'\n\
             insert rule ip nat forward ct status dnat accept\n\
             table inet mapper {{\n\
             chain mapped {{ }}\n\
             chain inwards {{ }}\n\
             chain outwards {{ }}\n\
             chain prerouting {{ type nat hook prerouting priority dstnat; jump inwards; }}\n\
             chain postrouting {{ type nat hook postrouting priority srcnat; jump outwards; }}\n\
             chain forward {{ type filter hook forward priority 0; jump mapped; }}\n\
             }}\nEND"
        ));
        if asked == Asked::NatPmp {
            // The daemon speaks both; the first byte is the version.
            run(&format!(
                "ip netns exec {router} nft insert rule ip nat input \
                 iifname lan0 udp dport 5351 @th,64,8 2 drop"
            ));
        }
        if asked.is_pinhole() {
            // Where both let it in it comes in, so the firewall's own rules move there.
            run(&format!(
                "ip netns exec {router} nft -f - <<'END'\n\
                 flush chain ip6 firewall forward\n\
                 add chain ip6 firewall forward {{ policy accept; }}\n\
                 add rule inet mapper forward meta nfproto ipv6 iifname wan0 \
                 meta l4proto {{ tcp, udp }} ct state != established,related drop\n\
                 insert rule ip nat input iifname lan0 udp dport {{ 1900, 5351 }} drop\nEND"
            ));
        }
        if asked == Asked::UpnpPinhole {
            // The daemon answers there even if it is not to. Where nothing does, that is said.
            run(&format!(
                "ip netns exec {router} nft insert rule ip6 firewall input \
                 iifname lan0 udp dport 5351 reject"
            ));
        }
        let directory = tempfile::tempdir().unwrap();
        let mut mapper = Self { router, outside, asked, daemon: None, directory };
        mapper.start();
        mapper
    }

    /// The daemon is there again, and knows nothing of before.
    pub fn start(&mut self) {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let configuration = format!(
            "ext_ifname=wan0\next_ip={}\nlistening_ip=lan0\nipv6_disable={}\n\
             force_igd_desc_v1=no\n\
             enable_upnp={}\nenable_natpmp={}\nsecure_mode=yes\nmin_lifetime=120\n\
             upnp_table_name=mapper\nupnp_nat_table_name=mapper\nupnp_forward_chain=mapped\n\
             upnp_nat_chain=inwards\nupnp_nat_postrouting_chain=outwards\n\
             uuid=6a7b1e0c-3c52-4ae5-9d8f-0d1f2c3b4a59\n\
             allow 1024-65535 10.0.0.0/8 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            self.outside,
            yes(!self.asked.is_pinhole()),
            yes(self.asked.is_upnp()),
            yes(!self.asked.is_upnp()),
        );
        let file = self.directory.path().join("conf");
        std::fs::write(&file, configuration).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let daemon = Command::new("ip")
            .args(["netns", "exec", &self.router, "miniupnpd", "-d", "-f"])
            .arg(&file)
            .arg("-P")
            .arg(self.directory.path().join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        wait_for("miniupnpd listens", || {
            let daemon = self.daemon.as_mut().unwrap();
            let ended = daemon.try_wait().unwrap();
            assert!(ended.is_none(), "miniupnpd ended: {}", self.log());
            let listening = run(&format!("ip netns exec {} ss -Hlnu", self.router));
            listening.contains(if self.asked.is_upnp() { ":1900 " } else { ":5351 " })
        });
    }

    /// The daemon ends, and nothing is mapped any more; what was begun goes on.
    pub fn forget(&mut self) {
        self.end();
        for chain in ["mapped", "inwards", "outwards"] {
            run(&format!("ip netns exec {} nft flush chain inet mapper {chain}", self.router));
        }
    }

    fn end(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Ports that are mapped now.
    pub fn mapped(&self) -> usize {
        let rules = format!("ip netns exec {} nft list chain inet mapper inwards", self.router);
        run(&rules).matches("dnat").count()
    }

    /// Pinholes that are there now.
    pub fn pinholes(&self) -> usize {
        let rules = format!("ip netns exec {} nft list chain inet mapper mapped", self.router);
        run(&rules).matches("accept").count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PortMapper {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let rules = output(Command::new("ip").args([
                "netns",
                "exec",
                &self.router,
                "nft",
                "list",
                "ruleset",
            ]));
            println!("miniupnpd:\n{}\n{rules:?}", self.log());
        }
    }
}
