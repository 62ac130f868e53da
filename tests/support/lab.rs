//! A network of its own: hosts are network namespaces on one bridge, no packet leaves them.
//!
//! The test program runs itself again inside fresh mount, process and network namespaces, with its
//! own `/run` and `/dev/shm`. When it ends, however it ends, the kernel takes everything in there
//! away: processes, interfaces, captures. So there is nothing to sweep up after a crash.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Set inside.
const INSIDE: &str = "ENTRENOUS_INSIDE_LAB";

/// What a laboratory needs on this machine.
const TOOLS: [(&str, &str, &str); 6] = [
    ("unshare", "--version", "util-linux"),
    ("ip", "-V", "iproute2"),
    ("nft", "-v", "nftables"),
    ("tcpdump", "--version", "tcpdump"),
    ("faketime", "--version", "faketime"),
    ("mount", "--version", "util-linux"),
];

/// Goes on with this program, from its beginning, where laboratories can be made. Returns there,
/// or with an error that says exactly what is missing.
pub fn enter() -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    for (tool, version, package) in TOOLS {
        if output(Command::new(tool).arg(version)).is_err() {
            return Err(format!("`{tool}` is missing (package {package})"));
        }
    }
    let user = output(Command::new("id").arg("-u"))?;
    let mut flags: Vec<&str> = vec!["--net", "--mount", "--pid", "--fork", "--kill-child"];
    if user.trim() != "0" {
        flags.extend(["--user", "--map-root-user"]);
    }
    // faketime names its shared memory by process id, which is the same in here again and again.
    let setup = "mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir /run/netns \
                 && mount -t tmpfs tmpfs /dev/shm && ip link set lo up";
    let probe = format!("{setup} && ip netns add probe && ip netns exec probe nft list ruleset");
    output(Command::new("unshare").args(&flags).args(["sh", "-c", &probe])).map_err(|e| {
        format!("network namespaces cannot be made (root, or user namespaces, are needed): {e}")
    })?;
    // Whoever ends this process ends all of it: nothing of it stands outside.
    let error = Command::new("unshare")
        .args(&flags)
        .args(["sh", "-c", &format!("{setup} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().map_err(|e| e.to_string())?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error.to_string())
}

/// Whether packets can be recorded, or why not.
pub fn can_capture() -> Result<(), String> {
    let groups = std::fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
    if groups.trim() == "deny" {
        return Err("tcpdump drops groups when it starts, which the kernel denies in the user \
                    namespace of an ordinary user"
            .to_owned());
    }
    Ok(())
}

/// Whether a host's cable can be made slow, or why not.
pub fn can_limit() -> Result<(), String> {
    let limit = ["qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "4kb"];
    output(Command::new("tc").args(limit).args(["latency", "10ms"]))?;
    output(Command::new("tc").args(["qdisc", "del", "dev", "lo", "root"])).map(drop)
}

/// Which addresses the hosts of a laboratory have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4, and the link-local IPv6 address that an interface gets by itself.
    Both,
    /// IPv6 alone, beyond the link-local one.
    Ipv6,
}

/// A LAN: a bridge and its hosts.
pub struct Lab {
    switch: String,
    pub hosts: Vec<String>,
}

impl Lab {
    /// A LAN with this many hosts.
    pub fn new(hosts: u8, addresses: Addresses) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let switch = format!("s{number}");
        add_namespace(&switch);
        run(&format!("ip -n {switch} link add br0 type bridge mcast_snooping 0"));
        run(&format!("ip -n {switch} link set br0 up"));
        let mut names = Vec::new();
        for host in 1..=hosts {
            let name = format!("h{number}-{host}");
            add_namespace(&name);
            run(&format!(
                "ip link add eth0 netns {name} type veth peer name p{host} netns {switch}"
            ));
            run(&format!("ip -n {switch} link set p{host} master br0 up"));
            run(&format!("ip -n {name} link set eth0 up"));
            match addresses {
                Addresses::Both => {
                    run(&format!("ip -n {name} addr add 10.77.0.{host}/24 dev eth0"));
                    run(&format!("ip -n {name} route add default via 10.77.0.254"));
                }
                Addresses::Ipv6 => {
                    run(&format!("ip -n {name} addr add fd77::{host}/64 dev eth0 nodad"));
                }
            }
            names.push(name);
        }
        Self { switch, hosts: names }
    }

    /// Pulls the host's cable, or plugs it in again.
    pub fn cable(&self, host: usize, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        run(&format!("ip -n {} link set p{} {state}", self.switch, host + 1));
    }

    /// The host sends so many bytes a second at most, all headers included.
    pub fn limit(&self, host: usize, bytes_per_second: u64) {
        let rate = bytes_per_second * 8;
        let bucket = "burst 32kb latency 50ms";
        run(&format!(
            "tc -n {} qdisc add dev eth0 root tbf rate {rate}bit {bucket}",
            self.hosts[host]
        ));
    }

    /// The switch drops every packet, silently, or passes them again.
    pub fn silence(&self, silent: bool) {
        self.rules(if silent { "ether type { ip, ip6 } drop" } else { "" });
    }

    /// The hosts and the switch carry jumbo frames, but no TCP, which is the system's matter. No
    /// packets are put together, as else the switch would see none that is too long.
    pub fn carry_jumbo_frames(&self) {
        self.rules("meta l4proto tcp drop");
        for (at, host) in self.hosts.iter().enumerate() {
            run(&format!("ip -n {} link set p{} mtu 9000", self.switch, at + 1));
            run(&format!("ip -n {host} link set eth0 mtu 9000 gso_max_segs 1"));
        }
    }

    /// The switch drops every packet that is longer than Ethernet's usual frames, silently.
    pub fn drop_jumbo_frames(&self) {
        self.rules("meta l4proto tcp drop\n meta length > 1514 counter drop");
    }

    /// How many packets it has dropped for that.
    pub fn dropped_jumbo_frames(&self) -> u64 {
        let rules = run(&format!("ip netns exec {} nft list table bridge lab", self.switch));
        let number = rules.split("counter packets ").nth(1).unwrap();
        number.split(' ').next().unwrap().parse().unwrap()
    }

    /// The switch drops UDP, except mDNS.
    pub fn drop_udp(&self) {
        self.rules("meta l4proto udp udp dport != 5353 drop");
    }

    fn rules(&self, rule: &str) {
        let rules = format!(
            "table bridge lab {{ chain forward {{ type filter hook forward priority 0; }}; }}\n\
             flush table bridge lab\n\
             table bridge lab {{ chain forward {{ {rule}\n }}; }}\n"
        );
        run(&format!("ip netns exec {} nft '{rules}'", self.switch));
    }

    /// Bytes that the host has received and sent on its interface.
    pub fn traffic(&self, host: usize) -> (u64, u64) {
        let text = run(&format!("ip netns exec {} cat /proc/net/dev", self.hosts[host]));
        let line = text.lines().find_map(|l| l.trim().strip_prefix("eth0:")).unwrap();
        let fields: Vec<u64> = line.split_whitespace().map(|f| f.parse().unwrap()).collect();
        (fields[0], fields[8])
    }

    /// Records everything that crosses the switch, until the capture is finished.
    pub fn capture(&self, file: &Path) -> Capture {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.switch, "tcpdump", "-i", "br0", "-s", "0", "-U", "-w"])
            .arg(file)
            .args(["-B", "16384", "-Z", "root"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let capture = Capture { child, file: file.to_owned() };
        // The file's header is written once the capture has begun.
        wait_for("the capture begins", || file.metadata().is_ok_and(|m| m.len() >= 24));
        capture
    }

    /// Runs a command on a host.
    pub fn on(&self, host: usize, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.hosts[host]))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.switch]) {
            let _ = output(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

/// A running `tcpdump`.
pub struct Capture {
    child: Child,
    file: std::path::PathBuf,
}

impl Capture {
    /// Waits until this is in it, and gives the bytes so far.
    #[track_caller]
    pub fn shows(&self, marker: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        wait_for("the capture shows it", || {
            bytes = std::fs::read(&self.file).unwrap();
            contains(&bytes, marker)
        });
        bytes
    }

    /// Ends it, once this was seen in it, and gives the bytes.
    #[track_caller]
    pub fn finish(mut self, marker: &[u8]) -> Vec<u8> {
        let bytes = self.shows(marker);
        let _ = self.child.kill();
        let _ = self.child.wait();
        bytes
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the bytes occur.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Polls until the condition holds.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + super::PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes a namespace with its loopback.
pub(super) fn add_namespace(name: &str) {
    run(&format!("ip netns add {name}"));
    run(&format!("ip -n {name} link set lo up"));
    // Duplicate address detection takes seconds, in which an address can't be used. Where the
    // kernel has a switch look at IP like a router, it is one no more.
    run(&format!(
        "ip netns exec {name} sh -c 'for f in all default; do \
         echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done; \
         for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do \
         test ! -e $f || echo 0 > $f; done'"
    ));
}

/// This very test program, run again in a namespace with this in its environment.
pub fn again(namespace: &str, variable: &str, role: &str) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace])
        .arg(std::env::current_exe().unwrap())
        .env(variable, role)
        .stdin(Stdio::null());
    command
}

/// Runs a command line, which must succeed.
#[track_caller]
pub fn run(line: &str) -> String {
    output(Command::new("sh").args(["-c", line])).unwrap_or_else(|e| panic!("{line}: {e}"))
}

/// Runs a command, and gives its standard output.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}
